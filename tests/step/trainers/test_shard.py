import json
import os
import runpy
import socket
import subprocess
import sys
from pathlib import Path

import chex
import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest
from jax.sharding import AxisType, PartitionSpec
from refusing import assert_refused
from simulating import simulating

import paramjax as pj
from paramjax.step.trainers import shard
from paramjax.step.trainers._shard import _partition  # a shape is too large to place

CHECKS = Path(__file__).parent / "shard_checks.py"


def launch(report, *, devices, **variables):
    """Start the tests in shard_checks.py on simulated devices."""
    environment = {
        **os.environ,
        "XLA_FLAGS": simulating(devices),
        "JAX_PLATFORMS": "cpu",
        "PYTHONPATH": str(CHECKS.parents[3]),
        "PYTEST_ADDOPTS": "",
        "REPORT": str(report),
        **variables,
    }
    command = [sys.executable, "-m", "pytest", "-p", "no:xdist", "-p", "no:cacheprovider"]
    pipe = subprocess.PIPE
    return subprocess.Popen([*command, CHECKS], env=environment, stdout=pipe, text=True)


def reports(running):
    """What the scripts write, by file, once all tests of all processes have passed."""
    try:
        ends = [process.communicate(timeout=300) for process in running.values()]
    finally:
        for process in running.values():
            process.kill()
    for process, (output, _) in zip(running.values(), ends, strict=True):
        assert process.returncode == 0, output[-8000:]
    return [json.loads(file.read_text()) for file in running]


# contract/test_optax_sharded.py keeps eight devices among the quick tests
@pytest.mark.slow
def test_the_checks_pass_and_one_script_runs_on_one_device_on_eight_and_in_two_processes(tmp_path):
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        address = f"127.0.0.1:{free.getsockname()[1]}"
    start = lambda n: launch(tmp_path / n, devices=2, PROCESS=n, COORDINATOR=address)
    eight = reports({tmp_path / "eight": launch(tmp_path / "eight", devices=8)})
    several = eight + reports({tmp_path / number: start(number) for number in ("0", "1")})
    one = runpy.run_path(str(CHECKS))["script"]()
    assert one["history"]["loss"][-1] < 0.5 * one["history"]["loss"][0]
    assert [(r["devices"], r["held"]) for r in several] == [(8, [16, 8]), *[(4, [16, 16])] * 2]
    for report in several:
        for metric in ("loss", "target"):
            expected = one["history"][metric]
            np.testing.assert_allclose(report["history"][metric], expected, rtol=1e-5, atol=1e-7)
        for name, expected in one["params"].items():
            np.testing.assert_allclose(report["params"][name], expected, atol=1e-5)


def test_the_rule_splits_the_longest_axis_that_the_devices_divide():
    for shape, min_size, expected in [
        ((16, 64), 1024, (None, "x")),
        ((16, 64), 1025, ()),
        ((64, 64), 1, ("x",)),
        ((3, 16, 5), 1, (None, "x")),
        ((15, 31), 1, ()),
        ((), 1, ()),
    ]:
        leaf = jax.ShapeDtypeStruct(shape, jnp.float32)
        assert _partition(leaf, ("x",), 4, min_size) == PartitionSpec(*expected)
    keys = jax.random.split(jax.random.key(0), 8)
    assert _partition(keys, ("x",), 4, 1) == PartitionSpec()  # never split


@pytest.fixture
def mesh():
    return jax.make_mesh((1,), ("data",))


@pytest.fixture
def trainer(line_loss):
    return pj.train_step(line_loss, optax.sgd(0.2))


def test_one_device_gives_the_bits_of_the_plain_trainer(trainer, line, line_params, key):
    plain = pj.fit(trainer, line_params, line, key=key, steps=9, batch_size=8)
    for axis_type in (AxisType.Auto, AxisType.Explicit):
        mesh = jax.make_mesh((1,), ("data",), axis_types=(axis_type,))
        sharded = shard(trainer, mesh, params_axis="data", min_size=1)
        run = pj.fit(sharded, line_params, line, key=key, steps=9, batch_size=8)
        chex.assert_trees_all_equal(run.history, plain.history)
        chex.assert_trees_all_equal(run.params, plain.params)


def test_what_is_refused(trainer, mesh, line_params, key):
    assert_refused(
        lambda trainer=trainer, mesh=mesh, **options: shard(trainer, mesh, **options),
        ({"data_axis": "rows"}, ValueError, "data_axis: the mesh has no axis 'rows'.*'data'"),
        ({"params_axis": "model"}, ValueError, "params_axis: the mesh has no axis 'model'"),
        ({"data_axis": ("data", "data")}, ValueError, "data_axis: expected different axes"),
        ({"data_axis": 0}, TypeError, "data_axis: expected the name of an axis of the mesh, got 0"),
        ({"data_axis": None}, ValueError, "both None, so there is nothing to split.*data"),
        ({"min_size": 1.5}, TypeError, "min_size: expected a whole number"),
        ({"min_size": 0}, ValueError, "min_size: expected a whole number from 1"),
        ((trainer, jax.devices()), TypeError, r"mesh: expected a jax.sharding.Mesh.*got list"),
        (trainer.step, TypeError, "trainer: expected one such as pj.train_step returns"),
    )
    with (
        jax.set_mesh(mesh),
        pytest.raises(ValueError, match=r"outside of jax.set_mesh.*types Explicit; leave"),
    ):
        shard(trainer, mesh).init(key, line_params)
