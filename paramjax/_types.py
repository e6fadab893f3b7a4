"""Types that every folder shares: params, batch, key, loss."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import jax

Array = jax.Array
PyTree = Any
"""Any nesting of dicts, lists, tuples and NamedTuples whose leaves are arrays."""

Key = jax.Array
"""A typed threefry key of shape [], as `jax.random.key(0)` returns it."""

Params = PyTree
"""A pytree of floating-point arrays that training changes."""

ModelState = PyTree
"""A pytree that a model updates at each step without differentiating it."""

Batch = PyTree
"""A pytree of arrays that share their leading axis, [batch, ...]."""

Metrics = dict[str, Array]
"""Named scalars of one step or of one evaluation."""

LossFn = Callable[..., tuple[Array, Any]]
"""`(params, batch, key) -> (loss, metrics)`; stateful:
`(params, model_state, batch, key) -> (loss, (model_state, metrics))`."""

Hyperparameters = Mapping[str, Any]
"""Name -> value; numbers may be traced, everything else selects the program."""

Schedule = Callable[[Array], Array]
"""`(step) -> value`, as in optax."""
