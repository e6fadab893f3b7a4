"""`paramjax verify`: are the promises of determinism kept on this machine?"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from rich.table import Table

    from paramjax.verify._promise import Finding
    from paramjax.verify._verify import Report

BROKEN = 1


def verify(key: int = 0, quick: bool = False, json: bool = False) -> int:
    """Train a small problem over and over, and see whether the promised numbers come out.

    The same run twice, killed and resumed, cut into pieces, on several devices, and in a
    population: for each it says whether the bits are equal, or the largest relative
    difference (max |a - b| / max |a| over a leaf), and what the documentation promises.

    Args:
        key: The number that names all randomness.
        quick: Look less long: fewer steps, and a single kill.
        json: Print one JSON object and nothing else.

    Returns:
        Exit code: 0 all promises kept, 1 one broken or not to be checked, 2 bad input.
    """
    import time

    from paramjax.cli._terminal import console, fail
    from paramjax.verify._children import ChildFailed
    from paramjax.verify._verify import FULL, QUICK
    from paramjax.verify._verify import verify as look

    started = time.perf_counter()
    waiting = console(stderr=True)
    try:
        with waiting.status("") as status:
            report = look(key, QUICK if quick else FULL, say=status.update)
    except ChildFailed as error:
        return fail(str(error), BROKEN)
    except ValueError as error:
        return fail(str(error))
    if json:
        from json import dumps

        print(dumps(report.as_json(), indent=2, allow_nan=False))
    else:
        _show(report, time.perf_counter() - started)
    return 0 if report.kept else BROKEN


def _show(report: Report, seconds: float) -> None:
    from paramjax.cli._terminal import console, warn
    from paramjax.verify._surroundings import advice, header

    out = console()
    for line in header(report.facts):
        out.print(line, markup=False)
    out.print(_table(report.findings))
    kept = sum(finding.kept for finding in report.findings)
    if any(finding.relative for finding in report.findings):
        out.print("differences are relative: max |a - b| / max |a| of a leaf", markup=False)
    out.print(f"{kept} of {len(report.findings)} promises kept, key {report.key}, {seconds:.0f} s")
    if (text := advice(report.facts, report.findings)) is not None:
        warn(text)


def _table(findings: list[Finding]) -> Table:
    from rich import box
    from rich.markup import escape
    from rich.table import Table

    table = Table(box=box.SIMPLE_HEAD, pad_edge=False, collapse_padding=True)
    table.add_column("", no_wrap=True)
    table.add_column("compared", no_wrap=True)
    table.add_column("promised", no_wrap=True)
    table.add_column("found", overflow="fold")
    for finding in findings:
        verdict = "[green]kept[/]" if finding.kept else "[red]BROKEN[/]"
        table.add_row(verdict, escape(finding.compared), finding.promised, escape(finding.found))
    return table
