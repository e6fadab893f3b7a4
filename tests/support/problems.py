"""Arguments of sweeps, searches and populations, sorted by what they are part of."""

import dataclasses

import jax
import jax.numpy as jnp
import optax

import paramjax as pj


def draw_line(key):
    """A line with a random slope and no intercept."""
    return {"w": jax.random.normal(key, (1, 1)), "b": jnp.zeros((1, 1))}


def sweep_line(line, loss, **settings):
    """Sweep the rate of gradient descent on a line; arguments may be replaced."""
    arguments = {
        "make_trainer": lambda hp: pj.train_step(loss, optax.sgd(hp["rate"])),
        "space": {"rate": pj.log_uniform(1e-3, 1.0)}, "init": draw_line, "data": line,
        "trials": 4, "seeds": 2, "steps": 6, "key": jax.random.key(0),
    } | settings  # fmt: skip
    return pj.sweep(**sorted_arguments(arguments))


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
