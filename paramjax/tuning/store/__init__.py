"""The store of results: every finished chunk of a sweep, in SQLite."""
