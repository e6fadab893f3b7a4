"""Federated averaging on clients whose data differ: only parameters travel.

Twenty clients hold scikit-learn's digits, dealt at random or two kinds of digit to each. A
round sends parameters to five of them, each trains on its own rows, the server averages.
FedProx pulls clients back to where they started; a server with momentum remembers old rounds.

Row 25 of the brief.
"""

from __future__ import annotations

import sys

import jax
import numpy as np
import optax

import paramjax as pj
from paramjax.cli import start_script
from paramjax.losses import cross_entropy, supervised
from paramjax.metrics import accuracy
from paramjax.models import MLP

MODEL = MLP((32, 10), activation="relu")
LOSS = supervised(MODEL.apply, cross_entropy, {"accuracy": accuracy})
MOMENTUM = optax.sgd(1.0, momentum=0.9)
CLIENTS, ROUNDS, SEEDS = 20, 100, 5
PULLS = [{"proximal": 0.0}, {"proximal": 1.0}]
METHODS = [  # names of the trials, arguments of the trainer, trials
    (["FedAvg, 1 local step"], {"local_steps": 1}, [{}]),
    (["FedAvg, 25 local steps", "FedProx, 25 local steps"], {"local_steps": 25}, PULLS),
    (["server momentum, 25 local steps"], {"local_steps": 25, "server_tx": MOMENTUM}, [{}]),
]


def deal(rows, order, key):
    """The rows in `order` cut into forty parts, two for each client: [clients, rows, ...]."""
    size = len(order) // (2 * CLIENTS)
    parts = order[: 2 * CLIENTS * size].reshape(2 * CLIENTS, size)
    parts = np.asarray(jax.random.permutation(key, parts)).reshape(CLIENTS, 2 * size)
    return jax.tree.map(lambda leaf: leaf[parts], rows)


def main() -> int:
    script = start_script(__file__, __doc__)
    deal_key, key = jax.random.split(jax.random.key(script.key))
    train, _, test = pj.data.split(pj.data.digits())
    by_label = np.argsort(train["y"], kind="stable")
    deals = {"at random": np.arange(len(by_label)), "by label": by_label}

    curves = {}
    for how, order in deals.items():
        problem = pj.Problem(
            init=lambda key: MODEL.init(key, test["x"][:1]), data=deal(train, order, deal_key),
            evaluate=lambda params, data: LOSS(params, data, None), eval_data=test,
        )  # fmt: skip
        for names, options, trials in METHODS:
            result = pj.sweep(
                lambda hp, options=options: pj.trainers.federated(
                    LOSS, optax.sgd(0.1), local_batch_size=10, clients_per_round=5, **options, **hp
                ),
                {"proximal": pj.choice([0.0, 1.0])} if len(trials) > 1 else {},
                problem, trials=trials, seeds=SEEDS, steps=ROUNDS, evaluations=ROUNDS, key=key,
            )  # fmt: skip
            found = 100 * np.asarray(result.curve["accuracy"]).reshape(-1, SEEDS, ROUNDS)
            curves |= {(how, name): curve for name, curve in zip(names, found, strict=True)}

    def plot(figure):
        panels = dict(zip(deals, figure.subplots(1, 2, sharey=True), strict=True))
        for (how, name), curve in curves.items():
            axes = panels[how]
            rounds = 1 + np.arange(ROUNDS)
            axes.plot(rounds, curve.mean(axis=0), label=name)
            axes.fill_between(
                1 + np.arange(ROUNDS), curve.min(axis=0), curve.max(axis=0), alpha=0.2
            )
            axes.set(xlabel="round", title=f"20 clients, dealt {how}")
        panels["at random"].set_ylabel("test accuracy (%), mean and range of 5 seeds")
        panels["at random"].legend(loc="lower right")

    figures = {}
    for (how, name), curve in curves.items():
        last = curve[:, -20:].mean(axis=1)
        figures[f"{how}, {name}: accuracy, last 20 rounds (%)"] = last.mean()
        if how == "by label":
            figures[f"{how}, {name}: spread over seeds (%)"] = last.std(ddof=1)
    return script.finish(figures, plot)


if __name__ == "__main__":
    sys.exit(main())
