"""The parts of a traced program that share no value; those that are equal share one program.

A layer's parameters depend on a key of their own alone. XLA compiles the fifth kernel of one shape
as slowly as the first.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from typing import Any, NamedTuple

import jax
import numpy as np

from paramjax._jaxprs import inner_programs, open_jaxpr, programs_within

_WORTH = 24
"""Equations that must be saved before a program of its own is worth its start."""

_WRITTEN = 64
"""Entries of a constant that is told by its value, at most; a larger one is told by its array."""


class Step(NamedTuple):
    """An equation and the places of its inputs and outputs among all values of a program."""

    equation: Any
    inputs: tuple[int, ...]
    outputs: tuple[int, ...]


class Part(NamedTuple):
    """Steps that make results out of values that are given.

    Attributes:
        steps: In their order.
        taken: Places of the values that are given.
        made: Places of the results.
    """

    steps: list[Step]
    taken: list[int]
    made: list[int]


def grouped_parts(
    steps: Sequence[Step],
    given: Collection[int],
    results: Sequence[int],
    constants: Mapping[int, Any],
) -> list[list[Part]]:
    """All steps in groups of equal parts, the program of whose first one serves them all.

    What is not worth a program of its own makes one part together. Results that no step makes, for
    they are given themselves, are of that part.

    Args:
        steps: In their order.
        given: Places whose values are given.
        results: Places whose values are asked for.
        constants: Place -> value, of places that no step makes.
    """
    alike: dict[Any, list[Part]] = {}
    wanted = frozenset(results)
    for own in _connected(steps, given):
        form, part = _form(own, given, wanted, constants)
        alike.setdefault(form, []).append(part)
    groups = [parts for parts in alike.values() if _saved(parts) >= _WORTH]
    apart = {at for parts in groups for part in parts for step in part.steps for at in step.outputs}
    left = [step for step in steps if apart.isdisjoint(step.outputs)]
    made = [at for at in results if at not in apart]
    if left or made:
        places = [*(at for step in left for at in step.inputs), *made]
        groups.append([Part(left, sorted({at for at in places if at in given}), made)])
    return groups


def _saved(parts: list[Part]) -> int:
    """How many equations need not be compiled if the parts share a program."""
    inner = (
        len(open_jaxpr(program).eqns)
        for step in parts[0].steps
        for called in inner_programs(step.equation)
        for program in programs_within(called)
    )
    return (len(parts) - 1) * (len(parts[0].steps) + sum(inner))


def _connected(steps: Sequence[Step], given: Collection[int]) -> list[list[Step]]:
    """The steps in sets between which no value passes that is not given."""
    above = list(range(len(steps)))  # a step of the same set, itself for one of each

    def top(number: int) -> int:
        while above[number] != number:
            above[number] = number = above[above[number]]
        return number

    makers: dict[int, int] = {}
    for number, step in enumerate(steps):
        for at in step.inputs:
            if at in makers and at not in given:
                above[top(makers[at])] = number
        makers |= dict.fromkeys(step.outputs, number)
    sets: dict[int, list[Step]] = {}
    for number, step in enumerate(steps):
        sets.setdefault(top(number), []).append(step)
    return list(sets.values())


def _form(
    steps: list[Step], given: Collection[int], wanted: frozenset[int], constants: Mapping[int, Any]
) -> tuple[Any, Part]:
    """What equal parts have in common, and the part, its places in the order of their use."""
    numbers: dict[int, int] = {}
    taken: list[int] = []

    def number(at: int) -> Any:
        if at in constants and at not in given:
            return _value_form(constants[at])
        if at not in numbers:
            numbers[at] = len(numbers)
            if at in given:
                taken.append(at)
        return numbers[at]

    equations = tuple(
        (
            _equation_form(step.equation),
            tuple(map(number, step.inputs)),
            tuple(map(number, step.outputs)),
        )
        for step in steps
    )
    inside = (at for step in steps for at in step.outputs)
    made = sorted(wanted.intersection(inside), key=numbers.__getitem__)
    form = equations, tuple(numbers[at] for at in made)
    return form, Part(steps, taken, made)


def _equation_form(equation: Any) -> Any:
    """What an equation computes from its inputs: its text, unless it holds programs or arrays."""
    arrays = (isinstance(value, np.ndarray | jax.Array) for value in equation.params.values())
    if next(inner_programs(equation), None) is not None or any(arrays):
        return id(equation)  # one that is met twice comes from a function that is called twice
    avals = tuple(str(variable.aval) for variable in (*equation.invars, *equation.outvars))
    return equation.primitive.name, str(sorted(equation.params.items())), avals


def _value_form(value: Any) -> Any:
    if np.size(value) > _WRITTEN or not isinstance(value, np.ndarray | np.generic | int | float):
        return "array", id(value)
    array = np.asarray(value)
    return array.dtype.str, array.shape, array.tobytes()
