import json
import os
import shutil
import signal
import sqlite3
import subprocess
import sys
import time
from contextlib import closing

import pytest

SMALL = ["--trials", "2", "--tuning-seeds", "1", "--seeds", "3", "--steps", "12"]
WORKLOAD = ["--workload", "breast_cancer_logistic"]


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return tmp_path_factory.mktemp("bench")


@pytest.fixture
def bench(paramjax, folder):
    """The small benchmark: the first call trains, the others find everything there."""
    mine = folder / "mine.py"
    mine.write_text("def broken(learning_rate):\n    raise RuntimeError('[red]boom[/]')\n")
    words = ["--optimizer", f"{mine}:broken", "--optimizer", "sgd", *SMALL]
    return lambda out=folder / "out": paramjax("bench", *WORKLOAD, *words, "--out", out)


def test_bench_prints_a_table_says_who_is_left_out_and_writes_the_files(bench, folder, paramjax):
    code, out, err = bench()
    assert code == 3
    assert "breast_cancer_logistic: test loss, against adamw" in out
    assert "sgd" in out
    report = folder / "out" / "report.html"
    assert report.as_uri() in out
    assert "mine.py:broken is left out: its first step raised RuntimeError: [red]boom[/]" in err
    assert "mine.py:broken" in report.read_text()
    assert "with 3 seeds the intervals rest on normality" in err
    command = json.loads((folder / "out" / "manifest.json").read_text())["command"]
    assert command[:2] == ["paramjax", "bench"]
    code, again, _ = paramjax("report", folder / "out")
    assert code == 0
    assert "breast_cancer_logistic: test loss, against adamw" in again


def test_damaged_records_are_said_and_not_trained_upon(bench, folder, paramjax, tmp_path):
    bench()
    shutil.copytree(folder / "out", tmp_path / "out")
    with closing(sqlite3.connect(tmp_path / "out" / "records.sqlite")) as db, db:
        db.execute("UPDATE trainings SET value = 0.0 WHERE optimizer = 'sgd' AND seed = 2")
    ends = [bench(tmp_path / "out"), paramjax("report", tmp_path / "out")]
    assert [end.code for end in ends] == [1, 2]
    assert all("of trainings is not what was written" in end.err for end in ends)


def test_list_shows_every_optimizer_and_workload(paramjax):
    code, out, _ = paramjax("list")
    assert code == 0
    for name in ("nadamw", "nesterov", "digits_mlp", "Kingma and Ba", "log_uniform(0.001, 10)"):
        assert name in out


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["--optimizer", "adamv"], "unknown optimizer 'adamv'; nearest: adam"),
        (["--workload", "digit"], "unknown workload 'digit'; nearest: digits_mlp"),
        (["--baseline", "adamx"], "unknown optimizer 'adamx'; nearest: adam"),
        (["--trials", "0"], "trials: expected a whole number from 1"),
        (["--seeds", "1"], "seeds: expected a whole number from 2"),
        (["--key", "-1"], "key: expected an integer from 0"),
        (["--key", str(2**32)], "two numbers would give the same key"),
        (["--steps", "many"], "Error parsing --steps"),
    ],
)
def test_bad_input_is_said_and_nothing_is_written(paramjax, tmp_path, words, message):
    code, _, err = paramjax("bench", "--out", tmp_path / "out", *words)
    assert code == 2
    assert message in err
    assert not (tmp_path / "out").exists()


def test_a_missing_extra_is_named(paramjax, monkeypatch, tmp_path):
    monkeypatch.setitem(sys.modules, "sklearn", None)
    code, _, err = paramjax("bench", *WORKLOAD, *SMALL, "--out", tmp_path / "out")
    assert code == 2
    assert 'sklearn is missing: pip install "paramjax[bench]"' in err


def test_report_of_nothing(paramjax, tmp_path):
    code, _, err = paramjax("report", tmp_path)
    assert code == 2
    assert "no records.sqlite and no manifest.json there" in err


def recorded(out):
    """How many trainings are in the file."""
    if not (out / "records.sqlite").exists():
        return 0
    with closing(sqlite3.connect(out / "records.sqlite", timeout=30)) as db:
        tables = db.execute("SELECT name FROM sqlite_master WHERE name='trainings'").fetchall()
        return db.execute("SELECT count(*) FROM trainings").fetchone()[0] if tables else 0


def stop_after_a_training(words, out, end):
    """Run the command in a process of its own until it has recorded more, then send a signal."""
    before, deadline = recorded(out), time.monotonic() + 120
    process = subprocess.Popen(
        [sys.executable, "-m", "paramjax", *words, "--out", str(out)],
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env={**os.environ},
    )  # fmt: skip
    while recorded(out) <= before:
        assert process.poll() is None, process.communicate()
        assert time.monotonic() < deadline, "no training was recorded"
        time.sleep(0.05)
    process.send_signal(end)
    return process, process.communicate(timeout=120)[1]


def test_interrupted_and_killed_it_goes_on_to_the_same_verdicts(paramjax, tmp_path):
    words = ["bench", *WORKLOAD, "--optimizer", "sgd", "--optimizer", "adam", "--trials", "6",
             "--tuning-seeds", "1", "--seeds", "2", "--steps", "1000"]  # fmt: skip
    process, err = stop_after_a_training(words, tmp_path / "cut", signal.SIGINT)
    assert process.returncode == 130
    message = "interrupted; what is finished is kept, go on with: paramjax bench"
    assert message in " ".join(err.split())
    process, _ = stop_after_a_training(words, tmp_path / "cut", signal.SIGKILL)
    assert process.returncode == -signal.SIGKILL
    assert 0 < recorded(tmp_path / "cut") < 3 * 8
    for name in ("cut", "whole"):
        assert paramjax(*words, "--out", tmp_path / name).code == 0
    cut, whole = (tmp_path / name / "verdicts.json" for name in ("cut", "whole"))
    assert cut.read_bytes() == whole.read_bytes()
    names = ["manifest.json", "records.sqlite", "report.html", "verdicts.json"]
    assert sorted(path.name for path in (tmp_path / "cut").iterdir()) == names
