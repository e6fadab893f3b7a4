"""The persistent compilation cache: on from import, moved or switched off by one variable.

`PARAMJAX_CACHE_DIR` names another folder; `PARAMJAX_CACHE_DIR=off` switches the
cache off. A cache that is configured in JAX itself is left alone.
"""

from __future__ import annotations

import os
import sys
import warnings
from pathlib import Path
from typing import Any

import jax
from jax.experimental.compilation_cache import compilation_cache

VARIABLE = "PARAMJAX_CACHE_DIR"

_KEPT: dict[str, tuple[Any, Any]] = {
    "jax_persistent_cache_min_compile_time_secs": (1.0, 0.0),
    "jax_persistent_cache_min_entry_size_bytes": (0, -1),
}
"""What JAX leaves out of a cache by default, and what we do, for small programs count as well."""


class CacheWarning(UserWarning):
    """Compiled programs cannot be kept, so that each process compiles them again."""


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
    return _user_cache_dir() / "paramjax" / "xla"


def _user_cache_dir() -> Path:
    """Where programs of the user keep what they can make again."""
    if sys.platform in ("win32", "darwin"):
        import platformdirs  # takes 15 ms, which others save

        return Path(platformdirs.user_cache_dir("paramjax", appauthor=False)).parent
    given = os.environ.get("XDG_CACHE_HOME", "").strip()
    return (Path(given) if given else Path("~/.cache").expanduser()).absolute()


def enable_cache() -> None:
    """Let XLA keep what it compiles, from the first program after `import paramjax` on.

    Does nothing if the cache is switched off or `jax_compilation_cache_dir` is set already.

    Warns:
        CacheWarning: If the folder cannot be written; the process goes on without a cache.

    Example:
        >>> enable_cache()
    """
    config: Any = jax.config
    if config.jax_compilation_cache_dir is not None or not config.jax_enable_compilation_cache:
        return
    try:
        folder = cache_dir()
    except RuntimeError:  # there is no home folder
        return
    if folder is None:
        return
    if not _is_writable(folder):
        warnings.warn(
            f"compiled programs are not kept, for {folder} cannot be written; {VARIABLE} names "
            "another folder, or `off`",
            CacheWarning,
            stacklevel=3,
        )
        return
    config.update("jax_compilation_cache_dir", str(folder))
    for name, (default, ours) in _KEPT.items():
        if getattr(config, name) == default:
            config.update(name, ours)
    # JAX decides at its first compilation whether it has a cache, and may have done so
    compilation_cache.reset_cache()


def _is_writable(folder: Path) -> bool:
    """Whether the folder takes new files; it is made if it is missing."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError:
        return False
    return os.access(folder, os.W_OK | os.X_OK)


enable_cache()  # as the package is imported, so that all that it compiles is kept
