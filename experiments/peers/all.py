"""One command that measures a training by hand, by us and by others: first run, second, steps.

    python experiments/peers/all.py --quick --python PATH_OF_A_PYTHON_WITH_TORCH_AND_KERAS

Seven trainings, the same work for each side: the same rows, first parameters and order of
batches (sides/works.py), and losses that are compared. Whole processes are timed from start to
exit, one after the other, round by round; steps in steady state inside processes that stay. With
--folder, what was measured is kept and a second call goes on, so that --limit can cut a
measurement into parts:

    python experiments/peers/all.py --quick --folder build/peers --limit 100 --out peers.md
"""

from __future__ import annotations

import argparse
import contextlib
import json
import os
import statistics
import subprocess
import sys
import sysconfig
import tempfile
import time
from pathlib import Path
from typing import NamedTuple

from all_page import page
from rounds import in_turn, wait_until_idle, with_kept
from sides.works import WORKS

HERE = Path(__file__).resolve().parent
ROOT = HERE.parents[1]
TURNS = 5
"""Timed turns of each side in steady state."""


class Side(NamedTuple):
    """A program of `sides`, what it is asked for, and in which interpreter."""

    title: str
    file: str
    words: tuple[str, ...] = ()
    needs: str = ""
    "What the other interpreter must have."
    cached: bool = False


SIDES = {
    "by_hand": Side("scan by hand, jax alone", "by_hand.py"),
    "by_hand_drawn": Side("the same, drawing its order with numpy", "by_hand.py", ("drawn",)),
    "by_hand_lax": Side("the same, the platform's convolution", "by_hand.py", ("lax",)),
    "ours": Side("paramjax, first run", "ours.py"),
    "given": Side("paramjax, first run, start given", "ours.py", ("given",)),
    "second": Side("paramjax, second process", "ours.py", cached=True),
    "jitted": Side("flax and optax, jitted step in a loop", "jitted.py"),
    "torch": Side("PyTorch, eager", "torch_eager.py", needs="torch"),
    "keras": Side("Keras on JAX", "keras_jax.py", needs="keras"),
}
POPULATION = {
    "by_hand": Side("scans by hand, a thread a core", "", ("single scans, one thread each",)),
    "by_hand_vmapped": Side("one vmapped scan by hand", "", ("one vmapped scan",)),
    "by_hand_blocks": Side("vmapped scans of 16, side by side", "",
                           ("vmapped scans of 16, side by side",)),
    "ours": Side("`pj.sweep`, first run", "", ("ours",)),
    "second": Side("`pj.sweep`, second process", "", ("ours",), cached=True),
    "jitted": Side("flax and optax, jitted step in a loop", "", ("jitted step in a loop",)),
    "torch": Side("PyTorch, eager", "", ("PyTorch eager",), needs="torch"),
    "keras": Side("Keras on JAX", "", ("Keras on JAX",), needs="keras"),
}  # fmt: skip
STARTS = {
    "jax": Side("`import jax`", "", ("import jax",)),
    "libraries": Side("`import jax, flax, optax`", "", ("import jax, flax, optax",)),
    "ours": Side("`import paramjax`", "", ("import paramjax",)),
    "torch": Side("`import torch`", "", ("import torch",), needs="torch"),
    "keras": Side("`import keras`, on JAX", "", ("import keras",), needs="keras"),
}
PARTS = {"jitted", "torch", "keras"}
"""Sides that train a part of the population, and are taken at their pace."""
ROWS = ["start", *WORKS, "population"]
QUICK = {"start": 2, "cnn": 2, "lstm": 2, "population": 1}
FULL = {"cnn": 5, "lstm": 5, "population": 3}
"""Rounds of slow rows; of others 3 and 7."""
FEW = {"keras": 1, "torch": 2, "jitted": 2}
"""Most rounds of these in a quick measurement, for they are far from ours."""


def sides_of(row):
    """The sides that a row has."""
    if row in ("population", "start"):
        return POPULATION if row == "population" else STARTS
    only = {"by_hand_lax": ("cnn",), "by_hand_drawn": ("xor", "line", "digits")}
    return {name: side for name, side in SIDES.items() if row in only.get(name, WORKS)}


class Peers:
    """The other interpreter, and what it has."""

    def __init__(self, python):
        self.python = python
        self.borrowed = sysconfig.get_paths()["purelib"]
        self.versions = {name: self._version(name) for name in ("torch", "keras")}

    def _version(self, name):
        also = {"keras": "jax"}.get(name, name)  # importing them would take seconds
        code = f"from importlib.metadata import version as v; v('{also}'); print(v('{name}'))"
        done = subprocess.run(
            [self.python, "-c", code], env=self.environment(name), capture_output=True, text=True
        )
        return done.stdout.strip() if done.returncode == 0 else None

    def environment(self, needs, cache="off"):
        """Of a process: no cache but ours where it is asked for; JAX for Keras from here."""
        # bytecode is kept, as it is of installed packages
        unset = ("JAX_COMPILATION_CACHE", "PYTHONDONTWRITEBYTECODE")
        own = {name: value for name, value in os.environ.items() if not name.startswith(unset)}
        paths = [str(ROOT), own.get("PYTHONPATH", "")]
        if needs == "keras" and self.python != sys.executable:
            paths.append(self.borrowed)
        own |= {"PARAMJAX_CACHE_DIR": str(cache), "TF_CPP_MIN_LOG_LEVEL": "3"}
        return own | {"KERAS_BACKEND": "jax", "PYTHONPATH": os.pathsep.join(filter(None, paths))}

    def has(self, side):
        """Whether a side can run."""
        return not side.needs or self.versions[side.needs] is not None


class Measurement:
    """What was measured so far, in a folder."""

    def __init__(self, folder, peers, args):
        self.folder, self.peers, self.args = folder, peers, args
        self.file = folder / "measured.json"
        self.rows = json.loads(self.file.read_text()) if self.file.exists() else {}

    def of(self, row, kind):
        """Lists of one row, `whole` or `steady`, by side."""
        return self.rows.setdefault(row, {}).setdefault(kind, {})

    def keep(self):
        """Write what was measured."""
        self.file.write_text(json.dumps(self.rows, indent=1))

    def command(self, row, side, *words):
        """The words of a process, and its environment."""
        python = self.peers.python if side.needs else sys.executable
        cache = self.folder / f"cache-{row}" if side.cached else "off"
        if row == "start":
            file, words = "-c", (f"{side.words[0]}; print('{{}}')",)
        elif row == "population":
            file = HERE / "populations_sides.py"
            words = (*side.words, *words, str(self.folder / "population.npz"))
        else:
            file = HERE / "sides" / side.file
            words = (row, str(self.folder / f"{row}.npz"), *side.words, *words)
        environment = self.peers.environment(side.needs, cache)
        if "--steady" in words:  # several processes share an accelerator's memory
            environment.setdefault("XLA_PYTHON_CLIENT_MEM_FRACTION", "0.18")
        return [python, str(file), *words], environment

    def prepare(self, row):
        """Write a row's data, start and order, once."""
        if row == "start" or (self.folder / f"{row}.npz").exists():
            return
        words = [str(HERE / "sides" / "ours.py"), "write", str(self.folder), row]
        if row == "population":
            file = str(self.folder / "population.npz")
            words = [str(HERE / "populations_sides.py"), "write", "0", "0", file]
        words = [sys.executable, *words]
        subprocess.run(words, env=self.peers.environment(""), check=True)

    def process(self, row, side, *words):
        """Seconds of a process from start to exit, and what it says."""
        command, environment = self.command(row, side, *words)
        start = time.perf_counter()
        done = subprocess.run(command, env=environment, capture_output=True, text=True)
        taken = time.perf_counter() - start
        if done.returncode:
            raise RuntimeError(f"{side.title}: {done.stderr[-2000:]}")
        return taken, json.loads(done.stdout.splitlines()[-1])

    def whole(self, row, name):
        """Seconds of a side's process; of the whole population from a part at its pace."""
        side = sides_of(row)[name]
        if row != "population":
            return self.process(row, side)
        runs, steps = self.args.runs, self.args.steps
        if name not in PARTS:
            return self.process(row, side, str(runs), str(steps))
        some = self.args.part or (12 if self.args.quick else 24)
        few = max(1, some // 4)
        start, first = self.process(row, side, str(few), str(steps))
        _, more = self.process(row, side, str(some), str(steps))
        pace = (more["seconds"] - first["seconds"]) / (some - few)
        return start + pace * (runs - few), {}

    def fill_cache(self, row, name):
        """A first process for the second one to find its programs."""
        if sides_of(row)[name].cached and not (self.folder / f"cache-{row}").exists():
            self.whole(row, name)

    def steady(self, row, names):
        """Microseconds a step of each side, in processes that stay and take turns."""
        start = time.perf_counter()
        with contextlib.ExitStack() as stack:
            asked = {}
            for name in names:
                words = self.command(row, sides_of(row)[name], "--steady")
                asked[name] = stack.enter_context(Staying(*words))
            few = min(500, max(5, WORKS[row].turn // 20))
            for staying in asked.values():
                staying.ask(few)
            for staying in asked.values():
                staying.answer()
            # half a second of an accelerator's steps, or the start of a training shows
            most = WORKS[row].turn * (50 if self.args.accelerator else 1)
            steps = {name: staying.calibrated(few, most) for name, staying in asked.items()}
            kept = {name: [] for name in names}
            for turn in range(self.args.turns):
                wait_until_idle(1.0)
                for name in in_turn(names, turn):
                    taken = asked[name](steps[name])
                    kept[name].append(1e6 * taken / steps[name])
        self.of(row, "steady").update(kept)
        micro = {name: round(statistics.median(values), 2) for name, values in kept.items()}
        print(f"  {row}, microseconds a step after {time.perf_counter() - start:.0f} s: {micro}")


class Staying:
    """A side's process that trains as often as it is told to."""

    def __init__(self, command, environment):
        self.command = command
        self.process = subprocess.Popen(
            command, env=environment, stdin=subprocess.PIPE, stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL, text=True,
        )  # fmt: skip

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.process.stdin.close()
        try:
            self.process.wait(10)
        except subprocess.TimeoutExpired:
            self.process.kill()

    def ask(self, steps):
        """Let it train."""
        self.process.stdin.write(f"{steps}\n")
        self.process.stdin.flush()

    def answer(self):
        """Seconds of the training, once it is done."""
        line = self.process.stdout.readline()
        if not line:
            raise RuntimeError(f"{self.command[1:4]} ended before its answer")
        return json.loads(line)["seconds"]

    def __call__(self, steps):
        """Train, and wait."""
        self.ask(steps)
        return self.answer()

    def calibrated(self, few, most):
        """Steps of a turn: about half a second of them, compiled and warm."""
        steps = few
        for _ in range(2):  # short trainings are mostly their start
            before, steps = steps, int(0.5 * steps / self(steps))
            steps = min(most, max(few, steps))
            if steps > before:
                self(steps)
        return steps


def rounds_of(row, args):
    """Rounds of a row."""
    return args.rounds or (QUICK.get(row, 3) if args.quick else FULL.get(row, 7))


def names_of(row, args, peers):
    """The sides to measure, without those that are not there."""
    names = [name for name, side in sides_of(row).items() if peers.has(side)]
    if args.sides:
        return [name for name in names if name in args.sides]
    return [name for name in names if not (args.quick and name == "given")]


def pending(measurement, row, names, args):
    """What is left to measure of a row: calls, the steady state first."""
    alike = [name for name in names if name not in ("given", "second")]
    missing = [name for name in alike if name not in measurement.of(row, "steady")]
    if row in WORKS and missing:
        yield lambda: measurement.steady(row, alike)
    for turn in range(rounds_of(row, args)):
        for name in in_turn(names, turn):
            if args.quick and turn >= FEW.get(name, turn + 1):
                continue
            if len(measurement.of(row, "whole").get(name, [])) <= turn:
                yield lambda name=name: one(measurement, row, name)


def one(measurement, row, name):
    """Measure one process, and keep what it took and said."""
    measurement.fill_cache(row, name)
    wait_until_idle(1.0)
    taken, said = measurement.whole(row, name)
    measurement.of(row, "whole").setdefault(name, []).append([taken, said])
    print(f"  {row}, {name}: {taken:.2f} s {said}", flush=True)


def measure(measurement, args, peers, write):
    """All rows, within the limit; the page is written as it grows. Whether all is done."""
    end = time.monotonic() + args.limit
    for row in args.rows:
        measurement.prepare(row)
        for call in pending(measurement, row, names_of(row, args, peers), args):
            if time.monotonic() > end:
                return False
            try:
                call()
            except RuntimeError as error:  # costs only itself
                print(f"  {row}: {error}", flush=True)
            measurement.keep()
            write()
    return True


def arguments(words=None):
    """What is asked for."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--quick", action="store_true", help="ten minutes on two cores")
    parser.add_argument("--python", default=sys.executable, help="one that has torch and keras")
    parser.add_argument("--rows", nargs="*", choices=ROWS, default=ROWS)
    parser.add_argument("--sides", nargs="*", choices={**STARTS, **SIDES, **POPULATION}, default=[])
    parser.add_argument("--rounds", type=int, default=0, help="of whole processes, for each row")
    parser.add_argument("--turns", type=int, default=TURNS, help="in steady state")
    parser.add_argument("--accelerator", action="store_true", help="compare with its targets")
    parser.add_argument("--machine", default="this machine", help="its name on the page")
    parser.add_argument("--out", type=Path, help="a Markdown file, written as it grows")
    parser.add_argument("--folder", type=Path, help="where to keep what was measured, to go on")
    parser.add_argument("--limit", type=float, default=1e9, help="seconds; nothing begins later")
    parser.add_argument("--runs", type=int, default=192, help="of the population")
    parser.add_argument("--part", type=int, default=0, help="of its runs that slow sides train")
    parser.add_argument("--steps", type=int, default=500, help="of the population")
    return parser.parse_args(words)


def main():
    """Measure, print, and write where asked."""
    args = arguments()
    peers = Peers(args.python)
    with contextlib.ExitStack() as stack:
        folder = args.folder or Path(stack.enter_context(tempfile.TemporaryDirectory()))
        folder.mkdir(parents=True, exist_ok=True)
        measurement = Measurement(folder, peers, args)

        def write():
            text = page(measurement.rows, args, peers.versions, sides_of)
            if args.out:
                args.out.write_text(with_kept(args.out, text))
            return text

        done = measure(measurement, args, peers, write)
        print(write())
    if not done:
        sys.exit("The limit came first: the same command goes on." if args.folder else 1)


if __name__ == "__main__":
    main()
