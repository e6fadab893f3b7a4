"""A short run of every layer, from the installed package: prints what it ran on."""

import tempfile
from pathlib import Path

import jax
import jax.numpy as jnp
import optax

import paramjax as pj
from paramjax.bench import Benchmark, Plan, Protocol, write_results
from paramjax.bench.entries import find_entries
from paramjax.bench.workloads import get
from paramjax.cli._example import find_programs


def loss_fn(params, batch, key):
    return jnp.mean((params - batch) ** 2), {}


trainer = pj.train_step(
    loss_fn, optax.adam(0.1), hooks=[pj.hooks.ema(0.9), pj.hooks.skip_nonfinite()]
)
data = jnp.array([1.0, 3.0])
fit = pj.fit(trainer, jnp.zeros(()), data, key=jax.random.key(0), steps=300)
assert abs(float(fit.params) - 2.0) < 0.01, fit.params

with tempfile.TemporaryDirectory() as folder:
    plan = Plan(
        workloads=[get("breast_cancer_logistic")], entries=find_entries(["adamw", "sgd"])[0],
        baseline="adamw", protocol=Protocol(replicates=2, trials=2, steps=20), out=Path(folder),
    )  # fmt: skip
    results = Benchmark(plan).run()
    write_results(results, plan.out)
    assert [verdict.optimizer for verdict in results.verdicts] == ["sgd"], results.verdicts
    assert results.excluded == [], results.excluded
    assert (plan.out / "report.html").stat().st_size > 1_000_000

assert {"xor", "cnn", "linear_regression"} <= set(find_programs()), find_programs()

print(f"smoke: paramjax {pj.__version__} runs on jax {jax.__version__}, {pj.__file__}")
