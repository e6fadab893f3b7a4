"""What a composed step costs beside the same step written by hand with optax.

Two models (the digits MLP and a small transformer) x two recipes: plain (clipping, AdamW) and
full (8 microbatches, an average of the parameters, a guard against steps that are not finite).
Prints steady-state and compile-time ratios from interleaved rounds, and the temporary memory of
an accumulated step. Run it on an idle machine:

    python experiments/peers/step_costs.py --out docs/benchmarks/step_costs.md
"""

from __future__ import annotations

import argparse
import os
import platform
import statistics
import time
from pathlib import Path

os.environ["PARAMJAX_CACHE_DIR"] = "off"  # compile times are measured, so nothing is cached

import jax
import jax.numpy as jnp
import optax

import paramjax as pj
from paramjax.models import MLP, Transformer

MICROBATCHES, DECAY = 8, 0.99
MLP_MODEL = MLP((128, 128, 10), activation="relu")
LANGUAGE_MODEL = Transformer(vocabulary=65, width=64, layers=2, heads=4, length=32)


def digits_mlp(rows=128):
    """The MLP 64-128-128-10 on a batch of the digits' shape."""
    x = jax.random.normal(jax.random.key(1), (rows, 64))
    y = jax.random.randint(jax.random.key(2), (rows,), 0, 10)

    def loss_fn(params, batch, key):
        logits = MLP_MODEL.apply(params, batch["x"])
        return optax.losses.softmax_cross_entropy_with_integer_labels(logits, batch["y"]).mean(), {}

    return loss_fn, MLP_MODEL.init(jax.random.key(0), x[:1]), {"x": x, "y": y}


def transformer(rows=16):
    """Two layers, width 64, sequences of 32 characters out of 65."""
    tokens = jax.random.randint(jax.random.key(1), (rows, 33), 0, 65)

    def loss_fn(params, batch, key):
        logits = LANGUAGE_MODEL.apply(params, batch[:, :-1])
        labels = batch[:, 1:]
        return optax.losses.softmax_cross_entropy_with_integer_labels(logits, labels).mean(), {}

    return loss_fn, LANGUAGE_MODEL.init(jax.random.key(0), tokens[:1, :-1]), tokens


def chain():
    """The same transformation for both sides."""
    return optax.chain(optax.clip_by_global_norm(1.0), optax.adamw(1e-3))


def composed(loss_fn, params, *, full):
    """Our step and its first state."""
    grad_fn = pj.grads.accumulate(loss_fn, MICROBATCHES) if full else loss_fn
    hooks = [pj.hooks.skip_nonfinite(), pj.hooks.ema(DECAY)] if full else []
    trainer = pj.train_step(grad_fn, chain(), hooks)
    return trainer.step, trainer.init(jax.random.key(0), params)


def by_hand(loss_fn, params, *, full):
    """The step as one writes it for one training, and its first state."""
    tx = chain()

    def gradient(params, batch):
        return jax.value_and_grad(lambda p, b: loss_fn(p, b, None)[0])(params, batch)

    def accumulated(params, batch):
        parts = jax.tree.map(lambda x: x.reshape(MICROBATCHES, -1, *x.shape[1:]), batch)

        def add(total, part):
            return jax.tree.map(jnp.add, total, gradient(params, part)), None

        zero = (jnp.zeros([]), jax.tree.map(jnp.zeros_like, params))
        total, _ = jax.lax.scan(add, zero, parts)
        return jax.tree.map(lambda leaf: leaf / MICROBATCHES, total)

    def plain_step(state, batch):
        params, opt_state = state
        loss, grads = gradient(params, batch)
        updates, opt_state = tx.update(grads, opt_state, params)
        state = optax.apply_updates(params, updates), opt_state
        return state, {"loss": loss, "grad_norm": optax.tree.norm(grads)}

    def full_step(state, batch):
        params, opt_state, average, skipped = state
        loss, grads = accumulated(params, batch)
        norm = optax.tree.norm(grads)
        updates, new_opt_state = tx.update(grads, opt_state, params)
        new_params = optax.apply_updates(params, updates)
        finite = jnp.isfinite(loss) & jnp.isfinite(norm)
        for leaf in jax.tree.leaves(new_params):
            finite &= jnp.isfinite(leaf).all()
        params, opt_state = jax.tree.map(
            lambda new, old: jnp.where(finite, new, old),
            (new_params, new_opt_state), (params, opt_state),
        )  # fmt: skip
        average = optax.incremental_update(params, average, 1 - DECAY)
        skipped += ~finite
        state = params, opt_state, average, skipped
        return state, {"loss": loss, "grad_norm": norm, "skipped": skipped}

    if not full:
        return plain_step, (params, tx.init(params))
    average = jax.tree.map(jnp.zeros_like, params)
    return full_step, (params, tx.init(params), average, jnp.zeros([], jnp.int32))


def seconds(function):
    """How long a call takes until its result is there."""
    start = time.perf_counter()
    jax.block_until_ready(function())
    return time.perf_counter() - start


def scan_of(step, steps):
    """A program of many steps on one batch."""
    return lambda state, batch: jax.lax.scan(lambda s, _: step(s, batch), state, length=steps)


def compile_times(make, batch, rounds):
    """Trace, lower and compile, interleaved: {side: [seconds]}."""
    times = {side: [] for side in make}
    for turn in range(rounds):
        for side in _alternate(make, turn):
            step, state = make[side]()
            start = time.perf_counter()
            jax.jit(scan_of(step, 10)).lower(state, batch).compile()
            times[side].append(time.perf_counter() - start)
            jax.clear_caches()
    return times


def step_times(make, batch, steps, rounds):
    """Seconds a step inside a scan, interleaved: {side: [seconds]}; and the last losses."""
    programs, losses = {}, {}
    for side in make:
        step, state = make[side]()
        program = jax.jit(scan_of(step, steps)).lower(state, batch).compile()
        losses[side] = float(program(state, batch)[1]["loss"][-1])
        programs[side] = lambda program=program, state=state: program(state, batch)
    times = {side: [] for side in make}
    for turn in range(rounds):
        for side in _alternate(make, turn):
            times[side].append(seconds(programs[side]) / steps)
    return times, losses


def temporary_bytes(loss_fn, params, batch):
    """XLA's temporary memory of a step: whole batch, and accumulated 8-fold."""
    sizes = []
    for grad_fn in (loss_fn, pj.grads.accumulate(loss_fn, MICROBATCHES)):
        trainer = pj.train_step(grad_fn, chain())
        state = trainer.init(jax.random.key(0), params)
        lowered = jax.jit(trainer.step, donate_argnums=0).lower(state, batch)
        sizes.append(lowered.compile().memory_analysis().temp_size_in_bytes)
    return sizes


def _alternate(make, turn):
    return list(make) if turn % 2 == 0 else list(reversed(make))


def _ratio(times):
    """The median over rounds of ours / by hand, with its quartiles."""
    ratios = [ours / hand for ours, hand in zip(times["ours"], times["by hand"], strict=True)]
    low, middle, high = statistics.quantiles(ratios, n=4)
    return f"{middle:.3f} ({low:.3f} to {high:.3f})"


def _row(name, recipe, problem, args):
    """One row of the table of times."""
    loss_fn, params, batch = problem()
    full = recipe == "full"
    make = {
        "ours": lambda: composed(loss_fn, params, full=full),
        "by hand": lambda: by_hand(loss_fn, params, full=full),
    }
    times, losses = step_times(make, batch, args.steps, args.rounds)
    if abs(losses["ours"] - losses["by hand"]) > 1e-3 * abs(losses["by hand"]):
        raise SystemExit(f"{name}, {recipe}: the two steps do not train alike: {losses}")
    compiled = compile_times(make, batch, args.compile_rounds)
    micro = {side: 1e6 * statistics.median(values) for side, values in times.items()}
    built = {side: statistics.median(values) for side, values in compiled.items()}
    return (
        f"| {name} | {recipe} | {micro['ours']:.0f} | {micro['by hand']:.0f} | {_ratio(times)} | "
        f"{built['ours']:.2f} | {built['by hand']:.2f} | {_ratio(compiled)} |"
    )


def report(args):
    """The tables as Markdown."""
    lines = [
        f"{args.machine or _machine()}, jax {jax.__version__}, optax {optax.__version__}, "
        f"Python {platform.python_version()}; medians of {args.rounds} interleaved rounds of "
        f"{args.steps} steps and of {args.compile_rounds} compilations; quartiles in brackets.",
        "",
        "| model | recipe | us a step | by hand | ratio | compile s | by hand | ratio |",
        "|---|---|---|---|---|---|---|---|",
    ]
    print("\n".join(lines), flush=True)
    problems = {"digits MLP, batch 128": digits_mlp, "transformer, batch 16 x 32": transformer}
    for name, problem in problems.items():
        for recipe in ("plain", "full"):
            lines.append(_row(name, recipe, problem, args))
            print(lines[-1], flush=True)
    lines += ["", "| model | whole batch, KiB | 8 microbatches, KiB | ratio |", "|---|---|---|---|"]
    print("\n".join(lines[-3:]), flush=True)
    for name, problem, rows in (
        ("digits MLP", digits_mlp, 8192),
        ("transformer", transformer, 128),
    ):
        whole, parts = temporary_bytes(*problem(rows))
        label = f"{name}, batch {rows}"
        lines.append(f"| {label} | {whole / 1024:.0f} | {parts / 1024:.0f} | {parts / whole:.3f} |")
        print(lines[-1], flush=True)
    return "\n".join(lines) + "\n"


def _machine():
    device = jax.devices()[0]
    return f"{device.device_kind}, {os.cpu_count()} cores" if device.platform == "cpu" else (
        device.device_kind
    )  # fmt: skip


def main():
    """Measure, print, and write where asked."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--out", type=Path, help="a Markdown file for the tables")
    parser.add_argument("--machine", help="its name in the table")
    parser.add_argument("--steps", type=int, default=200)
    parser.add_argument("--rounds", type=int, default=15)
    parser.add_argument("--compile-rounds", type=int, default=7)
    args = parser.parse_args()
    text = report(args)
    if args.out:
        args.out.write_text(f"# What a composed step costs\n\n{text}")


if __name__ == "__main__":
    main()
