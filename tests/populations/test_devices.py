"""The axis of runs over eight simulated devices and over two processes: the same table."""

import json
import os
import socket
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
import sharded
from simulating import simulating

REST = ["chosen", "step by step", "one device"]


def started(process, port, folder, devices, names):
    return subprocess.Popen(
        [sys.executable, sharded.__file__, str(process), str(port), str(folder), *names],
        env={**os.environ, "XLA_FLAGS": simulating(devices), "JAX_PLATFORMS": "cpu"},
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
    )  # fmt: skip


def printed(*processes):
    """The tables of each; read side by side, since a full pipe holds up both."""
    with ThreadPoolExecutor(len(processes)) as pool:
        outputs = list(pool.map(lambda process: process.communicate(timeout=240), processes))
    for process, (_, err) in zip(processes, outputs, strict=True):
        assert process.returncode == 0, err[-3000:]
    return [json.loads(out.splitlines()[-1]) for out, _ in outputs]


def on_eight_devices(folder, names):
    (tables,) = printed(started(0, 0, folder, 8, names))
    assert tables.pop("devices") == 8
    return tables


def on_two_processes(folder, names):
    """Two devices each; every process holds the whole table."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    one, other = printed(*[started(process, port, folder, 2, names) for process in range(2)])
    assert one.pop("devices") == other.pop("devices") == 4
    assert one == other
    return one


@pytest.fixture(scope="module")
def expected(tmp_path_factory):
    folder = tmp_path_factory.mktemp("one")
    return {name: sharded.table(name, folder) for name in ("halved", "one device")}


def check(mine, other):
    """Trials, seeds and ends are identical; numbers agree to rounding, amplified by 27 steps."""
    assert mine["rows"] == other["rows"]
    assert {row[2] for row in mine["rows"]} >= {"diverged", "finished"}
    np.testing.assert_allclose(mine["params"], other["params"], rtol=2e-4, atol=2e-5)
    np.testing.assert_allclose(mine["history"], other["history"], rtol=2e-3, atol=1e-5)


@pytest.mark.parametrize(
    "trained", [on_eight_devices, pytest.param(on_two_processes, marks=pytest.mark.slow)]
)
def test_several_devices_give_the_table_of_one(expected, trained, tmp_path):
    """Mapped, halved at two rungs, and kept in a store."""
    check(trained(tmp_path, ["halved"])["halved"], expected["halved"])


@pytest.mark.slow
@pytest.mark.parametrize("trained", [on_eight_devices, on_two_processes])
def test_every_layout_gives_the_table_of_one(expected, trained, tmp_path):
    for table in trained(tmp_path, REST).values():
        check(table, expected["one device"])
