"""Kill trainings with SIGKILL at random moments, resume each until it ends, compare every bit.

A child process trains with validations, hooks, model state, logs and checkpoints close to each
other. The parent kills it, over and over, and starts it again: while it starts and restores, at
any time, while a validation is measured, while a checkpoint is written. At the end parameters,
optimizer state, hooks, model state, key, history, validations and log files must equal those of
an uninterrupted run, bit for bit, and no temporary file may be left. The variants take
turns: data on the device with checkpoints by steps and by the clock, a stream with a state of
its own, and an iterable that is read again.

    python experiments/robustness/kills.py --kills 100
"""

from __future__ import annotations

import argparse
import collections
import itertools
import os
import random
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

VARIANTS = ("steps", "clock", "iterator", "iterable")
AIMS = ("save", "evaluation", "training", "start")
PATIENCE = 10.0
"""Seconds that the parent looks out for a validation or a save, at most."""


def notes(folder: Path) -> tuple[Path, Path]:
    """What says that steps are being done, and that a validation is."""
    return folder / "note_running", folder / "note_evaluating"


def start(folder: Path, run: tuple[str, int]) -> subprocess.Popen[bytes]:
    """Start the child: a variant, and its number of steps."""
    folder.mkdir(exist_ok=True)
    notes(folder)[0].unlink(missing_ok=True)
    script = Path(__file__).with_name("killed_run.py")
    words = [sys.executable, "-W", "error", script, folder, *map(str, run)]
    return subprocess.Popen(words, stderr=(folder / "errors").open("wb"))


def aimed(child: subprocess.Popen[bytes], folder: Path, aim: str, rng: random.Random) -> None:
    """Wait for a random moment of some kind."""
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


def wait_for(seen: Callable[[], bool], child: subprocess.Popen[bytes], seconds: float) -> None:
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
    run = folder / "run"
    names = [path.name for path in (*folder.glob("*.unfinished"), *_entries(run))]
    return sorted(n for n in names if n not in known and not n.removeprefix("step_").isdigit())


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


def finish(child: subprocess.Popen[bytes], folder: Path) -> None:
    """Let a child end, and well, without a warning."""
    code, errors = child.wait(), (folder / "errors").read_text()
    if code or errors:
        sys.exit(f"a run ended with code {code}: {errors[-4000:]}")


def differences(whole: Path, killed: Path) -> list[str]:
    """All in which a run that was killed is not the one that was not."""
    import numpy as np

    with np.load(whole / "final.npz") as a, np.load(killed / "final.npz") as b:
        found = [f"leaves {sorted(set(a) ^ set(b))}"] if set(a) != set(b) else []
        same = lambda x, y: x.dtype == y.dtype and x.tobytes() == y.tobytes()  # noqa: E731
        found += [name for name in a if name in b and not same(a[name], b[name])]
    for log in ("log.csv", "log.jsonl"):
        if (whole / log).read_bytes() != (killed / log).read_bytes():
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
            found = prove(Path(place, variant), (variant, arguments.steps), aims, rng)
            print(f"{variant}: {kills} kills, {dict(found)}", flush=True)
            hits += found
    print(f"{sum(hits.values())} kills, {dict(hits)}; nothing differs, and nothing is left behind")
    if arguments.kills >= 10 * len(AIMS) and not hits.keys() >= set(AIMS):
        sys.exit(f"no kill came into {', '.join(set(AIMS) - hits.keys())}; take more kills")


if __name__ == "__main__":
    main()
