"""A short run of every layer, from the installed package: prints what it ran on."""

import tempfile
from pathlib import Path

import jax
import jax.numpy as jnp
import optax

import paramjax as pj
from paramjax.bench import Protocol
from paramjax.bench._benchmark import Options, make_ready, run
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
    options = Options(
        workloads=("breast_cancer_logistic",),
        optimizers=("sgd",),
        protocol=Protocol(trials=2, tuning_seeds=1, seeds=2, steps=20),
        out=Path(folder),
    )
    ready = make_ready(options)
    verdicts, left_out = run(options, ready, lambda progress: None)
    ready.records.close()
    assert len(verdicts) == 1, verdicts
    assert left_out == [], left_out
    assert (options.out / "report.html").stat().st_size > 1_000_000

assert {"xor", "cnn", "linear_regression"} <= set(find_programs()), find_programs()

print(f"smoke: paramjax {pj.__version__} runs on jax {jax.__version__}, {pj.__file__}")
