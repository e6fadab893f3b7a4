"""The step inside a loss: weights and other numbers that change along the training."""

from __future__ import annotations

import contextlib
import contextvars
from collections.abc import Callable, Iterator, Mapping
from typing import Any

from paramjax._checks import check_takes, describe
from paramjax._types import Array, LossFn, Params

_STEP: contextvars.ContextVar[Any] = contextvars.ContextVar("step", default=None)


def scheduled(loss_fn: Callable[..., tuple[Array, Any]], schedules: Mapping[str, Any]) -> LossFn:
    r"""A loss that gets values of schedules at the current step.

    $$\ell_t(\theta) = \ell(\theta; s_1(t), \dots, s_n(t))$$
    for the step t that every trainer counts in `state.step`, from 0. A step that a guard
    rejects counts, too: the values depend on t alone, never on a state that is taken back.
    In a game t counts the steps of all players, in federated learning the rounds, and in
    meta-learning the outer steps. All evaluations of one step (microbatches, populations, line
    searches, monitors) get the same values.

    Args:
        loss_fn: `(params, batch, key, *, <names>) -> (loss, metrics)`, or stateful
            `(params, model_state, batch, key, *, <names>) -> (loss, (model_state, metrics))`,
            with a keyword for each schedule.
        schedules: Keyword -> `(step) -> value`, as in optax; their numbers may be traced, so
            that a sweep can search them.

    Returns:
        A loss of the usual form, for `train_step` and for every gradient estimator. Outside of a
        trainer's step it needs `at_step`. A function that is compiled on its own, such as
        `jax.jit(loss_fn)`, goes inside: `scheduled(jax.jit(loss_fn), ...)`.

    Raises:
        TypeError: If the loss or a schedule is not a function, a schedule takes other than one
            argument or returns no number, or a name is not a string.
        ValueError: If there is no schedule; when called, if there is no current step.

    Example:
        >>> import jax
        >>> import jax.numpy as jnp
        >>> import optax
        >>> import paramjax as pj
        >>> def ridge(params, batch, key, *, weight):
        ...     return jnp.mean((params - batch) ** 2) + weight * params**2, {"weight": weight}
        >>> loss_fn = pj.losses.scheduled(ridge, {"weight": optax.linear_schedule(1.0, 0.0, 4)})
        >>> run = pj.fit(pj.train_step(loss_fn, optax.sgd(0.1)), jnp.zeros(()), jnp.ones(2),
        ...              key=jax.random.key(0), steps=6)
        >>> run.history["weight"].tolist()
        [1.0, 0.75, 0.5, 0.25, 0.0, 0.0]
    """
    if not callable(loss_fn):
        raise TypeError(f"scheduled: loss_fn: expected a function, got {describe(loss_fn)}")
    schedules = _checked(schedules)

    def wrapped(params: Params, *rest: Any) -> tuple[Array, Any]:
        step = _STEP.get()
        if step is None:
            raise ValueError(
                "scheduled: there is no current step outside of a trainer's step; say which with "
                "`with pj.losses.at_step(1000): ...`, or call the loss itself with its values"
            )
        values = {name: _value(name, schedule(step)) for name, schedule in schedules.items()}
        return loss_fn(params, *rest, **values)

    return wrapped


def _checked(schedules: Mapping[str, Any]) -> dict[str, Callable[[Array], Array]]:
    """The schedules as a dict, or an error unless each is a function under a keyword's name."""
    if not isinstance(schedules, Mapping) or not schedules:
        raise ValueError(
            "scheduled: schedules: expected a mapping such as "
            f"{{'weight': optax.linear_schedule(0.0, 1.0, 1000)}}, got {describe(schedules)}"
        )
    for name, schedule in schedules.items():
        if not isinstance(name, str) or not name.isidentifier():
            raise TypeError(f"scheduled: expected a keyword of the loss, got {describe(name)}")
        if not callable(schedule):
            raise TypeError(
                f"scheduled: {name}: expected a schedule, (step) -> value, got "
                f"{describe(schedule)}; a constant is optax.constant_schedule(value)"
            )
        check_takes(schedule, ("step",), f"scheduled: {name}")
    return dict(schedules)


def _value(name: str, value: Any) -> Any:
    """What a schedule returned, or an error unless it is a number or an array."""
    if value is None or isinstance(value, str | bytes):
        raise TypeError(
            f"scheduled: {name}: expected its schedule to return a number, got {describe(value)}"
        )
    return value


@contextlib.contextmanager
def at_step(step: int | Array) -> Iterator[None]:
    """Say which step `scheduled` losses are called at, where no trainer calls them.

    A trainer's step says it itself. Of nested ones the outermost counts.

    Args:
        step: Steps done before, from 0, a number or int32[].

    Yields:
        Nothing.

    Example:
        >>> import optax
        >>> import paramjax as pj
        >>> weighted = lambda params, batch, key, *, weight: (weight * params, {})
        >>> loss_fn = pj.losses.scheduled(weighted, {"weight": optax.linear_schedule(0.0, 1.0, 4)})
        >>> with pj.losses.at_step(3):
        ...     float(loss_fn(2.0, None, None)[0])
        1.5
    """
    token = _STEP.set(step if _STEP.get() is None else _STEP.get())
    try:
        yield
    finally:
        _STEP.reset(token)
