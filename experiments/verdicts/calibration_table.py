"""Print the calibrations of some folders as the table of docs/benchmarks/calibration.md.

Make them with `paramjax calibrate --out FOLDER`, once more with `--fixed-split --out OTHER`, then:
python experiments/verdicts/calibration_table.py FOLDER OTHER
"""

from __future__ import annotations

import json
import sys
from pathlib import Path

HEAD = (
    "workload, split", "comparisons", "false", "on these rows", "equivalent", "0.5 sd", "1 sd",
    "2 sd",
)  # fmt: skip


def main(folders: list[str]) -> None:
    """One row a workload and folder, then a row for each optimizer that was compared as often."""
    workloads = [
        one
        for folder in folders
        for one in json.loads(Path(folder, "calibration.json").read_text())["workloads"].values()
    ]
    print_table(HEAD, [null(one) for one in workloads])
    print()
    print_table(
        ("workload, split", "against adam", "verdicts", "on these rows alone"),
        [row for one in workloads for row in others(one)],
    )


def null(own: dict) -> list[str]:
    """The null and the handicaps of one workload."""
    shares = [own["false"], own["false_on_these_rows"], own["equivalent"]]
    handicaps = [own["handicaps"][shift] for shift in ("0.5", "1.0", "2.0")]
    return [named(own), str(own["false"]["comparisons"]), *map(share, shares + handicaps)]


def others(own: dict) -> list[list[str]]:
    """What was said of the other optimizers."""
    return [
        [named(own), name, words(found), words(own["against_on_these_rows"][name])]
        for name, found in own["against"].items()
    ]


def named(own: dict) -> str:
    return f"{own['workload']}, {own['split']}"


def words(found: dict) -> str:
    return ", ".join(
        f"{word} {rate['hits']} of {rate['comparisons']}" for word, rate in found.items()
    )


def share(rate: dict) -> str:
    low, high = (100 * end for end in rate["interval"])
    return f"{100 * rate['share']:.0f} % ({low:.1f} to {high:.1f})"


def print_table(head: tuple[str, ...], rows: list[list[str]]) -> None:
    for row in [list(head), ["---"] * len(head), *rows]:
        print(f"| {' | '.join(row)} |")


if __name__ == "__main__":
    main(sys.argv[1:])
