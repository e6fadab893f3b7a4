"""How a run does on held-out data: its validations, the best of them, and when to stop."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from paramjax._ahead import Ahead
from paramjax._arrays import own_copy
from paramjax._checks import is_key
from paramjax._hashes import program_hash
from paramjax._programs import OwnedJit, kept_on, owned_jit
from paramjax._types import ModelState, Params, PyTree
from paramjax.runs._evaluate import evaluate_in_batches, measured, static_arguments
from paramjax.runs._history import History
from paramjax.runs._validation import Validation
from paramjax.step._state import Trainer, TrainState


class Best(NamedTuple):
    """The best validation of a run so far.

    Attributes:
        score: The lowest score, infinite before the first.
        step: Steps done when it was measured.
        waited: Validations since.
    """

    score: float = math.inf
    step: int = 0
    waited: int = 0

    def after(self, score: float, step: int, min_delta: float = 0.0) -> Best:
        """The best after another validation, whose score must be lower by more than `min_delta`.

        Example:
            >>> Best().after(2.0, 10).after(3.0, 20)
            Best(score=2.0, step=10, waited=1)
        """
        if score < self.score - min_delta:
            return Best(score, step, 0)
        return self._replace(waited=self.waited + 1)

    def to_json(self) -> list[float | None]:
        """As numbers of JSON, in which an infinite score is None."""
        return [self.score if math.isfinite(self.score) else None, self.step, self.waited]

    @staticmethod
    def from_json(numbers: list[Any]) -> Best:
        """The inverse of `to_json`."""
        score, step, waited = numbers
        return Best(math.inf if score is None else score, step, waited)


class Evaluated(NamedTuple):
    """What is evaluated: parameters, and the model state that belongs to them."""

    params: Params
    model_state: ModelState


class Validator:
    """The validations of a run on data that lies on the device; none if there is no `validation`.

    Example:
        >>> validator = Validator(None, None, None)
        >>> validator.next(7), validator.is_due(7), validator.is_over
        (None, False, False)
    """

    def __init__(self, trainer: Trainer, validation: Validation | None, data: PyTree) -> None:
        self._trainer, self._validation, self._data = trainer, validation, data
        self._best, self._best_pair = Best(), Evaluated(None, None)
        self._computes: bool | None = None
        self._ahead: dict[str, Ahead] = {}
        self.history = History()

    @property
    def is_over(self) -> bool:
        """Whether the run waited for an improvement as long as its patience lasts."""
        early = self._validation.early_stopping if self._validation else None
        return early is not None and self._best.waited >= early.patience

    @property
    def shown(self) -> dict[str, float]:
        """The deciding metric of the last validation, if there is one."""
        name = self._validation.metric if self._validation else ""
        value = self.history.last(name)
        return {} if value is None else {name: value}

    def next(self, step: int) -> int | None:
        """The step after which the next validation is due, if any."""
        if self._validation is None:
            return None
        return step - step % self._validation.every + self._validation.every

    def ahead(self, state: TrainState) -> None:
        """Begin to compile what measures, and what computes the parameters to evaluate."""
        if self._validation is not None:
            measure = evaluate_in_batches.of(*static_arguments(self._trainer, self._validation))
            self._ahead["measure"] = Ahead(measure, state, self._data)
        if self._computes_any(state):
            self._ahead["pair"] = Ahead(self._pair_program.of(self._trainer), state)

    def is_due(self, step: int) -> bool:
        """Whether there is to be a validation after so many steps."""
        return self._validation is not None and step % self._validation.every == 0

    def lacks(self, step: int) -> bool:
        """Whether the state after so many steps is still to be measured."""
        return self._validation is not None and self.history.last("step") != step

    def measure(self, state: TrainState, step: int) -> tuple[dict[str, float], float]:
        """The metrics of a state after `step` steps, and its score, the lower the better."""
        validation = self._validation
        assert validation is not None
        self._wait("measure")
        values = measured(self._trainer, validation, state, self._data)
        row = {"step": np.array([step], np.int64)}
        self.history.append(row | {name: value[None] for name, value in values.items()})
        metrics = {name: float(value) for name, value in values.items()}
        early, score = validation.early_stopping, validation.score(metrics)
        self._best = self._best.after(score, step, early.min_delta if early else 0.0)
        if self._best.step == step and self._restores_best:
            self._best_pair = self._own_pair(state)
        return metrics, score

    def evaluated(self, state: TrainState) -> Evaluated:
        """The parameters to evaluate with their model state: the best where it is restored."""
        if self._restores_best and math.isfinite(self._best.score):
            return self._best_pair
        return self.current(state)

    def current(self, state: TrainState) -> Evaluated:
        """The parameters to evaluate of a state with their model state, the best or not."""
        if not self._computes_any(state):
            return _pair(self._trainer, state)  # nothing to compute, so nothing to compile
        self._wait("pair")
        computed: Evaluated = self._pair_program(self._trainer, state)
        return computed

    def chooses_model_state(self, state: TrainState) -> bool:
        """Whether the model state to evaluate may be another than that of the last step."""
        if self._restores_best or self._computes_any(state):
            return True
        chosen, own = self._trainer.eval_model_state(state), state.model_state
        leaves = map(jax.tree.leaves, (chosen, own))
        return [id(leaf) for leaf in next(leaves)] != [id(leaf) for leaf in next(leaves)]

    def score(self, step: int) -> float | None:
        """The score after so many steps, None unless it was measured."""
        if self._validation is None or self.lacks(step):
            return None
        return self._validation.score(self.shown)

    def forget_best(self) -> None:
        """Compare no later score with those so far."""
        self._best, self._best_pair = Best(), Evaluated(None, None)

    def evaluation_hash(self, state: TrainState) -> str:
        """A hash of what a validation computes, "" without one."""
        if self._validation is None:
            return ""
        static = static_arguments(self._trainer, self._validation)
        measure = jax.make_jaxpr(lambda state, data: evaluate_in_batches(*static, state, data))
        with jax.disable_jit(False):
            return program_hash(measure(state, self._data))

    def written(self) -> list[float | None]:
        """What a checkpoint must hold beside the history and what is evaluated, as JSON."""
        return self._best.to_json()

    def restore(self, history: Mapping[str, np.ndarray], written: Any, pair: Evaluated) -> None:
        """Go on from a checkpoint: its history, and what `written` and `evaluated` returned."""
        self.history, self._best = History(history), Best.from_json(written)
        self._best_pair = pair

    def _computes_any(self, state: TrainState) -> bool:
        """Whether parameters to evaluate, or their model state, must be computed."""

        def computes() -> bool:
            traced = jax.make_jaxpr(lambda state: _pair(self._trainer, state))(state)
            return bool(traced.eqns)

        if self._computes is None:  # asked once, for each trace stays in the caches of JAX
            key = ("computes", jax.tree.structure(state))
            self._computes = kept_on(self._trainer, key, computes)
        return self._computes

    def _own_pair(self, state: TrainState) -> Evaluated:
        """What is evaluated, in memory of its own: the state's will be taken over."""
        current = self.current(state)
        if self._computes_any(state):
            return current
        copied: Evaluated = jax.tree.map(own_copy, current)
        return copied

    @property
    def _pair_program(self) -> OwnedJit[Evaluated]:
        return _eval_copy if self._restores_best else _eval_pair

    def _wait(self, name: str) -> None:
        if name in self._ahead:
            self._ahead.pop(name).wait()

    @property
    def _restores_best(self) -> bool:
        early = self._validation.early_stopping if self._validation else None
        return early is not None and early.restore_best


def _pair(trainer: Trainer, state: TrainState) -> Evaluated:
    return Evaluated(trainer.eval_params(state), trainer.eval_model_state(state))


@owned_jit()
def _eval_pair(trainer: Trainer, state: TrainState) -> Evaluated:
    return _pair(trainer, state)


@owned_jit()
def _eval_copy(trainer: Trainer, state: TrainState) -> Evaluated:
    copies: Evaluated = jax.tree.map(
        lambda leaf: leaf if is_key(leaf) else jnp.copy(leaf), _pair(trainer, state)
    )
    return copies
