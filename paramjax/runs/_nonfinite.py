"""What a run does about a step whose loss or gradient is not finite."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from paramjax._checks import check_count, check_rate, is_key, leaf_name
from paramjax._types import PyTree
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

    A checkpoint from which the run only came to another such step, or whose own loss is not
    finite, is not the last good one: the run goes further back, one checkpoint, then three, and
    so on, at last to its start.

    The chain must hold a rate that can be lowered: `optim.reduce_on_plateau()` or
    `optim.adjustable_rate()` at its end, or `optax.inject_hyperparams` with a constant
    learning rate. The randomness of the steps and the order of the data stay the same. With
    checkpoints every so many steps, runs that roll back are as reproducible as others; with
    checkpoints by the clock they are not.

    Attributes:
        factor: Multiplies the rate at each rollback, in (0, 1).
        attempts: Rollbacks of the whole run at most, positive; the next one ends it.

    Raises:
        TypeError: If `attempts` is not a whole number.
        ValueError: If a number is out of its range.

    Example:
        >>> Rollback(0.1).attempts
        3
    """

    factor: float = 0.5
    attempts: int = 3

    def __post_init__(self) -> None:
        check_rate("rollback: factor", self.factor, high=1.0)
        check_count("rollback: attempts", self.attempts)
        if self.factor == 0:
            raise ValueError("rollback: factor: expected a number above 0, got 0")


def explain(
    step: int, metrics: Mapping[str, float], last_loss: float | None, where: str | None
) -> str:
    """A sentence on the step after `step` done ones, with the first leaf that is not finite.

    Example:
        >>> explain(7, {"loss": float("nan"), "grad_norm": 1.0}, 0.25, "params/w")
        'the loss is not finite at step 8 (last finite loss: 0.25; first such leaf: params/w)'
    """
    bad = [name for name, value in metrics.items() if not np.isfinite(value)]
    what = "loss is" if "loss" in bad else "gradient is" if bad else "parameters are"
    when = "at" if bad else "after"
    before = "none" if last_loss is None else f"{last_loss:.6g}"
    leaf = where or "none, for the state itself is finite"
    return (
        f"the {what} not finite {when} step {step + 1} (last finite loss: {before}; "
        f"first such leaf: {leaf})"
    )


def explain_params(state: TrainState, step: int) -> str:
    """A sentence on parameters that are not finite after `step` done ones."""
    leaf = first_leaf(state, state) or "one of those to evaluate"
    leaf = leaf.removesuffix(" before it")
    return f"the parameters are not finite after step {step} (first such leaf: {leaf})"


def last_finite(
    again: Callable[[int], tuple[TrainState, bool]],
    state: TrainState,
    steps: int,
    after: TrainState,
) -> tuple[int, TrainState, TrainState]:
    """How many steps leave finite parameters, with the state then and after one step more.

    Args:
        again: `(steps) -> (state, whether its parameters are finite)`.
        state: The state before the steps, whose parameters are.
        steps: Steps after which they are not, positive.
        after: The state then.
    """
    done = 0
    while steps - done > 1:
        middle = (done + steps) // 2
        trial, is_finite = again(middle)
        if is_finite:
            done, state = middle, trial
        else:
            steps, after = middle, trial
    return done, state, after


def first_leaf(before: TrainState, after: TrainState) -> str | None:
    """The first leaf that is not finite: faulty before a step, else new in it, else any before.

    A mask of -inf, or the infinite best score of a plateau, is not taken for the fault.
    """
    old, new = _counts(before), _counts(after)
    for name, (faults, _) in old.items():
        if faults and not name.startswith("opt_state"):
            return f"{name} before it"
    for name, (_, bad) in new.items():
        if bad > old.get(name, (0, 0))[1]:
            return f"{name} after it"
    return next((f"{name} before it" for name, (_, bad) in old.items() if bad), None)


def _counts(state: TrainState) -> dict[str, tuple[int, int]]:
    """Leaf -> how many of its numbers are NaN or +inf, and how many are not finite."""
    parts = {part: getattr(state, part) for part in ("params", "model_state", "opt_state")}
    return {
        leaf_name(path): (int(_is_fault(leaf).sum()), int((~jnp.isfinite(leaf)).sum()))
        for path, leaf in jax.tree_util.tree_leaves_with_path(parts)
        if not is_key(leaf) and jnp.issubdtype(jnp.result_type(leaf), jnp.inexact)
    }


def explain_model_state(begin: Callable[[], TrainState], state: TrainState) -> str | None:
    """A sentence on NaN or inf that came into the model state during a run, None if none did."""
    if not holds_fault(state.model_state):
        return None
    begun, ended = (_counts(own._replace(params=(), opt_state=())) for own in (begin(), state))
    new = [name for name, (faults, _) in ended.items() if faults > begun.get(name, (0, 0))[0]]
    if not new:
        return None
    return (
        f"the model state is not finite at the end (first such leaf: {new[0]}), although loss and "
        "parameters are; what is evaluated with it may be NaN"
    )


def holds_fault(tree: PyTree) -> bool:
    """Whether any number of a tree is NaN or +inf; -inf stands in masks.

    Example:
        >>> holds_fault({"mask": jnp.array([0.0, -jnp.inf]), "n": 3})
        False
    """
    return any(
        bool(_is_fault(leaf).any())
        for leaf in jax.tree.leaves(tree)
        if not is_key(leaf) and jnp.issubdtype(jnp.result_type(leaf), jnp.inexact)
    )


def _is_fault(leaf: Any) -> Any:
    return ~jnp.isfinite(leaf) & (leaf != -jnp.inf)


def advice(step: int) -> str:
    """What to do about a step that is not finite, after `step` done ones."""
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
    """Raise if no loss [steps] of a run is finite; warn of the first step if some are not."""
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
