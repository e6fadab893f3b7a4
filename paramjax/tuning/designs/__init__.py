"""Designs: which points of a space are tried."""
