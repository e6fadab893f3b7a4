"""Where a line of progress is shown: a bar in a terminal, plain lines in a file."""

from __future__ import annotations

import importlib.util
import os
import sys
from collections.abc import Iterator
from typing import Any, NamedTuple, Protocol, TextIO

import jax

_LEAST_BAR = 4
_LONGEST_BAR = 40
_GAP = 2


class Field(NamedTuple):
    """A part of the line.

    Attributes:
        text: What it says.
        rank: Where there is little room, the lowest ones stay.
    """

    text: str
    rank: int


class Display(Protocol):
    """Where the line is shown."""

    pause: float
    """Seconds between two looks."""

    def begin(self, fields: list[Field], share: float) -> None:
        """Show a line before there is a step, where it can be taken away again."""

    def draw(self, fields: list[Field], share: float) -> None:
        """Show another line.

        Args:
            fields: Its parts.
            share: Of the steps that are done, in [0, 1].
        """

    def close(self, last: bool) -> None:
        """Show nothing more; where there was no step, the line is taken away."""

    def drop(self) -> None:
        """Give everything back without writing."""


class _Plain:
    """Lines without control characters, for files and pipes."""

    pause = 10.0

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream

    def begin(self, fields: list[Field], share: float) -> None:
        pass

    def draw(self, fields: list[Field], share: float) -> None:
        print(*(field.text for field in fields), sep="  ", file=self._stream, flush=True)

    def close(self, last: bool) -> None:
        pass

    def drop(self) -> None:
        pass


class _Bar:
    """A bar that stays in its place, by rich; what others print goes above it."""

    pause = 0.1

    def __init__(self, stream: TextIO) -> None:
        from rich.file_proxy import FileProxy
        from rich.live import Live

        console = _console(stream)
        self._live = Live(
            console=console, auto_refresh=False, redirect_stdout=False, redirect_stderr=False
        )
        self._before = {"stderr": sys.stderr}
        if sys.stdout is not None and sys.stdout.isatty():
            self._before["stdout"] = sys.stdout
        self._proxies = {name: FileProxy(console, file) for name, file in self._before.items()}
        for name, proxy in self._proxies.items():
            setattr(sys, name, proxy)

    def begin(self, fields: list[Field], share: float) -> None:
        self._live.start()
        self.draw(fields, share)

    def draw(self, fields: list[Field], share: float) -> None:
        self._live.update(_Line(fields, share), refresh=True)

    def close(self, last: bool) -> None:
        for proxy in self._proxies.values():
            proxy.flush()
        self._live.transient = not last
        self._live.stop()
        self.drop()

    def drop(self) -> None:
        for name, proxy in self._proxies.items():
            if getattr(sys, name) is proxy:
                setattr(sys, name, self._before[name])


def _console(stream: TextIO) -> Any:
    from rich.console import Console

    class Enduring(Console):
        """A console that leaves the process alive, and its standard output alone."""

        def on_broken_pipe(self) -> None:
            raise  # it is called where the error is handled

    return Enduring(file=stream)


class _Line:
    """What rich draws: as many fields as there is room for, and a bar in what is left."""

    def __init__(self, fields: list[Field], share: float) -> None:
        self._fields, self._share = fields, share

    def __rich_console__(self, console: Any, options: Any) -> Iterator[Any]:
        from rich.progress_bar import ProgressBar
        from rich.segment import Segment
        from rich.text import Text

        # a line that fills a terminal to its last column would be wrapped by some
        text, room = fitting(self._fields, options.max_width - 1)
        if room >= _LEAST_BAR:
            bar = ProgressBar(total=1.0, completed=self._share, width=min(room, _LONGEST_BAR))
            yield from console.render(bar, options)
            yield Segment(" " * _GAP)
        yield Text(text, no_wrap=True, overflow="ellipsis")


def fitting(fields: list[Field], width: int) -> tuple[str, int]:
    """The fields that there is room for, and the room left for a bar before them.

    Args:
        fields: In the order in which they are shown.
        width: Columns.

    Returns:
        Text and columns.

    Example:
        >>> fitting([Field("1/9", 0), Field("loss 0.5", 1), Field("7 steps/s", 2)], 20)
        ('1/9  loss 0.5', 5)
    """
    taken: list[Field] = []
    room = width + _GAP
    for field in sorted(fields, key=lambda field: field.rank):
        if not taken or len(field.text) + _GAP <= room:
            taken.append(field)
            room -= len(field.text) + _GAP
    text = (" " * _GAP).join(field.text for field in fields if field in taken)
    return text, max(0, room - _GAP)


def choose_display(shown: bool | None) -> Display | None:
    """Where a run is shown.

    Args:
        shown: Whether to show it; None shows it where there is a bar.

    Returns:
        A display, None where nothing is shown.

    Example:
        >>> choose_display(False)
    """
    stream = sys.stderr
    if shown is False or stream is None or jax.process_index() != 0:
        return None
    if _in_notebook():
        has_bar = importlib.util.find_spec("ipywidgets") is not None
    else:
        has_bar = stream.isatty() and os.environ.get("TERM") != "dumb"
    if has_bar:
        return _Bar(stream)
    return _Plain(stream) if shown else None


def _in_notebook() -> bool:
    ipython = sys.modules.get("IPython")
    shell = ipython.get_ipython() if ipython is not None else None
    return type(shell).__name__ == "ZMQInteractiveShell"
