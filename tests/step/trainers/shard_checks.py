"""What test_shard.py asserts, computed on eight simulated devices or in two processes.

python shard_checks.py FILE writes JSON; with PROCESS=0 or 1 it is one of two processes.
"""

import collections
import json
import os
import re
import sys
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
import optax
from jax.experimental.multihost_utils import process_allgather
from jax.sharding import Mesh

import paramjax as pj
from paramjax._cache import enable_cache
from paramjax.step.trainers import shard

KEY = jax.random.key
COLLECTIVE = re.compile(r" (all-reduce|all-gather|reduce-scatter|all-to-all|collective-permute)\(")


def mesh_of(*shape):
    return jax.make_mesh(shape, ("data", "model")[: len(shape)])


def layouts():
    """Ways to split, by name."""
    line, grid = mesh_of(8), mesh_of(4, 2)
    small = {"min_size": 512}
    return {
        "data": (line, {}),
        "fsdp": (line, {"params_axis": "data", **small}),
        "params": (line, {"data_axis": None, "params_axis": "data", **small}),
        "grid": (grid, {"params_axis": "model", **small}),
        "hybrid": (grid, {"data_axis": ("data", "model"), "params_axis": "model", **small}),
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


def held(tree):
    return jax.tree.map(lambda leaf: list(leaf.addressable_shards[0].data.shape), tree)


def fit(trainer, params, data):
    return pj.fit(trainer, params, data, key=KEY(1), steps=8, batch_size=32)


def run(trainer, params, data, steps=5):
    """Some jitted steps of 32 rows: state, history, parameters to evaluate, and the program."""
    batches = [jax.tree.map(lambda leaf, i=i: leaf[i : i + 32], data) for i in range(steps)]
    state = jax.jit(trainer.init)(KEY(1), params)
    step = jax.jit(trainer.step).lower(state, batches[0]).compile()
    history = []
    for batch in batches:
        state, metrics = step(state, batch)
        history.append(metrics)
    return state, history, trainer.eval_params(state), step.as_text()


def check_layouts():
    """Each layout against the plain trainer: losses, parameters, placement, collectives."""
    params, data = start()
    plain, plain_history, plain_eval, _ = run(composed(), params, data)
    return {
        name: compare(
            *run(shard(composed(), mesh, **options), params, data),
            plain, plain_history, plain_eval,
        )
        for name, (mesh, options) in layouts().items()
    }  # fmt: skip


def compare(state, history, evaluated, program, plain, plain_history, plain_eval):
    adam = state.opt_state[0]
    whole = (state.key, state.step, adam.count, *history[-1].values())
    return {
        "losses": farthest([m["loss"] for m in history], [m["loss"] for m in plain_history]),
        "params": farthest(state.params, plain.params),
        "moments": farthest(adam.nu, plain.opt_state[0].nu),
        "evaluated": farthest(evaluated, plain_eval),
        "dropped": [int(m["dropped"]) for m in history]
        == [int(m["dropped"]) for m in plain_history],
        "key": bool((jax.random.key_data(state.key) == jax.random.key_data(plain.key)).all()),
        "dtypes": dtypes(state) == dtypes(plain),
        "held": held(state.params),
        "held_alike": all(
            held(tree) == held(state.params)
            for tree in (adam.mu, adam.nu, state.hook_state[0].average, evaluated)
        ),
        "scalars_whole": all(leaf.sharding.is_fully_replicated for leaf in whole),
        "collectives": collections.Counter(COLLECTIVE.findall(program)),
    }


def dtypes(tree):
    return jax.tree.map(lambda leaf: str(leaf.dtype), tree)


def check_steps():
    """Jitted steps trace once; an eager step agrees; a bad row anywhere stops everyone."""
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
    traced = len(traces)
    eager, _ = trainer.step(first, data)
    bad = {**data, "x": data["x"].copy()}
    bad["x"][100, 3] = np.nan  # one of the 16 rows of the seventh device
    guarded, guard = step(second, bad)
    return {
        "traced": traced,
        "eager": farthest(eager.params, second.params),
        "eager_held": held(eager.params) == held(second.params) == held(first.params),
        "target": float(metrics["target"]) - float(data["y"].mean()),
        "moved": farthest(guarded.params, second.params),
        "moments_moved": farthest(guarded.opt_state[0].mu, second.opt_state[0].mu),
        "skipped": int(guard["skipped"]),
        "step": int(guarded.step),
    }


def check_compositions():
    """Accumulation, bfloat16 parameters, and batch statistics over all devices."""
    params, data = start()
    on_eight = lambda trainer: shard(trainer, mesh_of(8), params_axis="data", min_size=512)
    every = composed(tx=optax.MultiSteps(optax.adam(1e-2), 2))
    accumulated = [run(trainer, params, data)[0] for trainer in (every, on_eight(every))]
    parts = composed(pj.grads.accumulate(loss_fn, 4))
    whole_state, split = run(parts, params, data)[0], run(shard(parts, mesh_of(8)), params, data)

    def normed(params, model_state, batch, key):
        loss, metrics = loss_fn(params, batch, key)
        return loss, ({**model_state, "mean": batch["x"].mean(0)}, metrics)

    stateful = on_eight(pj.train_step(normed, optax.sgd(0.1), stateful=True))
    model_state = {"mean": jnp.zeros(16), "large": jnp.zeros((64, 8))}
    state, _ = jax.jit(stateful.step)(jax.jit(stateful.init)(KEY(0), params, model_state), data)
    half = on_eight(composed())
    narrow = jax.eval_shape(half.init, KEY(1), jax.tree.map(jnp.bfloat16, params))
    stepped, _ = jax.eval_shape(half.step, narrow, data)
    return {
        "accumulated": farthest(accumulated[0].params, accumulated[1].params),
        "microbatches": farthest(whole_state.params, split[0].params),
        "microbatches_move": sorted(set(COLLECTIVE.findall(split[3]))),
        "narrow": sorted({str(leaf.dtype) for leaf in jax.tree.leaves(stepped.params)}),
        "dtypes_stay": dtypes(narrow) == dtypes(stepped),
        "batch_mean": farthest(state.model_state["mean"], data["x"].mean(0)),
        "model_state_held": held(state.model_state),
    }


def check_refusals():
    params, data = start()
    trainer = shard(composed(), mesh_of(4, 2), data_axis=("data", "model"))
    state = jax.eval_shape(trainer.init, KEY(0), params)
    batches = {
        "division": jax.tree.map(lambda leaf: leaf[:30], data),
        "lengths": {"x": data["x"], "y": data["y"][:64]},
    }
    return {
        name: refusal(lambda batch=batch: jax.eval_shape(trainer.step, state, batch))
        for name, batch in batches.items()
    }


def check_script():
    """A run as a user writes it, the same on one device, on several and in two processes."""
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


def check_processes():
    """Runs over both processes, and what differs between them."""
    params, data = start()
    mesh = mesh_of(jax.device_count())
    plain, trainer = composed(), shard(composed(), mesh, params_axis="data", min_size=512)
    alone, both = fit(plain, params, data), fit(trainer, params, data)
    own = {**data, "y": data["y"] + jax.process_index()}
    return {
        "processes": jax.process_count(),
        "losses": farthest(both.history["loss"], alone.history["loss"]),
        "goes_on": int(fit(trainer, both.params, data).state.step),
        "held": held(both.params),
        "disagreement": refusal(lambda: fit(trainer, params, own)),
        # a trainer on the devices of one process is its own affair
        "own": float(fit(plain, params, own).history["target"].mean()),
        "lost": refusal(lambda: fit(trainer, jax.tree.map(lambda p: p * 1e30, params), data)),
        "mesh": refusal(lambda: shard(plain, Mesh(jax.devices()[-1:], ("data",)))),
    }


def refusal(call):
    try:
        call()
    except ValueError as error:
        return str(error)
    return None


def main():
    enable_cache()
    checks = (check_layouts, check_steps, check_compositions, check_refusals, check_script)
    if "PROCESS" in os.environ:
        checks = (check_processes, check_script)
        address, number = os.environ["COORDINATOR"], int(os.environ["PROCESS"])
        jax.distributed.initialize(address, num_processes=2, process_id=number)
    report = {check.__name__.removeprefix("check_"): check() for check in checks}
    Path(sys.argv[1]).write_text(json.dumps(report))


if __name__ == "__main__":
    main()
