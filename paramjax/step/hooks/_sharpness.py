"""A monitor: the largest eigenvalue of the loss's Hessian."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import optax

from paramjax._checks import check_count, describe, leaf_name
from paramjax._types import Array, Key, Metrics, Params, PyTree
from paramjax.step._evaluation import gradient_point
from paramjax.step._keys import used_again
from paramjax.step._norms import real_dtype, total_square, widened
from paramjax.step.hooks._hook import Hook, Observation

_FOLD = 2**32 - 1
"""Folded into the run's key for the first vector; no step counter reaches it."""


class SharpnessState(NamedTuple):
    """State of `sharpness`.

    Attributes:
        vector: The direction found last, of norm 1, at least float32, like the parameters;
            zeros before the first.
        value: The curvature along it, at least float32[]; 0 before the first.
    """

    vector: Params
    value: Array


def sharpness(every: int = 100, *, iterations: int = 10) -> Hook:
    r"""Report the largest eigenvalue of the Hessian of the batch's loss as `sharpness`.

    Power iteration with the best shift: each iteration takes a Hessian-vector product and
    moves the vector v to the combination of v and Hv with the largest Rayleigh quotient
    $v^\top H v / v^\top v$ (Hestenes and Karush, 1951). No shift c in
    $v \leftarrow (H + cI) v$ does better, and unlike plain power iteration, which finds the
    eigenvalue of largest magnitude, it climbs to the largest one in sign. The quotient only
    rises and never passes that eigenvalue, so the metric is a lower bound of it, close when
    the iterations suffice. The first vector is random; each later measurement starts
    from the last one's vector, so that few iterations follow a Hessian that changes slowly.

    Full-batch gradient descent with rate $\eta$ is stable up to a sharpness of $2/\eta$ and
    tends to train right there (Cohen et al., 2021, section 2).

    The Hessian is that of `grad_fn.loss_fn` on the step's batch, with its key and model
    state, at parameters in at least float32. A measurement costs `iterations` + 1 products,
    each about two gradients, and is computed only in the steps that measure, by `lax.cond`;
    the metric keeps its value between. A `vmap` over states with their own step counters
    computes it in every step. A measurement that is not finite is reported as it is, and the
    next one starts from the vector before it.

    Args:
        every: Steps between two measurements; the first is at step 0.
        iterations: Iterations a measurement, positive.

    Returns:
        A hook.

    Raises:
        TypeError: If an argument is not an integer; in `init`, if a parameter is complex.
        ValueError: If an argument is out of range; at the first trace, if the trainer has no
            single gradient, or its estimator no loss.

    Example:
        >>> import paramjax as pj
        >>> loss_fn = lambda params, batch, key: (2.0 * params[0] ** 2 - 4.0 * params[1] ** 2, {})
        >>> trainer = pj.train_step(loss_fn, optax.sgd(0.1), [pj.hooks.sharpness()])
        >>> _, metrics = trainer.step(trainer.init(jax.random.key(0), jnp.ones(2)), None)
        >>> float(metrics["sharpness"])  # of the eigenvalues 4 and -8
        4.0000
    """
    check_count("sharpness: every", every)
    check_count("sharpness: iterations", iterations)

    def init(params: Params) -> SharpnessState:
        for path, leaf in jax.tree_util.tree_leaves_with_path(params):
            if jnp.issubdtype(leaf.dtype, jnp.complexfloating):
                raise TypeError(
                    f"sharpness: leaf {leaf_name(path)} is {describe(leaf)}, expected real "
                    "parameters; keep the real and the imaginary part as two leaves"
                )
        zeros = jax.tree.map(lambda p: jnp.zeros_like(widened(p)), params)
        return SharpnessState(zeros, jnp.zeros([], real_dtype(*jax.tree.leaves(params))))

    def observe(own: SharpnessState, observation: Observation) -> tuple[SharpnessState, Metrics]:
        loss = _loss(observation)
        state = observation.state

        def measure(own: SharpnessState) -> SharpnessState:
            params = jax.tree.map(widened, gradient_point(state.params))
            product = lambda v: jax.jvp(jax.grad(loss), (params,), (v,))[1]  # noqa: E731
            first = _start(own.vector, jax.random.fold_in(state.key, _FOLD))
            vector, value = _climb(product, first, iterations)
            kept = jax.tree.map(
                lambda a, b: jnp.where(jnp.isfinite(value), a, b), vector, own.vector
            )
            return SharpnessState(kept, value.astype(own.value.dtype))

        due = state.step % every == 0
        own = jax.lax.cond(due, measure, lambda own: own, own)
        return own, {"sharpness": own.value}

    return Hook(init, observe=observe, name="sharpness")


def _loss(observation: Observation) -> Callable[[Params], Array]:
    """The batch's loss as a function of the parameters alone."""
    loss_fn = observation.grad_fn.loss_fn
    if loss_fn is None:
        raise ValueError(
            "sharpness: this gradient estimator has no loss to differentiate twice; give it one, "
            "pj.GradFn(estimate, loss_fn=...), or leave the hook out"
        )
    model_state = observation.grad_fn.model_state_args(observation.state.model_state)
    rest = (*model_state, observation.batch)
    return lambda params: loss_fn(params, *rest, used_again(observation.key))[0]


def _start(vector: PyTree, key: Key) -> PyTree:
    """The vector itself, or a random one in place of zeros, of norm 1."""
    leaves, tree = jax.tree.flatten(vector)
    # one draw for all leaves: a draw for each compiles several times as long
    flat = jax.random.normal(key, (sum(leaf.size for leaf in leaves),), jnp.float32)
    ends = np.cumsum([leaf.size for leaf in leaves])[:-1]
    parts = zip(jnp.split(flat, ends), leaves, strict=True)
    drawn = [part.reshape(leaf.shape).astype(leaf.dtype) for part, leaf in parts]
    unset = total_square(vector) == 0
    chosen = [jnp.where(unset, d, leaf) for d, leaf in zip(drawn, leaves, strict=True)]
    return _unit(jax.tree.unflatten(tree, chosen))


def _unit(vector: PyTree) -> PyTree:
    """The vector at norm 1; zeros stay zeros."""
    length = jnp.sqrt(total_square(vector))
    scale = jnp.where(length > 0, 1 / jnp.where(length > 0, length, 1.0), 0.0)
    return _combine(scale, vector, 0.0, vector)


def _combine(a: Any, one: PyTree, b: Any, other: PyTree) -> PyTree:
    """`a * one + b * other`, in the dtype of each leaf."""
    return jax.tree.map(lambda x, y: (a * x + b * y).astype(x.dtype), one, other)


def _climb(
    product: Callable[[PyTree], PyTree], vector: PyTree, iterations: int
) -> tuple[PyTree, Array]:
    """A unit vector with a large Rayleigh quotient, and the quotient."""

    def step(_: Any, pair: tuple[PyTree, PyTree]) -> tuple[PyTree, PyTree]:
        v, hv = pair
        along = optax.tree.vdot(v, hv)
        across = _combine(1.0, hv, -along, v)
        q = _unit(across)
        hq = product(q)
        # H on the plane of v and q is [[along, coupling], [coupling, curvature]]
        coupling, curvature = jnp.sqrt(total_square(across)), optax.tree.vdot(q, hq)
        angle = jnp.arctan2(2 * coupling, along - curvature) / 2
        turned = _turn(angle, v, q), _turn(angle, hv, hq)
        # at the top q is rounding alone, and turning towards it would lose what was found
        rises = _quotient(*turned) > along
        scale = 1 / jnp.sqrt(total_square(turned[0]))
        pair = jax.tree.map(
            lambda new, old: jnp.where(rises, (scale * new).astype(old.dtype), old), turned, pair
        )
        return pair

    vector, product_of = jax.lax.fori_loop(0, iterations, step, (vector, product(vector)))
    return vector, _quotient(vector, product_of)


def _turn(angle: Array, one: PyTree, other: PyTree) -> PyTree:
    return _combine(jnp.cos(angle), one, jnp.sin(angle), other)


def _quotient(vector: PyTree, product: PyTree) -> Array:
    return jnp.asarray(optax.tree.vdot(vector, product) / total_square(vector))
