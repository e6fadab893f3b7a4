"""`paramjax example`: run a founding program by name, from a key."""

from __future__ import annotations

import ast
import runpy
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated

import tyro

from paramjax._checks import nearest
from paramjax.cli._script import FOLDER
from paramjax.cli._terminal import Exit, fail

_COUNT = tyro.conf.arg(metavar="INT")


def example(
    name: Annotated[tyro.conf.Positional[str | None], tyro.conf.arg(metavar="NAME")] = None,
    *,
    key: int = 0,
    check: bool = False,
    out: Path = Path(FOLDER),
    data: Annotated[Path | None, tyro.conf.arg(metavar="DIR")] = None,
    epochs: Annotated[int | None, _COUNT] = None,
    seeds: Annotated[int | None, _COUNT] = None,
    list_: Annotated[bool, tyro.conf.arg(name="list")] = False,
    names: bool = False,
) -> int:
    """Train one of the founding programs, print its figures and draw its plot.

    Args:
        name: The program; `--list` shows the names.
        key: Integer from 0 to 2**32 - 1 that names all randomness.
        check: Compare the figures with the recorded ones.
        out: Folder of the results; each example has a folder of its name in it.
        data: Folder of IDX files, for programs that read them.
        epochs: Passes over the data, for programs that let you choose.
        seeds: Trainings, for programs that let you choose.
        list_: Show the programs, one a line, and do nothing else.
        names: Show their names alone, for scripts.

    Returns:
        Exit code: 0, 1 if a figure is off, 2 for bad input.

    Example:
        >>> int(example("no such program"))
        2
    """
    programs = find_programs()
    if list_:
        width = max(map(len, programs), default=0)
        for program, file in programs.items():
            doc = ast.get_docstring(ast.parse(file.read_text(encoding="utf-8"))) or ""
            print(f"{program:<{width}}  {doc.partition(chr(10))[0]}")
    if names:
        print(*programs, sep="\n")
    if list_ or names:
        return Exit.DONE
    if name not in programs:
        wrong = nearest(name, programs, what="example") if name else "example: expected a name"
        return fail(f"{wrong}; paramjax example --list describes them")
    words = ["--key", str(key), "--out", str(out), *(["--check"] if check else [])]
    for option, value in (("data", data), ("epochs", epochs), ("seeds", seeds)):
        if value is not None:
            words += [f"--{option}", str(value)]
    try:
        return run_program(programs[name], words)
    except FileNotFoundError as error:  # the data that was asked for
        return fail(f"{name}: {error}")


def find_programs() -> dict[str, Path]:
    """The founding programs by name, of the repository or of the installed wheel."""
    package = Path(__file__).resolve().parents[1]
    # the wheel's copy comes first: site-packages may hold an unrelated `experiments`
    folders = (package / "_experiments", package.parent / "experiments")
    folder = next((folder for folder in folders if folder.is_dir()), folders[0])
    return {file.stem: file for file in sorted(folder.glob("[!_]*.py"))}


def run_program(file: Path, words: Sequence[str]) -> int:
    """Run a program as a script in this process, and return its exit code."""
    before = sys.argv
    sys.argv = [str(file), *words]
    try:
        runpy.run_path(str(file), run_name="__main__")
    except SystemExit as stop:
        return stop.code if isinstance(stop.code, int) else int(stop.code is not None)
    finally:
        sys.argv = before
    return Exit.DONE
