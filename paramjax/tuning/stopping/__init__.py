"""Stopping rules: which trials go on."""
