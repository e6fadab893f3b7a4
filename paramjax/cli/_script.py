"""What an example needs around its science: arguments, figures, a plot, a result, a check.

A script calls `start_script`, trains, and ends with `Script.finish`. The figures that it must
print are recorded beside it in `expected/<name>.json`, each with its tolerance and the reason.
"""

from __future__ import annotations

import argparse
import importlib.util
import json
import os
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

from paramjax._checks import check_count, check_seed
from paramjax._format import without_nonfinite
from paramjax._version import versions
from paramjax.cli._terminal import Exit, fail

if TYPE_CHECKING:
    from matplotlib.figure import Figure


FOLDER = "paramjax-examples"
"""Where results go by default: a folder for each script."""


@dataclass(frozen=True)
class Script:
    """One call of an example.

    Attributes:
        file: The script.
        key: The integer that names its key.
        check: Whether to compare its figures with the recorded ones.
        out: Folder of its results, of its own name.
        options: The script's own options by name; `script["seeds"]` reads one.
        started: When it began, on the clock of `time.perf_counter`.
    """

    file: Path
    key: int
    check: bool
    out: Path
    options: dict[str, Any]
    started: float = field(default_factory=time.perf_counter)

    def __getitem__(self, name: str) -> Any:
        """The value of one of the program's own options."""
        return self.options[name]

    @property
    def recorded(self) -> list[dict[str, Any]]:
        """What is recorded for this program: `[{"key", "settings", "figures"}]`."""
        file = self.file.parent / "expected" / f"{self.file.stem}.json"
        content: dict[str, Any] = json.loads(file.read_text()) if file.is_file() else {}
        return list(content.get("recorded", []))

    def expected(self, **settings: Any) -> dict[str, Any] | None:
        """The recorded figures to compare with; call it before training to stop early.

        Args:
            settings: What the figures depend on beside the key.

        Returns:
            Name -> `{"value", "absolute" or "relative", "why"}`; None without `--check`.

        Raises:
            SystemExit: With code 2 if `--check` finds nothing recorded for the key and settings.

        Example:
            >>> start_script("xor.py", "XOR.", []).expected(seeds=64) is None
            True
        """
        if not self.check:
            return None
        for record in self.recorded:
            if (record["key"], record["settings"]) == (self.key, settings):
                return dict(record["figures"])
        known = "; ".join(_settings(record["key"], record["settings"]) for record in self.recorded)
        message = (
            f"{self.file.stem}: --check has no recorded figures for "
            f"{_settings(self.key, settings)}; recorded are: {known or 'none'}; "
            "run it with one of these, or without --check"
        )
        raise SystemExit(fail(message))

    def finish(
        self,
        figures: Mapping[str, Any],
        plot: Callable[[Figure], None],
        *,
        size: tuple[float, float] = (9, 4),
        **settings: Any,
    ) -> int:
        """Print the figures, write `plot.png` and `result.json`, and check if asked to.

        The result holds key, settings, figures, versions and seconds; with `--check` also `off`,
        the figures that do not fit what is recorded, in words.

        Args:
            figures: Name, with its unit, -> number.
            plot: Draws on an empty figure.
            size: Width and height of the figure in inches.
            settings: What the figures depend on beside the key.

        Returns:
            Exit code: 0, or 1 if a figure is off.

        Raises:
            SystemExit: With code 2 if `--check` finds nothing recorded for these settings.
        """
        expected = self.expected(**settings)
        numbers = {name: float(value) for name, value in figures.items()}
        width = max(map(len, numbers))
        print(f"{self.file.stem}: {_settings(self.key, settings)}")
        for name, value in numbers.items():
            print(f"  {name:<{width}}  {value:.6g}")
        self._draw(plot, size)
        print(f"  plot and result.json: {self.out}")
        off = None if expected is None else _off(numbers, expected)
        result = {
            "key": self.key,
            "settings": settings,
            "figures": numbers,
            "versions": versions(),
            "seconds": round(time.perf_counter() - self.started, 3),
            **({} if off is None else {"off": off}),
        }
        text = json.dumps(without_nonfinite(result), indent=1, allow_nan=False)
        (self.out / "result.json").write_text(text + "\n", encoding="utf-8")
        return Exit.FAILED if off else Exit.DONE

    def _draw(self, plot: Callable[[Figure], None], size: tuple[float, float]) -> None:
        # a Figure without pyplot draws with Agg and leaves no global state behind
        from matplotlib.figure import Figure

        figure = Figure(figsize=size, layout="constrained")
        plot(figure)
        self.out.mkdir(parents=True, exist_ok=True)
        figure.savefig(self.out / "plot.png", dpi=120)


def start_script(
    file: str,
    doc: str,
    argv: Sequence[str] | None = None,
    *,
    needs: Mapping[str, str] = MappingProxyType({}),
    **options: Any,
) -> Script:
    """Read the command line of an example.

    Args:
        file: The script, `__file__`.
        doc: Its docstring; the first line becomes the help text.
        argv: Arguments; None for those of the process.
        needs: Package that the script needs beside matplotlib -> extra that installs it.
        options: Name -> default of the script's own options, `int` (a count) or `str`.

    Returns:
        The call.

    Raises:
        SystemExit: With code 2 for bad arguments, a folder that cannot be written to, without a
            package that it needs, and with `--check` if no figures are recorded for the key.

    Example:
        >>> script = start_script("xor.py", "XOR.", ["--key", "7", "--seeds", "3"], seeds=64)
        >>> script.key, script.check, script["seeds"]
        (7, False, 3)
    """
    parser = argparse.ArgumentParser(prog=Path(file).stem, description=doc.splitlines()[0])
    parser.add_argument("--key", type=int, default=0, help="integer that names the key")
    parser.add_argument("--check", action="store_true", help="compare with the recorded figures")
    parser.add_argument(
        "--out", type=Path, default=Path(FOLDER), help=f"folder of the results ({FOLDER})"
    )
    for name, default in options.items():
        parser.add_argument(f"--{name}", type=type(default), default=default)
    given = vars(parser.parse_args(argv))
    own = {name: given[name] for name in options}
    for package, extra in {"matplotlib": "bench", **needs}.items():
        if importlib.util.find_spec(package) is None:  # said before minutes of training
            parser.error(f'{package} is missing: pip install "paramjax[{extra}]"')
    try:
        check_seed(given["key"])
        for name, value in own.items():
            if isinstance(value, int):
                check_count(name, value)
    except ValueError as error:
        parser.error(str(error))
    out = given["out"] / Path(file).stem
    if not _is_writable(out):  # said before minutes of training, too
        parser.error(f"--out: expected a folder to write to, got {str(given['out'])!r}")
    script = Script(Path(file), given["key"], given["check"], out, own)
    if script.check and script.key not in {record["key"] for record in script.recorded}:
        script.expected()
    return script


def _is_writable(folder: Path) -> bool:
    """Whether a folder can be written to, or made in the one that is nearest above it."""
    folder = folder.absolute()
    place = next(place for place in (folder, *folder.parents) if place.exists())
    return place.is_dir() and os.access(place, os.W_OK)


def _off(numbers: Mapping[str, float], expected: Mapping[str, Any]) -> list[str]:
    """Print each figure beside what is recorded, and return those that do not fit."""
    off = []
    for name in dict.fromkeys([*numbers, *expected]):
        fits, text = _compare(numbers.get(name), expected.get(name))
        print(f"  {'ok ' if fits else 'off'}  {name}: {text}")
        if not fits:
            off.append(f"{name}: {text}")
    return off


def _compare(value: float | None, record: Mapping[str, Any] | None) -> tuple[bool, str]:
    """Whether a figure fits its record, and in words; NaN does not, nor what one side lacks."""
    if value is None:
        return False, "recorded, but the script did not print it"
    if record is None:
        return False, f"{value:.6g}, but nothing is recorded"
    target = record["value"]
    within = record.get("absolute", 0.0) + record.get("relative", 0.0) * abs(target)
    text = f"{value:.6g}, expected {target:.6g} within {within:.3g}"
    return abs(value - target) <= within, text


def _settings(key: int, settings: Mapping[str, Any]) -> str:
    return ", ".join([f"key {key}", *(f"{name} {value}" for name, value in settings.items())])
