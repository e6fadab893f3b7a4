"""Adversarial training: the loss at the worst input nearby."""

from __future__ import annotations

from typing import Any

import jax
import jax.numpy as jnp

from paramjax._checks import check_count, check_scalar, describe, leaf_name
from paramjax._types import Array, Batch, Key, LossFn, Params
from paramjax.step._gradients import GradFn
from paramjax.step.grads._checks import check_positive
from paramjax.step.grads._directions import direction_key


def adversarial(
    loss_fn: LossFn,
    *,
    radius: float | Array,
    step_size: float | Array,
    steps: int,
    leaf: str = "x",
    bounds: tuple[float, float] | None = None,
    random_start: bool = True,
) -> LossFn:
    r"""$$\max_{\|\delta\|_\infty \le r} \ell(\theta; x + \delta), \quad
    x_{k+1} = \Pi\big(x_k + \alpha\operatorname{sign}\nabla_x\ell(\theta; x_k)\big)$$

    Madry et al. (2018, Towards deep learning models resistant to adversarial attacks,
    section 2.1): projected sign-gradient ascent. The gradient of the parameters treats the
    perturbed input as a constant (Danskin's theorem). One step of size `radius` without a
    random start is the fast gradient sign method of Goodfellow et al. (2015).

    The result is a loss of the same form, which every gradient estimator takes. During the
    attack a stateful loss gets the model state from before it.

    Args:
        loss_fn: A loss, plain or stateful.
        radius: r, the largest change of one number of the input, positive.
        step_size: alpha, positive.
        steps: Steps of ascent.
        leaf: The leaf of the batch that is perturbed, by its path: `x` for
            `batch["x"]`, `images/left` for `batch["images"]["left"]`.
        bounds: Smallest and largest value of an input, such as (0.0, 1.0) for images; None
            does not clip.
        random_start: Whether the ascent starts at a uniform point of the allowed box, drawn
            with `fold_in(key, 0xD1EC0000)`; if not, the key may be None.

    Returns:
        A loss; metrics are those at the perturbed input.

    Raises:
        TypeError: If `loss_fn` is not a loss, or another argument is not a number; at the first
            call, if the leaf is not floating-point.
        ValueError: If a number is not positive or the bounds are not in order; at the first
            call, if the batch has no such leaf, or the key for a random start is None.

    Example:
        >>> import paramjax as pj
        >>> loss_fn = lambda params, batch, key: (jnp.mean((params * batch["x"] - 1) ** 2), {})
        >>> worst = pj.grads.adversarial(loss_fn, radius=0.5, step_size=0.25, steps=4)
        >>> float(worst(jnp.float32(1.0), {"x": jnp.array([2.0])}, jax.random.key(0))[0])
        2.25
    """
    if not callable(loss_fn) or isinstance(loss_fn, GradFn):
        raise TypeError(
            f"adversarial: expected a loss, got {type(loss_fn).__name__}; give the adversarial "
            "loss to a gradient estimator"
        )
    check_positive("adversarial: radius", radius)
    check_positive("adversarial: step_size", step_size)
    check_count("adversarial: steps", steps)
    _check_bounds(bounds)

    def wrapped(params: Params, *rest: Any) -> tuple[Array, Any]:
        *model_state, batch, key = rest
        index = _find(batch, leaf)
        leaves, form = jax.tree.flatten(batch)
        clean = jnp.asarray(leaves[index])
        low, high = _box(clean, radius, bounds)
        constant_args = jax.lax.stop_gradient((params, *model_state))

        def with_input(x: Array) -> Batch:
            return jax.tree.unflatten(form, [*leaves[:index], x, *leaves[index + 1 :]])

        def ascend(x: Array, _: None) -> tuple[Array, None]:
            slope = jax.grad(lambda x: loss_fn(*constant_args, with_input(x), key)[0])(x)
            return jnp.clip(x + jnp.asarray(step_size, x.dtype) * jnp.sign(slope), low, high), None

        start = _random_start(key, low, high) if random_start else clean
        worst, _ = jax.lax.scan(ascend, start, length=steps)
        return loss_fn(params, *model_state, with_input(jax.lax.stop_gradient(worst)), key)

    return wrapped


def _check_bounds(bounds: Any) -> None:
    if bounds is None:
        return
    if not isinstance(bounds, tuple) or len(bounds) != 2:
        raise ValueError(
            f"adversarial: bounds: expected (smallest, largest), got {describe(bounds)}"
        )
    for name, bound in zip(("smallest", "largest"), bounds, strict=True):
        check_scalar(f"adversarial: {name} bound", bound, low=-float("inf"))
    traced = any(isinstance(bound, jax.core.Tracer) for bound in bounds)
    if not traced and not bounds[0] < bounds[1]:
        raise ValueError(
            f"adversarial: bounds: expected the smaller one first, got {bounds[0]:g} and "
            f"{bounds[1]:g}"
        )


def _find(batch: Batch, leaf: str) -> int:
    """The index of the named leaf among the leaves of the batch."""
    named = [(leaf_name(path), x) for path, x in jax.tree_util.tree_leaves_with_path(batch)]
    names = [name for name, _ in named]
    if leaf not in names:
        raise ValueError(
            f"adversarial: leaf: the batch has no leaf {leaf!r}; it has {', '.join(names)}"
        )
    index = names.index(leaf)
    if not jnp.issubdtype(jnp.result_type(named[index][1]), jnp.floating):
        raise TypeError(
            f"adversarial: leaf {leaf} of the batch is {describe(named[index][1])}, expected "
            "floating-point numbers"
        )
    return index


def _box(clean: Array, radius: Any, bounds: tuple[Any, Any] | None) -> tuple[Array, Array]:
    """The smallest and the largest input allowed, in the input's dtype."""
    clean = jax.lax.stop_gradient(clean)
    distance = jnp.asarray(radius, clean.dtype)
    low, high = clean - distance, clean + distance
    if bounds is None:
        return low, high
    smallest, largest = (jnp.asarray(bound, clean.dtype) for bound in bounds)
    return jnp.clip(low, smallest, largest), jnp.clip(high, smallest, largest)


def _random_start(key: Key | None, low: Array, high: Array) -> Array:
    """A uniform point of the box."""
    if key is None:
        raise ValueError("adversarial: a random start needs a key, got None")
    share = jax.random.uniform(direction_key(key), low.shape, jnp.float32).astype(low.dtype)
    return low + share * (high - low)
