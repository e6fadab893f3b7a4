"""Rules of early stopping."""
