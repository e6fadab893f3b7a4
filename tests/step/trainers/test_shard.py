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
HELD = {  # what a device holds of the leaf "first", which is [16, 64]
    "data": [16, 64],
    "fsdp": [16, 8],
    "params": [16, 8],
    "grid": [16, 32],
    "hybrid": [16, 32],
}


def launch(file, *, devices, **variables):
    """Start the script on simulated devices, as strict as the tests are."""
    environment = {
        **os.environ,
        "XLA_FLAGS": simulating(devices),
        "JAX_PLATFORMS": "cpu",
        "JAX_NUMPY_RANK_PROMOTION": "raise",
        "PYTHONPATH": str(CHECKS.parents[3]),
        **variables,
    }
    command = [sys.executable, "-W", "error", str(CHECKS), str(file)]
    pipe = subprocess.PIPE
    return subprocess.Popen(command, env=environment, stdout=pipe, stderr=pipe, text=True)


def reports(running):
    """What the scripts write, by file, once all of them have ended well."""
    try:
        ends = [process.communicate(timeout=300) for process in running.values()]
    finally:
        for process in running.values():
            process.kill()
    for process, (_, errors) in zip(running.values(), ends, strict=True):
        assert process.returncode == 0, errors[-4000:]
    return [json.loads(file.read_text()) for file in running]


@pytest.fixture(scope="module")
def eight(tmp_path_factory):
    """On eight devices of one process."""
    file = tmp_path_factory.mktemp("eight") / "report.json"
    return reports({file: launch(file, devices=8)})[0]


@pytest.fixture(scope="module")
def two(tmp_path_factory):
    """In two processes of two devices each."""
    folder = tmp_path_factory.mktemp("two")
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        address = f"127.0.0.1:{free.getsockname()[1]}"
    start = lambda n: launch(folder / n, devices=2, PROCESS=n, COORDINATOR=address)
    return reports({folder / number: start(number) for number in ("0", "1")})


@pytest.mark.parametrize("layout", HELD)
def test_eight_devices_compute_what_one_does(eight, layout):
    report = eight["layouts"][layout]
    assert report["losses"] < 1e-5
    # adam divides by the root of tiny second moments, which amplifies the order of a sum
    assert report["params"] < 1e-5
    assert report["evaluated"] < 1e-5
    assert report["moments"] < 1e-7
    assert report["dropped"]  # the same units, on every layout
    assert report["key"]
    assert report["dtypes"]
    # the devices divide no axis of "odd"; "bias" and "second" have fewer than 512 elements
    first = HELD[layout]
    assert report["held"] == {"first": first, "odd": [27, 25], "bias": [64], "second": [64, 4]}
    assert report["held_alike"]
    assert report["scalars_whole"]
    collectives = report["collectives"]
    assert "all-reduce" in collectives or "reduce-scatter" in collectives
    # whole parameters are never sent where nothing but rows is split
    assert ("all-gather" in collectives) == (layout != "data")


def test_steps_trace_once_and_run_eagerly_and_one_bad_row_stops_every_device(eight):
    report = eight["steps"]
    assert report["traced"] == 1
    assert report["eager"] < 1e-5
    assert report["eager_held"]
    assert abs(report["target"]) < 1e-7  # metrics are means over all rows
    assert report["moved"] == report["moments_moved"] == 0.0
    assert (report["skipped"], report["step"]) == (1, 2)


def test_accumulation_batch_statistics_and_bfloat16_on_eight_devices(eight):
    report = eight["compositions"]
    assert report["accumulated"] < 1e-5
    assert report["batch_mean"] < 1e-6
    assert report["model_state_held"] == {"mean": [16], "large": [8, 8]}
    # no row of the batch travels to a microbatch: only sums over rows do
    assert report["microbatches"] < 1e-5
    assert report["microbatches_move"] == ["all-reduce"]
    assert report["narrow"] == ["bfloat16"]
    assert report["dtypes_stay"]


def test_a_batch_that_does_not_fit_is_refused_with_its_numbers(eight):
    messages = eight["refusals"]
    assert "leaf x of the batch has 30 rows" in messages["division"]
    assert "8 devices of mesh axes 'data', 'model' do not divide" in messages["division"]
    assert "take a batch of 24 rows" in messages["division"]
    assert "leaves of one length in the batch, got {'x': 128, 'y': 64}" in messages["lengths"]


def test_one_script_runs_on_one_device_on_eight_and_in_two_processes(eight, two):
    one = runpy.run_path(str(CHECKS))["check_script"]()
    assert one["history"]["loss"][-1] < 0.5 * one["history"]["loss"][0]
    several = [report["script"] for report in (eight, *two)]
    assert [(r["devices"], r["held"]) for r in several] == [(8, [16, 8]), *[(4, [16, 16])] * 2]
    for report in several:
        for metric in ("loss", "target"):
            expected = one["history"][metric]
            np.testing.assert_allclose(report["history"][metric], expected, rtol=1e-5, atol=1e-7)
        for name, expected in one["params"].items():
            np.testing.assert_allclose(report["params"][name], expected, atol=1e-5)


def test_processes_share_a_run_and_read_its_history(two):
    for report in (each["processes"] for each in two):
        assert report["processes"] == 2
        assert report["losses"] < 1e-5
        assert report["held"]["first"] == [16, 16]
        assert report["goes_on"] == 8
        assert "the loss was not finite at any step" in report["lost"]


def test_processes_with_different_data_or_without_a_device_raise(two):
    first, second = (each["processes"] for each in two)
    for report in (first, second):
        assert "got different ones for data y; draw and shuffle" in report["disagreement"]
    # without shard each process trains on its own
    assert second["own"] == pytest.approx(first["own"] + 1, abs=1e-5)
    assert "devices of every process, got none of process 0" in first["mesh"]
    assert second["mesh"] is None


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
