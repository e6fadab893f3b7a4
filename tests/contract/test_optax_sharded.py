"""Every transformation over eight simulated devices, in a process of its own, against one."""

import functools
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from every_optax import COMBINED, OPTIMIZERS
from harness import PARAMS, assert_close, by_optax, each
from simulating import simulating


@pytest.fixture(scope="module")
def sharded(tmp_path_factory):
    """`names -> {"name/step/leaf": array}`, what `eight_devices.py` saves of them."""

    @functools.cache
    def iterates(names):
        out = tmp_path_factory.mktemp("sharded") / "iterates.npz"
        done = subprocess.run(
            [sys.executable, Path(__file__).with_name("eight_devices.py"), out, *names],
            env=os.environ | {"XLA_FLAGS": simulating(8), "JAX_PLATFORMS": "cpu"},
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 0, done.stderr[-3000:]
        with np.load(out) as arrays:
            return dict(arrays)

    return iterates


@each(OPTIMIZERS, COMBINED)
def test_sharded(name, sharded):
    fast = OPTIMIZERS & COMBINED
    arrays = sharded(tuple(sorted(fast if name in fast else OPTIMIZERS - fast)))
    theirs, _ = by_optax(name)
    ours = [
        {leaf: arrays[f"{name}/{step}/{leaf}"] for leaf in PARAMS} for step in range(len(theirs))
    ]
    assert_close(ours, theirs)
