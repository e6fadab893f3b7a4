"""`paramjax example`: run a founding program by name, from a key."""

from __future__ import annotations

import ast
import runpy
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated

import tyro


def example(
    name: tyro.conf.Positional[str | None] = None,
    *,
    key: int = 0,
    check: bool = False,
    out: Path = Path(),
    data: Path | None = None,
    epochs: int | None = None,
    seeds: int | None = None,
    list_: Annotated[bool, tyro.conf.arg(name="list")] = False,
    names: bool = False,
) -> int:
    """Train one of the founding programs, print its figures and draw its plot.

    Args:
        name: The program; `--list` shows the names.
        key: Integer that names the key, from 0 to 2**32 - 1.
        check: Compare the figures with the recorded ones.
        out: Folder of the plot.
        data: Folder of IDX files, for programs that read them.
        epochs: Passes over the data, for programs that let you choose.
        seeds: Trainings, for programs that let you choose.
        list_: Show the programs, one a line, and do nothing else.
        names: Show their names alone, for scripts.

    Returns:
        The exit code: 0, 1 if a figure is off, 2 if the call cannot be done.

    Example:
        >>> example("no such program")
        2
    """
    programs = find_programs()
    if list_:
        print_programs(programs)
    if names:
        print(*programs, sep="\n")
    if list_ or names:
        return 0
    if name not in programs:
        from paramjax._checks import nearest

        wrong = nearest(name, programs, what="example") if name else "example: expected a name"
        print(f"{wrong}; paramjax example --list describes them", file=sys.stderr)
        return 2
    words = ["--key", str(key), "--out", str(out), *(["--check"] if check else [])]
    for option, value in (("data", data), ("epochs", epochs), ("seeds", seeds)):
        if value is not None:
            words += [f"--{option}", str(value)]
    try:
        return run_program(programs[name], words)
    except FileNotFoundError as error:  # the data that was asked for
        print(f"{name}: {error}", file=sys.stderr)
        return 2


def find_programs() -> dict[str, Path]:
    """The founding programs there are, wherever paramjax was installed from.

    Returns:
        Name -> file, by name: those beside the package in the repository, or those that
        the wheel carries.

    Example:
        >>> "xor" in find_programs()
        True
    """
    package = Path(__file__).resolve().parents[1]
    # the wheel's copy comes first: site-packages may hold an unrelated `experiments`
    places = (package / "_experiments", package.parent / "experiments")
    folder = next((place for place in places if place.is_dir()), places[0])
    return {file.stem: file for file in sorted(folder.glob("[!_]*.py"))}


def print_programs(programs: dict[str, Path]) -> None:
    """One line a program: its name and the first line of its docstring.

    Args:
        programs: Name -> file.
    """
    width = max(map(len, programs), default=0)
    for name, file in programs.items():
        doc = ast.get_docstring(ast.parse(file.read_text(encoding="utf-8"))) or ""
        print(f"{name:<{width}}  {doc.split(chr(10))[0]}")


def run_program(file: Path, words: Sequence[str]) -> int:
    """Run a program as a script in this process.

    Args:
        file: The program.
        words: Its command line, without its name.

    Returns:
        Its exit code.
    """
    before = sys.argv
    sys.argv = [str(file), *words]
    try:
        runpy.run_path(str(file), run_name="__main__")
    except SystemExit as stop:
        return stop.code if isinstance(stop.code, int) else int(stop.code is not None)
    finally:
        sys.argv = before
    return 0
