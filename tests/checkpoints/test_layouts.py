import json
import os
import socket
import subprocess
import sys
from pathlib import Path

import pytest
from simulating import simulating

import paramjax as pj

HERE = Path(__file__).parent


def launch(folder, *, devices, **variables):
    """Start the script on simulated devices, as strict as the tests are."""
    environment = {
        **os.environ,
        "XLA_FLAGS": simulating(devices),
        "JAX_PLATFORMS": "cpu",
        "PYTHONPATH": str(HERE.parents[1]),
        **variables,
    }
    command = [sys.executable, "-W", "error", HERE / "layouts.py", folder]
    pipe = subprocess.PIPE
    return subprocess.Popen(command, env=environment, stdout=pipe, stderr=pipe, text=True)


def finish(*running):
    """What the scripts report, once all of them have ended well."""
    try:
        ends = [process.communicate(timeout=120) for process in running]
    finally:
        for process in running:
            process.kill()
    for process, (_, errors) in zip(running, ends, strict=True):
        assert process.returncode == 0, errors[-4000:]
    # Gloo prints beside the report
    lines = [next(line for line in out.splitlines() if line.startswith("{")) for out, _ in ends]
    return [json.loads(line) for line in lines]


def pair(folder, *, devices):
    """The script in two processes."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        address = f"127.0.0.1:{free.getsockname()[1]}"
    numbers = [{"PROCESS": str(process), "COORDINATOR": address} for process in range(2)]
    return finish(*(launch(folder, devices=devices, **variables) for variables in numbers))


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return tmp_path_factory.mktemp("layouts") / "run"


@pytest.fixture(scope="module")
def reports(folder):
    """One device, eight, two processes of two devices, one again: each goes on."""
    one, eight = finish(launch(folder, devices=1)), finish(launch(folder, devices=8))
    return [*one, *eight, *pair(folder, devices=2), *finish(launch(folder, devices=1))]


def test_each_layout_restores_the_bits_of_the_one_before(reports, folder):
    assert [report["devices"] for report in reports] == [1, 8, 4, 4, 1]
    assert [report["step"] for report in reports] == [0, 2, 4, 4, 6]
    assert all(report["equal"] and report["placed"] for report in reports[1:])
    assert [info.step for info in pj.checkpoints.inspect(folder)] == [6, 7, 8]


def test_processes_wait_for_the_one_that_writes(reports):
    assert [report["again"] for report in reports] == [2, 4, 6, 6, 8]


def test_processes_that_do_not_share_a_folder_are_refused(reports):
    for process, report in enumerate(reports[2:4]):
        assert "expected the same checkpoint in every process, got steps [5, -1]" in report["apart"]
        assert f"of process {process}" in report["apart"]
        assert "choose a folder that all processes share" in report["apart"]
