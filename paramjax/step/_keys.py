"""Keys that are meant to be used twice, such as one draw of noise for two values of a loss."""

from __future__ import annotations

from typing import Any

import jax

from paramjax._checks import is_key


def used_again(leaf: Any) -> Any:
    """A key or other leaf; under `jax_debug_key_reuse` a key is marked as meant to be reused."""
    config: Any = jax.config
    if leaf is None or not config.jax_debug_key_reuse or not is_key(leaf):
        return leaf
    clone: Any = jax.random.clone
    return clone(leaf)
