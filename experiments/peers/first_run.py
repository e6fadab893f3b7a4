"""What a first run spends its seconds on, beside a second process and the scan by hand.

    python experiments/peers/first_run.py [WORK] [--rounds 5]

Whole processes in interleaved rounds, on an idle machine; prints a Markdown table of medians.
"""

from __future__ import annotations

import argparse
import json
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from all import Measurement, Peers
from sides.works import WORKS

HERE = Path(__file__).resolve().parent


def seconds_of(peers, side, work, file, cache):
    """The parts of one process, in seconds."""
    start = time.time()
    command = [sys.executable, str(HERE / "sides" / "parts.py"), side, work, file, repr(start)]
    done = subprocess.run(command, env=peers.environment("", cache), capture_output=True, text=True)
    end = time.time()
    if done.returncode:
        raise RuntimeError(done.stderr[-2000:])
    said = json.loads(done.stdout.splitlines()[-1])
    rest = {"exit": end - said["end"], "**whole process**": end - start}
    return said["parts"] | rest | {"programs compiled": said["compiled"]}


def table(work, rounds):
    """Medians of interleaved rounds, as Markdown."""
    peers = Peers(sys.executable)
    with tempfile.TemporaryDirectory() as folder:
        Measurement(Path(folder), peers, None).prepare(work)
        file, cache = f"{folder}/{work}.npz", f"{folder}/cache"
        seconds_of(peers, "ours", work, file, cache)  # fills it
        sides = {
            "scan by hand": ("by_hand", "off"),
            "first run": ("ours", "off"),
            "second process": ("ours", cache),
        }
        found = {name: [] for name in sides}
        for _ in range(rounds):
            for name, (side, where) in sides.items():
                found[name].append(seconds_of(peers, side, work, file, where))
    lines = [f"| seconds | {' | '.join(sides)} |", f"|---|{'---|' * len(sides)}"]
    for part in found["first run"][0]:
        cells = [_median(part, own) for own in found.values()]
        title = f"of that, {part.partition(': ')[2]}" if ": " in part else part
        lines.append(f"| {title} | {' | '.join(cells)} |")
    return "\n".join(lines)


def _median(part, rounds):
    values = [own[part] for own in rounds if part in own]
    if not values:
        return ""
    return f"{statistics.median(values):.{0 if part == 'programs compiled' else 2}f}"


def main():
    """Measure, and print."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("work", nargs="?", choices=WORKS, default="xor")
    parser.add_argument("--rounds", type=int, default=5, help="processes of each kind")
    args = parser.parse_args()
    print(table(args.work, args.rounds))


if __name__ == "__main__":
    main()
