"""What a founding program needs around its science: arguments, figures, a plot, a check.

A program calls `start`, trains, and ends with `finish`. The figures that it must print are
recorded beside it in `expected/<name>.json`, each with its tolerance and the reason for it.
"""

from __future__ import annotations

import argparse
import importlib.util
import json
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from paramjax._checks import check_count, check_seed

if TYPE_CHECKING:
    from matplotlib.figure import Figure

REFUSED = 2
"""Exit code of a call that cannot be done, as argparse has it."""


@dataclass(frozen=True)
class Script:
    """One call of a founding program.

    Attributes:
        file: The program.
        key: The integer that names its key.
        check: Whether to compare its figures with the recorded ones.
        out: Folder of its plot.
        options: The program's own options by name.
    """

    file: Path
    key: int
    check: bool
    out: Path
    options: dict[str, Any]

    def __getitem__(self, name: str) -> Any:
        """The value of one of the program's own options."""
        return self.options[name]


def start(file: str, doc: str, argv: Sequence[str] | None = None, **options: Any) -> Script:
    """Read the command line of a founding program.

    Args:
        file: The program, `__file__`.
        doc: Its docstring; the first line becomes the help text.
        argv: Arguments; None for those of the process.
        options: Name -> default of the program's own options, `int` (a count) or `str`.

    Returns:
        The call.

    Raises:
        SystemExit: With code 2 for arguments that are wrong, without matplotlib, and with
            `--check` for a key that no figures are recorded for.

    Example:
        >>> call = start("xor.py", "XOR.", ["--key", "7", "--seeds", "3"], seeds=64)
        >>> call.key, call.check, call.options
        (7, False, {'seeds': 3})
    """
    parser = argparse.ArgumentParser(prog=Path(file).stem, description=doc.splitlines()[0])
    parser.add_argument("--key", type=int, default=0, help="integer that names the key")
    parser.add_argument("--check", action="store_true", help="compare with the recorded figures")
    parser.add_argument("--out", type=Path, default=Path(), help="folder of the plot")
    for name, default in options.items():
        parser.add_argument(f"--{name}", type=type(default), default=default)
    given = vars(parser.parse_args(argv))
    own = {name: given[name] for name in options}
    if importlib.util.find_spec("matplotlib") is None:  # said before minutes of training
        parser.error('the plot needs matplotlib: pip install "paramjax[bench]"')
    try:
        check_seed(given["key"])
        for name, value in own.items():
            if isinstance(value, int):
                check_count(name, value)
    except ValueError as error:
        parser.error(str(error))
    script = Script(Path(file), given["key"], given["check"], given["out"], own)
    if script.check and script.key not in {record["key"] for record in _recorded(script)}:
        refuse(script)
    return script


def refuse_unrecorded(script: Script, **settings: Any) -> None:
    """With `--check`, stop before a training whose figures could not be compared.

    Args:
        script: The call.
        settings: What the figures depend on beside the key, as recorded.

    Raises:
        SystemExit: With code 2 if no figures are recorded for this key and these settings.

    Example:
        >>> refuse_unrecorded(start("xor.py", "XOR.", []), seeds=64)
    """
    if script.check and _record_of(script, settings) is None:
        refuse(script, **settings)


def refuse(script: Script, **settings: Any) -> None:
    """Say which keys and settings have recorded figures, and exit with code 2.

    Args:
        script: The call.
        settings: What was asked for beside the key.

    Raises:
        SystemExit: Always.
    """
    known = "; ".join(_said(record["key"], record["settings"]) for record in _recorded(script))
    print(
        f"{script.file.stem}: --check has no recorded figures for {_said(script.key, settings)}; "
        f"recorded are: {known or 'none'}; run it with one of these, or without --check",
        file=sys.stderr,
    )
    raise SystemExit(REFUSED)


def finish(
    script: Script,
    figures: Mapping[str, Any],
    plot: Callable[[Figure], None],
    **settings: Any,
) -> int:
    """Print the figures, draw the plot, and compare with what is recorded if asked to.

    Args:
        script: The call.
        figures: Name, with its unit, -> number.
        plot: Draws on an empty figure of 9 x 4 inches.
        settings: What the figures depend on beside the key.

    Returns:
        The exit code: 0, or 1 if a figure is off.

    Raises:
        SystemExit: With code 2 if `--check` finds nothing recorded for these settings.
    """
    refuse_unrecorded(script, **settings)
    numbers = {name: float(value) for name, value in figures.items()}
    width = max(map(len, numbers))
    print(f"{script.file.stem}: {_said(script.key, settings)}")
    for name, value in numbers.items():
        print(f"  {name:<{width}}  {value:.6g}")
    print(f"  plot: {save_plot(script, plot)}")
    record = _record_of(script, settings) if script.check else None
    if record is None:
        return 0
    lines, right = compare(numbers, record["figures"])
    print("\n".join(lines))
    return 0 if right else 1


def save_plot(script: Script, plot: Callable[[Figure], None]) -> Path:
    """Draw `<name>.png` into the folder of the call, which is made if there is none.

    Args:
        script: The call.
        plot: Draws on an empty figure.

    Returns:
        The file.
    """
    # a Figure without pyplot draws with Agg and leaves no global state behind
    from matplotlib.figure import Figure

    figure = Figure(figsize=(9, 4), layout="constrained")
    plot(figure)
    script.out.mkdir(parents=True, exist_ok=True)
    file = script.out / f"{script.file.stem}.png"
    figure.savefig(file, dpi=120)
    return file


def compare(
    figures: Mapping[str, float], expected: Mapping[str, Mapping[str, Any]]
) -> tuple[list[str], bool]:
    """Hold figures against recorded ones, each within its own tolerance.

    Args:
        figures: Name -> number.
        expected: Name -> `{"value", "absolute" or "relative", "why"}`.

    Returns:
        One line a figure, which starts with ok or off, and whether all are ok. A figure
        that only one side has is off.

    Example:
        >>> expected = {"slope": {"value": 3.0, "absolute": 0.1, "why": "noise"}}
        >>> compare({"slope": 3.05}, expected)
        (['  ok   slope: 3.05, expected 3 within 0.1'], True)
    """
    lines, right = [], True
    for name in [*figures, *(name for name in expected if name not in figures)]:
        fits, line = _compare_one(figures.get(name), expected.get(name))
        right &= fits
        lines.append(f"  {'ok ' if fits else 'off'}  {name}: {line}")
    return lines, right


def _compare_one(value: float | None, expected: Mapping[str, Any] | None) -> tuple[bool, str]:
    if value is None:
        return False, "recorded, but the program did not print it"
    if expected is None:
        return False, f"{value:.6g}, but nothing is recorded"
    within = expected.get("absolute", 0.0) + expected.get("relative", 0.0) * abs(expected["value"])
    # NaN compares as False, and so it is off
    fits = abs(value - expected["value"]) <= within
    return fits, f"{value:.6g}, expected {expected['value']:.6g} within {within:.3g}"


def _recorded(script: Script) -> list[dict[str, Any]]:
    """All that is recorded for this program: `[{"key", "settings", "figures"}]`."""
    file = script.file.parent / "expected" / f"{script.file.stem}.json"
    return json.loads(file.read_text())["recorded"] if file.is_file() else []


def _record_of(script: Script, settings: Mapping[str, Any]) -> dict[str, Any] | None:
    wanted = (script.key, dict(settings))
    found = (r for r in _recorded(script) if (r["key"], r["settings"]) == wanted)
    return next(found, None)


def _said(key: int, settings: Mapping[str, Any]) -> str:
    return ", ".join([f"key {key}", *(f"{name} {value}" for name, value in settings.items())])
