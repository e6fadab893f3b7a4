"""A study goes on with the search that it belongs to, and refuses any other."""

import tempfile

import jax
import jax.numpy as jnp
import optax
import optuna
from pairs import pair, refused

import paramjax as pj

optuna.logging.set_verbosity(optuna.logging.ERROR)
SPACE = {"rate": pj.uniform(0.1, 0.5)}


def search(path, data=2.0, key=0, steps=3, seeds=2, space=SPACE, power=2, trials=2):
    def make_trainer(hp):
        loss = lambda w, batch, key: (jnp.mean(jnp.abs(w - batch) ** power), {})  # noqa: E731
        return pj.train_step(loss, optax.sgd(hp["rate"]))

    study = optuna.create_study(
        study_name="one", storage=f"sqlite:///{path}", load_if_exists=True,
        sampler=optuna.samplers.RandomSampler(seed=0),
    )  # fmt: skip
    problem = pj.Problem(init=jax.random.normal, data=jnp.full(4, data))
    pj.search(
        study, make_trainer, space, problem, trials=trials, batch=2, seeds=seeds, steps=steps,
        key=jax.random.key(key), execution=pj.Execution(layout=pj.populations.Layout(4)),
    )  # fmt: skip
    return len(study.trials)


with tempfile.TemporaryDirectory() as folder:
    path = f"{folder}/study.db"
    search(path)
    for name, changes in {
        "data": {"data": 3.0},
        "key": {"key": 1},
        "steps": {"steps": 4},
        "seeds": {"seeds": 3},
        "space": {"space": {"rate": pj.uniform(0.1, 0.4)}},
        "program": {"power": 4},
    }.items():
        refused(name, lambda own=changes: search(path, **own), "belongs to another search", name)
    pair("trials after the same search went on", search(path, trials=3), 5)
