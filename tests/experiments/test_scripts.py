"""Each example reads from top to bottom, prints what is recorded, and draws a plot."""

import json
import os
import subprocess
import sys
from pathlib import Path

import matplotlib.image
import numpy as np
import pytest

from paramjax.cli._example import example
from paramjax.cli._scripts import find_programs, rows, summary

ROOT = Path(__file__).parents[2]
PROGRAMS = find_programs()
QUICK = ["linear_regression"]
"""Those that train in two seconds; the others are slow tests."""


@pytest.fixture(autouse=True)
def _no_real_data(monkeypatch):
    monkeypatch.delenv("PARAMJAX_DATA", raising=False)


def each():
    slow = pytest.mark.slow
    return [pytest.param(name, marks=[] if name in QUICK else slow) for name in PROGRAMS]


def test_they_are_those_of_the_repository():
    assert {file.parent for file in PROGRAMS.values()} == {ROOT / "experiments"}
    assert {"linear_regression", "mlp_regression", "sigmoid_mlp", "xor", "cnn"} <= set(PROGRAMS)


@pytest.mark.parametrize("name", each())
def test_prints_what_is_recorded_and_draws(name, tmp_path, capsys):
    assert example(name, check=True, out=tmp_path / "plots") == 0
    printed = capsys.readouterr().out
    assert "  ok " in printed
    assert "  off" not in printed
    folder = tmp_path / "plots" / name
    image = matplotlib.image.imread(folder / "plot.png")
    assert image.shape[1] >= 480
    assert len(np.unique(image.reshape(-1, image.shape[2]), axis=0)) > 50
    result = json.loads((folder / "result.json").read_text())
    assert result["key"] == 0
    assert result["off"] == []
    assert all(figure in printed for figure in result["figures"])


@pytest.mark.parametrize("name", PROGRAMS)
def test_reads_top_to_bottom_and_says_its_row(name):
    lines = PROGRAMS[name].read_text(encoding="utf-8").splitlines()
    assert len(lines) < 100
    assert summary(PROGRAMS[name]).endswith(".")
    served = rows(PROGRAMS[name])
    assert served
    assert set(served) <= set(range(1, 33))


@pytest.mark.parametrize("name", PROGRAMS)
def test_every_tolerance_says_why(name):
    file = PROGRAMS[name].parent / "expected" / f"{name}.json"
    recorded = json.loads(file.read_text())["recorded"]
    assert recorded
    for record in recorded:
        assert set(record) == {"key", "settings", "figures"}
        for figure in record["figures"].values():
            assert set(figure) in ({"value", "absolute", "why"}, {"value", "relative", "why"})
            assert figure["why"]


def test_nothing_is_recorded_of_scripts_that_are_gone():
    folder = ROOT / "experiments" / "expected"
    assert {file.stem for file in folder.glob("*.json")} == set(PROGRAMS)


def test_nothing_imports_the_scripts():
    for file in (ROOT / "paramjax").rglob("*.py"):
        assert "import experiments" not in file.read_text(encoding="utf-8")


@pytest.mark.slow
def test_runs_by_itself(tmp_path):
    words = [sys.executable, PROGRAMS["linear_regression"], "--check", "--out", tmp_path]
    done = subprocess.run(words, capture_output=True, text=True, env={**os.environ})
    assert done.returncode == 0, done.stdout + done.stderr
    assert (tmp_path / "linear_regression" / "plot.png").is_file()
