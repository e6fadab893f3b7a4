"""The axis of runs over eight simulated devices and over two processes: the same table."""

import json
import os
import socket
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
from simulating import simulating

SCRIPT = """
import json, sys
import jax, jax.numpy as jnp, numpy as np, optax
jax.config.update("jax_numpy_rank_promotion", "raise")
process, port, folder = int(sys.argv[1]), sys.argv[2], sys.argv[3]
if port != "0":
    jax.distributed.initialize(f"127.0.0.1:{port}", num_processes=2, process_id=process)
import paramjax as pj
from paramjax.populations import Layout

x = np.linspace(-1, 1, 20, dtype=np.float32)[:, None]
data = {"x": x, "y": 3 * x + 2}
def loss_fn(p, batch, key):
    noise = 0.01 * jax.random.normal(key, (1, 1))
    return jnp.mean((batch["x"] @ (p["w"] + noise) + p["b"][None] - batch["y"]) ** 2), {}
def swept(**settings):
    return pj.sweep(
        lambda hp: pj.train_step(loss_fn, optax.adam(hp["rate"]), hooks=[pj.hooks.ema(0.9)]),
        {"rate": pj.log_uniform(1e-3, 1e3)},
        pj.Problem(
            init=lambda key: {"w": jax.random.normal(key, (1, 1)), "b": jnp.zeros((1,))},
            data=data, batch_size=6, eval_data=data,
            evaluate=lambda p, d: {
                "w": p["w"][0, 0], "loss": loss_fn(p, d, jax.random.key(0))[0]
            },
        ),
        trials=7, seeds=3, steps=27, evaluations=3,
        execution=pj.Execution(
            layout=settings.pop("layout", None), devices=settings.pop("devices", None)
        ),
        key=jax.random.key(0), **settings,
    )
tables = {}
for name, settings in {
    "chosen": {},
    "mapped": {"layout": Layout(2, workers=2)},
    "step by step": {"layout": Layout(1, stepwise=True)},
    "halved": {"layout": Layout(2), "stopping": pj.tuning.successive_halving(3)},
    "stored": {"layout": Layout(2), "store": folder},
    "one device": {"layout": Layout(1), "devices": jax.devices()[:1]} if port == "0" else {},
}.items():
    result = swept(**settings)
    tables[name] = {
        "rows": [[r.trial, r.seed, r.status, r.steps, r.hyperparameters["rate"], r.metrics["w"]]
                 for r in result.records],
        "history": np.nan_to_num(result.history["loss"]).tolist(),
        "params": result.params["w"].reshape(-1).tolist(),
    }
tables["devices"] = jax.device_count()
print(json.dumps(tables))
"""


def started(process, port, folder, devices):
    return subprocess.Popen(
        [sys.executable, "-c", SCRIPT, str(process), str(port), str(folder)],
        env={**os.environ, "XLA_FLAGS": simulating(devices), "JAX_PLATFORMS": "cpu"},
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
    )  # fmt: skip


def tables(*processes):
    """What each of them printed; read side by side, since a full pipe holds up both."""
    with ThreadPoolExecutor(len(processes)) as pool:
        said = list(pool.map(lambda process: process.communicate(timeout=240), processes))
    for process, (_, err) in zip(processes, said, strict=True):
        assert process.returncode == 0, err[-3000:]
    return [json.loads(out.splitlines()[-1]) for out, _ in said]


@pytest.fixture(scope="module")
def single(tmp_path_factory):
    return tables(started(0, 0, tmp_path_factory.mktemp("one"), 1))[0]


@pytest.fixture(scope="module")
def eight(tmp_path_factory):
    return tables(started(0, 0, tmp_path_factory.mktemp("eight"), 8))[0]


@pytest.fixture(scope="module")
def two(tmp_path_factory):
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    folder = tmp_path_factory.mktemp("two")
    return tables(*[started(process, port, folder, 2) for process in range(2)])


def check(mine, other):
    """Trials, seeds and ends are identical; numbers agree to rounding, amplified by 27 steps."""
    assert [row[:5] for row in mine["rows"]] == [row[:5] for row in other["rows"]]
    np.testing.assert_allclose(mine["params"], other["params"], rtol=2e-4, atol=2e-5)
    np.testing.assert_allclose(mine["history"], other["history"], rtol=2e-3, atol=1e-5)


NAMES = ["chosen", "mapped", "step by step", "stored", "one device"]


@pytest.mark.parametrize("name", NAMES)
def test_eight_devices_give_the_table_of_one(single, eight, name):
    assert (single["devices"], eight["devices"]) == (1, 8)
    check(eight[name], single["one device"])


@pytest.mark.parametrize("name", NAMES)
def test_two_processes_give_the_table_of_one(single, two, name):
    assert [own["devices"] for own in two] == [4, 4]
    assert two[0][name] == two[1][name]
    check(two[0][name], single["one device"])


def test_trials_are_stopped_alike(single, eight, two):
    check(eight["halved"], single["halved"])
    check(two[0]["halved"], single["halved"])
