"""A formula and a table as a problem of least squares, with errors that name columns and lines."""

from __future__ import annotations

import dataclasses
import difflib
import re
from collections import OrderedDict
from collections.abc import Callable, Mapping, Sequence
from typing import NamedTuple

import jax
import numpy as np

from paramjax._checks import nearest
from paramjax.cli._table import Table, listed
from paramjax.data._csv import finite_number
from paramjax.estimate import (
    Estimate,
    Expression,
    Formula,
    cauchy,
    curve_fit,
    formula,
    huber,
    robust,
    soft_l1,
    tukey,
)
from paramjax.estimate.curves._robust_losses import RobustLoss

_LOSSES: Mapping[str, Callable[[float], RobustLoss]] = {
    "huber": huber,
    "soft_l1": soft_l1,
    "cauchy": cauchy,
    "tukey": tukey,
}


class Problem(NamedTuple):
    """A formula, and the numbers of the rows that count.

    Attributes:
        file: Of the table.
        model: The formula.
        response_text: Its left side.
        start: Of each parameter, those held fixed too, in the order of the formula.
        fixed: Names of those.
        columns: What the right side reads, by name.
        response: Of each row.
        weights: Relative precisions, or None.
        sigma: Known standard deviations, or None.
        notes: What a reader must know of the table.
    """

    file: str
    model: Formula
    response_text: str
    start: OrderedDict[str, float]
    fixed: tuple[str, ...]
    columns: dict[str, np.ndarray]
    response: np.ndarray
    weights: np.ndarray | None
    sigma: np.ndarray | None
    notes: tuple[str, ...]


def problem_of(
    table: Table, text: str, start: Mapping[str, float], fixed: Mapping[str, float], *,
    weights: str | None, sigma: str | None, drop_missing: bool,
) -> Problem:  # fmt: skip
    """Columns and parameters of a formula.

    Raises:
        ValueError: If it is no formula with a response, a name is unknown, a column does not hold
            numbers, cells are missing, or the formula is not finite at the start.
    """
    model = formula(text)
    if model.response is None:
        raise ValueError(f'FORMULA: expected a response, as in "y ~ {text.strip()}", got none')
    if weights is not None and sigma is not None:
        raise ValueError("--weights: expected --weights or --sigma, got both")
    right = _read(model.names, model.constants, table, {**start, **fixed})
    left = _response_names(model.response, table, {**start, **fixed})
    params = _parameters(table, right, start, fixed)
    extra = [_known(table, option, name) for option, name in
             (("--weights", weights), ("--sigma", sigma)) if name is not None]  # fmt: skip
    inputs = [name for name in right if name not in params]
    needed = list(dict.fromkeys([*left, *inputs, *extra]))
    numbers = {name: table.column(name) for name in needed}
    kept, notes = _kept(table, numbers, drop_missing=drop_missing)
    numbers = {name: values[kept] for name, values in numbers.items()}
    lines = np.array(table.lines)[kept]
    response = _finite(model.response, numbers, left, lines, table, "")
    right_text = re.split("[~=]", text)[-1].strip()
    side = Expression(right_text, model.names, (), model.evaluate)
    _finite(side, {**numbers, **params}, inputs, lines, table, " at the start")
    return Problem(
        table.file, model, model.response.text, params, tuple(fixed),
        {name: numbers[name] for name in inputs or left[:1]}, response,
        None if weights is None else numbers[weights], None if sigma is None else numbers[sigma],
        (*table.remarks, *notes),
    )  # fmt: skip


def fit(
    problem: Problem, bounds: Mapping[str, tuple[float, float]], loss: str | None, *,
    starts: int | None, key: int, robust: bool,
) -> Estimate:  # fmt: skip
    """The estimate of a problem; its title is the formula.

    Raises:
        ValueError: If bounds or the loss do not fit, or there are fewer rows than parameters.
    """
    for name in bounds:
        if name not in problem.start:
            raise ValueError(f"--bounds: {nearest(name, problem.start, what='parameter')}")
    found = curve_fit(
        problem.model.predict, problem.start, problem.columns, problem.response,
        weights=problem.weights, sigma=problem.sigma, bounds=dict(bounds) or None,
        loss=None if loss is None else _loss(loss), fixed=problem.fixed or None,
        starts=starts, key=None if starts is None else jax.random.key(key),
    )  # fmt: skip
    if robust:
        found = _robust(found)
    title = f"{found.title}: {' '.join(problem.model.text.split())}"
    return dataclasses.replace(found, title=title, notes=(*problem.notes, *found.notes))


def _robust(found: Estimate) -> Estimate:
    return robust(found, kind="HC3")


def _loss(word: str) -> RobustLoss:
    name, _, scale = word.partition(":")
    value = finite_number(scale)
    if name not in _LOSSES or value is None or value <= 0:
        raise ValueError(
            f"--loss: expected {', '.join(_LOSSES)} and a scale above 0, as in huber:1.5, got "
            f"{word!r}"
        )
    return _LOSSES[name](value)


def _read(
    names: Sequence[str], constants: Sequence[str], table: Table, given: Mapping[str, float]
) -> list[str]:
    """What must be looked up: pi and e too if a column or a parameter is called so."""
    return [*names, *(name for name in constants if name in table.names or name in given)]


def _parameters(
    table: Table, right: Sequence[str], start: Mapping[str, float], fixed: Mapping[str, float]
) -> OrderedDict[str, float]:
    """The parameters in the order of the formula."""
    for option, given in (("--start", start), ("--fixed", fixed)):
        for name in given:
            if name in table.names:
                raise ValueError(
                    f"{option}: {name} is a column of {table.file}; call the parameter otherwise"
                )
            if name not in right:
                raise ValueError(f"{option}: {nearest(name, right, what='name in the formula')}")
    if both := sorted(start.keys() & fixed.keys()):
        raise ValueError(f"--fixed: {', '.join(both)} has a --start too; give one of them")
    given = {**start, **fixed}
    unknown = [name for name in right if name not in given and name not in table.names]
    if unknown:
        raise ValueError(_unknown(unknown, table, given))
    if not start:
        raise ValueError(
            "FORMULA: expected a parameter to estimate, such as b1 in \"y ~ b1*x\" with --start "
            "b1=1, got none"
        )  # fmt: skip
    return OrderedDict((name, given[name]) for name in right if name in given)


def _unknown(unknown: Sequence[str], table: Table, given: Mapping[str, float]) -> str:
    """Names that are neither, what they may have meant, and what to do."""
    meant = {name: _meant(name, [*filter(None, table.names), *given]) for name in unknown}
    told = [
        f"{name} (did you mean {_quoted(close)}?)" if close else name
        for name, close in meant.items()
    ]
    starts = ",".join(f"{_quoted(name)}=1" for name in unknown if not meant[name])
    hint = f"parameters need one, as in --start {starts}; " if starts else ""
    columns = ", ".join(_quoted(name) for name in table.names if name)
    return (
        f"neither a column of {table.file} nor a parameter with a start: {', '.join(told)}; "
        f"{hint}the columns are {columns}"
    )


def _meant(name: str, known: Sequence[str]) -> str:
    """The known name that is nearest; a parameter such as b2 is not taken for b1."""
    lower = {one.lower(): one for one in known}
    close = difflib.get_close_matches(name.lower(), lower, n=1, cutoff=0.7)
    holding = [one for one in lower if len(name) > 2 and name.lower() in one]
    numbered = name.rstrip("0123456789") != name
    found = lower[(close or holding or [""])[0]] if close or holding else ""
    return "" if numbered and found.lower() != name.lower() else found


def _quoted(name: str) -> str:
    """A name as a formula takes it."""
    return name if name.isidentifier() else f"`{name}`"


def _response_names(response: Expression, table: Table, given: Mapping[str, float]) -> list[str]:
    names = _read(response.names, response.constants, table, {})
    for name in names:
        if name in given and name not in table.names:
            raise ValueError(f"FORMULA: {name} is a parameter; left of ~ stand columns alone")
        _known(table, "FORMULA", name)
    if not names:
        raise ValueError(f"FORMULA: expected a column left of ~, got {response.text}")
    return names


def _known(table: Table, option: str, name: str) -> str:
    if name not in table.names:
        known = [one for one in table.names if one]
        raise ValueError(f"{option}: {table.file}: {nearest(name, known, what='column')}")
    return name


def _kept(
    table: Table, numbers: Mapping[str, np.ndarray], *, drop_missing: bool
) -> tuple[np.ndarray, list[str]]:
    """Which rows have all cells, and a note on the others."""
    gaps = np.stack([np.isnan(values) for values in numbers.values()])
    lacking = np.any(gaps, axis=0).reshape(-1)
    kept = np.logical_not(lacking)
    if kept.all():
        return kept, []
    names = list(numbers)
    places = [
        f"line {table.lines[row]} ({', '.join(names[at] for at in np.flatnonzero(gaps[:, row]))})"
        for row in np.flatnonzero(lacking)
    ]
    count = f"{int(lacking.sum())} of {len(lacking)} rows"
    if not drop_missing:
        raise ValueError(
            f"{table.file}: cells are missing in {count}: {listed(places)}; pass --drop-missing "
            "to leave these rows out"
        )
    if lacking.all():
        raise ValueError(f"{table.file}: cells are missing in every row: {listed(places)}")
    return kept, [f"{count} left out, in which cells are missing: {listed(places)}"]


def _finite(
    side: Expression, numbers: Mapping[str, float | np.ndarray], names: Sequence[str],
    lines: np.ndarray, table: Table, when: str,
) -> np.ndarray:  # fmt: skip
    """One side of the formula in each row, if it is finite there."""
    values: np.ndarray = np.broadcast_to(np.asarray(side.evaluate(numbers)), lines.shape)
    wrong = np.flatnonzero(~np.isfinite(values))
    if wrong.size:
        row = int(wrong[0])
        cells = ", ".join(f"{name} = {np.asarray(numbers[name])[row]:g}" for name in names)
        raise ValueError(
            f"{table.file}: {side.text} is {values[row]:g}{when} in {wrong.size} of {lines.size} "
            f"rows, first in line {lines[row]}{' where ' + cells if cells else ''}"
        )
    return np.array(values)
