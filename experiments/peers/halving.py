"""Does stopping early find what a full sweep finds? `python experiments/peers/halving.py`.

On three tables a full sweep is trained, and the same trials (one key, one design) with each of
the rules that stop early. What a rule chose is valued by what that trial reached in the full
sweep, so that both are measured alike. Printed: that value relative to the best of the full
sweep, and the steps that trainings did as a share of the full sweep's.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import jax
import numpy as np
import optax
from sklearn.datasets import load_breast_cancer, load_diabetes, load_digits

import paramjax as pj
from paramjax.losses import cross_entropy, squared_error, supervised
from paramjax.models import MLP


def rules(steps):
    """The rules, by name."""
    return {
        "successive halving by 2": pj.tuning.successive_halving(2),
        "successive halving by 3": pj.tuning.successive_halving(3),
        "successive halving by 3 from an 81st of the steps": pj.tuning.successive_halving(
            3, least_steps=max(1, steps // 81)
        ),
        "Hyperband": pj.tuning.hyperband(3),
        "median": pj.tuning.median_stopping(),
    }


def table(load, *, classes):
    """Standardised features and targets, 60 % to train on and 40 % to judge by."""
    x, y = load(return_X_y=True)
    order = np.random.default_rng(0).permutation(len(x))
    x = ((x - x.mean(0)) / (x.std(0) + 1e-6)).astype(np.float32)[order]
    y = y.astype(np.int32) if classes else ((y - y.mean()) / y.std()).astype(np.float32)[:, None]
    y, cut = y[order], int(0.6 * len(x))
    return {"x": x[:cut], "y": y[:cut]}, {"x": x[cut:], "y": y[cut:]}


WORKLOADS = {
    "digits, MLP 64-64-10": (load_digits, (64, 10), cross_entropy, 64),
    "breast cancer, MLP 30-16-2": (load_breast_cancer, (16, 2), cross_entropy, 32),
    "diabetes, MLP 10-32-1": (load_diabetes, (32, 1), squared_error, 32),
}


def swept(name, args, seed, **settings):
    """One sweep of a workload."""
    load, widths, loss, batch_size = WORKLOADS[name]
    data, held_out = table(load, classes=loss is cross_entropy)
    model = MLP(widths, activation="relu")
    loss_fn = supervised(model.apply, loss)

    def make_trainer(hp):
        decay = optax.adamw(hp["learning_rate"], weight_decay=hp["weight_decay"])
        return pj.train_step(loss_fn, optax.chain(optax.clip_by_global_norm(1.0), decay))

    return pj.sweep(
        make_trainer,
        {
            "learning_rate": pj.log_uniform(1e-5, 1.0),
            "weight_decay": pj.log_uniform(1e-5, 1.0),
        },
        pj.Problem(
            init=lambda key: model.init(key, data["x"][:1]),
            data=data,
            batch_size=batch_size,
            evaluate=lambda params, rows: {"loss": loss_fn(params, rows, None)[0]},
            eval_data=held_out,
            metric="loss",
        ),
        trials=args.trials,
        seeds=args.seeds,
        steps=args.steps,
        key=jax.random.key(seed),
        **settings,
    )


def compared(name, args):
    """A line for each rule: medians and extremes over the keys."""
    rows = {rule: [] for rule in rules(args.steps)}
    for seed in range(args.keys):
        full = swept(name, args, seed)
        values = full.to_frame().groupby("trial")["loss"].mean()
        best = full.best().value
        for rule, stopping in rules(args.steps).items():
            stopped = swept(name, args, seed, stopping=stopping)
            chosen = values[stopped.best().trial]
            rows[rule].append((100 * (chosen / best - 1), stopped.budget.share))
            print(f"  {name}, key {seed}, {rule}: {rows[rule][-1]}", flush=True)
    for rule, pairs in rows.items():
        apart = [own for own, _ in pairs]
        shares = [share for _, share in pairs]
        yield (
            f"| {name} | {rule} | {np.median(apart):.2f} % (at most {max(apart):.2f} %) | "
            f"{sum(own <= 1.0 for own in apart)} of {len(apart)} | {np.median(shares):.1%} |"
        )


def main():
    """Measure, print, and write where asked."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--out", type=Path, help="a Markdown file for the table")
    parser.add_argument("--trials", type=int, default=81)
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--steps", type=int, default=810)
    parser.add_argument("--keys", type=int, default=3, help="sweeps of each workload")
    args = parser.parse_args()
    lines = [
        "# What stopping early finds",
        "",
        f"{args.trials} trials (learning rate and decay of AdamW) x {args.seeds} seeds x "
        f"{args.steps} steps, judged by the loss on held-out rows; {args.keys} keys. How far the "
        "chosen trial's loss lies above that of the full sweep's best, both trained to the end, "
        "and what was trained of all steps.",
        "",
        "| workload | rule | above the best | within 1 % | share of the steps |",
        "|---|---|---|---|---|",
    ]
    for name in WORKLOADS:
        lines += compared(name, args)
    text = "\n".join(lines) + "\n"
    print(text)
    if args.out:
        args.out.write_text(text)


if __name__ == "__main__":
    main()
