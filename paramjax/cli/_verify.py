"""`paramjax verify`: are the promises of determinism kept on this machine?"""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from rich.markup import escape
from rich.table import Table

from paramjax.cli._terminal import Exit, console, fail, print_json, table, warn

if TYPE_CHECKING:
    from paramjax.verify import Finding, Report


def verify(key: int = 0, quick: bool = False, json: bool = False) -> int:
    """Check on this machine that trainings are as reproducible as promised.

    A small training is run twice, killed and resumed, cut into pieces, on several devices
    and in a population. Each comparison says whether the bits are equal, or else the largest
    relative difference (max |a - b| / max |a| over a leaf), beside what docs/promises.md
    promises.

    Args:
        key: Integer from 0 to 2**32 - 1 that names all randomness.
        quick: Train fewer steps, and kill once.
        json: Print one JSON object and nothing else.

    Returns:
        Exit code: 0 all promises kept, 1 one broken or not to be checked, 2 bad input.
    """
    from paramjax.verify import FULL, QUICK, ChildFailed
    from paramjax.verify import verify as run_checks

    started = time.perf_counter()
    try:
        with console(stderr=True).status("") as status:
            report = run_checks(key, QUICK if quick else FULL, on_progress=status.update)
    except ChildFailed as error:
        return fail(error, Exit.FAILED)
    except ValueError as error:
        return fail(error)
    if json:
        print_json(report.as_dict())
    else:
        _show(report, time.perf_counter() - started)
    return Exit.DONE if report.kept else Exit.FAILED


def _show(report: Report, seconds: float) -> None:
    out = console()
    for line in report.header():
        out.print(line, markup=False)
    out.print(_finding_table(report.findings))
    if any(finding.relative for finding in report.findings):
        out.print("differences are relative: max |a - b| / max |a| of a leaf", markup=False)
    kept = sum(finding.kept for finding in report.findings)
    out.print(f"{kept} of {len(report.findings)} promises kept, key {report.key}, {seconds:.0f} s")
    if (text := report.advice()) is not None:
        warn(text)


def _finding_table(findings: list[Finding]) -> Table:
    made = table()
    for column in ("", "compared", "promised"):
        made.add_column(column, no_wrap=True)
    made.add_column("found", overflow="fold")
    for finding in findings:
        verdict = "[green]kept[/]" if finding.kept else "[red]BROKEN[/]"
        made.add_row(verdict, escape(finding.compared), finding.promised, escape(finding.found))
    return made
