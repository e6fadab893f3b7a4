"""What a run, or a population of runs, shows while it goes on: rich's columns in one line."""

from __future__ import annotations

import contextlib
import importlib.util
import os
import sys
import time
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any, TextIO

import jax

from paramjax._checks import describe
from paramjax._format import printable

if TYPE_CHECKING:
    from rich.progress import Progress as Bar
    from rich.progress import ProgressColumn, Task

_LINE_SECONDS = 10.0
"""Between two plain lines."""

_REDRAW_SECONDS = 0.25
"""Between two states of a line that is written again."""


class Progress:
    """A line on standard error that follows steps; a context manager.

    On a terminal, or in a notebook with ipywidgets, it is a bar; in a notebook without them a
    line that is written again and again; elsewhere, if it is asked for, a plain line every ten
    seconds and at the end. Of several processes only the first one shows
    it. A terminal or pipe that goes away never ends the work.

    Args:
        total: Steps in all, positive.
        shown: Whether to show it; None shows it where there is a bar.
        start: Steps that were done before.
        doing: What happens before the first step.

    Raises:
        TypeError: If `shown` is neither True, False nor None.

    Example:
        >>> with Progress(100, shown=False) as progress:
        ...     progress.update(50, {"loss": 0.25, "runs": "1/2"})
    """

    def __init__(
        self, total: int, shown: bool | None = None, *, start: int = 0, doing: str = "compiling"
    ) -> None:
        if shown is not None and not isinstance(shown, bool):
            raise TypeError(f"progress: expected True, False or None, got {describe(shown)}")
        self._total, self._shown, self._start, self._doing = total, shown, start, doing
        self._bar: Bar | None = None
        self._updated, self._due = False, 0.0
        self._redraws, self._drawn = False, 0

    def __enter__(self) -> Progress:
        stream, live = sys.stderr, _has_bar()
        self._redraws = not live and _is_notebook()
        if (
            self._shown is False
            or stream is None
            or jax.process_index()
            or not (live or self._redraws or self._shown)
        ):
            return self
        self._bar = _bar(_Lasting(stream), live)
        self._bar.add_task("", total=self._total, completed=self._start, text=self._doing)
        self._bar.start()
        self._due = time.monotonic() + self._seconds
        return self

    def __exit__(self, *error: object) -> None:
        if self._bar is None:
            return
        self._bar.columns = _columns(ended=True)
        if self._bar.disable and self._updated:
            self._print(last=True)
        for stream in (sys.stdout, sys.stderr):  # rich holds back a line that has no end
            with contextlib.suppress(OSError, AttributeError):
                stream.flush()
        self._bar.live.transient = not self._updated
        self._bar.stop()
        self._bar = None

    def update(
        self, done: int, fields: Mapping[str, float | str], total: int | None = None
    ) -> None:
        """Take notice of more steps.

        Args:
            done: Steps done, fewer than before where the work went back.
            fields: Name -> a number or a text to show beside them.
            total: Steps in all, where that has changed.
        """
        if self._bar is None:
            return
        self._updated = True
        texts = (v if isinstance(v, str) else f"{v:#.4g}" for v in fields.values())
        text = printable("  ".join(map(" ".join, zip(fields, texts, strict=True))))
        self._bar.update(self._bar.task_ids[0], completed=done, total=total, text=text)
        if self._bar.disable and time.monotonic() >= self._due:
            self._print()

    @property
    def _seconds(self) -> float:
        """Between two lines."""
        return _REDRAW_SECONDS if self._redraws else _LINE_SECONDS

    def _print(self, *, last: bool = False) -> None:
        """Write the columns of text as a line without control characters."""
        assert self._bar is not None
        from rich.progress import BarColumn, ProgressColumn, SpinnerColumn

        (task,) = self._bar.tasks
        columns = (c for c in self._bar.columns if isinstance(c, ProgressColumn))
        texts = (c for c in columns if not isinstance(c, BarColumn | SpinnerColumn))
        parts = (str(column.render(task)).strip() for column in texts)
        line = " ".join(filter(None, parts))
        begin = "\r" if self._redraws else ""
        end = "" if self._redraws and not last else "\n"
        print(f"{begin}{line:{self._drawn}}", end=end, file=self._bar.console.file, flush=True)
        self._drawn = len(line) if self._redraws else 0
        self._due = time.monotonic() + self._seconds


class _Lasting:
    """A stream whose writes never fail: whoever could be told of it is gone."""

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream

    def __getattr__(self, name: str) -> Any:
        return getattr(self._stream, name)

    def write(self, text: str) -> None:
        with contextlib.suppress(OSError, ValueError):  # ValueError: it was closed
            self._stream.write(text)

    def flush(self) -> None:
        with contextlib.suppress(OSError, ValueError):
            self._stream.flush()


def _bar(stream: Any, live: bool) -> Bar:
    from rich.console import Console
    from rich.progress import Progress as Bar

    return Bar(
        *_columns(ended=False),
        console=Console(file=stream),
        get_time=time.monotonic,
        disable=not live,
        # standard output that goes into a file stays there
        redirect_stdout=sys.stdout is not None and sys.stdout.isatty(),
    )


def _columns(*, ended: bool) -> tuple[ProgressColumn, ...]:
    """Rich's columns, of which bar, speed and labels give way where there is little room."""
    from rich import progress
    from rich.table import Column
    from rich.text import Text

    class Soft(progress.ProgressColumn):
        def __init__(self, text: Callable[[Task], str]) -> None:
            super().__init__()
            self._text = text

        def render(self, task: Task) -> Text:
            return Text(self._text(task), no_wrap=True, overflow="ellipsis")

    def speed(task: Task) -> str:
        steps = task.speed or 0.0
        return f"{steps:,.0f}/s" if steps >= 100 else f"{steps:.3g}/s" if steps else ""

    firm = Column(no_wrap=True)
    columns = (
        progress.BarColumn(),
        progress.MofNCompleteColumn(table_column=firm),
        progress.TextColumn("{task.fields[text]}", markup=False),
        Soft(speed),
    )
    if ended:
        elapsed = progress.TimeElapsedColumn(table_column=firm)
        return (*columns, elapsed, Soft(lambda task: "in all"))
    left = progress.TimeRemainingColumn(compact=True, table_column=firm)
    return (progress.SpinnerColumn("line"), *columns, left, Soft(lambda task: "left"))


def _has_bar() -> bool:
    """Whether standard error is a terminal, or a notebook that can redraw a line."""
    if _is_notebook():
        return importlib.util.find_spec("ipywidgets") is not None
    stream = sys.stderr
    return stream is not None and stream.isatty() and os.environ.get("TERM") != "dumb"


def _is_notebook() -> bool:
    """Whether IPython's kernel runs this."""
    ipython = sys.modules.get("IPython")
    shell = ipython.get_ipython() if ipython is not None else None
    return type(shell).__name__ == "ZMQInteractiveShell"
