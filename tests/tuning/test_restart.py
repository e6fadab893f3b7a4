"""A sweep goes on from its store, whatever ended it; another sweep is refused."""

import os
import signal
import subprocess
import sys
import time

import chex
import jax
import numpy as np
import pytest
import restarted
from problems import draw_line, sweep_line

import paramjax as pj
from paramjax.checkpoints import RunInUse
from paramjax.populations import Layout

# how much is kept in memory is no argument, and a store alone knows when it is written to
from paramjax.populations.planning import _choose as choose
from paramjax.tuning import StoreMismatchError
from paramjax.tuning.store._store import Store


@pytest.mark.parametrize(
    ("kind", "kills"),
    [
        ("halving", [10]),
        pytest.param("halving", [2, 3, 10], marks=pytest.mark.slow),
        pytest.param("whole", [2, 3], marks=pytest.mark.slow),
    ],
)
def test_killed_and_started_again_the_table_is_the_same(tmp_path, kind, kills):
    """Before the first rung, which 8 chunks reach, and after it."""
    command = [sys.executable, restarted.__file__, str(tmp_path / "cut"), kind]
    environment = {**os.environ, "PARAMJAX_CACHE_DIR": str(tmp_path / "cache")}
    for kept in kills:
        process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=environment)
        for _ in range(kept):
            assert process.stdout.readline().strip() == "kept"
        time.sleep(0.1)
        os.kill(process.pid, signal.SIGKILL)
        process.wait()
        process.stdout.close()
    expected = restarted.swept(tmp_path / "whole", kind)
    assert restarted.swept(tmp_path / "cut", kind) == expected
    assert restarted.swept(tmp_path / "cut", kind) == expected
    # the compilation cache is on in time for the first program, which makes the key
    cached = {path.name.rpartition("-")[0] for path in (tmp_path / "cache").glob("jit_*")}
    assert any(name.startswith("jit__threefry_seed") for name in cached)
    assert any(name.startswith("jit_population_segment") for name in cached)
    # between two rungs numpy handles the states
    assert not {"jit_gather", "jit_stack", "jit_select_n"} & {own.split("-")[0] for own in cached}


def test_a_second_sweep_on_a_store_is_refused_while_the_first_lives(tmp_path):
    """With halving both would decide at each rung, and spoil the store."""
    environment = {**os.environ, "PARAMJAX_CACHE_DIR": str(tmp_path / "cache")}
    command = [sys.executable, restarted.__file__, str(tmp_path / "one"), "halving"]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=environment)
    assert process.stdout.readline().strip() == "kept"
    before = (tmp_path / "one" / "records.sqlite").stat().st_ino
    for again in ({}, {"fresh": True}):
        with pytest.raises(
            RunInUse, match=rf"^store: {tmp_path}/one .*\(process {process.pid} on "
        ):
            restarted.swept(tmp_path / "one", "halving", **again)
    assert (tmp_path / "one" / "records.sqlite").stat().st_ino == before
    process.kill()
    process.wait()
    process.stdout.close()
    expected = restarted.swept(tmp_path / "two", "halving")
    assert restarted.swept(tmp_path / "one", "halving") == expected


def swept(line, loss, store, **settings):
    return sweep_line(line, loss, store=store, **{"batch_size": 10, "layout": Layout(2)} | settings)


@pytest.fixture(scope="module")
def in_memory(line, line_loss):
    return swept(line, line_loss, None)


@pytest.fixture(scope="module")
def folder(line, line_loss, tmp_path_factory):
    """A store of a sweep that has ended, in a folder of its own."""
    folder = tmp_path_factory.mktemp("store")
    swept(line, line_loss, folder)
    return folder


def check_equal(one, other):
    assert one.records == other.records
    chex.assert_trees_all_equal(one.params, other.params)
    chex.assert_trees_all_equal(one.history, other.history)


def test_a_finished_sweep_is_read_and_not_trained(line, line_loss, folder, in_memory, monkeypatch):
    monkeypatch.setattr(Store, "add", lambda self, some: pytest.fail("trained again"))
    again = swept(line, line_loss, folder, layout=None)
    check_equal(again, in_memory)
    assert again.plan.choices[0].why == "as noted in the store"
    assert again.plan.choices[0].layout == Layout(2)


def test_fresh_starts_over(line, line_loss, tmp_path):
    swept(line, line_loss, tmp_path, steps=2)
    with pytest.raises(StoreMismatchError, match="steps was 2 and is now 6"):
        swept(line, line_loss, tmp_path)
    assert swept(line, line_loss, tmp_path, fresh=True).records[0].steps == 6
    with pytest.raises(ValueError, match="fresh: expected a store to start over"):
        swept(line, line_loss, None, fresh=True)


@pytest.mark.parametrize(
    ("change", "named"),
    [
        ({"key": jax.random.key(1)}, "key was"),
        ({"trials": 5}, "trials was"),
        ({"seeds": 3}, "seeds was 2 and is now 3"),
        ({"batch_size": 5}, "program was"),
        ({"stopping": pj.tuning.successive_halving(2)}, "stopping was 'none' and is now"),
        ({"init": lambda key: draw_line(jax.random.fold_in(key, 1))}, "initial b|initial w was"),
        ({"data": {"x": np.ones((20, 1)), "y": np.ones((20, 1))}}, "data x was .*, data y was"),
        ({"loss": lambda p, batch, key: (2.0 * p["w"].sum(), {})}, "program was"),
    ],
    ids=lambda value: next(iter(value)) if isinstance(value, dict) else "",
)
def test_a_store_of_another_sweep_is_refused(line, line_loss, folder, change, named):
    loss = change.get("loss", line_loss)
    change = {name: value for name, value in change.items() if name != "loss"}
    with pytest.raises(StoreMismatchError, match=f"^store: .* another sweep: .*{named}"):
        swept(line, loss, folder, **change)


def test_results_that_memory_does_not_hold_go_to_a_file(line, line_loss, in_memory, monkeypatch):
    monkeypatch.setattr(choose, "KEPT", 0.0)
    on_disk = swept(line, line_loss, None)
    assert on_disk.plan.on_disk
    assert "kept in a file" in on_disk.plan.describe()
    check_equal(on_disk, in_memory)
