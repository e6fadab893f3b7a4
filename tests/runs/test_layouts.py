"""A run goes on wherever it is: on one device, on eight, in two processes, and back on one."""

import json
import os
import signal
import socket
import subprocess
import sys
import tempfile
from pathlib import Path

import numpy as np
import pytest
from simulating import simulating

from paramjax.checkpoints._folder import steps_in

# that a run is the same on any layout is also in tests/step/trainers/test_shard.py, and that
# a checkpoint is, in tests/checkpoints/test_layouts.py
pytestmark = pytest.mark.slow

HERE = Path(__file__).parent
LAYOUTS = ["data", "fsdp"]


def launch(folder, *words, devices, **variables):
    """Start the script on simulated devices, as strict as the tests are."""
    environment = {
        **os.environ,
        "XLA_FLAGS": simulating(devices),
        "JAX_PLATFORMS": "cpu",
        "JAX_NUMPY_RANK_PROMOTION": "raise",
        "PYTHONPATH": str(HERE.parents[1]),
        **variables,
    }
    command = [sys.executable, "-W", "error", HERE / "layout_child.py", folder, *map(str, words)]
    # files, for a pipe that nobody empties yet would stop a process, and the other with it
    printed = tempfile.TemporaryFile("w+")  # noqa: SIM115 (`ended` closes it)
    child = subprocess.Popen(command, env=environment, stdout=printed, stderr=subprocess.STDOUT)
    return child, printed


def finish(*running, codes=(0, 0)):
    """What each process reports, once all of them have ended as they should."""
    try:
        ends = [child.wait(timeout=100) for child, _ in running]
    finally:
        texts = [ended(*one) for one in running]
    for end, code, text in zip(ends, codes, texts, strict=False):
        assert end == code, text[-4000:]
    return [reported(text) for text in texts]


def ended(child, printed):
    """All that it printed, now that it runs no more."""
    child.kill()
    child.wait()
    with printed:
        printed.seek(0)
        return printed.read()


def reported(text):
    """Its lines of JSON as one; Gloo prints beside them."""
    parts = [json.loads(line) for line in text.splitlines() if line.startswith("{")]
    return {name: value for part in parts for name, value in part.items()}


def pair(folder, *words):
    """The script in two processes of two devices each, the second of which is terminated."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        address = f"127.0.0.1:{free.getsockname()[1]}"
    running = [
        launch(folder, *words, devices=2, PROCESS=str(process), COORDINATOR=address)
        for process in range(2)
    ]
    return finish(*running, codes=(0, -signal.SIGTERM))


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return tmp_path_factory.mktemp("layouts")


@pytest.fixture(scope="module")
def reports(folder):
    """Ten steps each: on one device, on eight, in two processes, and on one again."""
    (one,) = finish(launch(folder, 0, 10, devices=1))
    (eight,) = finish(launch(folder, 10, 10, devices=8))
    first, second = pair(folder, 20, 10, "signal")
    stopped = f"signal={first['signal']['step']}"
    (last,) = finish(launch(folder, 30, 10, "whole", stopped, devices=1))
    names = ("one", "eight", "first", "second", "last")
    return dict(zip(names, (one, eight, first, second, last), strict=True))


@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize(
    ("before", "after"),
    [("one", "eight"), ("eight", "first"), ("eight", "second"), ("first", "last")],
)
def test_each_layout_reads_the_bits_that_another_one_saved(reports, layout, before, after):
    saved, read = reports[before][layout]["end"], reports[after][layout]["read"]
    assert len(saved["bits"]) > 15
    assert read["bits"] == saved["bits"]
    assert read["step"] == saved["step"] == {"eight": 10, "last": 30}.get(after, 20)


@pytest.mark.parametrize("layout", LAYOUTS)
def test_the_end_is_that_of_the_run_on_one_device(reports, layout):
    end, whole = reports["last"][layout]["end"], reports["last"][layout]["whole"]
    assert end["step"] == whole["step"] == 40
    np.testing.assert_allclose(end["loss"], whole["loss"], rtol=1e-5)
    for name, leaf in whole["params"].items():
        np.testing.assert_allclose(end["params"][name], leaf, atol=1e-5)


def test_the_state_is_split_where_it_should_be(reports):
    assert [report["devices"] for report in reports.values()] == [1, 8, 4, 4, 1]
    for layout, columns in {"data": [64, 64, 64, 64, 64], "fsdp": [64, 8, 16, 16, 64]}.items():
        held = [report[layout]["end"]["held"]["first"] for report in reports.values()]
        assert held == [[16, count] for count in columns]


@pytest.mark.parametrize("layout", LAYOUTS)
def test_both_processes_validate_and_say_the_same(reports, layout):
    first, second = reports["first"][layout]["end"], reports["second"][layout]["end"]
    assert first["validated"]["step"] == [5, 10, 15, 20, 25, 30]
    assert first == second
    whole = reports["last"][layout]["whole"]["validated"]["loss"]
    np.testing.assert_allclose(first["validated"]["loss"], whole[:6], rtol=1e-5)


def test_one_of_two_processes_writes_one_checkpoint(reports, folder):
    assert reports["second"]["written"] == []
    made = [name for name in reports["first"]["written"] if name.endswith("step_000000030")]
    assert {Path(name).parent.name for name in made} == {"data", "fsdp"}
    for layout in LAYOUTS:
        assert steps_in(folder / layout) == [20, 30, 40]
        entries = {path.name for path in (folder / layout).iterdir()}
        assert entries == {"lock", "run.json", *(f"step_0000000{n}" for n in (20, 30, 40))}


def test_a_signal_to_one_process_ends_both_at_one_step(reports, folder):
    """The process that was told to terminate has done so, as the exit code says."""
    stopped = reports["first"]["signal"]
    assert stopped["stopped"] == "interrupted"
    assert stopped["step"] >= 20
    assert len(stopped["loss"]) == stopped["step"]
    assert steps_in(folder / "signal") == [stopped["step"]]
    read = reports["last"]["signal"]
    assert read == {name: stopped[name] for name in read}
