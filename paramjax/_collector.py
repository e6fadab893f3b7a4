"""The garbage collector leaves out what was imported before the package: JAX and numpy.

They are half a million objects that live as long as the process. Every full collection walks over
them, one while our modules are imported, the last ones while the interpreter ends: 0.3 s of a
short script.
"""

from __future__ import annotations

import gc
import sys


def leave_out_imports() -> None:
    """Freeze all objects there are, as `gc.unfreeze()` undoes, but in an interactive session.

    A script imports before it makes anything. In a session there may be objects that the collector
    has yet to free, and its end need not be quick.
    """
    if not hasattr(sys, "ps1") and "IPython" not in sys.modules:
        gc.freeze()


leave_out_imports()  # before the package imports anything else
