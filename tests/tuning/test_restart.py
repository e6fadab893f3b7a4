"""A sweep that was killed goes on where it stood, and gives the same table."""

import os
import signal
import subprocess
import sys
import time

import chex
import jax
import numpy as np
import optax
import pytest
from problems import sorted_arguments

import paramjax as pj
from paramjax.populations import Layout
from paramjax.tuning import StoreMismatchError
from paramjax.tuning.store._store import Store

SCRIPT = """
import sys
import jax, jax.numpy as jnp, numpy as np, optax
import paramjax as pj
from paramjax.populations import Layout
from paramjax.tuning.store._store import Store

if "slow" in sys.argv:
    # the chunks end one by one, so that a kill falls between or into them
    import time
    add = Store.add
    Store.add = lambda self, some: (add(self, some), print("kept", flush=True), time.sleep(0.2))

x = np.linspace(-1, 1, 20, dtype=np.float32)
def loss_fn(p, batch, key):
    return jnp.mean((batch["x"] * p["w"] - 3 * batch["x"]) ** 2), {}
result = pj.sweep(
    lambda hp: pj.train_step(loss_fn, optax.sgd(hp["rate"])),
    {"rate": pj.log_uniform(1e-3, 10.0)},
    pj.Problem(init=lambda key: {"w": jax.random.normal(key)}, data={"x": x}, batch_size=8),
    trials=12, seeds=2, steps=40, key=jax.random.key(0),
    stopping=pj.tuning.successive_halving(2, least_steps=10) if "halving" in sys.argv else None,
    execution=pj.Execution(layout=Layout(3)), store=sys.argv[1],
)
print(repr([tuple(r) for r in result.records]))
print(np.asarray(result.params["w"]).tobytes().hex())
print(np.asarray(result.history["loss"]).tobytes().hex())
print(result.budget)
"""


def run(folder, *flags):
    command = [sys.executable, "-c", SCRIPT, str(folder), *flags]
    return subprocess.run(command, capture_output=True, text=True, check=True).stdout


@pytest.mark.parametrize("flags", [(), ("halving",)], ids=["whole", "halving"])
def test_killed_and_started_again_the_table_is_the_same(tmp_path, flags):
    truth = run(tmp_path / "whole", *flags)
    command = [sys.executable, "-c", SCRIPT, str(tmp_path / "cut"), "slow", *flags]
    for kept in (2, 3):
        process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
        for _ in range(kept):
            assert process.stdout.readline().strip() == "kept"
        time.sleep(0.1)
        os.kill(process.pid, signal.SIGKILL)
        process.wait()
        process.stdout.close()
    assert run(tmp_path / "cut", *flags) == truth
    assert run(tmp_path / "cut", *flags) == truth


def draw(key):
    return {"w": jax.random.normal(key, (1, 1)), "b": jax.numpy.zeros((1, 1))}


def swept(line, loss, store, **settings):
    arguments = {
        "init": draw, "data": line, "trials": 4, "seeds": 2, "steps": 6, "batch_size": 10,
        "key": jax.random.key(0),
    } | settings  # fmt: skip
    return pj.sweep(
        lambda hp: pj.train_step(loss, optax.sgd(hp["rate"])),
        {"rate": pj.log_uniform(1e-3, 1.0)}, store=store, **sorted_arguments(arguments),
    )  # fmt: skip


def test_a_finished_sweep_is_read_and_not_trained(line, line_loss, tmp_path, monkeypatch):
    first = swept(line, line_loss, tmp_path)
    monkeypatch.setattr(Store, "add", lambda self, some: pytest.fail("trained again"))
    again = swept(line, line_loss, tmp_path)
    assert again.records == first.records
    chex.assert_trees_all_equal(again.params, first.params)
    assert again.plan.choices[0].why == "as noted in the store"


def test_in_memory_and_in_a_file_are_the_same(line, line_loss, tmp_path):
    kept, stored = (swept(line, line_loss, s, layout=Layout(2)) for s in (None, tmp_path))
    assert kept.records == stored.records
    chex.assert_trees_all_equal(kept.params, stored.params)
    chex.assert_trees_all_equal(kept.history, stored.history)


@pytest.mark.parametrize(
    ("change", "named"),
    [
        ({"steps": 7}, "steps was 6 and is now 7"),
        ({"key": jax.random.key(1)}, "key was"),
        ({"trials": 5}, "trials was"),
        ({"seeds": 3}, "seeds was 2 and is now 3"),
        ({"batch_size": 5}, "program was"),
        ({"stopping": pj.tuning.successive_halving(2)}, "stopping was 'none' and is now"),
        ({"init": lambda key: draw(jax.random.fold_in(key, 1))}, "initial b|initial w was"),
    ],
    ids=["steps", "key", "trials", "seeds", "batch", "stopping", "init"],
)
def test_a_store_of_another_sweep_is_refused(line, line_loss, tmp_path, change, named):
    swept(line, line_loss, tmp_path)
    with pytest.raises(StoreMismatchError, match=named):
        swept(line, line_loss, tmp_path, **change)


def test_other_data_and_another_loss_are_refused(line, line_loss, tmp_path):
    swept(line, line_loss, tmp_path)
    with pytest.raises(StoreMismatchError, match="data y was"):
        swept({**line, "y": line["y"] + 1}, line_loss, tmp_path)
    with pytest.raises(StoreMismatchError, match="program was"):
        swept(line, lambda p, b, k: (2 * line_loss(p, b, k)[0], {}), tmp_path)


def test_results_that_memory_does_not_hold_go_to_a_file(line, line_loss, monkeypatch):
    from paramjax.populations.planning import _choose as choose

    in_memory = swept(line, line_loss, None, layout=Layout(2))
    monkeypatch.setattr(choose, "KEPT", 0.0)
    on_disk = swept(line, line_loss, None, layout=Layout(2))
    assert on_disk.plan.on_disk
    assert "kept in a file" in on_disk.plan.describe()
    np.testing.assert_array_equal(on_disk.history["loss"], in_memory.history["loss"])
    assert on_disk.records == in_memory.records
