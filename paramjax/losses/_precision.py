"""Mixed precision: parameters in float32, computation in fewer bits."""

from __future__ import annotations

from typing import Any

import jax
import jax.numpy as jnp

from paramjax._checks import describe
from paramjax._types import Array, LossFn, Params, PyTree


def mixed_precision(
    loss_fn: LossFn, compute: Any = jnp.bfloat16, *, cast_batch: bool = True
) -> LossFn:
    """The same loss, computed in a lower precision than that of its parameters.

    After Micikevicius et al. (2018, Mixed precision training, section 3.1). The casts are
    differentiated, so that each gradient has its parameter's dtype. Loss and metrics are
    returned in at least float32. The model state is not cast, and is returned in its own
    dtypes, because a running average in bfloat16 does not move by a hundredth.

    The loss itself is computed in the low precision, unless the model widens its outputs:
    with `lambda params, x: model(params, x).astype(jnp.float32)`, the matrix products are cheap
    and the logarithms exact. Gradients in float16 underflow below 6e-8 and need a loss scale;
    bfloat16 has the exponents of float32 and needs none.

    A regulariser belongs outside, `l2(mixed_precision(loss_fn), 1e-4)`, where the parameters
    have full precision. So does an augmentation: inside, noise drawn in float32 would widen the
    batch again.

    Args:
        loss_fn: A loss, plain or stateful.
        compute: The floating-point dtype to compute in.
        cast_batch: Whether to cast floating-point leaves of the batch; integers and keys are
            never cast. With False, regression targets stay exact, and the model must cast its
            own inputs.

    Returns:
        A loss of the same form.

    Raises:
        TypeError: If `compute` is not a floating-point dtype.
        ValueError: At the first call, if a stateful loss returns a state of another tree.

    Example:
        >>> loss_fn = mixed_precision(lambda params, batch, key: (jnp.sum(params * batch), {}))
        >>> grad, _ = jax.grad(loss_fn, has_aux=True)(jnp.ones(2), jnp.array([1.0, 2.001]), None)
        >>> grad.tolist(), str(grad.dtype)
        ([1.0, 2.0], 'float32')
    """
    dtype = _floating(compute)

    def wrapped(params: Params, *rest: Any) -> tuple[Array, Any]:
        *state, batch, key = rest
        low = _cast(batch, dtype) if cast_batch else batch
        loss, aux = loss_fn(_cast(params, dtype), *state, low, key)
        if not state:
            return _widen(loss), _widen(aux)
        model_state, metrics = aux
        return _widen(loss), (_restore(model_state, state[0]), _widen(metrics))

    return wrapped


def _floating(compute: Any) -> Any:
    """The dtype; raises unless it is a floating-point one."""
    try:
        dtype = None if compute is None else jnp.dtype(compute)  # numpy takes None for float64
    except TypeError:
        dtype = None
    if dtype is None or not jnp.issubdtype(dtype, jnp.floating):
        got = describe(compute) if dtype is None else dtype
        raise TypeError(
            f"mixed_precision: compute: expected a floating-point dtype such as jnp.bfloat16, "
            f"got {got}"
        )
    return dtype


def _is_floating(leaf: Any) -> bool:
    return hasattr(leaf, "dtype") and jnp.issubdtype(leaf.dtype, jnp.floating)


def _cast(tree: PyTree, dtype: Any) -> PyTree:
    """The tree with its floating-point leaves in another dtype."""
    return jax.tree.map(lambda x: jnp.asarray(x, dtype) if _is_floating(x) else x, tree)


def _widen(tree: PyTree) -> PyTree:
    """The tree with its floating-point leaves in at least float32."""
    return jax.tree.map(
        lambda x: x.astype(jnp.promote_types(x.dtype, jnp.float32)) if _is_floating(x) else x, tree
    )


def _restore(after: PyTree, before: PyTree) -> PyTree:
    """The new state with the dtypes of the old one."""
    expected: Any = jax.tree.structure(before)
    found: Any = jax.tree.structure(after)
    if expected != found:
        raise ValueError(
            f"mixed_precision: expected the loss to return a model_state of the same tree, "
            f"{expected}, got {found}"
        )
    return jax.tree.map(lambda a, b: a.astype(b.dtype) if _is_floating(b) else a, after, before)
