"""What a run shows while it goes on."""

from __future__ import annotations

import collections
import time
from collections.abc import Mapping
from types import TracebackType
from typing import Any

from paramjax._checks import describe
from paramjax.runs._display import Display, Field, choose_display

_WINDOW = 300
"""Looks over which the pace is taken."""


class Progress:
    """A line on standard error that follows a run; a context manager.

    In a terminal, or a notebook with ipywidgets, it is a bar that is drawn at most ten times a
    second, by the thread that calls `update`; elsewhere it is a plain line every ten seconds
    and at the end. Of several processes only the first one shows it.

    Args:
        steps: Steps in all, positive.
        shown: Whether to show it; None shows it where there is a bar.
        start: Steps that were done before.

    Raises:
        TypeError: If `shown` is something else.

    Example:
        >>> with Progress(100, shown=False) as bar:
        ...     bar.update(50, 0.25, {"accuracy": 0.9})
    """

    def __init__(self, steps: int, shown: bool | None = None, *, start: int = 0) -> None:
        if shown is not None and not isinstance(shown, bool):
            raise TypeError(f"progress: expected True, False or None, got {describe(shown)}")
        self._steps, self._shown, self._start = steps, shown, start
        self._display: Display | None = None
        self._looks: collections.deque[tuple[float, int]] = collections.deque(maxlen=_WINDOW)
        self._last: tuple[int, float, Mapping[str, float]] | None = None
        self._first = (0.0, 0)
        self._began = self._due = 0.0

    def __enter__(self) -> Progress:
        self._began = time.monotonic()
        self._display = choose_display(self._shown)
        if self._display is not None:
            self._due = self._began + self._display.pause
            share = self._start / self._steps
            fields = [Field(self._count(self._start), 0), Field("compiling", 1)]
            self._safely("begin", fields, share)
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if self._display is not None and self._last is not None:
            self._show(time.monotonic(), ended=True)
        self._safely("close", self._last is not None)
        self._display = None

    def update(self, step: int, loss: float, validation: Mapping[str, float]) -> None:
        """Take notice of more steps, and show them if it is time to.

        Args:
            step: Steps done.
            loss: The last one.
            validation: Name -> value of the last validation; may be empty.
        """
        if self._display is None:
            return
        now = time.monotonic()
        if self._last is None:
            self._first = (now, step)
            self._looks.append(self._first)
        self._last = (step, loss, validation)
        if now >= self._due:
            self._show(now)

    def _show(self, now: float, *, ended: bool = False) -> None:
        assert self._display is not None
        assert self._last is not None
        step, loss, validation = self._last
        if self._looks and step < self._looks[-1][1]:
            self._looks.clear()  # the run went back
        pace = _pace(self._looks[0] if self._looks and not ended else self._first, (now, step))
        self._looks.append((now, step))
        fields = [Field(self._count(step), 0), Field(f"loss {loss:#.4g}", 1)]
        fields += [Field(f"val {name} {value:#.4g}", 2) for name, value in validation.items()]
        if pace:
            fields.append(Field(f"{_digits(pace)} steps/s", 4))
        if ended:
            fields.append(Field(f"took {_clock(now - self._began)}", 3))
        elif pace:
            fields.append(Field(f"{_clock((self._steps - step) / pace)} left", 3))
        self._safely("draw", fields, step / self._steps)
        if self._display is not None:
            self._due = now + self._display.pause

    def _count(self, step: int) -> str:
        return f"{step:,}/{self._steps:,}"

    def _safely(self, method: str, *arguments: Any) -> None:
        display = self._display
        if display is None:
            return
        try:
            getattr(display, method)(*arguments)
        except OSError:  # the terminal is gone, and with it whoever could be told: the run goes on
            self._display = None
            display.drop()


def _pace(before: tuple[float, int], now: tuple[float, int]) -> float:
    """Steps a second, 0 where that is not known."""
    seconds, steps = now[0] - before[0], now[1] - before[1]
    return steps / seconds if seconds > 0 and steps > 0 else 0.0


def _digits(number: float) -> str:
    return f"{number:,.0f}" if number >= 100 else f"{number:.3g}"


def _clock(seconds: float) -> str:
    """Minutes and seconds, with hours and days where there are some."""
    minutes, second = divmod(round(seconds), 60)
    hours, minute = divmod(minutes, 60)
    days, hour = divmod(hours, 24)
    if not hours:
        return f"{minute}:{second:02d}"
    return f"{days} d {hour:02d}:{minute:02d}" if days else f"{hour}:{minute:02d}:{second:02d}"
