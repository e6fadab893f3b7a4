"""Restore, compare every bit, and save: python layouts.py FOLDER, in one process or in two."""

import json
import os
import sys
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
from jax.sharding import NamedSharding, PartitionSpec

from paramjax.checkpoints import CheckpointStore

SPLIT = {"rows": ("data",), "columns": (None, "data"), "whole": (), "narrow": ("data",), "key": ()}


def numbers():
    """The same bits in every process: what is restored is compared with them."""
    bits = np.frombuffer(np.random.default_rng(0).bytes(4 * 256), np.uint32)
    bits = bits & ~np.uint32(0x4000_0000)  # no nan, whose payload devices may change
    return {
        "rows": bits.view(np.float32).reshape(16, 16),
        "columns": bits.view(np.int32).reshape(16, 16),
        "whole": bits[:5].view(np.float32),
        "narrow": bits[:64].astype(jnp.bfloat16),
    }


def tree(mesh, empty=False):
    """The numbers, or zeros in their places, spread over all devices."""

    def put(name, value):
        value = np.zeros_like(value) if empty else value
        sharding = NamedSharding(mesh, PartitionSpec(*SPLIT[name]))
        return jax.make_array_from_callback(value.shape, sharding, lambda index: value[index])

    spread = {name: put(name, value) for name, value in numbers().items()}
    replicated = NamedSharding(mesh, PartitionSpec())
    make_key = jax.jit(lambda: jax.random.key(0 if empty else 9), out_shardings=replicated)
    return spread | {"key": make_key(), "step": jnp.int32(0 if empty else 7)}


def shards(tree):
    """Leaf -> index and bits of each part that this process holds."""
    plain = tree | {"key": jax.random.key_data(tree["key"])}
    return {
        name: [(str(s.index), np.asarray(s.data).tobytes()) for s in leaf.addressable_shards]
        for name, leaf in plain.items()
    }


def refusal(store, like):
    try:
        store.restore(like)
    except ValueError as error:
        return str(error)


def main():
    folder, joint = Path(sys.argv[1]), "PROCESS" in os.environ
    if joint:
        process = int(os.environ["PROCESS"])
        jax.distributed.initialize(os.environ["COORDINATOR"], num_processes=2, process_id=process)
    mesh = jax.make_mesh((jax.device_count(),), ("data",))
    expected, like = tree(mesh), tree(mesh, empty=True)
    report = {"devices": jax.device_count()}
    with CheckpointStore(folder, identity={}, program="", joint=joint) as store:
        saved = store.restore(like)
        report["step"] = 0 if saved is None else saved.step
        if saved is not None:
            report["equal"] = shards(saved.tree) == shards(expected)
            report["placed"] = all(
                leaf.sharding == like[name].sharding for name, leaf in saved.tree.items()
            )
        for step in (1, 2):  # the second waits for the first, and is read while it is written
            store.save(report["step"] + step, expected, {}, {}, {})
        report["again"] = store.restore(like).step
    if joint:
        own = folder.with_name(f"of process {process}")
        with CheckpointStore(own, identity={}, program="") as store:
            if process == 0:
                store.save(5, {"w": np.ones(1)}, {}, {}, {})
        with CheckpointStore(own, identity={}, program="", joint=True) as store:
            report["apart"] = refusal(store, {"w": np.ones(1)})
    print(json.dumps(report))


if __name__ == "__main__":
    main()
