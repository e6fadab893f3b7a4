"""Read a run, go on with it, and report every bit: python layout_child.py FOLDER STEPS MORE

On as many devices as there are; in two processes where PROCESS and COORDINATOR are set. The
checkpoint of STEPS is read, if there are any, and MORE steps follow. More words: "whole" does
all the steps without a folder, too; "signal" ends one more run by a SIGTERM to one of two
processes, and "signal=STEP" reads it.
"""

import hashlib
import json
import os
import signal
import sys
import threading
import time
import warnings
from pathlib import Path

import jax
import numpy as np
import optax
from jax.experimental.multihost_utils import process_allgather

import paramjax as pj
from paramjax._checks import is_key
from paramjax.checkpoints import ProgramWarning
from paramjax.runs import InterruptWarning

LAYOUTS = {"data": {}, "fsdp": {"params_axis": "data", "min_size": 512}}
RNG = np.random.default_rng(0)  # the same numbers in every process
X = RNG.normal(size=(250, 16)).astype(np.float32)
DATA = {"x": X, "y": np.sin(X[:, :4])}
PARAMS = {
    "first": RNG.normal(size=(16, 64)).astype(np.float32) / 4,
    "second": np.zeros((64, 4), np.float32),
}
WRITTEN = []


def loss_fn(params, seen, batch, key):
    hidden = jax.nn.relu((batch["x"] - seen) @ params["first"])
    hidden *= 2.0 * jax.random.bernoulli(key, 0.5, hidden.shape)  # dropout
    loss = ((hidden @ params["second"] - batch["y"]) ** 2).mean()
    return loss, (0.9 * seen + 0.1 * batch["x"].mean(axis=0, keepdims=True), {})


def evaluate(params, seen, batch):
    errors = jax.nn.relu((batch["x"] - seen) @ params["first"]) @ params["second"] - batch["y"]
    return {"loss": (errors**2).mean()}


class Announced:
    """A writer that says when some steps are done; process 0 alone has it."""

    def __init__(self, file):
        self.file = file

    def write(self, first_step, rows):
        if first_step + len(rows["loss"]) > 20:
            self.file.touch()

    def ignore(self, *arguments):
        pass

    open = validated = flush = close = ignore


def fit(layout, steps, folder=None, **options):
    mesh = jax.make_mesh((jax.device_count(),), ("data",))
    hooks = [pj.hooks.ema(0.9), pj.hooks.skip_nonfinite()]
    trainer = pj.train_step(loss_fn, optax.adam(1e-2), hooks, stateful=True)
    trainer = pj.trainers.shard(trainer, mesh, **LAYOUTS[layout])
    if folder is not None:
        options |= {"checkpoints": pj.Checkpoints(folder)}
    held_out = {name: leaf[:50] for name, leaf in DATA.items()}
    return pj.fit(
        trainer, PARAMS, DATA, key=jax.random.key(0), steps=steps, batch_size=64,
        model_state=np.zeros((1, 16), np.float32),
        validation=pj.Validation(evaluate, held_out, every=5, batch_size=16), **options,
    )  # fmt: skip


def whole(leaf):
    """All of an array, as numpy in every process."""
    leaf = jax.random.key_data(leaf) if is_key(leaf) else leaf
    spread = isinstance(leaf, jax.Array) and not leaf.is_fully_addressable
    return process_allgather(leaf, tiled=True) if spread else np.asarray(leaf)


def bits(run):
    """Leaf -> dtype, shape and a hash of its bytes, of all that a run returns."""
    parts = run._asdict()
    parts.pop("status")
    return {
        jax.tree_util.keystr(path): [str(array.dtype), list(array.shape), _hash(array)]
        for path, leaf in jax.tree_util.tree_leaves_with_path(parts)
        for array in [whole(leaf)]
    }


def _hash(array):
    return hashlib.sha256(array.tobytes()).hexdigest()[:16]


def described(run):
    moments = run.state.opt_state[0].mu
    return {
        **reported(run),
        "bits": bits(run),
        "params": {name: whole(leaf).tolist() for name, leaf in run.params.items()},
        "held": {n: leaf.addressable_shards[0].data.shape for n, leaf in moments.items()},
    }


def reported(run):
    """What lies in every process, even when the other one has ended."""
    validated = {name: values.tolist() for name, values in run.validation.items()}
    loss = run.history["loss"].tolist()
    return {"step": int(run.state.step), "loss": loss, "validated": validated}


def watch(folder):
    """Note whatever this process makes, renames or opens for writing in the folder."""

    def hook(event, arguments):
        makes = event in ("os.mkdir", "os.rename")
        if event == "open" and isinstance(arguments[1], str):
            makes = bool(set("wax+") & set(arguments[1]))
        if makes and str(arguments[0]).startswith(str(folder)):
            WRITTEN.append(str(arguments[0]))

    sys.addaudithook(hook)


def ended_by_signal(folder):
    """A run of two processes, of which the second one is told to end."""
    file = folder / "far enough"

    def terminate():
        while not file.exists():
            time.sleep(0.01)
        os.kill(os.getpid(), signal.SIGTERM)

    if jax.process_index() == 1:
        threading.Thread(target=terminate, daemon=True).start()
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        run = fit("fsdp", 10**7, folder / "signal", logs=[Announced(file)])
    assert [warning.category for warning in caught] == [InterruptWarning]
    return {"stopped": run.status, **reported(run)}


def done(folder, steps, more):
    """Each layout: what is read, how it ends, and how it ends without a folder."""
    return {
        layout: {
            "read": described(fit(layout, steps, folder / layout)) if steps else None,
            "end": described(fit(layout, steps + more, folder / layout)),
            "whole": described(fit(layout, steps + more)) if "whole" in sys.argv else None,
        }
        for layout in LAYOUTS
    }


def main():
    folder = Path(sys.argv[1])
    if "PROCESS" in os.environ:
        number = int(os.environ["PROCESS"])
        jax.distributed.initialize(os.environ["COORDINATOR"], num_processes=2, process_id=number)
    # on other devices a step is another program, as the warning says, and sums round otherwise
    warnings.simplefilter("ignore", ProgramWarning)
    watch(folder)
    report = {"devices": jax.device_count(), **done(folder, int(sys.argv[2]), int(sys.argv[3]))}
    report["written"] = list(WRITTEN)
    kind, _, step = sys.argv[-1].partition("=")
    if step:
        report["signal"] = reported(fit("fsdp", int(step), folder / "signal"))
    print(json.dumps(report), flush=True)
    if kind == "signal" and not step:
        print(json.dumps({"signal": ended_by_signal(folder)}), flush=True)
        os._exit(0)  # an ordinary end would wait for the other process, which has none


if __name__ == "__main__":
    main()
