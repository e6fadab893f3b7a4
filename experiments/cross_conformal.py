"""Few digits with labels: sets that hold the right one, by a split and by cross-validation.

200 digits have labels. A split trains on one half and calibrates on the other; cross-conformal
prediction (Vovk, 2015; CV+ of Romano, Sesia and Candes, 2020) trains ten networks as one
population, each without a tenth, and every row calibrates the network that has not seen it: its
sets are smaller. Two scores: the smallest sets, and adaptive ones.

Rows 19 and 22 of the brief.
"""

import sys

import jax
import numpy as np
import optax

import paramjax as pj
from paramjax import estimate
from paramjax.cli import start_script
from paramjax.losses import cross_entropy, supervised

MODEL, LEVEL, ROWS, TABLES, FOLDS, STEPS = pj.models.MLP((64, 10)), 0.95, 200, 8, 10, 200
SCORES = {"smallest": estimate.least_ambiguous_score(), "adaptive": estimate.adaptive_score()}
CHANCES = jax.jit(jax.vmap(lambda params, x: jax.nn.softmax(MODEL.apply(params, x)), (0, None)))
TRAINER = pj.train_step(supervised(MODEL.apply, cross_entropy), optax.adam(0.01))


def evaluate(params, rows):
    logits = MODEL.apply(params, rows["x"])
    return {"accuracy": pj.metrics.accuracy(logits, rows["y"]).mean()}


def trained(table, folds, key):
    """Networks that were trained without a fold each, and the fold of each row."""
    problem = pj.Problem(
        init=lambda key: MODEL.init(key, table["x"][:1]), data=table, evaluate=evaluate,
        metric="accuracy", maximise=True,
    )  # fmt: skip
    return pj.cross_validate(TRAINER, problem, steps=STEPS, key=key, folds=folds)


def split_sets(score, halves, table, further, keys):
    """Two folds: the network of one half, calibrated on the half that it has not seen."""
    unseen = halves.folds == 0
    known, new = (CHANCES(halves.params, x)[0] for x in (table["x"], further))
    sets = estimate.conformal_sets(score, known[unseen], table["y"][unseen], key=keys[1])
    return sets.predict(new, LEVEL, key=keys[2])


def cross_sets(score, tenths, table, further, keys):
    known, new = (CHANCES(tenths.params, x) for x in (table["x"], further))
    sets = estimate.cross_conformal_sets(score, known, table["y"], tenths.folds, key=keys[1])
    return sets.predict(new, LEVEL, key=keys[2])


def main() -> int:
    script = start_script(__file__, __doc__)
    rng, digits = np.random.default_rng(script.key), pj.data.digits()
    ways = {"split": (2, split_sets), "cross": (FOLDS, cross_sets)}
    found = {(way, name): [] for way in ways for name in SCORES}
    for keys in jax.random.split(jax.random.key(script.key), (TABLES, 3)):
        order = np.split(rng.permutation(len(digits["y"])), [ROWS])
        table, further = ({n: v[own] for n, v in digits.items()} for own in order)
        for way, (folds, predicted) in ways.items():
            models = trained(table, folds, keys[0])
            for name, score in SCORES.items():
                sets = predicted(score, models, table, further["x"], keys)
                own = estimate.coverage(sets, further["y"]), sets.sum(axis=1)
                found[way, name].append(own)
    share = {n: np.mean([got.share for got, _ in own]) for n, own in found.items()}
    size = {n: np.mean([got.size for got, _ in own]) for n, own in found.items()}

    def plot(figure):
        left, right = figure.subplots(1, 2)
        for number, ((way, name), own) in enumerate(found.items()):
            points = [(got.share, got.size) for got, _ in own]
            left.plot(*zip(*points, strict=True), "os"[way == "cross"], label=f"{way}, {name}",
                      color=f"C{number % 2}", alpha=0.7)  # fmt: skip
            counts = np.bincount(np.concatenate([sizes for _, sizes in own]), minlength=11)
            right.bar(np.arange(11) + 0.2 * number - 0.3, counts / counts.sum(), 0.2,
                      label=f"{way}, {name}", color=f"C{number % 2}",
                      alpha=0.9 if way == "cross" else 0.4)  # fmt: skip
        left.axvline(LEVEL, color="k")
        left.set(xlabel="share of the test digits covered", ylabel="mean number of labels in a set")
        left.legend(fontsize=8)
        right.set(xlabel="labels in a set", ylabel="share of the sets", xlim=(-0.5, 7.5))
        right.legend(fontsize=8)
        figure.suptitle(f"{LEVEL:.0%} sets from {ROWS} labelled digits, {TABLES} draws of them")

    figures = {}
    for way, name in found:
        figures[f"covered (%), {way}, {name}"] = 100 * share[way, name]
        figures[f"labels in a set, {way}, {name}"] = size[way, name]
    return script.finish(figures, plot, size=(10, 4))


if __name__ == "__main__":
    sys.exit(main())
