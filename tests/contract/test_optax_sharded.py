"""Every transformation over eight simulated devices, in a process of its own, against one."""

import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from contract import OPTIMIZER, PARAMS, assert_close, hand
from simulating import simulating


@pytest.fixture(scope="module")
def sharded(tmp_path_factory):
    """What `eight_devices.py` saved: "name/step/leaf" -> array."""
    script = Path(__file__).with_name("eight_devices.py")
    out = tmp_path_factory.mktemp("sharded") / "iterates.npz"
    done = subprocess.run(
        [sys.executable, script, out],
        env=os.environ | {"XLA_FLAGS": simulating(8), "JAX_PLATFORMS": "cpu"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr[-3000:]
    with np.load(out) as arrays:
        return dict(arrays)


@OPTIMIZER
def test_sharded(name, sharded):
    theirs, _ = hand(name)
    ours = [
        {leaf: sharded[f"{name}/{step}/{leaf}"] for leaf in PARAMS} for step in range(len(theirs))
    ]
    assert_close(ours, theirs)
