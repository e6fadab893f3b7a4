"""Kill runs, sweeps, searches and benchmarks at random moments, resume each, compare every bit.

A child process trains. The parent kills it with SIGKILL, over and over, and starts it again:
while it starts and restores, at any time, while a validation is measured, while something is
saved. At the end all that it returns must equal that of one that was not killed, bit for bit,
and no temporary file may be left. What is killed takes turns:

- a `fit` with validations, hooks, model state, logs and checkpoints close to each other, as four
  variants: data on the device with checkpoints by steps and by the clock, a stream with a state
  of its own, and an iterable that is read again;
- a `sweep` with successive halving, of two structures, in a store;
- a `search` of a grid in an Optuna study, none of whose trials may be lost or left running;
- a benchmark of two optimizers, with its verdicts and records.

Children are forked from a process that has imported everything and computed nothing.

    python experiments/robustness/kills.py --kills 100
"""

from __future__ import annotations

import argparse
import collections
import functools
import itertools
import os
import random
import re
import signal
import sys
import tempfile
import time
import traceback
import warnings
from collections.abc import Callable
from pathlib import Path

import killed_populations
import killed_run
import numpy as np

FITS = ("steps", "clock", "iterator", "iterable")
VARIANTS = (*FITS, *killed_populations.JOBS)
AIMS = ("save", "evaluation", "training", "start")
LEFT = re.compile(r"unfinished|-journal$|-wal$|^\..*sqlite")
"""Names of files that are there only while something is written."""

PATIENCE = 10.0
"""Seconds that the parent looks out for a validation or a save, at most."""


def notes(folder: Path) -> tuple[Path, Path]:
    """What says that steps are being done, and that a validation is."""
    return folder / "note_running", folder / "note_evaluating"


class Child:
    """A forked process that does some work; a warning or an error in it fills the file."""

    def __init__(self, work: Callable[[], None], errors: Path) -> None:
        self._code: int | None = None
        sys.stdout.flush()
        self._process = os.fork()
        if self._process == 0:
            _work_and_exit(work, errors)

    def poll(self) -> int | None:
        """Its exit code, -9 after a kill; None while it lives."""
        if self._code is None:
            process, status = os.waitpid(self._process, os.WNOHANG)
            self._code = os.waitstatus_to_exitcode(status) if process else None
        return self._code

    def wait(self) -> int:
        """Its exit code, once it has ended."""
        if self._code is None:
            self._code = os.waitstatus_to_exitcode(os.waitpid(self._process, 0)[1])
        return self._code

    def kill(self) -> None:
        """End it at once, unless it has ended."""
        if self.poll() is None:
            os.kill(self._process, signal.SIGKILL)


def _work_and_exit(work: Callable[[], None], errors: Path) -> None:
    """Work in a child, which must not return into what its parent was doing."""
    code = 1
    with errors.open("wb") as file:
        os.dup2(file.fileno(), 2)
    try:
        warnings.simplefilter("error")
        work()
        code = 0
    except BaseException:
        traceback.print_exc()
    finally:
        sys.stderr.flush()
        os._exit(code)


def start(folder: Path, run: tuple[str, int]) -> Child:
    """Start the child: a variant, and its number of steps."""
    folder.mkdir(exist_ok=True)
    notes(folder)[0].unlink(missing_ok=True)
    variant, steps = run
    if variant in FITS:
        work = functools.partial(killed_run.train, folder, variant, steps)
    else:
        work = functools.partial(killed_populations.train, folder, variant)
    return Child(work, folder / "errors")


def aimed(child: Child, folder: Path, aim: str, rng: random.Random) -> None:
    """Wait for a random moment of some kind, or within so many seconds."""
    if aim not in AIMS:
        time.sleep(rng.uniform(0.0, float(aim)))
        return
    if aim == "start":
        time.sleep(rng.uniform(0.0, 3.0))
        return
    running, evaluating = notes(folder)
    wait_for(running.exists, child, 60.0)
    time.sleep(rng.uniform(0.0, 0.4))
    if aim == "evaluation":
        wait_for(evaluating.exists, child, PATIENCE)
    elif aim == "save":
        wait_for(lambda: bool(leftovers(folder)), child, PATIENCE)
        time.sleep(max(0.0, rng.uniform(-0.01, 0.01)))


def wait_for(seen: Callable[[], bool], child: Child, seconds: float) -> None:
    """Until it is seen, the child has ended, or it takes too long."""
    end = time.monotonic() + seconds
    while not seen() and child.poll() is None and time.monotonic() < end:
        time.sleep(0.0003)


def hit(folder: Path) -> str:
    """What a kill came into, as the files say that it left."""
    running, evaluating = notes(folder)
    if not running.exists():
        return "start"
    if leftovers(folder):
        return "save and evaluation" if evaluating.exists() else "save"
    return "evaluation" if evaluating.exists() else "training"


def leftovers(folder: Path) -> list[str]:
    """What a save that was not finished leaves."""
    known = {"run.json", "lock"}
    run = [path.name for path in _entries(folder / "run")]
    left = [n for n in run if n not in known and not n.removeprefix("step_").isdigit()]
    others = (path.name for path in folder.rglob("*") if path.parent != folder / "run")
    return sorted([*left, *(name for name in others if LEFT.search(name))])


def _entries(folder: Path) -> list[Path]:
    return list(folder.iterdir()) if folder.is_dir() else []


def prove(
    place: Path, run: tuple[str, int], aims: list[str], rng: random.Random
) -> collections.Counter:
    """Kill runs until all aims are taken, and compare each with an uninterrupted one.

    Args:
        place: An empty folder.
        run: One of `VARIANTS`, and its number of steps.
        aims: Of `AIMS`, one for each kill.
        rng: Draws the moments.

    Returns:
        What the kills came into -> how many.
    """
    place.mkdir()
    whole, hits, aims = place / "whole", collections.Counter(), list(aims)
    finish(start(whole, run), whole)
    if run[0] not in FITS:
        began = time.monotonic()  # the programs are compiled by now
        finish(start(place / "timed", run), place / "timed")
        aims = [str(time.monotonic() - began)] * len(aims)
    for number in itertools.count():
        killed = place / f"killed_{number}"
        hits += kill_until_done(killed, run, aims, rng)
        wrong = differences(whole, killed)
        if wrong:
            sys.exit(f"{run[0]}: after the kills there differ {', '.join(wrong)}")
        if not aims:
            return hits


def kill_until_done(
    folder: Path, run: tuple[str, int], aims: list[str], rng: random.Random
) -> collections.Counter:
    """Kill one run as long as there are aims, which are used up, and let it end."""
    hits: collections.Counter = collections.Counter()
    while True:
        child = start(folder, run)
        if aims:
            aimed(child, folder, aims[-1], rng)
            child.kill()
        if child.wait() != -9:
            finish(child, folder)
            return hits
        aims.pop()
        hits[hit(folder)] += 1


def finish(child: Child, folder: Path) -> None:
    """Let a child end, and well, without a warning."""
    code, errors = child.wait(), (folder / "errors").read_text()
    if code or errors:
        sys.exit(f"a run ended with code {code}: {errors[-4000:]}")


def differences(whole: Path, killed: Path) -> list[str]:
    """All in which a run that was killed is not the one that was not."""
    with np.load(whole / "final.npz") as a, np.load(killed / "final.npz") as b:
        found = [f"leaves {sorted(set(a) ^ set(b))}"] if set(a) != set(b) else []
        same = lambda x, y: x.dtype == y.dtype and x.tobytes() == y.tobytes()  # noqa: E731
        found += [name for name in a if name in b and not same(a[name], b[name])]
    for log in ("log.csv", "log.jsonl"):
        if (whole / log).exists() and (whole / log).read_bytes() != (killed / log).read_bytes():
            found.append(log)
    return found + [f"{name} is left behind" for name in leftovers(killed)]


def main() -> None:
    """Prove all variants, print what was hit, and fail if some kind of moment was not."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--kills", type=int, default=100)
    parser.add_argument("--variant", choices=VARIANTS, help="one instead of all")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--steps", type=int, default=12_000, help="of a run")
    arguments = parser.parse_args()
    rng, hits = random.Random(arguments.seed), collections.Counter()
    variants = [arguments.variant] if arguments.variant else VARIANTS
    with tempfile.TemporaryDirectory() as place:
        os.environ.setdefault("PARAMJAX_CACHE_DIR", f"{place}/cache")
        for number, variant in enumerate(variants):
            kills = len(range(number, arguments.kills, len(variants)))
            aims = list(itertools.islice(itertools.cycle(AIMS), number, number + kills))
            began = time.monotonic()
            found = prove(Path(place, variant), (variant, arguments.steps), aims, rng)
            seconds = time.monotonic() - began
            print(f"{variant}: {kills} kills, {dict(found)}, {seconds:.0f} s", flush=True)
            hits += found
    print(f"{sum(hits.values())} kills, {dict(hits)}; nothing differs, and nothing is left behind")
    fits = variants[0] in FITS
    if fits and arguments.kills >= 100 and not hits.keys() >= set(AIMS):
        sys.exit(f"no kill came into {', '.join(set(AIMS) - hits.keys())}; take more kills")


if __name__ == "__main__":
    main()
