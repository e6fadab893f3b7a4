"""Many independent fits: blocks of problems, on disk or in memory."""
