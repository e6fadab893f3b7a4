"""The promises of determinism, checked one after the other on this machine."""

from __future__ import annotations

import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

from paramjax._checks import check_seed
from paramjax.verify._children import SIMULATED, ChildFailed, Session, kill_and_resume, results
from paramjax.verify._comparison import Finding, promise, promised_words
from paramjax.verify._report import Report
from paramjax.verify._results import Arrays, load_facts, load_result
from paramjax.verify._tolerances import RELATIVE, usable_devices


class Size(NamedTuple):
    """How long the checks take.

    Attributes:
        steps: Steps of the runs of which equal bits are promised.
        kills: How often to kill.
    """

    steps: int
    kills: int


FULL, QUICK = Size(4000, 4), Size(1000, 1)


def verify(
    key: int = 0, size: Size = FULL, *, on_progress: Callable[[str], None] = lambda check: None
) -> Report:
    """Check on this machine that the promises of determinism are kept.

    A small problem is trained over and over, in processes of their own that share compiled
    programs. docs/promises.md says what is promised, and why.

    Args:
        key: Names the problem, in [0, 2**32).
        size: Number of steps and kills, such as `FULL` or `QUICK`.
        on_progress: Called with the name of each check before it starts.

    Returns:
        The report; a check whose process failed counts as a broken promise.

    Raises:
        ValueError: If the key is out of range.
        ChildFailed: If the first run fails.
    """
    check_seed(key)
    with tempfile.TemporaryDirectory(prefix="paramjax-verify-") as folder:
        session = Session(Path(folder), key, *size)
        on_progress("same run twice, in one process")
        findings = _same(session)
        for name, (check, within) in _CHECKS.items():
            on_progress(name)
            try:
                findings += check(session)
            except ChildFailed as error:
                findings.append(Finding(name, promised_words(within), str(error), False))
        return Report(key, load_facts(session.folder), findings)


def _same(session: Session) -> list[Finding]:
    first, second = results(session, "first", "first", "second")
    return [promise("same run twice, in one process", first, second)]


def _again(session: Session) -> list[Finding]:
    (again,) = results(session, "again", "again")
    return [promise("same run, in another process", _first(session), again)]


def _killed(session: Session) -> list[Finding]:
    kills, resumed = kill_and_resume(session)
    if not kills:
        raise ChildFailed("the run ended before it could be killed")
    times = "once" if kills == 1 else f"{kills} times"
    return [promise(f"killed {times} and resumed", _first(session), resumed)]


def _cut(session: Session) -> list[Finding]:
    whole, cut, *streams = results(session, "cuts", "whole", "cut", "stream", "cut stream")
    # the run in few chunks has no validations
    shared = {name: cut[name] for name in cut if not name.startswith("validation/")}
    return [
        promise("whole, and cut and resumed", whole, shared),
        promise("stream, whole and resumed", *streams),
    ]


def _devices(session: Session) -> list[Finding]:
    real = load_facts(session.folder)["devices"]
    simulated = 0 if real > 1 else SIMULATED
    one, *split = results(session, "devices", "one", "rows", "params", simulated=simulated)
    where = f"{usable_devices(simulated or real)} {'simulated ' if simulated else ''}devices"
    return [
        promise(f"{where}: random numbers", *map(_random, (one, *split))),
        promise(f"{where}: rows split", one, split[0], within=RELATIVE),
        promise(f"{where}: params split", one, split[1], within=RELATIVE),
    ]


def _population(session: Session) -> list[Finding]:
    alone, mapped = results(session, "population", "alone", "in a population")
    return [
        promise("in a population: random numbers", *map(_random, (alone, mapped))),
        promise("in a population, and alone", alone, mapped, within=RELATIVE),
    ]


_Check = Callable[[Session], list[Finding]]
_CHECKS: dict[str, tuple[_Check, float | None]] = {
    "same run, in another process": (_again, None),
    "killed and resumed": (_killed, None),
    "whole, and cut and resumed": (_cut, None),
    "one device and several": (_devices, RELATIVE),
    "in a population, and alone": (_population, RELATIVE),
}


def _first(session: Session) -> Arrays:
    return load_result(session.folder, "first")


def _random(arrays: Arrays) -> Arrays:
    """What only the random numbers decide: keys, the rows of each step, the units dropped."""
    names = ("history/rows", "history/dropped", "state/key", "state/step")
    return {name: arrays[name] for name in names if name in arrays}
