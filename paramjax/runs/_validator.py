"""How a run does on held-out data: its validations, the best of them, and when to stop."""

from __future__ import annotations

import functools
import math
from collections.abc import Mapping
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from paramjax._types import Params, PyTree
from paramjax.runs._history import History
from paramjax.runs._validation import Best, Validation, evaluate
from paramjax.step._state import Trainer, TrainState


class Validator:
    """The validations of a run.

    Args:
        trainer: Says which parameters are to be evaluated.
        validation: What to measure, or None for nothing.
        data: The data of the validation, where it is used.

    Example:
        >>> validator = Validator(None, None, None)
        >>> validator.next(7), validator.is_due(7), validator.is_over
        (None, False, False)
    """

    def __init__(self, trainer: Trainer, validation: Validation | None, data: PyTree) -> None:
        self._trainer, self._validation, self._data = trainer, validation, data
        self._best, self._best_params = Best(), None
        self._computes: bool | None = None
        self.history = History()

    @property
    def is_over(self) -> bool:
        """Whether the patience is at its end."""
        early = self._validation.early_stopping if self._validation else None
        return early is not None and self._best.waited >= early.patience

    @property
    def shown(self) -> dict[str, float]:
        """The deciding metric of the last validation, if there is one."""
        name = self._validation.metric if self._validation else ""
        value = self.history.last(name)
        return {} if value is None else {name: value}

    def next(self, step: int) -> int | None:
        """The step after which the next validation is due, None if none ever is."""
        if self._validation is None:
            return None
        return step - step % self._validation.every + self._validation.every

    def is_due(self, step: int) -> bool:
        """Whether there is to be a validation after so many steps."""
        return self._validation is not None and step % self._validation.every == 0

    def lacks(self, step: int) -> bool:
        """Whether the state after so many steps is still to be measured."""
        return self._validation is not None and self.history.last("step") != step

    def measure(self, state: TrainState, step: int) -> tuple[dict[str, float], float]:
        """Validate a state.

        Args:
            state: The state.
            step: Steps done.

        Returns:
            Its metrics, and its score, the lower the better.
        """
        validation = self._validation
        assert validation is not None
        metrics = evaluate(self._trainer, validation, state, self._data)
        row = {"step": np.array([step], np.int64)}
        self.history.append(row | {k: np.array([v], np.float32) for k, v in metrics.items()})
        early, score = validation.early_stopping, validation.score(metrics)
        self._best = self._best.after(score, step, early.min_delta if early else 0.0)
        if self._best.step == step and self._restores_best:
            self._best_params = _eval_copy(self._trainer, state)
        return metrics, score

    def params(self, state: TrainState) -> Params:
        """The parameters to evaluate: the best ones where they are to be restored."""
        if self._restores_best and math.isfinite(self._best.score):
            return self._best_params
        if self._computes is None:  # asked once, for each trace stays in the caches of JAX
            self._computes = bool(jax.make_jaxpr(self._trainer.eval_params)(state).eqns)
        if not self._computes:
            return self._trainer.eval_params(state)  # nothing to compute, so nothing to compile
        return _eval_params(self._trainer, state)

    def score(self, step: int) -> float | None:
        """The score after so many steps, None where that was not measured."""
        if self._validation is None or self.lacks(step):
            return None
        return self._validation.score(self.shown)

    def written(self) -> list[float | None]:
        """What a checkpoint must hold beside the history and the parameters, as JSON."""
        return self._best.written()

    def restore(self, history: Mapping[str, np.ndarray], written: Any, params: Params) -> None:
        """Go on from what a checkpoint holds.

        Args:
            history: Its validations.
            written: What `written` gave.
            params: What `params` gave.
        """
        self.history, self._best = History(history), Best.read(written)
        self._best_params = params

    @property
    def _restores_best(self) -> bool:
        early = self._validation.early_stopping if self._validation else None
        return early is not None and early.restore_best


@functools.partial(jax.jit, static_argnames="trainer")
def _eval_params(trainer: Trainer, state: TrainState) -> Params:
    return trainer.eval_params(state)


@functools.partial(jax.jit, static_argnames="trainer")
def _eval_copy(trainer: Trainer, state: TrainState) -> Params:
    """The parameters to evaluate, in memory of their own: the state's will be taken over."""
    return jax.tree.map(jnp.copy, trainer.eval_params(state))
