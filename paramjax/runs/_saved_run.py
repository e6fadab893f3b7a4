"""Where a run stands: what its checkpoints hold, and going on from them."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

from paramjax._status import Status
from paramjax._types import Batch
from paramjax.checkpoints._store import CheckpointStore
from paramjax.logs._background import Background
from paramjax.runs._chunks import ChunkSizing
from paramjax.runs._faults import Faults
from paramjax.runs._history import History
from paramjax.runs._identity import program
from paramjax.runs._inputs import RunConfig, check_saved
from paramjax.runs._nonfinite import holds_fault
from paramjax.runs._result import Fit
from paramjax.runs._rollbacks import Rollbacks
from paramjax.runs._sources import BatchSource
from paramjax.runs._validator import Best, Evaluated, Validator
from paramjax.step._state import TrainState


class SavedRun:
    """The state, step, history and validations of a run, which checkpoints keep."""

    def __init__(
        self,
        config: RunConfig,
        state: TrainState,
        source: BatchSource,
        validator: Validator,
        store: CheckpointStore | None,
        writers: Background,
        begin: Callable[[], TrainState],
    ) -> None:
        self.step, self.history = 0, History()
        self._config, self._state, self._source = config, state, source
        self._validator, self._store, self._writers = validator, store, writers
        self._begin, self._first_position = begin, source.position()
        self._chunk_sizing, self._rollbacks = ChunkSizing(config.burst), Rollbacks()
        self._unsound: str | None = None
        self._faults = Faults(config.trainer, state, lambda state: validator.current(state).params)
        self._counted: tuple[Any, int] = (None, 0)
        self._saved_form: Any = None
        self._saved_at, self._saved_step = time.monotonic(), -1

    @property
    def saves(self) -> bool:
        """Whether there is a folder to save in."""
        return self._store is not None

    def restore(self, most: int | None = None) -> bool:
        """Go on from the newest good checkpoint up to a step, if there is one."""
        assert self._store is not None
        saved = self._store.restore(self._tree(), most)
        if saved is None:
            return False
        if saved.step > self._config.steps:
            raise ValueError(
                f"steps: the run in {self._store.folder} has done {saved.step} steps, got "
                f"{self._config.steps}; ask for at least as many, or choose another folder"
            )
        self._saved_form = saved.extra.get("batch")
        comparable = check_saved(saved.extra, self._store.folder, self._config)
        self._state = saved.tree["state"]
        self.step = self._saved_step = saved.step
        self.history = History(saved.history)
        own = saved.tree.get("model_state", self._state.model_state)
        pair = Evaluated(saved.tree["params"], own)
        self._validator.restore(saved.validation, saved.extra["best"], pair)
        if not comparable:
            self._validator.forget_best()
        self._rollbacks = Rollbacks.from_json(saved.extra["rollbacks"])
        self._source.rewind(saved.step, saved.extra["position"])
        return True

    def result(self, status: Status) -> Fit:
        """What is done so far, and why it ends."""
        params, model_state = self._validator.evaluated(self._state)
        validations = self._validator.history.arrays()
        return Fit(params, self._state, self.history.arrays(), validations, status, model_state)

    def close(self) -> None:
        """Wait for what is being saved and logged."""
        self._writers.flush()
        if self._store is not None:
            self._store.close()

    def _declare(self, form: Batch) -> None:
        """Say what a step computes on batches of a form."""
        if self._store is not None:
            self._store.declare(program(self._config.trainer, self._state, form))

    def _begin_again(self) -> None:
        """Go back to where the run began."""
        self._state, self.step, self._saved_step = self._begin(), 0, -1
        self.history, self._rollbacks = History(), Rollbacks()
        self._validator.restore({}, Best().to_json(), Evaluated(None, None))
        self._source.rewind(0, self._first_position)

    def _save_once(self) -> None:
        """Save, unless this step has just been saved or there is nowhere to."""
        if self._store is None or self._saved_step == self.step or self._unsound is not None:
            return
        if self.step == 0 and holds_fault(self._state.params):
            return
        self._writers.flush()
        extra = {
            "best": self._validator.written(),
            "rollbacks": list(self._rollbacks),
            "factor": getattr(self._config.nonfinite, "factor", None),
            "inputs": self._config.inputs,
            "batch": self._saved_form,
            "position": self._source.position(),
        }
        self._store.save(
            self.step,
            self._tree(),
            self.history.arrays(),
            self._validator.history.arrays(),
            extra,
            score=self._validator.score(self.step),
        )
        self._saved_step, self._saved_at = self.step, time.monotonic()

    def _tree(self) -> dict[str, Any]:
        """What a checkpoint holds as arrays."""
        params, model_state = self._validator.evaluated(self._state)
        tree = {"state": self._state, "params": params}
        if self._validator.chooses_model_state(self._state):
            tree["model_state"] = model_state
        return tree
