"""Studies and searches for the rate of gradient descent on a line."""

import jax
import optax
import optuna
from problems import draw_line, sorted_arguments

import paramjax as pj

optuna.logging.set_verbosity(optuna.logging.WARNING)


def create_study(*directions, **settings):
    """A study whose sampler has a seed."""
    sampler = optuna.samplers.TPESampler(seed=0, n_startup_trials=4)
    directions = list(directions) or ["minimize"]
    return optuna.create_study(directions=directions, **{"sampler": sampler} | settings)


def run_search(line, line_loss, study, **settings):
    """A search of six trials in two batches; arguments may be replaced."""
    arguments = {
        "make_trainer": lambda hp: pj.train_step(line_loss, optax.sgd(hp["rate"])),
        "space": {"rate": pj.log_uniform(1e-3, 0.9)},
        "init": draw_line, "data": line, "trials": 6, "batch": 3, "seeds": 2, "steps": 10,
        "key": jax.random.key(0), "layout": pj.populations.Layout(6),
        "evaluate": lambda params, data: {"loss": line_loss(params, data, None)[0]},
        "eval_data": line,
    } | settings  # fmt: skip
    return pj.search(study, **sorted_arguments(arguments))
