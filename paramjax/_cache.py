"""The persistent compilation cache: on by default, moved or switched off by one variable.

`PARAMJAX_CACHE_DIR` names another folder; `PARAMJAX_CACHE_DIR=off` switches the
cache off. A cache that the user configured in JAX itself is left alone.
"""

from __future__ import annotations

import os
from pathlib import Path

import jax
from jax.experimental.compilation_cache import compilation_cache

VARIABLE = "PARAMJAX_CACHE_DIR"


def cache_dir() -> Path | None:
    """The folder of compiled programs, or None when the cache is switched off.

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
    import platformdirs  # 15 ms that a switched-off or moved cache need not pay

    return Path(platformdirs.user_cache_dir("paramjax", appauthor=False)) / "xla"


def enable_cache() -> None:
    """Let XLA keep what it compiles, unless the user decided otherwise.

    Called by `fit` and, through `prepare_starts`, by `sweep` and the benchmark before
    they compile. Does nothing
    where `jax_compilation_cache_dir` is set already or the cache is switched off.

    Example:
        >>> enable_cache()
    """
    if jax.config.jax_compilation_cache_dir is not None:  # type: ignore[attr-defined]
        return
    folder = cache_dir()
    if folder is None:
        return
    jax.config.update("jax_compilation_cache_dir", str(folder))
    jax.config.update("jax_persistent_cache_min_compile_time_secs", 0.0)
    jax.config.update("jax_persistent_cache_min_entry_size_bytes", -1)
    # JAX decides at its first compilation whether it has a cache, and that may be behind us.
    compilation_cache.reset_cache()
