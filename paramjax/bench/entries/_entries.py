"""Which optimizers take part: names of the catalogue, and factories in the user's files."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, NamedTuple

import optax

from paramjax._checks import describe, nearest
from paramjax._hashes import file_hash
from paramjax.bench.entries._factories import called
from paramjax.bench.entries._modules import LoadError, find_name, load_module
from paramjax.bench.entries._trainer import EXTRA_ARGS
from paramjax.optim import CATALOGUE, Optimizer
from paramjax.space._check import check_space
from paramjax.space._distribution import Space
from paramjax.space._ranges import log_uniform

DEFAULT_SPACE: Space = {"learning_rate": log_uniform(1e-4, 1.0)}
"""The search space of a factory without a `space` attribute."""


class Entry(NamedTuple):
    """An optimizer in a benchmark.

    Attributes:
        optimizer: Name, factory, space, source and what else it declares.
        file: The user's file it comes from, or None.
    """

    optimizer: Optimizer
    file: Path | None


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
        specs: Names of the catalogue and `FILE.py:FACTORY`, where FACTORY may be the method of a
            class, `Mine.build`.

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
        name = spec_name(spec)
        if _where(origin.setdefault(name, spec)) != _where(spec):
            raise UnknownOptimizerError(
                f"optimizers {origin[name]!r} and {spec!r} would both be called {name!r}; "
                "rename one of the files"
            )
        if name not in found:
            found[name] = _from_file(spec) if ".py:" in spec else _from_catalogue(spec)
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


def _where(spec: str) -> tuple[str, str]:
    """Folder and name of a spec, the same however its path is written."""
    file, _, factory = spec.rpartition(":")
    return (str(Path(file).resolve()) if file else "", factory)


def entry_of(name: str, given: str | Optimizer | Callable[..., Any]) -> Entry:
    """An optimizer under a name of its own.

    Args:
        name: What it is called in results.
        given: A name of the catalogue, an `Optimizer`, or a factory `(learning_rate, ...) -> tx`;
            or `(hp) -> tx`, which gets all hyperparameters as one mapping if its argument is
            called `hp`, `hyperparameters` or `config`, or annotated as a mapping. A factory's
            attribute `space` says what is searched, by default a learning rate from 1e-4 to 1;
            its attributes `extra_args` and `schedule` are those of an `Optimizer`.

    Returns:
        The entry.

    Raises:
        UnknownOptimizerError: If the catalogue has no such name.
        TypeError: If it is something else, or its space or extra arguments are not valid.
        ValueError: If its space or extra arguments are not valid.

    Example:
        >>> import optax
        >>> entry = entry_of("mine", lambda learning_rate: optax.sgd(learning_rate))
        >>> entry.optimizer.name, entry.optimizer.space
        ('mine', {'learning_rate': LogUniform(low=0.0001, high=1.0)})
    """
    if not isinstance(name, str) or not name:
        raise TypeError(f"optimizers: expected names as keys, got {describe(name)}")
    if isinstance(given, str):
        return Entry(replace(_from_catalogue(given).optimizer, name=name), None)
    _refuse_made(name, given)
    if not callable(given) and not isinstance(given, Optimizer):
        raise TypeError(
            f"optimizer {name!r}: expected a name of the catalogue, a pj.Optimizer or a factory "
            f"(learning_rate, ...) -> tx, got {describe(given)}"
        )
    try:
        if isinstance(given, Optimizer):
            return Entry(_given(name, given), None)
        return Entry(_optimizer(name, given, "your own"), None)
    except (TypeError, ValueError) as error:
        raise type(error)(f"optimizer {name!r}: {error}") from error


def _from_catalogue(name: str) -> Entry:
    if name not in CATALOGUE:
        hint = "; an optimizer of your own is FILE.py:FACTORY"
        raise UnknownOptimizerError(nearest(name, CATALOGUE, what="optimizer") + hint)
    return Entry(CATALOGUE[name], None)


def _from_file(spec: str) -> Entry | Excluded:
    """Load the user's factory; exclude it if the file or what it declares is broken."""
    path_text, _, factory_name = spec.rpartition(":")
    path, name = Path(path_text), spec_name(spec)
    if not path.is_file():
        raise UnknownOptimizerError(f"optimizer {spec!r}: there is no file {path}")
    try:
        module = load_module(path)
        factory = find_name(module, factory_name)
        _refuse_made(name, factory)
    except (LoadError, TypeError) as error:
        return Excluded(name, str(error))
    if not callable(factory) and not isinstance(factory, Optimizer):
        if factory is not None:
            raise UnknownOptimizerError(
                f"{path}: {factory_name} is {describe(factory)}, expected a factory "
                "(learning_rate, ...) -> tx"
            )
        known = [n for n, value in vars(module).items() if callable(value) and n[0] != "_"]
        raise UnknownOptimizerError(f"{path}: {nearest(factory_name, known, what='factory')}")
    source = f"{path}, sha256 {file_hash(path)[:12]}"
    try:
        if isinstance(factory, Optimizer):
            return Entry(_given(name, factory), path)
        return Entry(_optimizer(name, factory, source), path)
    except (TypeError, ValueError) as error:
        return Excluded(name, str(error))


def _refuse_made(name: str, given: Any) -> None:
    """Raise if a transformation is given in place of its factory."""
    if isinstance(given, optax.GradientTransformation | optax.MultiSteps):
        raise TypeError(
            f"optimizer {name!r}: expected a factory such as optax.adamw, whose hyperparameters "
            "can be searched, got a gradient transformation that is made already; write "
            "lambda learning_rate: ..."
        )


def _optimizer(name: str, factory: Callable[..., Any], source: str) -> Optimizer:
    """An optimizer from a factory and its attributes."""
    declared = _checked(name, factory)
    own = called(factory, declared["space"])
    return Optimizer(name=name, factory=own, source=source, **declared)


def _given(name: str, optimizer: Optimizer) -> Optimizer:
    """An `Optimizer` of the user's own under a name."""
    declared = _checked(name, optimizer)
    own = called(optimizer.factory, declared["space"])
    return replace(optimizer, name=name, factory=own, **declared)


def _checked(name: str, given: Any) -> dict[str, Any]:
    """Space, extra arguments and schedule that an optimizer or a factory declares."""
    try:
        space = check_space(getattr(given, "space", DEFAULT_SPACE))
    except (TypeError, ValueError) as error:
        raise type(error)(f"its search space is not valid: {error}") from error
    extra = getattr(given, "extra_args", ())
    extra = (extra,) if isinstance(extra, str) else tuple(extra)
    for argument in extra:
        if argument not in EXTRA_ARGS:
            raise ValueError(
                f"{name}.extra_args: {nearest(argument, EXTRA_ARGS, what='extra argument')}"
            )
    return {"space": space, "extra_args": extra, "schedule": str(getattr(given, "schedule", ""))}
