"""Train transformations over eight simulated devices, and save the parameters to evaluate.

    python eight_devices.py OUT.npz NAME...   (XLA_FLAGS=--xla_force_host_platform_device_count=8)

Rows are split over all eight devices, parameters over two of them.
"""

import sys

import jax
import numpy as np
from harness import PARAMS, run, trainer_of

import paramjax as pj


def main(out, names):
    mesh = jax.make_mesh((4, 2), ("data", "model"))
    arrays = {}
    for name in names:
        trainer = pj.trainers.shard(
            trainer_of(name), mesh, data_axis=("data", "model"), params_axis="model", min_size=2
        )
        iterates, state = run(trainer)
        spread = {d for leaf in jax.tree.leaves(state.params) for d in leaf.devices()}
        assert len(spread) == 8, name
        for step, params in enumerate(iterates):
            for leaf in PARAMS:
                arrays[f"{name}/{step}/{leaf}"] = np.asarray(params[leaf])
    np.savez(out, **arrays)


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2:])
