"""The persistent compilation cache: on by default, moved or switched off by one variable.

`PARAMJAX_CACHE_DIR` names another folder; `PARAMJAX_CACHE_DIR=off` switches the
cache off. A cache that is configured in JAX itself is left alone.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import jax
from jax.experimental.compilation_cache import compilation_cache

VARIABLE = "PARAMJAX_CACHE_DIR"


def cache_dir() -> Path | None:
    """The folder of compiled programs, None if the cache is switched off.

    Example:
        >>> folder = cache_dir()
        >>> folder is None or folder.is_absolute()
        True
    """
    setting = os.environ.get(VARIABLE, "")
    if setting.lower() in ("off", "0", "none"):
        return None
    if setting:
        return Path(setting).expanduser().absolute()
    import platformdirs  # takes 15 ms, which a switched-off or moved cache saves

    return Path(platformdirs.user_cache_dir("paramjax", appauthor=False)) / "xla"


def enable_cache() -> None:
    """Let XLA keep what it compiles; `fit`, `sweep` and the benchmark call it before they compile.

    Does nothing if the cache is switched off or `jax_compilation_cache_dir` is set already.

    Example:
        >>> enable_cache()
    """
    config: Any = jax.config
    folder = cache_dir()
    if folder is None or config.jax_compilation_cache_dir is not None:
        return
    config.update("jax_compilation_cache_dir", str(folder))
    config.update("jax_persistent_cache_min_compile_time_secs", 0.0)
    config.update("jax_persistent_cache_min_entry_size_bytes", -1)
    # JAX decides at its first compilation whether it has a cache, and may have done so
    compilation_cache.reset_cache()
