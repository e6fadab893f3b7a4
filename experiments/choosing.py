"""Choosing an optimizer for a problem: better, equivalent or undecided, with an interval.

Logistic regression on a table. Each optimizer is searched in six replicates, with their own
splits, trials and seeds; the verdict rests on the paired differences of the replicates. Beside
plain gradient descent: Adam; a weight decay that changes nothing; and the same optimizer under
another name, whose rate is drawn as a hyperparameter of its own. A renamed Adam stands beside
Adam: an honest comparison must not call it better.

Row 31 of the brief.
"""

from __future__ import annotations

import sys

import jax
import numpy as np

import paramjax as pj
from paramjax.bench.workloads import get as workload
from paramjax.cli import start_script
from paramjax.optim import get

WORDS = ("worse", "undecided", "equivalent", "better")
COLOURS = dict(zip(WORDS, ("C3", "0.5", "C0", "C2"), strict=True))


def renamed(name):
    """An optimizer of the catalogue whose rate has another name."""
    factory = lambda rate: get(name).factory(learning_rate=rate)  # noqa: E731
    return pj.optim.Optimizer(
        name, factory, {"rate": get(name).space["learning_rate"]}, f"{name}, renamed"
    )


def decayed(learning_rate):
    return get("sgd").factory(learning_rate=learning_rate, weight_decay=1e-4)


decayed.space = get("sgd").space


def verdicts(key, optimizers, baseline):
    found = pj.compare(
        workload("table_logistic"), {baseline: baseline, **optimizers}, baseline=baseline,
        trials=4, steps=200, key=key, these_rows=True,
    )  # fmt: skip
    print(found)
    return {f"{one.optimizer} against {baseline}": one for one in found.verdicts}


def main() -> int:
    script = start_script(__file__, __doc__)
    key = jax.random.key(script.key)
    rivals = {"adam": "adam", "sgd with decay": decayed, "renamed sgd": renamed("sgd")}
    found = {
        **verdicts(key, rivals, "sgd"),
        **verdicts(key, {"renamed adam": renamed("adam")}, "adam"),
    }
    margin = next(iter(found.values())).margin

    def plot(figure):
        axes = figure.subplots()
        axes.axvspan(-margin, margin, color="0.9", label=f"margin, {margin:g}")
        axes.axvline(0, color="0.6", lw=1)
        for place, one in enumerate(found.values()):
            middle, (low, high) = one.decision.difference, one.decision.interval
            axes.plot([low, high], [place] * 2, color=COLOURS[one.verdict], lw=3)
            axes.plot(middle, place, "o", color=COLOURS[one.verdict])
            axes.annotate(one.verdict, (high, place), xytext=(8, -4), textcoords="offset points")
        axes.set_yticks(range(len(found)), list(found))
        axes.set(
            ylim=(len(found) - 0.4, -0.6), xlabel="difference of test loss (nats), 95 % interval"
        )
        axes.set_title("Left of the margin is better")
        axes.margins(x=0.2)
        axes.legend(loc="lower left")

    figures = {}
    for name, one in found.items():
        low, high = one.decision.interval
        figures[f"{name}: verdict (0 worse, 1 undecided, 2 equivalent, 3 better)"] = WORDS.index(
            one.verdict
        )
        figures[f"{name}: difference of test loss (nats)"] = one.decision.difference
        figures[f"{name}: width of its interval (nats)"] = np.subtract(high, low)
    return script.finish(figures, plot)


if __name__ == "__main__":
    sys.exit(main())
