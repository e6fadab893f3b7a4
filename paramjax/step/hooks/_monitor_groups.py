"""A monitor: norms of gradient and update for each group of parameters."""

from __future__ import annotations

from collections.abc import Callable

import jax
import jax.numpy as jnp

from paramjax._checks import describe, leaf_name
from paramjax._types import Array, Metrics, PyTree
from paramjax.step._evaluation import gradient_point
from paramjax.step._norms import norm_of
from paramjax.step.hooks._hook import Hook, Observation


def _first_component(name: str) -> str:
    """`Dense_0` of `params/Dense_0/kernel`, `encoder` of `encoder/w`."""
    return name.removeprefix("params/").partition("/")[0]


def monitor_groups(group: Callable[[str], str] = _first_component) -> Hook:
    r"""Report gradient norm, update norm and update ratio for each group of parameters.

    For a group G: `grad_norm/G`, the norm of the gradient as the estimator gave it (before
    any clipping); `update_norm/G`, the norm of what was added to the parameters; and
    `update_ratio/G`, the update norm over the parameters' norm before the step, 0 where
    that is 0 (the course notes of CS231n, "Neural Networks Part 3", call 1e-3 a good ratio).

    The norms are those of the attempted step, also where a guard rejects it; with
    lookahead they are those of the fast weights. They are computed in at least float32.

    Args:
        group: `(leaf name) -> group`; leaf names are components joined by `/`, such as
            `params/Dense_0/kernel`. The default takes the first component after flax's
            `params`; `lambda name: name` reports each leaf, `lambda name: "all"` all at once.

    Returns:
        A hook without state.

    Raises:
        TypeError: If `group` is not callable; at the first trace, if it does not return a
            string.
        ValueError: At the first trace, if the trainer has no single gradient.

    Example:
        >>> import optax
        >>> import paramjax as pj
        >>> loss_fn = lambda params, batch, key: (params["a"] * 3.0 + params["b"] * 4.0, {})
        >>> trainer = pj.train_step(loss_fn, optax.sgd(0.5), [pj.hooks.monitor_groups()])
        >>> params = {"a": jnp.float32(1.0), "b": jnp.float32(0.0)}
        >>> _, metrics = trainer.step(trainer.init(jax.random.key(0), params), None)
        >>> [float(metrics[f"{name}/a"]) for name in ("grad_norm", "update_norm", "update_ratio")]
        [3.0, 1.5, 1.5]
    """
    if not callable(group):
        raise TypeError(f"monitor_groups: group: expected a function, got {describe(group)}")

    def observe(own: tuple[()], observation: Observation) -> tuple[tuple[()], Metrics]:
        grads = _norms(observation.grad_fn.mean_gradient(observation.grads), group)
        updates = _norms(gradient_point(observation.updates), group)
        params = _norms(gradient_point(observation.state.params), group)
        metrics: Metrics = {}
        for name, size in params.items():
            metrics[f"grad_norm/{name}"] = grads[name]
            metrics[f"update_norm/{name}"] = updates[name]
            ratio = updates[name] / jnp.where(size > 0, size, 1.0)
            metrics[f"update_ratio/{name}"] = jnp.where(size > 0, ratio, 0.0)
        return own, metrics

    return Hook(observe=observe, name="monitor_groups")


def _norms(tree: PyTree, group: Callable[[str], str]) -> dict[str, Array]:
    """Group -> norm over its leaves."""
    members: dict[str, list[Array]] = {}
    for path, leaf in jax.tree_util.tree_leaves_with_path(tree):
        name = group(leaf_name(path))
        if not isinstance(name, str):
            raise TypeError(
                f"monitor_groups: group: expected a string for leaf {leaf_name(path)}, got "
                f"{describe(name)}"
            )
        members.setdefault(name, []).append(leaf)
    return {name: norm_of(leaves) for name, leaves in members.items()}
