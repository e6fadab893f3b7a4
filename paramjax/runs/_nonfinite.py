"""What a run does about a step whose loss or gradient is not finite."""

from __future__ import annotations

import warnings
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from paramjax._checks import check_count, check_rate, is_key, leaf_name
from paramjax.step._state import TrainState


class NonFiniteError(ValueError):
    """A run ended because a step was not finite; `fit` holds all that was done before it.

    Attributes:
        fit: The run up to the last finite step.
    """

    fit: Any = None


class NonFiniteWarning(UserWarning):
    """A run went on although a step was not finite."""


@dataclass(frozen=True)
class Rollback:
    """Go back to the last good checkpoint with a lower learning rate.

    The chain must hold a rate that can be lowered: `optim.reduce_on_plateau()` or
    `optim.adjustable_rate()` at its end, or `optax.inject_hyperparams` with a constant
    learning rate. The randomness of the steps and the order of the data stay the same. With
    checkpoints every so many steps, runs that roll back are as reproducible as others; with
    checkpoints by the clock they are not.

    Attributes:
        factor: What the rate is multiplied with at each time, in (0, 1).
        attempts: How often to roll back in the whole run, positive; after that it ends.
    """

    factor: float = 0.5
    attempts: int = 3

    def __post_init__(self) -> None:
        check_rate("rollback: factor", self.factor, high=1.0)
        check_count("rollback: attempts", self.attempts)
        if self.factor == 0:
            raise ValueError("rollback: factor: expected a number above 0, got 0")


def first_nonfinite(tree: Any) -> str | None:
    """The name of the first leaf that holds a value that is not finite.

    Args:
        tree: A pytree of arrays; keys and integers are always finite.

    Returns:
        The name, None where every leaf is finite.

    Example:
        >>> first_nonfinite({"w": jnp.ones(2), "x": jnp.array([1.0, jnp.nan])})
        'x'
    """
    for path, leaf in jax.tree_util.tree_leaves_with_path(tree):
        real = not is_key(leaf) and jnp.issubdtype(jnp.result_type(leaf), jnp.inexact)
        if real and not bool(jnp.isfinite(leaf).all()):
            return leaf_name(path)
    return None


def explain(
    step: int, metrics: Mapping[str, float], last_loss: float | None, where: str | None
) -> str:
    """What happened, in one sentence.

    Args:
        step: Steps done before.
        metrics: Loss and gradient norm of the step.
        last_loss: The last finite loss, None where there is none.
        where: The first leaf of the state that is not finite, and when.

    Returns:
        The sentence.

    Example:
        >>> explain(7, {"loss": float("nan"), "grad_norm": 1.0}, 0.25, "params/w")
        'the loss is not finite at step 8 (last finite loss: 0.25; first such leaf: params/w)'
    """
    what = "gradient" if np.isfinite(metrics["loss"]) else "loss"
    before = "none" if last_loss is None else f"{last_loss:.6g}"
    leaf = where or "none, for the state itself is finite"
    return (
        f"the {what} is not finite at step {step + 1} (last finite loss: {before}; "
        f"first such leaf: {leaf})"
    )


def first_leaf(before: TrainState, after: TrainState) -> str | None:
    """The first leaf that is not finite, of the state before a step or of the one after it.

    Args:
        before: The state before the step.
        after: The state after it.

    Returns:
        Its name and when, None where there is none.
    """
    for state, when in ((before, "before it"), (after, "after it")):
        parts = {"params": state.params, "model_state": state.model_state}
        name = first_nonfinite(parts) or first_nonfinite({"opt_state": state.opt_state})
        if name:
            return f"{name} {when}"
    return None


def advice(step: int) -> str:
    """What to do about it.

    Args:
        step: Steps done before.
    """
    if step == 0:
        return (
            "nothing was learned; are all labels in the range that the loss expects "
            "(data.table checks that), and the parameters finite?"
        )
    return (
        "lower the learning rate, clip the gradient, check the labels, skip such steps with "
        "hooks=[pj.hooks.skip_nonfinite()], or go back with nonfinite=pj.Rollback()"
    )


def judge_losses(losses: np.ndarray) -> None:
    """Say at which step the loss was lost, once the run is over.

    Args:
        losses: The loss of each step, [steps].

    Raises:
        NonFiniteError: If no loss was finite.

    Warns:
        NonFiniteWarning: If some were not.

    Example:
        >>> judge_losses(np.array([3.0, 2.0]))
    """
    finite = np.isfinite(losses)
    if finite.all():
        return
    if not finite.any():
        raise NonFiniteError(f"fit: the loss was not finite at any step, so {advice(0)}")
    first = int(np.argmin(finite))
    before = f"the one before was {losses[first - 1]:.6g}" if first else "the first one"
    warnings.warn(
        f"fit: the loss is not finite at step {first + 1} ({before}), and at "
        f"{int((~finite).sum())} of {finite.size} steps; {advice(first)}",
        NonFiniteWarning,
        stacklevel=3,
    )
