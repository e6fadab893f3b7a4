"""What the subcommands share: exit codes, messages, and the look of a table."""

from __future__ import annotations

import enum
import json
import sys
from collections.abc import Iterator
from typing import Any

from rich import box
from rich.console import Console, ConsoleOptions, RenderableType
from rich.markup import escape
from rich.segment import Segment
from rich.table import Table

from paramjax._format import printable, without_nonfinite


class Exit(enum.IntEnum):
    """The exit codes of `paramjax`."""

    DONE = 0
    FAILED = 1
    """A check failed: a figure is off, a checkpoint is damaged, a promise is broken; or a fit did
    not converge."""
    BAD_INPUT = 2
    EXCLUDED = 3
    """The benchmark ran without one or more of its optimizers."""
    INTERRUPTED = 130
    CLOSED = 141
    """Whoever read the output closed it, as `head` does."""
    TERMINATED = 143


class _PlainConsole(Console):
    """A console whose texts command nothing: control characters in names are shown escaped."""

    def render(
        self, renderable: RenderableType, options: ConsoleOptions | None = None
    ) -> Iterator[Segment]:
        """Segments as rich makes them; styles stay, for they stand beside the text."""
        for text, style, control in super().render(renderable, options):
            shown = text if control else "\n".join(map(printable, text.split("\n")))
            yield Segment(shown, style, control)


def console(*, stderr: bool = False) -> Console:
    """A console that does not squeeze tables where the width is unknown."""
    stream = sys.stderr if stderr else sys.stdout
    return _PlainConsole(stderr=stderr, width=None if stream.isatty() else 132, highlight=False)


def fail(message: object, code: Exit = Exit.BAD_INPUT) -> Exit:
    """Print an error and return its exit code."""
    console(stderr=True).print(f"[red]error:[/] {escape(str(message))}", soft_wrap=True)
    return code


def warn(message: str) -> None:
    """Print a warning, in one line where the output is no terminal."""
    out = console(stderr=True)
    out.print(f"[yellow]warning:[/] {escape(message)}", soft_wrap=not out.is_terminal)


def table(title: str | None = None) -> Table:
    """An empty table with a rule below its head and nothing around it."""
    return Table(
        title=title,
        title_style="",
        title_justify="left",
        box=box.SIMPLE_HEAD,
        pad_edge=False,
        collapse_padding=True,
    )


def print_json(value: Any) -> None:
    """Print a value as JSON, with null for numbers that are not finite."""
    print(json.dumps(without_nonfinite(value), indent=1, allow_nan=False))
