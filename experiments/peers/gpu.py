"""What paramjax does on an accelerator, in eight minutes: steps, populations, recipes, promises.

    python experiments/peers/gpu.py --out docs/benchmarks/gpu.md --machine "one NVIDIA H100"

Each part is a process with a time limit of its own, so that one that fails or hangs costs only
itself; its table is printed, and the page written anew, as soon as it is there, the most important
first. `--limit` is what all of them may take. `--tiny` is for a machine without an accelerator.
"""

from __future__ import annotations

import argparse
import contextlib
import importlib.metadata
import os
import platform
import queue
import signal
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path
from typing import NamedTuple

from rounds import with_kept

HERE = Path(__file__).resolve().parent
ROOT = HERE.parents[1]


class Part(NamedTuple):
    """A process: heading, words, most seconds, the page it writes; programs kept for its own."""

    title: str
    words: tuple[str, ...]
    most: float
    page: str = ""
    cached: bool = False


def rows(row, args, most):
    """A row of `all.py`: a process each and steps, ours beside scans by hand and PyTorch."""
    hands = ["by_hand_vmapped", "by_hand"] if row == "population" else ["by_hand", "by_hand_lax"]
    small = ["--runs", "16", "--steps", "20", "--part", "4"] if args.tiny else ["--part", "8"]
    words = [
        str(HERE / "all.py"), "--accelerator", "--rows", row, "--sides", *hands, "ours", "torch",
        "--rounds", "1", "--turns", "2" if args.tiny else "5", "--folder", args.folder,
        "--machine", args.machine, "--python", args.python, "--out", f"{args.folder}/all.md",
        "--limit", str(0.7 * most), *small,
    ]  # fmt: skip
    return Part("", tuple(words), most, "all.md")


def own(name, args):
    """A part that is written in gpu_parts.py."""
    return (str(HERE / "gpu_parts.py"), name, *(["--tiny"] if args.tiny else []))


def populations(section, args, most):
    """A section of populations_gpu.py."""
    steps = ("--steps", "20", "--sizes", "1", "16") if args.tiny else ()
    words = (str(HERE / "populations_gpu.py"), "--only", section, *steps)
    page = f"populations-{section}.md"
    return Part("", (*words, "--out", f"{args.folder}/{page}"), most, page)


def parts_of(args):
    """All parts, the most important first."""
    costs = ("--steps", "100", "--rounds", "5", "--compile-rounds", "2")
    quick = ("--quick",) if args.tiny else ()
    sizes = ("--sizes", "1000") if args.tiny else ("--sizes", "10000", "100000")
    estimates = (str(HERE / "estimates_gpu.py"), *sizes, "--out", args.folder)
    return {
        "digits": rows("digits", args, 80),
        "population": rows("population", args, 90),
        "sweep": Part("192 digits MLPs, a step", own("sweep", args), 70),
        "xor": rows("xor", args, 70),
        "cnn": rows("cnn", args, 80),
        "lstm": rows("lstm", args, 80),
        "verify": Part("`paramjax verify`", ("-m", "paramjax", "verify", *quick), 110, cached=True),
        "sizes": populations("sizes", args, 90),
        "recipes": Part("Recipes", own("recipes", args), 140),
        "costs": Part("Costs of a step", (str(HERE / "step_costs.py"), *costs), 100),
        "rows": populations("rows", args, 60),
        "units": populations("units", args, 90),
        "widths": populations("widths", args, 90),
        "estimates": Part("Many fits", estimates, 120, "estimates_gpu.md"),
    }


def environment(cache):
    """Of each part: nothing is cached but what it asks for."""
    own = dict(os.environ, PARAMJAX_CACHE_DIR=cache, TF_CPP_MIN_LOG_LEVEL="3", PYTHONUNBUFFERED="1")
    own["PYTHONPATH"] = os.pathsep.join(filter(None, [str(ROOT), own.get("PYTHONPATH")]))
    return own


def lines_of(process, end):
    """The lines that a process prints until it ends, or until its time is over."""
    found = queue.Queue()

    def read():
        for line in process.stdout:
            found.put(line)
        found.put(None)

    threading.Thread(target=read, daemon=True).start()
    while True:
        try:
            line = found.get(timeout=max(0.0, end - time.monotonic()))
        except queue.Empty:
            return
        if line is None:
            return
        yield line.rstrip("\n")


def run(part, seconds, folder):
    """The lines of a part and how it ended, for as many seconds at most."""
    cache = str(folder / "cache") if part.cached else "off"
    process = subprocess.Popen(
        [sys.executable, *part.words], env=environment(cache), cwd=ROOT, text=True,
        stdout=subprocess.PIPE, stderr=subprocess.STDOUT, start_new_session=True,
    )  # fmt: skip
    lines = []
    for line in lines_of(process, time.monotonic() + seconds):
        print(line, flush=True)
        lines.append(line)
    try:
        code = process.wait(1.0)
    except subprocess.TimeoutExpired:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        process.wait()
        return lines, f"cut off after {seconds:.0f} s"
    return lines, "" if code == 0 else f"exit status {code}"


def section(name, part, lines, folder):
    """What a part says on the page: the page it wrote, else what it printed."""
    file = folder / part.page if part.page else None
    if file and file.exists() and file.read_text().strip():
        # its first heading makes way for this page's
        kept = [line for line in file.read_text().splitlines() if not line.startswith("# ")]
        return f"## {part.title}\n\n" * bool(part.title) + "\n".join(kept).strip() + "\n"
    if not any(line.startswith("|") for line in lines):
        lines = ["```text", *(lines[-40:] or ["nothing came in time"]), "```"]
    return "\n".join([f"## {part.title or name}\n", *lines]) + "\n"


def page(args, sections, ended, left):
    """All that was measured, as Markdown, and how long each part took."""
    versions = {name: importlib.metadata.version(name) for name in ("jax", "flax", "optax")}
    words = ", ".join(f"{name} {version}" for name, version in versions.items())
    tiny = " Tiny shapes, only to see that the parts run." if args.tiny else ""
    lines = [f"# On an accelerator\n\n{args.machine}; {words}, Python "
             f"{platform.python_version()}; `experiments/peers/gpu.py`.{tiny}\n"]  # fmt: skip
    if left:
        lines.append(f"No time was left for: {', '.join(left)}.\n")
    return "\n".join([*lines, *sections.values(), f"Seconds of the parts: {'; '.join(ended)}.\n"])


def measure(args, folder):
    """All parts within the limit; the page is written after each."""
    end, sections, states = time.monotonic() + args.limit, {}, []
    parts = {name: part for name, part in parts_of(args).items() if name in args.only}
    left = list(parts)
    for name, part in parts.items():
        seconds = min(part.most, end - time.monotonic())
        if seconds < 5.0:
            break
        left.remove(name)
        print(f"\n--- {name}: {seconds:.0f} s at most ---", flush=True)
        start = time.monotonic()
        lines, ended = run(part, seconds, folder)
        taken = time.monotonic() - start
        # rows of all.py share a page, which holds those before, too
        key = part.page or name
        sections.pop(key, None)
        sections[key] = section(name, part, lines, folder)
        states.append(f"{name} {taken:.0f}" + (f" ({ended})" if ended else ""))
        print(f"--- {states[-1]} ---", flush=True)
        if args.out:
            args.out.parent.mkdir(parents=True, exist_ok=True)
            args.out.write_text(with_kept(args.out, page(args, sections, states, left)))
    return page(args, sections, states, left)


NAMES = (
    "digits", "population", "sweep", "xor", "verify", "recipes", "cnn", "lstm", "sizes", "costs",
    "rows", "units", "widths", "estimates",
)  # fmt: skip


def main():
    """Measure, print, and write where asked."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--out", type=Path, help="a Markdown file, written after each part")
    parser.add_argument("--machine", default="this machine", help="its name on the page")
    parser.add_argument("--python", default=sys.executable, help="one that has torch")
    parser.add_argument("--limit", type=float, default=480.0, help="seconds of all parts")
    parser.add_argument("--only", nargs="*", choices=NAMES, default=NAMES)
    parser.add_argument("--tiny", action="store_true", help="small shapes, to see the parts run")
    args = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        args.folder = folder
        text = measure(args, Path(folder))
    print("\n" + text)


if __name__ == "__main__":
    main()
