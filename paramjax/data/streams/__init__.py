"""Streams of batches: iterators, loaders and functions of the step, read ahead by a thread."""
