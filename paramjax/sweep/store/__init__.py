"""Where the trainings of a population are kept: in memory, or in a file that survives a crash."""

from paramjax.sweep.store.shelf import Memory, Shelf
from paramjax.sweep.store.store import Store, StoreMismatchError
from paramjax.sweep.store.tables import DamagedError, Tables

__all__ = ["DamagedError", "Memory", "Shelf", "Store", "StoreMismatchError", "Tables"]
