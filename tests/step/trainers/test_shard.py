import json
import os
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
from simulating import simulating

import paramjax as pj
from paramjax.runs._processes import check_agreement
from paramjax.step.trainers import shard
from paramjax.step.trainers._shard import _partition

HERE = Path(__file__).parent
LAYOUTS = ["data", "fsdp", "params", "grid", "hybrid"]


def launch(file, *words, devices, **variables):
    """Start a script of this folder on simulated devices, as strict as the tests are."""
    environment = {
        **os.environ,
        "XLA_FLAGS": simulating(devices),
        "JAX_PLATFORMS": "cpu",
        "JAX_NUMPY_RANK_PROMOTION": "raise",
        "PYTHONPATH": str(HERE.parents[2]),
        **variables,
    }
    command = [sys.executable, "-W", "error", str(HERE / file), *map(str, words)]
    pipe = subprocess.PIPE
    return subprocess.Popen(command, env=environment, stdout=pipe, stderr=pipe, text=True)


def finish(*running):
    """What the scripts print, once all of them have ended well."""
    try:
        ends = [process.communicate(timeout=300) for process in running]
    finally:
        for process in running:
            process.kill()
    for process, (_, errors) in zip(running, ends, strict=True):
        assert process.returncode == 0, errors[-4000:]
    return [printed for printed, _ in ends]


def pair(file, *words, devices):
    """The same script in two processes."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        address = f"127.0.0.1:{free.getsockname()[1]}"
    return [
        launch(
            file, *(str(word).format(process) for word in words), devices=devices,
            PROCESS=str(process), COORDINATOR=address,
        )
        for process in range(2)
    ]  # fmt: skip


def last_report(printed):
    """The line of JSON; Gloo prints beside it."""
    return json.loads(next(line for line in printed.splitlines() if line.startswith("{")))


@pytest.fixture(scope="module")
def eight(tmp_path_factory):
    file = tmp_path_factory.mktemp("eight") / "report.json"
    finish(launch("shard_checks.py", "devices", file, devices=8))
    return json.loads(file.read_text())


@pytest.fixture(scope="module")
def two(tmp_path_factory):
    file = str(tmp_path_factory.mktemp("two") / "{}.json")
    finish(*pair("shard_checks.py", "processes", file, devices=1))
    return [json.loads(Path(file.format(process)).read_text()) for process in range(2)]


@pytest.fixture(scope="module")
def script():
    """The same script on one device, on eight, and in two processes of two devices each."""
    one, many = finish(*(launch("several_devices.py", devices=n) for n in (1, 8)))
    first, second = finish(*pair("several_devices.py", devices=2))
    names = ("one", "eight", "first process", "second process")
    return dict(zip(names, map(last_report, (one, many, first, second)), strict=True))


@pytest.mark.parametrize("layout", LAYOUTS)
def test_eight_devices_compute_what_one_does(eight, layout):
    report = eight["layouts"][layout]
    assert report["losses"] < 1e-5
    # adam divides by the root of tiny second moments, which amplifies the order of a sum
    assert report["params"] < 1e-5
    assert report["evaluated"] < 1e-5
    assert report["moments"] < 1e-7
    assert report["key"]
    assert report["dtypes"]


@pytest.mark.parametrize("layout", LAYOUTS)
def test_the_same_units_drop_out_on_every_layout(eight, layout):
    assert eight["layouts"][layout]["dropped"]


@pytest.mark.parametrize(
    ("layout", "first"),
    [
        ("data", [16, 64]),
        ("fsdp", [16, 8]),
        ("params", [16, 8]),
        ("grid", [16, 32]),
        ("hybrid", [16, 32]),
    ],
)
def test_large_leaves_are_split_along_their_longest_axis(eight, layout, first):
    report = eight["layouts"][layout]
    # the devices divide no axis of "odd"; "bias" and "second" have fewer than 512 elements
    assert report["held"] == {"first": first, "odd": [27, 25], "bias": [64], "second": [64, 4]}
    assert report["held_alike"]
    assert report["scalars_whole"]


@pytest.mark.parametrize("layout", LAYOUTS)
def test_the_program_holds_the_collectives_of_its_layout(eight, layout):
    collectives = eight["layouts"][layout]["collectives"]
    assert "all-reduce" in collectives or "reduce-scatter" in collectives
    # whole parameters are never sent where nothing but rows is split
    assert ("all-gather" in collectives) == (layout != "data")


def test_steps_trace_once_and_run_eagerly(eight):
    report = eight["steps"]
    assert report["traced"] == 1
    assert report["eager"] < 1e-5
    assert report["eager_held"]


def test_metrics_are_means_over_all_rows(eight, script):
    assert abs(eight["steps"]["target"]) < 1e-7
    for report in script.values():
        np.testing.assert_allclose(report["target"], script["one"]["target"], atol=1e-7)


def test_one_bad_row_stops_every_device(eight):
    report = eight["steps"]
    assert report["moved"] == report["moments_moved"] == 0.0
    assert (report["skipped"], report["step"]) == (1, 2)


def test_accumulation_and_batch_statistics_see_all_rows(eight):
    report = eight["compositions"]
    assert report["accumulated"] < 1e-5
    assert report["batch_mean"] < 1e-6
    assert report["model_state_held"] == {"mean": [16], "large": [8, 8]}


def test_microbatches_take_rows_of_every_device(eight):
    """No row of the batch travels: only sums over rows do."""
    report = eight["compositions"]
    assert report["microbatches"] < 1e-5
    assert report["microbatches_move"] == ["all-reduce"]


def test_bfloat16_parameters_stay(eight):
    assert eight["compositions"]["narrow"] == ["bfloat16"]
    assert eight["compositions"]["dtypes_stay"]


def test_a_batch_that_does_not_fit_is_refused_with_its_numbers(eight):
    messages = eight["refusals"]
    assert "leaf x of the batch has 30 rows" in messages["division"]
    assert "8 devices of mesh axes 'data', 'model' do not divide" in messages["division"]
    assert "take a batch of 24 rows" in messages["division"]
    assert "leaves of one length in the batch, got {'x': 128, 'y': 64}" in messages["lengths"]


def test_one_script_runs_on_one_device_on_eight_and_in_two_processes(script):
    one = script["one"]
    assert [report["devices"] for report in script.values()] == [1, 8, 4, 4]
    assert one["loss"][-1] < 0.5 * one["loss"][0]
    for report in script.values():
        np.testing.assert_allclose(report["loss"], one["loss"], rtol=1e-5)
        chex.assert_trees_all_close(as_arrays(report), as_arrays(one), atol=1e-5)
    assert [report["held"]["first"] for report in script.values()] == [
        [16, 64],
        [16, 8],
        [16, 16],
        [16, 16],
    ]


def as_arrays(report):
    return {name: np.array(value) for name, value in report["params"].items()}


def test_processes_share_a_run_and_read_its_history(two):
    for report in two:
        assert report["processes"] == 2
        assert report["losses"] < 1e-5
        assert report["held"]["first"] == [16, 32]
        assert report["goes_on"] == 8
        assert "the loss was not finite at any step" in report["lost"]


def test_processes_that_were_given_different_data_are_told_so(two):
    for report in two:
        assert "got different ones for data y; draw and shuffle" in report["disagreement"]
    # without shard each process trains on its own
    assert two[1]["own"] == pytest.approx(two[0]["own"] + 1, abs=1e-5)


def test_a_mesh_without_devices_of_this_process_is_refused(two):
    assert "devices of every process, got none of process 0" in two[0]["mesh"]
    assert two[1]["mesh"] is None


@pytest.mark.parametrize(
    ("shape", "min_size", "expected"),
    [
        ((16, 64), 1, (None, "x")),
        ((64, 64), 1, ("x",)),
        ((3, 16, 5), 1, (None, "x")),
        ((15, 100), 1, (None, "x")),
        ((15, 31), 1, ()),
        ((16, 64), 1024, (None, "x")),
        ((16, 64), 1025, ()),
        ((), 1, ()),
    ],
    ids=str,
)
def test_the_rule_splits_the_longest_axis_that_the_devices_divide(shape, min_size, expected):
    leaf = jax.ShapeDtypeStruct(shape, jnp.float32)
    assert _partition(leaf, ("x",), 4, min_size) == PartitionSpec(*expected)


def test_keys_are_never_split():
    assert _partition(jax.random.split(jax.random.key(0), 8), ("x",), 4, 1) == PartitionSpec()


@pytest.fixture
def mesh():
    return jax.make_mesh((1,), ("data",))


@pytest.fixture
def trainer(line_loss):
    return pj.train_step(line_loss, optax.sgd(0.2))


@pytest.mark.parametrize("axis_types", [(AxisType.Auto,), (AxisType.Explicit,)], ids=str)
def test_one_device_gives_the_bits_of_the_plain_trainer(
    trainer, axis_types, line, line_params, key
):
    mesh = jax.make_mesh((1,), ("data",), axis_types=axis_types)
    sharded = shard(trainer, mesh, params_axis="data", min_size=1)
    plain = pj.fit(trainer, line_params, line, key=key, steps=9, batch_size=8)
    run = pj.fit(sharded, line_params, line, key=key, steps=9, batch_size=8)
    chex.assert_trees_all_equal(run.history, plain.history)
    chex.assert_trees_all_equal(run.params, plain.params)


@pytest.mark.parametrize(
    ("options", "error", "message"),
    [
        ({"data_axis": "rows"}, ValueError, "data_axis: the mesh has no axis 'rows'.*'data'"),
        ({"params_axis": "model"}, ValueError, "params_axis: the mesh has no axis 'model'"),
        ({"data_axis": ("data", "data")}, ValueError, "data_axis: expected different axes"),
        ({"data_axis": 0}, TypeError, "data_axis: expected the name of an axis of the mesh, got 0"),
        ({"data_axis": None}, ValueError, "both None, so there is nothing to split.*data"),
        ({"min_size": 1.5}, TypeError, "min_size: expected a whole number"),
        ({"min_size": 0}, ValueError, "min_size: expected a whole number from 1"),
    ],
    ids=lambda value: str(value) if isinstance(value, dict) else "",
)
def test_what_does_not_fit_the_mesh_is_refused(trainer, mesh, options, error, message):
    with pytest.raises(error, match=message):
        shard(trainer, mesh, **options)


def test_what_is_no_mesh_or_no_trainer_is_refused(trainer, mesh):
    with pytest.raises(TypeError, match=r"mesh: expected a jax.sharding.Mesh.*got list"):
        shard(trainer, jax.devices())
    with pytest.raises(TypeError, match="trainer: expected one such as pj.train_step returns"):
        shard(trainer.step, mesh)


def test_a_surrounding_mesh_with_explicit_axes_is_refused(trainer, mesh, line_params, key):
    with (
        jax.set_mesh(mesh),
        pytest.raises(ValueError, match=r"outside of jax.set_mesh.*types Explicit; leave"),
    ):
        shard(trainer, mesh).init(key, line_params)


def test_one_process_agrees_with_itself(line, key):
    check_agreement({"data": line, "key": key, "model_state": ()})
