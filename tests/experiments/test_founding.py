import gzip
import importlib.util
import json
import os
import struct
import subprocess
import sys
from pathlib import Path

import matplotlib.image
import numpy as np
import pytest

from paramjax.cli import start_script
from paramjax.cli._example import example, find_programs

ROOT = Path(__file__).parents[2]
PROGRAMS = find_programs()
FOUNDING = ["cnn", "linear_regression", "mlp_regression", "sigmoid_mlp", "xor"]


@pytest.fixture(autouse=True)
def _no_real_data(monkeypatch):
    monkeypatch.delenv("PARAMJAX_DATA", raising=False)


def write_idx(file, array):
    head = struct.pack(">BBBB", 0, 0, 8, array.ndim) + struct.pack(f">{array.ndim}I", *array.shape)
    file.write_bytes(gzip.compress(head + array.astype(np.uint8).tobytes()))


def write_stripes(folder, rows=300):
    """Two classes that a network tells apart at a glance: bright on top, bright below."""
    folder.mkdir(parents=True)
    rng = np.random.default_rng(0)
    for part, count in (("train", rows), ("t10k", 60)):
        labels = rng.integers(0, 2, count)
        pixels = rng.integers(0, 50, (count, 8, 8))
        pixels[labels == 0, :4] += 200
        pixels[labels == 1, 4:] += 200
        write_idx(folder / f"{part}-images-idx3-ubyte.gz", pixels)
        write_idx(folder / f"{part}-labels-idx1-ubyte.gz", labels)


def test_all_are_there():
    assert set(FOUNDING) <= set(PROGRAMS)
    assert PROGRAMS["xor"].parent == ROOT / "experiments"


@pytest.mark.parametrize("name", FOUNDING)
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


@pytest.mark.parametrize("name", FOUNDING)
def test_reads_top_to_bottom_and_every_tolerance_says_why(name):
    lines = PROGRAMS[name].read_text(encoding="utf-8").splitlines()
    assert len(lines) <= 100
    assert lines[0].startswith('"""')
    assert lines[0].endswith(".")
    file = PROGRAMS[name].parent / "expected" / f"{name}.json"
    for record in json.loads(file.read_text())["recorded"]:
        for figure in record["figures"].values():
            assert set(figure) in ({"value", "absolute", "why"}, {"value", "relative", "why"})
            assert figure["why"]


def test_nothing_imports_the_programs():
    for file in (ROOT / "paramjax").rglob("*.py"):
        assert "import experiments" not in file.read_text(encoding="utf-8")


def test_runs_by_itself(tmp_path):
    words = [sys.executable, PROGRAMS["linear_regression"], "--check", "--out", tmp_path]
    done = subprocess.run(words, capture_output=True, text=True, env={**os.environ})
    assert done.returncode == 0, done.stdout + done.stderr
    assert (tmp_path / "linear_regression" / "plot.png").is_file()


def test_keys_beyond_the_recorded_one_are_refused(tmp_path, capsys):
    assert example("xor", key=1, check=True, out=tmp_path) == 2
    assert "no recorded figures for key 1; recorded are: key 0" in capsys.readouterr().err
    assert example("cnn", check=True, seeds=1, out=tmp_path) == 2
    message = capsys.readouterr().err
    assert "key 0, data digits, epochs 10, seeds 1; recorded are: key 0, data digits" in message
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("key", [-1, 2**32])
def test_keys_out_of_range_are_refused(key, capsys):
    assert example("xor", key=key) == 2
    assert "expected an integer from 0 to 2**32 - 1" in capsys.readouterr().err


def test_counts_out_of_range_are_refused(capsys):
    assert example("cnn", epochs=0) == 2
    assert "epochs: expected a whole number from 1" in capsys.readouterr().err


def test_an_option_that_the_program_lacks_is_refused(capsys):
    assert example("xor", epochs=3) == 2
    assert "unrecognized arguments: --epochs 3" in capsys.readouterr().err


def test_unknown_names_are_answered_with_the_nearest(capsys):
    assert example("xorr") == 2
    assert "unknown example 'xorr'; nearest: xor" in capsys.readouterr().err
    assert example() == 2
    assert "expected a name" in capsys.readouterr().err


def test_list_describes_and_names_names(capsys):
    assert example(list_=True) == 0
    assert "xor                XOR by a 2-4-1 sigmoid network" in capsys.readouterr().out
    assert example(names=True) == 0
    assert capsys.readouterr().out.split() == sorted(PROGRAMS)


@pytest.mark.parametrize("how", ["option", "variable", "subfolder"])
def test_cnn_reads_idx_files(how, tmp_path, monkeypatch, capsys):
    folder = tmp_path / "mnist" if how == "subfolder" else tmp_path / "stripes"
    write_stripes(folder)
    if how != "option":
        monkeypatch.setenv("PARAMJAX_DATA", str(tmp_path if how == "subfolder" else folder))
    data = folder if how == "option" else None
    assert example("cnn", data=data, epochs=4, seeds=2, out=tmp_path) == 0
    printed = capsys.readouterr().out
    assert f"data {folder.name}, epochs 4, seeds 2" in printed
    accuracy = float(printed.split("mean over seeds (%)")[1].split()[0])
    assert accuracy > 95  # the classes do not overlap


def test_cnn_names_the_file_that_is_missing(tmp_path, capsys):
    assert example("cnn", data=tmp_path, out=tmp_path) == 2
    assert "no IDX file" in (message := capsys.readouterr().err)
    assert "train-images-idx3-ubyte" in message


def test_without_matplotlib_it_says_what_to_install(monkeypatch, capsys):
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    assert example("xor") == 2
    assert 'pip install "paramjax[bench]"' in capsys.readouterr().err


@pytest.fixture
def checked(tmp_path, capsys):
    """Finish a program with some figures beside recorded ones: exit code and what it prints."""

    def finish(figures, expected):
        (tmp_path / "expected").mkdir()
        record = {"key": 0, "settings": {}, "figures": expected}
        (tmp_path / "expected" / "line.json").write_text(json.dumps({"recorded": [record]}))
        words = ["--check", "--out", str(tmp_path)]
        script = start_script(str(tmp_path / "line.py"), "A line.", words)
        return script.finish(figures, lambda figure: None), capsys.readouterr().out

    return finish


def test_the_plot_leaves_no_global_figure(tmp_path):
    import matplotlib.pyplot as plt

    script = start_script("line.py", "A line.", ["--out", str(tmp_path)])
    assert script.finish({"one": 1.0}, lambda figure: figure.subplots().plot([0, 1])) == 0
    assert (tmp_path / "line" / "plot.png").is_file()
    assert plt.get_fignums() == []


def test_the_result_says_what_made_the_figures(tmp_path):
    script = start_script("line.py", "A line.", ["--out", str(tmp_path), "--key", "3"])
    figures = {"one": np.float32(1.5), "none": float("nan")}
    assert script.finish(figures, lambda figure: None, size=(4, 3), data="digits") == 0
    result = json.loads((tmp_path / "line" / "result.json").read_text())
    assert result["figures"] == {"one": 1.5, "none": None}
    assert (result["key"], result["settings"]) == (3, {"data": "digits"})
    assert result["versions"]["numpy"] == np.__version__
    assert result["seconds"] >= 0
    assert "off" not in result
    assert matplotlib.image.imread(tmp_path / "line" / "plot.png").shape[:2] == (360, 480)


@pytest.mark.parametrize(
    ("value", "fits"), [(1.0, True), (1.1, True), (1.2, False), (float("nan"), False)]
)
def test_figures_are_held_against_their_tolerance(checked, value, fits):
    code, _ = checked({"figure": value}, {"figure": {"value": 1.0, "relative": 0.15, "why": ""}})
    assert code == (0 if fits else 1)


def test_figures_that_one_side_lacks_are_off(checked):
    code, printed = checked({"b": 1.0}, {"a": {"value": 1.0, "absolute": 1.0, "why": ""}})
    assert code == 1
    assert "  off  b: 1, but nothing is recorded" in printed
    assert "  off  a: recorded, but the script did not print it" in printed
