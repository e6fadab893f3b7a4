"""SHA-256 of text, files, arrays and traced functions, in hexadecimal digits."""

from __future__ import annotations

import hashlib
import re
from pathlib import Path
from typing import Any

import jax
import numpy as np

from paramjax._arrays import numbers
from paramjax._checks import describe, leaf_name
from paramjax._jaxprs import constants
from paramjax._types import PyTree


def content_hash(content: str | bytes) -> str:
    """64 digits of text (as UTF-8) or bytes."""
    return hashlib.sha256(content.encode() if isinstance(content, str) else content).hexdigest()


def file_hash(path: Path) -> str:
    """64 digits of a file's contents."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def array_hash(leaf: Any, form: str | None = None) -> str:
    """64 digits of the form and the contents of an array, of a key, or of a number.

    Args:
        leaf: Array of JAX or numpy, whole in this process.
        form: Dtype and shape as text, by default as `describe` writes them.

    Example:
        >>> array_hash(np.ones(2, np.int32)) == array_hash(np.ones(2, np.uint32))
        False
    """
    digest = hashlib.sha256((describe(leaf) if form is None else form).encode())
    digest.update(np.ascontiguousarray(numbers(leaf)).reshape(-1).view(np.uint8).data)
    return digest.hexdigest()


def checksums(name: str, tree: PyTree) -> dict[str, str]:
    """Form and 16 digits of the hash of each leaf, by the leaf's name.

    Example:
        >>> list(checksums("data", {"x": np.zeros(2, np.float32)}))
        ['data x']
        >>> checksums("data", {"x": np.zeros(2, np.float32)})["data x"].split()[0]
        'float32[2]'
    """
    return {
        f"{name} {leaf_name(path)}": f"{describe(leaf)} {array_hash(leaf)[:16]}"
        for path, leaf in jax.tree_util.tree_leaves_with_path(tree)
    }


def program_hash(*jaxprs: Any) -> str:
    """64 digits of what traced functions compute, with the constants that they close over."""
    # functions are printed with their address in memory, and in a terminal all is in colours
    texts = [re.sub(r"\x1b\[[0-9;]*m|0x[0-9a-f]+", "", str(jaxpr)) for jaxpr in jaxprs]
    # those of inner programs too; a text names arrays without their numbers
    arrays = [constant for jaxpr in jaxprs for constant in constants(jaxpr)]
    return content_hash(f"{jax.__version__} {texts} {checksums('constant', arrays)}")
