"""What a script gets from `start_script`, and what `finish` prints, writes and compares."""

import importlib.util
import json

import matplotlib.image
import numpy as np
import pytest

from paramjax.cli import start_script


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


@pytest.mark.parametrize("words", [["--key", "-1"], ["--key", str(2**32)], ["--seeds", "0"]])
def test_numbers_out_of_range_are_refused(words, capsys):
    with pytest.raises(SystemExit, match="2"):
        start_script("line.py", "A line.", words, seeds=3)
    assert "expected a" in capsys.readouterr().err


def test_a_folder_that_cannot_be_written_to_is_refused_before_training(tmp_path, capsys):
    (tmp_path / "file").touch()
    with pytest.raises(SystemExit, match="2"):
        start_script("line.py", "A line.", ["--out", str(tmp_path / "file" / "deep")])
    assert "--out: expected a folder to write to" in capsys.readouterr().err
    assert start_script("line.py", "A line.", ["--out", str(tmp_path / "new")]).key == 0
    assert not (tmp_path / "new").exists()


@pytest.mark.parametrize(("package", "extra"), [("matplotlib", "bench"), ("dp", "private")])
def test_without_a_package_it_says_what_to_install(package, extra, monkeypatch, capsys):
    spec = {package: None}
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: spec.get(name, "found"))
    with pytest.raises(SystemExit, match="2"):
        start_script("line.py", "A line.", [], needs={"dp": "private"})
    message = f'{package} is missing: pip install "paramjax[{extra}]"'
    assert message in capsys.readouterr().err
