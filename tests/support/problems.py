"""Arguments of sweeps, searches and populations, sorted by what they are part of."""

import dataclasses

import paramjax as pj


def problem_arguments(arguments):
    """Gather what belongs to the problem, so that tests can vary one argument of it."""
    return _gathered(arguments, "problem", pj.Problem)


def sorted_arguments(arguments):
    """Gather what belongs to the problem, and what belongs to the execution."""
    return _gathered(problem_arguments(arguments), "execution", pj.Execution)


def _gathered(arguments, name, kind):
    rest = dict(arguments)
    names = [field.name for field in dataclasses.fields(kind) if field.name in rest]
    return {name: kind(**{field: rest.pop(field) for field in names}), **rest}
