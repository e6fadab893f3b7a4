"""Record what the documentation pages print: `python docs/record.py [page ...]`.

A page is a Markdown file below `docs/` with `{code-cell}` blocks. Its cells run in order in
plain Python, in one namespace, and what each prints is kept in `docs/expected/<page>.json`.
The tests run every page again: text must be equal, numbers may differ within the page's
tolerance, which its front matter can set. A page begins with:

    ---
    file_format: mystnb
    kernelspec:
      name: python3
    tolerance: 0.01     # relative, the default
    absolute: 1e-6      # for numbers near zero, the default
    ---

Without a page it records all of them. Pages are named by their path below `docs/`, with or
without `.md`: `python docs/record.py founding/xor five_minutes`. With `--check` it compares
instead, prints what differs, and exits with 1 if anything does.
"""

from __future__ import annotations

import argparse
import contextlib
import functools
import io
import json
import math
import re
import sys
from dataclasses import dataclass
from pathlib import Path

DOCS = Path(__file__).resolve().parent
_CELL = re.compile(
    r"^(?P<fence>```+|:::+)\{code-cell\}.*?\n(?P<body>.*?)^(?P=fence)\s*$", re.M | re.S
)
_FRONT = re.compile(r"\A---\n(.*?)^---\s*$", re.M | re.S)
_NUMBER = re.compile(r"(?<![\w.])[-+]?(?:\d+\.?\d*|\.\d+)(?:[eE][-+]?\d+)?(?![\w])|\bnan\b|\binf\b")


@dataclass(frozen=True)
class Tolerance:
    """How far a printed number may move: `absolute + relative * |recorded|`."""

    relative: float = 1e-2
    absolute: float = 1e-6

    def allows(self, recorded: str, printed: str) -> bool:
        """Whether a printed number stands for the recorded one."""
        old, new = float(recorded), float(printed)
        if not (math.isfinite(old) and math.isfinite(new)):
            return str(old) == str(new)
        return abs(new - old) <= self.absolute + self.relative * abs(old)


def pages() -> dict[str, Path]:
    """Every page with code cells, by its path below `docs/` without `.md`."""
    files = sorted(DOCS.rglob("*.md"))
    names = {file.relative_to(DOCS).with_suffix("").as_posix(): file for file in files}
    kept = {name: file for name, file in names.items() if not name.startswith("_build/")}
    return {name: file for name, file in kept.items() if cells(file.read_text(encoding="utf-8"))}


def cells(text: str) -> list[str]:
    """The code of each cell, without the options on its first lines."""
    bodies = [match["body"] for match in _CELL.finditer(text)]
    return [
        re.sub(r"\A(?:---\n.*?^---\n|(?::\w[^\n]*\n)+)", "", body, flags=re.M | re.S)
        for body in bodies
    ]


def tolerance(text: str) -> Tolerance:
    """What the page's front matter allows."""
    front = _FRONT.search(text)
    found = dict(
        re.findall(r"^(tolerance|absolute):\s*([-+.\deE]+)", front[1] if front else "", re.M)
    )
    default = Tolerance()
    return Tolerance(
        float(found.get("tolerance", default.relative)),
        float(found.get("absolute", default.absolute)),
    )


def run(text: str, name: str = "page") -> list[str]:
    """Run the cells of a page in one namespace, and return what each printed."""
    return list(execute(text, name)[0])


@functools.cache
def execute(text: str, name: str = "page") -> tuple[tuple[str, ...], dict[str, object]]:
    """What each cell of a page printed, and the names that the page leaves behind.

    A page runs once in a process, however many tests look at it.
    """
    import jax
    import matplotlib as mpl
    import matplotlib.pyplot as plt

    mpl.use("Agg")
    namespace: dict[str, object] = {"__name__": "__page__"}
    # a page shows what a user sees; the tests' stricter broadcasting is not theirs
    with jax.numpy_rank_promotion("allow"):
        printed = [
            _run_cell(c, f"<{name}, cell {n}>", namespace) for n, c in enumerate(cells(text))
        ]
    plt.close("all")
    return tuple(printed), namespace


def _run_cell(code: str, label: str, namespace: dict[str, object]) -> str:
    printed = io.StringIO()
    with contextlib.redirect_stdout(printed):
        exec(compile(code, label, "exec"), namespace)
    return printed.getvalue()


def differences(recorded: list[str], printed: list[str], allowed: Tolerance) -> list[str]:
    """What changed beyond the tolerance, one sentence each; empty if nothing did."""
    if len(recorded) != len(printed):
        return [f"{len(recorded)} cells are recorded, the page has {len(printed)}; record it again"]
    found = []
    for number, (old, new) in enumerate(zip(recorded, printed, strict=True)):
        found += [f"cell {number}: {change}" for change in _changes(old, new, allowed)]
    return found


def _changes(old: str, new: str, allowed: Tolerance) -> list[str]:
    old_text, new_text = _text_alone(old), _text_alone(new)
    if old_text != new_text:
        return [f"the text was {old!r} and is {new!r}"]
    pairs = zip(_NUMBER.findall(old), _NUMBER.findall(new), strict=True)
    return [f"{a} became {b}" for a, b in pairs if not allowed.allows(a, b)]


def _text_alone(printed: str) -> str:
    """What is printed with every number as #, blanks aside: widths follow the numbers."""
    return re.sub(r" *# *", "#", re.sub(r"[ \t]+", " ", _NUMBER.sub("#", printed))).strip()


def expected_file(name: str) -> Path:
    """Where the record of a page is kept."""
    return DOCS / "expected" / f"{name}.json"


def record(name: str, file: Path) -> None:
    """Run a page and keep what it printed."""
    target = expected_file(name)
    target.parent.mkdir(parents=True, exist_ok=True)
    printed = run(file.read_text(encoding="utf-8"), name)
    target.write_text(json.dumps({"cells": printed}, indent=2, ensure_ascii=False) + "\n", "utf-8")
    print(f"{name}: recorded {len(printed)} cells")


def check(name: str, file: Path) -> list[str]:
    """Run a page and compare it with its record."""
    target = expected_file(name)
    if not target.is_file():
        return [f"nothing is recorded; run python docs/record.py {name}"]
    text = file.read_text(encoding="utf-8")
    recorded = json.loads(target.read_text(encoding="utf-8"))["cells"]
    return differences(recorded, run(text, name), tolerance(text))


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("pages", nargs="*", help="paths below docs/; all pages by default")
    parser.add_argument("--check", action="store_true", help="compare instead of recording")
    args = parser.parse_args()
    known = pages()
    chosen = [page.removesuffix(".md") for page in args.pages] or list(known)
    if unknown := [page for page in chosen if page not in known]:
        parser.error(f"no page with code cells: {', '.join(unknown)} (known: {', '.join(known)})")
    wrong = 0
    for name in chosen:
        if not args.check:
            record(name, known[name])
            continue
        found = check(name, known[name])
        wrong += bool(found)
        print(f"{name}: {'ok' if not found else '; '.join(found)}")
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
