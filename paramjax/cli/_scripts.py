"""The examples: where they are, and what can be read of them without running them."""

from __future__ import annotations

import ast
import re
from pathlib import Path

_ROWS = re.compile(r"^Rows? ([\d, and]+) of the brief\.$", re.MULTILINE)


def find_programs() -> dict[str, Path]:
    """The examples by name, of the repository or of the installed wheel."""
    package = Path(__file__).resolve().parents[1]
    # the wheel's copy comes first: site-packages may hold an unrelated `experiments`
    folders = (package / "_experiments", package.parent / "experiments")
    folder = next((folder for folder in folders if folder.is_dir()), folders[0])
    return {file.stem: file for file in sorted(folder.glob("[!_]*.py"))}


def summary(file: Path) -> str:
    """The first line of a script's docstring."""
    return _docstring(file).partition("\n")[0]


def rows(file: Path) -> list[int]:
    """The rows of the brief that a script serves, as the last line of its docstring says.

    Example:
        >>> rows(find_programs()["xor"])
        [6]
    """
    found = _ROWS.search(_docstring(file))
    return [int(number) for number in re.findall(r"\d+", found[1])] if found else []


def own_options(file: Path) -> set[str]:
    """The options that a script has beside those of every script.

    Example:
        >>> sorted(own_options(find_programs()["cnn"]))
        ['data', 'epochs', 'seeds']
    """
    calls = (node for node in ast.walk(_parsed(file)) if isinstance(node, ast.Call))
    starts = (call for call in calls if getattr(call.func, "id", None) == "start_script")
    names = {word.arg for call in starts for word in call.keywords if word.arg}
    return names - {"needs"}


def _parsed(file: Path) -> ast.Module:
    return ast.parse(file.read_text(encoding="utf-8"))


def _docstring(file: Path) -> str:
    return ast.get_docstring(_parsed(file)) or ""
