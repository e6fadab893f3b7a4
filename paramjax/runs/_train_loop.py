"""The host's side of a run: what happens between two chunks of steps."""

from __future__ import annotations

import time
import warnings
from collections.abc import Mapping
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from paramjax._ahead import Ahead
from paramjax._status import Status
from paramjax._types import PyTree
from paramjax.optim import has_plateau, lower_rate, update_plateau
from paramjax.runs._chunks import REFUSING, finite_steps
from paramjax.runs._identity import agreed
from paramjax.runs._inputs import (
    form_from_json,
    form_to_json,
)
from paramjax.runs._interrupt import Interrupts
from paramjax.runs._nonfinite import (
    NonFiniteError,
    NonFiniteWarning,
    Rollback,
    advice,
    explain,
    explain_model_state,
    explain_params,
    first_leaf,
    last_finite,
)
from paramjax.runs._progress import Progress
from paramjax.runs._saved_run import SavedRun
from paramjax.step._state import TrainState


class TrainLoop(SavedRun):
    """A run in progress."""

    def go(self, bar: Progress, interrupts: Interrupts) -> Status:
        """Train to the end, showing progress, and return how it ended."""
        if self._ended() is None:
            self._compile()
        if self._source.knows_form or self._ended() is None:
            self._prepare(interrupts)  # refuses another program before a log is cut to this step
        elif self._saved_form is not None:  # of a stream from which nothing is to be read
            self._declare(form_from_json(self._saved_form))
        self._writers.open(self.step, self.history.arrays(), self._validator.history.arrays())
        if isinstance(self._config.nonfinite, Rollback):
            self._save_once()
        while (status := self._ended()) is None:
            ready = self._prepare(interrupts)
            most, save, interrupted = self._decide(interrupts)
            if interrupted or not ready:
                status = Status.INTERRUPTED
                break
            if save:
                self._save_once()
            self._advance(most)
            validated = {f"val {name}": value for name, value in self._validator.shown.items()}
            bar.update(self.step, {"loss": self.history.last("loss") or 0.0, **validated})
        self._save_once()
        # a measure that is not due comes after the last checkpoint, so that a run that is
        # continued with more steps is the one that was asked for all of them at once
        if status == Status.FINISHED and self._validator.lacks(self.step):
            self._measure()
        self._warn_of_unsound()
        return status

    def _compile(self) -> None:
        """Begin to compile all that the run will call, while the first rows are drawn."""
        for part in (self._source, self._faults, self._validator):
            part.ahead(self._state)
        if self._validator.next(self.step) is not None and has_plateau(self._state):
            self._plateau = Ahead(_update_plateau, self._state, np.float64(0))

    def _ended(self) -> Status | None:
        if self._validator.is_over:
            return Status.STOPPED
        return Status.FINISHED if self.step >= self._config.steps else None

    def _prepare(self, interrupts: Interrupts) -> bool:
        """Wait for batches; where none come, nothing of what is done is lost."""
        # what one of several processes was asked, the others learn at their next chunk
        stops = lambda: interrupts.received is not None and not self._config.joint  # noqa: E731
        try:
            ready = self._source.prepare(self.step, stops)
        except Exception as error:
            self._save_once()
            error.add_note(f"fit: {self.step} of {self._config.steps} steps were done")
            raise
        if ready and self._store is not None and not self._store.knows_program:
            form = self._source.form  # that of a stream is known now
            if not self._source.knows_form:
                self._saved_form = form_to_json(form)
            self._declare(form)
        return ready

    def _decide(self, interrupts: Interrupts) -> tuple[int, bool, bool]:
        """How far the next chunk goes, and whether to save or to end before it."""
        every, step = self._config.every, self.step
        save = False
        ends = [self._config.steps]
        if isinstance(every, int):
            save = step > 0 and step % every == 0
            ends.append(step - step % every + every)
        elif every is not None and step > 0:
            save = time.monotonic() - self._saved_at >= every.total_seconds()
        due = self._validator.next(step)
        if due is not None:
            ends.append(due)
        most = min(
            self._chunk_sizing.steps, self._source.available(), *(end - step for end in ends)
        )
        received = interrupts.received is not None
        if self._config.joint:
            most, save, received = agreed(most, save, received)
        return most, save, received

    def _advance(self, most: int) -> None:
        self._masked()  # before the memory of the state is taken over
        before = time.perf_counter()
        chunk = self._source.advance(self._state, most)
        seen = self._faults.seen(chunk.state)
        rows, seen = jax.device_get((chunk.rows, seen))
        metrics = rows.metrics(most)
        taken = len(metrics["loss"])
        self._chunk_sizing.measured(taken, time.perf_counter() - before)
        stops = self._config.nonfinite != "warn"
        done = finite_steps(self._config.trainer, metrics) if stops else taken
        after, ok = chunk.state, done == taken
        if ok:
            state, sound = after, self._is_sound(after, seen)
        else:
            # the same steps once more, up to the one that was not finite, and with it
            state, sound = self._again(done)
            after, _ = self._again(done + 1)
        if not sound and self._config.nonfinite == "warn":
            self._unsound = self._unsound or explain_params(state, self.step + done)
        elif not sound:
            done, state, after = last_finite(self._again, self._state, done, state)
            ok = False
        if ok or done:
            self._accept(state, done, metrics)
        if not ok:
            self._refused({name: values[done] for name, values in metrics.items()}, after)
        elif self._validator.is_due(self.step):
            score = self._measure()
            if has_plateau(self._state):
                self._plateau.wait()
                self._state = _update_plateau(self._state, np.float64(score))

    def _accept(self, state: TrainState, done: int, metrics: Mapping[str, Any]) -> None:
        self._state = state
        self._source.taken(done)
        rows = {name: np.array(values[:done]) for name, values in metrics.items()}
        self.history.append(rows)
        self._writers.write(self.step + 1, rows)
        self.step += done

    def _again(self, steps: int) -> tuple[TrainState, bool]:
        """The state so many steps into the last chunk, and whether its parameters are finite."""
        if steps == 0:
            return self._state, True  # otherwise the chunk before had ended the run
        state = self._source.advance(self._state, steps).state
        return state, self._is_sound(state, jax.device_get(self._faults.seen(state)))

    def _masked(self) -> int:
        """How many parameters are not finite before a chunk, such as masks of -inf."""
        if self._counted[0] is not self._state:
            seen = jax.device_get(self._faults.seen(self._state))
            self._counted = self._state, self._faults.counts(seen)[0]
        return self._counted[1]

    def _is_sound(self, state: TrainState, seen: PyTree) -> bool:
        """Whether no more parameters are not finite than before the chunk that made a state."""
        counts, masked = self._faults.counts(seen), self._masked()
        self._counted = state, counts[0]
        return max(counts) <= masked

    def _warn_of_unsound(self) -> None:
        if jax.tree.leaves(self._state.model_state) and self._unsound is None:
            text = explain_model_state(self._begin, self._state)
            if text is not None:
                warnings.warn(f"fit: {text}", NonFiniteWarning, stacklevel=5)
        losses = self.history.arrays().get("loss", np.zeros(0))
        if self._unsound is None or (self._store is None and not np.isfinite(losses).all()):
            return  # a warning of the losses says enough
        saved = "; checkpoints are written up to then" if self._store is not None else ""
        warnings.warn(f"fit: {self._unsound}{saved}", NonFiniteWarning, stacklevel=5)

    def _measure(self) -> float:
        metrics, score = self._validator.measure(self._state, self.step)
        self._writers.validated(self.step, metrics)
        return score

    def _refused(self, metrics: Mapping[str, Any], after: TrainState) -> None:
        """A step was not finite: go back, or end the run."""
        numbers = {name: float(metrics[name]) for name in REFUSING if name in metrics}
        where = first_leaf(self._state, after)
        text = explain(self.step, numbers, self.history.last("loss"), where)
        in_vain = not all(np.isfinite(number) for number in numbers.values())
        if self._roll_back(text, in_vain):
            return
        self._save_once()
        done = self._rollbacks.done
        tried = f" after {done} rollbacks" if done else ""
        raise NonFiniteError(f"fit: {text}{tried}; {advice(self.step)}")

    def _roll_back(self, text: str, in_vain: bool) -> bool:
        """Go back, if that is wanted and there is something from which another rate could help."""
        rollback = self._config.nonfinite
        if not isinstance(rollback, Rollback):
            return False
        assert self._store is not None
        steps = sorted({0, *self._store.steps()})
        after = self._rollbacks.after(rollback, steps, self.step, in_vain=in_vain)
        if after is None:
            return False
        if not self.restore(after.target):
            self._begin_again()
        # a saved rate knows of the rollbacks before it was saved
        lowered = rollback.factor ** (after.done - self._rollbacks.done)
        self._rollbacks = after
        self._state = _lower_rate(self._state, jnp.float32(lowered))
        self._writers.open(self.step)
        scale = rollback.factor**after.done
        warnings.warn(
            f"fit: {text}; back to step {self.step} with {scale:g} times the learning rate",
            NonFiniteWarning,
            stacklevel=7,
        )
        return True


_update_plateau = jax.jit(update_plateau, donate_argnums=0)
_lower_rate = jax.jit(lower_rate, donate_argnums=0)
