"""What a first run spends its seconds on, beside a second process and the scan by hand.

    python experiments/peers/first_run.py [WORK] [--rounds 5]

Whole processes in interleaved rounds, on an idle machine; prints a Markdown table of medians.
"""

from __future__ import annotations

import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import tyro

HERE = Path(__file__).resolve().parent
COMPILING = {
    "/jax/core/compile/jaxpr_trace_duration": "tracing and lowering",
    "/jax/core/compile/jaxpr_to_mlir_module_duration": "tracing and lowering",
    "/jax/core/compile/backend_compile_duration": "XLA",
}


# in the process that is measured


class Marks:
    """Seconds of each part since the process was started, and what was compiled in it."""

    def __init__(self, start):
        self.parts, self._last, self._spans, self.compiled = {}, start, [], 0

    def listen(self, jax):
        """Note what is compiled from here on."""
        jax.monitoring.register_event_duration_secs_listener(self._heard)
        jax.monitoring.register_event_listener(self._counted)

    def _heard(self, event, seconds, **_):
        if event in COMPILING:
            self._spans.append((COMPILING[event], time.time() - seconds, time.time()))
            self.compiled += COMPILING[event] == "XLA"

    def _counted(self, event, **_):
        self.compiled -= event == "/jax/compilation_cache/cache_hits"

    def __call__(self, name):
        """What was done since the last mark is of this name."""
        now = time.time()
        self.parts[name] = now - self._last
        for kind in dict.fromkeys(COMPILING.values()):
            own = [(begin, end) for what, begin, end in self._spans if what == kind]
            if own:
                self.parts[f"{name}: {kind}"] = covered(own)
        self._spans, self._last = [], now


def covered(spans):
    """Seconds in which at least one of the spans goes on; a program is traced within another."""
    seconds, last = 0.0, 0.0
    for begin, end in sorted(spans):
        seconds += max(0.0, end - max(begin, last))
        last = max(last, end)
    return seconds


def measured(side, work, file, start):
    """Train as the side does, and print the parts as JSON."""
    mark = Marks(start)
    sys.path.insert(0, str(HERE / "sides"))
    sys.argv = [side]  # which the sides read
    import works

    given = works.load(file)
    mark("start of Python, numpy, data")
    import jax

    mark("import jax")
    mark.listen(jax)
    if side == "by_hand":
        import by_hand

        train = by_hand.make(work, works.WORKS[work], given)
    else:
        train = _ours(mark, work, works.WORKS[work], given)
    train(works.WORKS[work].steps)
    mark("training")
    print(json.dumps({"parts": mark.parts, "compiled": mark.compiled, "end": time.time()}))


def _ours(mark, name, work, given):
    import jax
    import optax  # noqa: F401

    mark("import optax")
    import paramjax  # noqa: F401

    mark("import paramjax")
    import ours

    ours.MODELS[name]()
    mark("import flax and the models")
    jax.random.key(0)
    mark("first key, and with it the platform")
    train = ours.make(name, work, given)
    mark("`model.init`")
    return train


# around it


def seconds_of(side, work, file, cache):
    """The parts of one process, in seconds."""
    environment = {k: v for k, v in os.environ.items() if k != "PYTHONDONTWRITEBYTECODE"}
    environment |= {"PARAMJAX_CACHE_DIR": cache, "PYTHONPATH": str(HERE.parents[1])}
    start = time.time()
    command = [sys.executable, __file__, "measure", side, work, file, repr(start)]
    done = subprocess.run(command, env=environment, capture_output=True, text=True)
    end = time.time()
    if done.returncode:
        raise RuntimeError(done.stderr[-2000:])
    said = json.loads(done.stdout.splitlines()[-1])
    rest = {"exit": end - said["end"], "**whole process**": end - start}
    return said["parts"] | rest | {"programs compiled": said["compiled"]}


def table(work, rounds):
    """Medians of interleaved rounds, as Markdown."""
    with tempfile.TemporaryDirectory() as folder:
        file, cache = f"{folder}/{work}.npz", f"{folder}/cache"
        write = [sys.executable, str(HERE / "sides" / "ours.py"), "write", folder, work]
        paths = {"PYTHONPATH": str(HERE.parents[1]), "PARAMJAX_CACHE_DIR": "off"}
        subprocess.run(write, env=os.environ | paths, check=True)
        seconds_of("ours", work, file, cache)  # fills it
        sides = {
            "scan by hand": ("by_hand", "off"),
            "first run": ("ours", "off"),
            "second process": ("ours", cache),
        }
        found = {name: [] for name in sides}
        for _ in range(rounds):
            for name, (side, where) in sides.items():
                found[name].append(seconds_of(side, work, file, where))
    names = max(found.values(), key=lambda own: len(own[0]))[0]
    lines = [f"| seconds | {' | '.join(sides)} |", f"|---|{'---|' * len(sides)}"]
    for part in names:
        cells = [_median(part, own) for own in found.values()]
        title = f"of that, {part.partition(': ')[2]}" if ": " in part else part
        lines.append(f"| {title} | {' | '.join(cells)} |")
    return "\n".join(lines)


def _median(part, rounds):
    values = [own[part] for own in rounds if part in own]
    if not values:
        return ""
    return f"{statistics.median(values):.{0 if part == 'programs compiled' else 2}f}"


def main(work: str = "xor", /, rounds: int = 5) -> None:
    """Measure one of the works of `all.py`.

    Args:
        work: Its name, such as xor, line, mlp, digits, cnn or lstm.
        rounds: Processes of each kind.
    """
    print(table(work, rounds))


if __name__ == "__main__":
    if sys.argv[1:2] == ["measure"]:
        measured(*sys.argv[2:5], float(sys.argv[5]))
    else:
        tyro.cli(main)
