"""Which optimizers take part: names of the catalogue, and factories in the user's files."""

from __future__ import annotations

import importlib.util
import inspect
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from types import ModuleType
from typing import Any, NamedTuple

import optax

from paramjax._checks import nearest
from paramjax._hashes import file_hash
from paramjax._version import __version__
from paramjax.optim import CATALOGUE, Optimizer
from paramjax.space._check import check_space
from paramjax.space._distribution import Space
from paramjax.space._ranges import log_uniform

DEFAULT_SPACE: Space = {"learning_rate": log_uniform(1e-4, 1.0)}
"""The search space of a factory without a `space` attribute."""


class Entry(NamedTuple):
    """An optimizer in a benchmark.

    Attributes:
        optimizer: Name, factory, space and source.
        file: The user's file it comes from, or None.
        fingerprint: Hash or version that must not change while trainings are added.
    """

    optimizer: Optimizer
    file: Path | None
    fingerprint: str


class Excluded(NamedTuple):
    """An optimizer that cannot take part.

    Attributes:
        name: Its name.
        reason: Why, in one sentence.
    """

    name: str
    reason: str


class UnknownOptimizerError(ValueError):
    """A name that is neither in the catalogue nor a FILE.py:FACTORY that can be found."""


def find_entries(specs: Sequence[str]) -> tuple[list[Entry], list[Excluded]]:
    """Find the optimizers that a user named, each once, in order.

    Args:
        specs: Names of the catalogue and `FILE.py:FACTORY`.

    Returns:
        The entries, and the optimizers excluded because their file or space is broken.

    Raises:
        UnknownOptimizerError: For a name, file or factory that does not exist, with the
            nearest known ones.

    Example:
        >>> entries, excluded = find_entries(["adamw", "sgd", "adamw"])
        >>> [entry.optimizer.name for entry in entries], excluded
        (['adamw', 'sgd'], [])
    """
    found: dict[str, Entry | Excluded] = {}
    origin: dict[str, str] = {}
    for spec in specs:
        entry = _from_file(spec) if ".py:" in spec else _from_catalogue(spec)
        name = entry.name if isinstance(entry, Excluded) else entry.optimizer.name
        if origin.setdefault(name, spec) != spec:
            raise UnknownOptimizerError(
                f"optimizers {origin[name]!r} and {spec!r} would both be called {name!r}; "
                "rename one of the files"
            )
        found[name] = entry
    entries = [entry for entry in found.values() if isinstance(entry, Entry)]
    return entries, [entry for entry in found.values() if isinstance(entry, Excluded)]


def spec_name(spec: str) -> str:
    """The name of a spec in verdicts: its file without the folder.

    Example:
        >>> spec_name("experiments/mine.py:fast"), spec_name("adamw")
        ('mine.py:fast', 'adamw')
    """
    if ".py:" not in spec:
        return spec
    file, _, factory = spec.rpartition(":")
    return f"{Path(file).name}:{factory}"


def one_line(error: BaseException) -> str:
    """The type of an error and the first line of its message.

    Example:
        >>> one_line(ValueError("no such thing, and here is more:"))
        'ValueError: no such thing, and here is more:'
    """
    return " ".join([f"{type(error).__name__}:", *str(error).strip().splitlines()[:1]])


def _from_catalogue(name: str) -> Entry:
    if name not in CATALOGUE:
        hint = "; an optimizer of your own is FILE.py:FACTORY"
        raise UnknownOptimizerError(nearest(name, CATALOGUE, what="optimizer") + hint)
    return Entry(CATALOGUE[name], None, f"paramjax {__version__}")


def _from_file(spec: str) -> Entry | Excluded:
    """Load the user's factory; exclude it if the file or the space is broken."""
    path_text, _, factory_name = spec.rpartition(":")
    path, name = Path(path_text), spec_name(spec)
    if not path.is_file():
        raise UnknownOptimizerError(f"optimizer {spec!r}: there is no file {path}")
    try:
        module = _load(path)
    except (Exception, SystemExit) as error:
        return Excluded(name, f"importing {path} raised {one_line(error)}")
    factory = getattr(module, factory_name, None)
    if not callable(factory):
        known = [n for n, value in vars(module).items() if callable(value) and n[0] != "_"]
        raise UnknownOptimizerError(f"{path}: {nearest(factory_name, known, what='factory')}")
    try:
        space = check_space(getattr(factory, "space", DEFAULT_SPACE))
    except (TypeError, ValueError) as error:
        return Excluded(name, f"its search space is not valid: {error}")
    digest = file_hash(path)
    optimizer = Optimizer(name, _by_keyword(factory, space), space, f"{path}, sha256 {digest[:12]}")
    return Entry(optimizer, path, digest)


def _load(path: Path) -> ModuleType:
    """Import a file as a module of its own, with its folder on the path meanwhile."""
    spec = importlib.util.spec_from_file_location(f"paramjax_user_{path.stem}", path)
    if spec is None or spec.loader is None:
        raise ImportError(f"{path} is not a Python file")
    module = importlib.util.module_from_spec(spec)
    folder = str(path.parent.absolute())
    sys.path.insert(0, folder)
    try:
        spec.loader.exec_module(module)
    finally:
        sys.path.remove(folder)
    return module


def _by_keyword(
    factory: Callable[..., Any], space: Space
) -> Callable[..., optax.GradientTransformation]:
    """Call a factory by keyword, or with a mapping if its one parameter is not in its space."""
    try:
        parameters = list(inspect.signature(factory).parameters.values())
    except (TypeError, ValueError):
        return factory
    gathering = (inspect.Parameter.VAR_POSITIONAL, inspect.Parameter.VAR_KEYWORD)
    required = [p for p in parameters if p.default is p.empty and p.kind not in gathering]
    takes_mapping = (
        len(required) == 1
        and required[0].name not in space
        and required[0].kind is not inspect.Parameter.KEYWORD_ONLY
    )
    return (lambda **hyperparameters: factory(hyperparameters)) if takes_mapping else factory
