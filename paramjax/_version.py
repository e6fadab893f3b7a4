"""The version of paramjax, and those of what it computes with."""

from __future__ import annotations

import importlib.metadata
import platform

__version__ = "0.1.0"

PACKAGES = (
    "jax",
    "jaxlib",
    "optax",
    "flax",
    "safetensors",
    "numpy",
    "scipy",
    "scikit-learn",
)


def versions() -> dict[str, str]:
    """Versions of paramjax, Python and the packages beside it, "not installed" for a missing one.

    Example:
        >>> list(versions())[:3]
        ['paramjax', 'python', 'jax']
    """
    found = {"paramjax": __version__, "python": platform.python_version()}
    for package in PACKAGES:
        try:
            found[package] = importlib.metadata.version(package)
        except importlib.metadata.PackageNotFoundError:
            found[package] = "not installed"
    return found
