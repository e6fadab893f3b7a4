"""Tests of `shard` that test_shard.py runs on eight simulated devices, or in two processes."""

import json
import os
import re
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest
from comparing import at
from jax.experimental.multihost_utils import process_allgather
from jax.sharding import Mesh
from refusing import assert_refused

import paramjax as pj
from paramjax.step.trainers import shard

KEY = jax.random.key
eight_devices = pytest.mark.skipif("PROCESS" in os.environ, reason="needs eight devices")
two_processes = pytest.mark.skipif("PROCESS" not in os.environ, reason="needs two processes")
COLLECTIVE = re.compile(r" (all-reduce|all-gather|reduce-scatter|all-to-all|collective-permute)\(")


def mesh_of(*shape):
    return jax.make_mesh(shape, ("data", "model")[: len(shape)])


def layouts():
    """Ways to split, by name, and what a device then holds of the leaf "first", [16, 64]."""
    line, grid = mesh_of(8), mesh_of(4, 2)
    small = {"min_size": 512}
    both = {"data_axis": ("data", "model"), "params_axis": "model", **small}
    return {
        "data": (line, {}, [16, 64]),
        "fsdp": (line, {"params_axis": "data", **small}, [16, 8]),
        "params": (line, {"data_axis": None, "params_axis": "data", **small}, [16, 8]),
        "grid": (grid, {"params_axis": "model", **small}, [16, 32]),
        "hybrid": (grid, both, [16, 32]),
    }


def start():
    rng = np.random.default_rng(0)
    draw = lambda *shape: jnp.asarray(rng.normal(size=shape) / 4, jnp.float32)
    # 8 devices divide no axis of "odd"; "bias" is small
    params = {"first": draw(16, 64), "bias": draw(64), "odd": draw(27, 25), "second": draw(64, 4)}
    x = rng.normal(size=(128, 16)).astype(np.float32)
    return params, {"x": x, "y": np.sin(x[:, :4])}


def loss_fn(params, batch, key):
    hidden = jax.nn.relu(batch["x"] @ params["first"] + params["bias"][None])
    kept = jax.random.bernoulli(key, 0.5, hidden.shape)
    number = jnp.arange(hidden.size).reshape(hidden.shape) % 1009
    error = (hidden * kept * 2.0) @ params["second"] - batch["y"]
    loss = (error**2).mean() + 1e-3 * (params["odd"] ** 2).sum()
    # an integer sum is exact: it differs if one unit is dropped elsewhere
    return loss, {"dropped": (number * ~kept).sum(), "target": batch["y"].mean()}


def composed(loss=loss_fn, tx=None):
    return pj.train_step(
        loss, tx or optax.adam(1e-2), hooks=[pj.hooks.ema(0.9), pj.hooks.skip_nonfinite()]
    )


def farthest(tree, other):
    distance = lambda a, b: float(np.abs(np.asarray(a) - np.asarray(b)).max())
    return max(jax.tree.leaves(jax.tree.map(distance, tree, other)))


def dtypes(tree):
    return jax.tree.map(lambda leaf: str(leaf.dtype), tree)


def held(tree):
    return jax.tree.map(lambda leaf: list(leaf.addressable_shards[0].data.shape), tree)


def fit(trainer, params, data):
    return pj.fit(trainer, params, data, key=KEY(1), steps=8, batch_size=32)


def run(trainer, params, data, steps=5):
    """Some jitted steps of 32 rows: state, history, parameters to evaluate, and the program."""
    batches = [at(data, slice(i, i + 32)) for i in range(steps)]
    state = jax.jit(trainer.init)(KEY(1), params)
    step = jax.jit(trainer.step).lower(state, batches[0]).compile()
    history = []
    for batch in batches:
        state, metrics = step(state, batch)
        history.append(metrics)
    return state, history, trainer.eval_params(state), step.as_text()


@pytest.fixture(scope="module", autouse=True)
def process():
    """The number of this process among two, once it has found the other one."""
    number = int(os.environ.get("PROCESS", 0))
    if "PROCESS" in os.environ:
        jax.distributed.initialize(os.environ["COORDINATOR"], num_processes=2, process_id=number)
    return number


@pytest.fixture(scope="module")
def plain():
    """The run of the plain trainer."""
    return run(composed(), *start())


@eight_devices
@pytest.mark.parametrize("name", ["data", "fsdp", "params", "grid", "hybrid"])
def test_eight_devices_compute_what_one_does(plain, name):
    mesh, options, first = layouts()[name]
    state, history, evaluated, program = run(shard(composed(), mesh, **options), *start())
    expected, expected_history, expected_evaluated, _ = plain
    losses = lambda history: [m["loss"] for m in history]
    assert farthest(losses(history), losses(expected_history)) < 1e-5
    # adam divides by the root of tiny second moments, which amplifies the order of a sum
    adam = state.opt_state[0]
    assert farthest(state.params, expected.params) < 1e-5
    assert farthest(evaluated, expected_evaluated) < 1e-5
    assert farthest(adam.nu, expected.opt_state[0].nu) < 1e-7
    dropped = lambda history: [int(m["dropped"]) for m in history]
    assert dropped(history) == dropped(expected_history)  # the same units, on every layout
    assert (jax.random.key_data(state.key) == jax.random.key_data(expected.key)).all()
    assert dtypes(state) == dtypes(expected)
    # the devices divide no axis of "odd"; "bias" and "second" have fewer than 512 elements
    whole = {"odd": [27, 25], "bias": [64], "second": [64, 4]}
    for tree in (state.params, adam.mu, adam.nu, state.hook_state[0].average, evaluated):
        assert held(tree) == {"first": first, **whole}
    scalars = (state.key, state.step, adam.count, *history[-1].values())
    assert all(leaf.sharding.is_fully_replicated for leaf in scalars)
    collectives = set(COLLECTIVE.findall(program))
    assert collectives & {"all-reduce", "reduce-scatter"}
    # whole parameters are never sent where nothing but rows is split
    assert ("all-gather" in collectives) == (name != "data")


@eight_devices
def test_steps_trace_once_and_run_eagerly_and_one_bad_row_stops_every_device():
    params, data = start()
    traces = []

    def counted(params, batch, key):
        traces.append(1)
        return loss_fn(params, batch, key)

    trainer = shard(composed(counted), mesh_of(8), params_axis="data", min_size=512)
    first = trainer.init(KEY(1), params)
    step = jax.jit(trainer.step)
    second, metrics = step(first, data)
    step(second, data)
    assert len(traces) == 1
    assert abs(float(metrics["target"]) - data["y"].mean()) < 1e-7  # a mean over all rows
    eager, _ = trainer.step(first, data)
    assert farthest(eager.params, second.params) < 1e-5
    assert held(eager.params) == held(second.params) == held(first.params)
    bad = {**data, "x": data["x"].copy()}
    bad["x"][100, 3] = np.nan  # one of the 16 rows of the seventh device
    guarded, metrics = step(second, bad)
    assert farthest(guarded.params, second.params) == 0.0
    assert farthest(guarded.opt_state[0].mu, second.opt_state[0].mu) == 0.0
    assert (int(metrics["skipped"]), int(guarded.step)) == (1, 2)


@eight_devices
def test_accumulation_batch_statistics_and_bfloat16(plain):
    params, data = start()
    on_eight = lambda trainer: shard(trainer, mesh_of(8), params_axis="data", min_size=512)
    every = composed(tx=optax.MultiSteps(optax.adam(1e-2), 2))
    alone, together = (run(trainer, params, data)[0] for trainer in (every, on_eight(every)))
    assert farthest(alone.params, together.params) < 1e-5
    # no row of the batch travels to a microbatch: only sums over rows do
    parts = composed(pj.grads.accumulate(loss_fn, 4))
    alone, split = run(parts, params, data), run(shard(parts, mesh_of(8)), params, data)
    assert farthest(alone[0].params, split[0].params) < 1e-5
    assert set(COLLECTIVE.findall(split[3])) == {"all-reduce"}

    def normed(params, model_state, batch, key):
        loss, metrics = loss_fn(params, batch, key)
        return loss, ({**model_state, "mean": batch["x"].mean(0)}, metrics)

    stateful = on_eight(pj.train_step(normed, optax.sgd(0.1), stateful=True))
    model_state = {"mean": jnp.zeros(16), "large": jnp.zeros((64, 8))}
    state, _ = jax.jit(stateful.step)(jax.jit(stateful.init)(KEY(0), params, model_state), data)
    assert farthest(state.model_state["mean"], data["x"].mean(0)) < 1e-6
    assert held(state.model_state) == {"mean": [16], "large": [8, 8]}
    half = on_eight(composed())
    narrow = jax.eval_shape(half.init, KEY(1), jax.tree.map(jnp.bfloat16, params))
    stepped, _ = jax.eval_shape(half.step, narrow, data)
    assert {str(leaf.dtype) for leaf in jax.tree.leaves(stepped.params)} == {"bfloat16"}
    assert dtypes(narrow) == dtypes(stepped)


@eight_devices
def test_a_batch_that_does_not_fit_is_refused_with_its_numbers():
    params, data = start()
    trainer = shard(composed(), mesh_of(4, 2), data_axis=("data", "model"))
    state = jax.eval_shape(trainer.init, KEY(0), params)
    division = "leaf x of the batch has 30 rows.* 8 devices of mesh axes 'data', 'model' do not"
    assert_refused(
        lambda *batch: jax.eval_shape(trainer.step, state, *batch),
        ((at(data, slice(30)),), ValueError, division + " divide.*take a batch of 24 rows"),
        (
            ({**data, "y": data["y"][:64]},),
            ValueError,
            "leaves of one length in the batch, got {'x': 128, 'y': 64}",
        ),
    )


def test_script():
    """Write a run as users write it: the same on one device, on several and in two processes."""
    Path(os.environ["REPORT"]).write_text(json.dumps(script()))


def script():
    params, data = start()
    mesh = mesh_of(jax.device_count())
    trainer = shard(composed(), mesh, params_axis="data", min_size=1024)
    run = pj.fit(trainer, params, data, key=KEY(0), steps=20, batch_size=64)
    whole = process_allgather(run.params, tiled=True)  # numpy, whole in every process
    return {
        "devices": jax.device_count(),
        "history": {name: values.tolist() for name, values in run.history.items()},
        "params": {name: leaf.tolist() for name, leaf in whole.items()},
        "held": held(run.params["first"]),
    }


@two_processes
def test_processes_share_a_run_and_raise_where_they_differ(process):
    params, data = start()
    mesh = mesh_of(jax.device_count())
    plain, trainer = composed(), shard(composed(), mesh, params_axis="data", min_size=512)
    alone, both = fit(plain, params, data), fit(trainer, params, data)
    assert jax.process_count() == 2
    assert farthest(both.history["loss"], alone.history["loss"]) < 1e-5
    assert held(both.params)["first"] == [16, 16]
    assert int(fit(trainer, both.params, data).state.step) == 8
    own = {**data, "y": data["y"] + process}
    with pytest.raises(ValueError, match="got different ones for data y; draw and shuffle"):
        fit(trainer, params, own)
    # without shard each process trains on its own
    targets = [fit(plain, params, rows).history["target"].mean() for rows in (own, data)]
    assert targets[0] == pytest.approx(targets[1] + process, abs=1e-5)
    with pytest.raises(ValueError, match="the loss was not finite at any step"):
        fit(trainer, jax.tree.map(lambda p: p * 1e30, params), data)
    last = Mesh(jax.devices()[-1:], ("data",))
    if process == 0:
        with pytest.raises(ValueError, match="devices of every process, got none of process 0"):
            shard(plain, last)
    else:
        shard(plain, last)
