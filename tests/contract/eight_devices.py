"""TrialRun every transformation over eight simulated devices, and save what is to be evaluated.

    python eight_devices.py OUT.npz    (with XLA_FLAGS=--xla_force_host_platform_device_count=8)

Rows are split over all eight, parameters over two of them.
"""

import sys

import jax
import numpy as np
from contract import PARAMS, run, trainer_of
from every_optax import FACTORIES, LINKS

import paramjax as pj
from paramjax._cache import enable_cache


def main(out):
    enable_cache()
    mesh = jax.make_mesh((4, 2), ("data", "model"))
    arrays = {}
    for name in sorted(set(FACTORIES) - set(LINKS)):
        trainer = pj.trainers.shard(
            trainer_of(name),
            mesh,
            data_axis=("data", "model"),
            params_axis="model",
            min_size=2,
        )
        iterates, state = run(trainer)
        spread = {d for leaf in jax.tree.leaves(state.params) for d in leaf.devices()}
        assert len(spread) == 8, name
        for step, params in enumerate(iterates):
            for leaf in PARAMS:
                arrays[f"{name}/{step}/{leaf}"] = np.asarray(params[leaf])
    np.savez(out, **arrays)


if __name__ == "__main__":
    main(sys.argv[1])
