"""`paramjax example --all`: every example, each in a process of its own, and one table."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from rich.console import Console
from rich.markup import escape
from rich.progress import Progress
from rich.table import Table

from paramjax.cli._display import bar_columns
from paramjax.cli._scripts import own_options, rows
from paramjax.cli._terminal import Exit, console, fail, table
from paramjax.runs._interrupt import Terminated, ending

_WIDEST = 132
_PATIENCE = 5.0
"""Seconds that a script has to end after SIGTERM."""


class Outcome(NamedTuple):
    """How one example ended.

    Attributes:
        name: The example.
        rows: The rows of the brief that it serves.
        seconds: The time of its process.
        figures: How many figures it printed.
        off: Those that do not fit, in words; None where nothing was compared.
        wrong: What went wrong, empty for nothing.
    """

    name: str
    rows: list[int]
    seconds: float
    figures: int
    off: list[str] | None
    wrong: str

    @property
    def counted(self) -> str:
        """The figures in words: how many there are, and how many fit."""
        if self.off is None:
            return str(self.figures) if self.figures else "-"
        fit = f"{self.figures - len(self.off)} ok" if self.figures else ""
        return ", ".join(filter(None, [fit, f"{len(self.off)} off" if self.off else ""]))


def run_all(
    programs: Mapping[str, Path], out: Path, words: Sequence[str], data: Path | None
) -> Exit:
    """Run the examples one after another and print a table of what came out.

    Args:
        programs: Name -> script.
        out: Folder of the results; each example's output is kept beside its result.
        words: Arguments of every script.
        data: Folder for the scripts that take `--data`.

    Returns:
        Exit code: 0 if all ran and fit, 1 if not, 130 interrupted, 143 ended by SIGTERM.
    """
    terminal = console()
    outcomes: list[Outcome] = []
    started = time.perf_counter()
    code = Exit.DONE
    try:
        with ending():
            _run_each(programs, terminal, outcomes, lambda name, file: _run(
                name, file, out, [*words, *_data_words(file, data)]
            ))  # fmt: skip
    except KeyboardInterrupt:
        code = Exit.INTERRUPTED
    except Terminated:
        code = Exit.TERMINATED
    if outcomes:
        terminal.print(_outcome_table(outcomes))
        terminal.print(_sum(outcomes, time.perf_counter() - started, out), markup=False)
    if code:
        cause = "interrupted" if code == Exit.INTERRUPTED else "ended by SIGTERM"
        rest = f"{len(outcomes)} of {len(programs)} examples had run"
        return fail(f"{cause}; {rest}; one of them alone: paramjax example NAME", code)
    return Exit.FAILED if any(outcome.wrong for outcome in outcomes) else Exit.DONE


def _run_each(
    programs: Mapping[str, Path],
    terminal: Console,
    outcomes: list[Outcome],
    run: Callable[[str, Path], Outcome],
) -> None:
    """Fill `outcomes`, with a bar in a terminal and a line for each example elsewhere."""
    columns = bar_columns(min(terminal.width, _WIDEST), ["examples"], len(programs))
    with Progress(
        *columns,
        console=terminal,
        disable=not terminal.is_terminal,
        speed_estimate_period=3600.0,  # they take seconds to minutes
    ) as bars:
        task = bars.add_task("examples", total=len(programs), now="")
        for name, file in programs.items():
            bars.update(task, now=name, refresh=True)
            outcomes.append(outcome := run(name, file))
            bars.update(task, advance=1, now="done", refresh=True)
            if outcome.wrong or not terminal.is_terminal:
                words = outcome.wrong or f"figures {outcome.counted}"
                terminal.print(f"{name}: {words}, {outcome.seconds:.1f} s", markup=False)


def _run(name: str, file: Path, out: Path, words: Sequence[str]) -> Outcome:
    """Run a script, keep what it prints, and read its result."""
    folder = out / name
    folder.mkdir(parents=True, exist_ok=True)
    result, log = folder / "result.json", folder / "output.txt"
    result.unlink(missing_ok=True)  # an earlier run's
    command = [sys.executable, "-P", str(file), "--out", str(out), *words]
    started = time.perf_counter()
    with log.open("w", encoding="utf-8") as stream:
        code = _wait(
            subprocess.Popen(
                command,
                stdin=subprocess.DEVNULL,
                stdout=stream,
                stderr=subprocess.STDOUT,
                env={**os.environ, "PYTHONUNBUFFERED": "1"},
            )
        )
    seconds = time.perf_counter() - started
    found: dict[str, Any] = json.loads(result.read_text()) if result.is_file() else {}
    off = found.get("off")
    wrong = _in_short(off) if code == Exit.FAILED and off else _last_words(code, log)
    return Outcome(name, rows(file), seconds, len(found.get("figures", {})), off, wrong)


def _in_short(off: Sequence[str]) -> str:
    """The first figure that is off, and how many more there are."""
    return off[0] + (f"; and {len(off) - 1} more" if len(off) > 1 else "")


def _wait(process: subprocess.Popen[bytes]) -> int:
    """The exit code; what ends this process early ends the script, too."""
    try:
        return process.wait()
    finally:
        if process.poll() is None:
            process.terminate()
            try:
                process.wait(_PATIENCE)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()


def _last_words(code: int, log: Path) -> str:
    """What a script said last before it failed, or the signal that ended it."""
    if code == 0:
        return "" if (log.parent / "result.json").is_file() else "it wrote no result.json"
    if code < 0:
        return f"ended by {signal.Signals(-code).name}"
    lines = log.read_text(encoding="utf-8", errors="replace").split("\n")
    return next((line.strip() for line in reversed(lines) if line.strip()), f"exit code {code}")


def _data_words(file: Path, data: Path | None) -> list[str]:
    return ["--data", str(data)] if data is not None and "data" in own_options(file) else []


def _outcome_table(outcomes: Sequence[Outcome]) -> Table:
    made = table()
    made.add_column("example", no_wrap=True)
    made.add_column("rows", justify="right", no_wrap=True)
    made.add_column("seconds", justify="right", no_wrap=True)
    made.add_column("figures", justify="right", no_wrap=True)
    made.add_column("what went wrong", overflow="fold")
    for outcome in outcomes:
        figures = f"[red]{outcome.counted}[/]" if outcome.wrong else outcome.counted
        served = ", ".join(map(str, outcome.rows))
        made.add_row(outcome.name, served, f"{outcome.seconds:.1f}", figures, escape(outcome.wrong))
    return made


def _sum(outcomes: Sequence[Outcome], seconds: float, out: Path) -> str:
    wrong = sum(bool(outcome.wrong) for outcome in outcomes)
    count = f"{len(outcomes)} example{'' if len(outcomes) == 1 else 's'}"
    failed = f", {wrong} failed" if wrong else ", none failed"
    return f"{count} in {seconds:.0f} s{failed}; plots, results and outputs: {out}"
