"""`paramjax example`: run an example by name, from a key, or all of them."""

from __future__ import annotations

import runpy
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Annotated

import tyro

from paramjax._checks import check_seed, nearest
from paramjax.cli._script import FOLDER
from paramjax.cli._scripts import find_programs, summary
from paramjax.cli._terminal import Exit, fail

_COUNT = tyro.conf.arg(metavar="INT")


def example(
    name: Annotated[tyro.conf.Positional[str | None], tyro.conf.arg(metavar="NAME")] = None,
    *,
    all_: Annotated[bool, tyro.conf.arg(name="all")] = False,
    key: int = 0,
    check: bool = False,
    out: Path = Path(FOLDER),
    data: Annotated[Path | None, tyro.conf.arg(metavar="DIR")] = None,
    epochs: Annotated[int | None, _COUNT] = None,
    seeds: Annotated[int | None, _COUNT] = None,
    list_: Annotated[bool, tyro.conf.arg(name="list")] = False,
    names: bool = False,
) -> int:
    """Run one of the examples, or all: print its figures, write its plot and result.json.

    Args:
        name: The example; `--list` shows the names.
        all_: Run every example, each in a process of its own, and print a table at the end.
        key: Integer from 0 to 2**32 - 1 that names all randomness.
        check: Compare the figures with the recorded ones.
        out: Folder of the results; each example has a folder of its name in it.
        data: Folder of data sets, for examples that read them.
        epochs: Passes over the data, for examples that let you choose.
        seeds: Trainings, for examples that let you choose.
        list_: Show the examples, one a line, and do nothing else.
        names: Show their names alone, for scripts.

    Returns:
        Exit code: 0, 1 if a figure is off or an example of all failed, 2 for bad input,
        130 interrupted.

    Example:
        >>> int(example("no such program"))
        2
    """
    programs = find_programs()
    if list_:
        width = max(map(len, programs), default=0)
        for program, file in programs.items():
            print(f"{program:<{width}}  {summary(file)}")
    if names:
        print(*programs, sep="\n")
    if list_ or names:
        return Exit.DONE
    own = {"epochs": epochs, "seeds": seeds}
    if (wrong := _refusal(name, programs, all_=all_, key=key, data=data, own=own)) is not None:
        return fail(wrong)
    words = ["--key", str(key), *(["--check"] if check else [])]
    if name is None:
        return _run_all(programs, out, words, data)
    for option, value in (("data", data), *own.items()):
        if value is not None:
            words += [f"--{option}", str(value)]
    try:
        return run_program(programs[name], ["--out", str(out), *words])
    except FileNotFoundError as error:  # the data that was asked for
        return fail(f"{name}: {error}")


def _refusal(
    name: str | None,
    programs: Mapping[str, Path],
    *,
    all_: bool,
    key: int,
    data: Path | None,
    own: Mapping[str, int | None],
) -> str | None:
    """Why what was asked for cannot be done, None if it can."""
    described = "paramjax example --list describes them"
    if all_ and name is not None:
        return f"example: expected a name or --all, got {name!r} and --all"
    for option, value in own.items():
        if all_ and value is not None:
            return f"--{option}: expected the name of one example with it, got --all"
    if name is not None and name not in programs:
        return f"{nearest(name, programs, what='example')}; {described}"
    if name is None and not all_:
        return f"example: expected a name or --all; {described}"
    if data is not None and not data.is_dir():
        return f"--data: expected a folder, got {str(data)!r}, which is none"
    try:
        check_seed(key)
    except ValueError as error:
        return str(error)
    return None


def _run_all(programs: Mapping[str, Path], out: Path, words: list[str], data: Path | None) -> int:
    from paramjax.cli._all_examples import run_all

    try:
        return run_all(programs, out, words, data)
    except OSError as error:  # the folder of the results
        return fail(error)


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
