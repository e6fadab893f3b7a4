"""The command line as a user meets it."""

import json
import os
import signal
import sqlite3
import subprocess
import sys
import time

import pytest

from paramjax.cli._main import main

SMALL = ["--trials", "2", "--tuning-seeds", "1", "--seeds", "3", "--steps", "12"]
WORKLOAD = ["--workload", "breast_cancer_logistic"]


@pytest.fixture
def paramjax(capsys, monkeypatch):
    """Run the command in this process: exit code, stdout, stderr."""

    def run(*words):
        monkeypatch.setattr(sys, "argv", ["paramjax", *map(str, words)])
        with pytest.raises(SystemExit) as exit_:
            main()
        captured = capsys.readouterr()
        return exit_.value.code or 0, captured.out, captured.err

    return run


def test_list_shows_every_optimizer_and_workload(paramjax):
    code, out, _ = paramjax("list")
    assert code == 0
    for name in ("nadamw", "nesterov", "digits_mlp", "Kingma and Ba", "log_uniform(0.001, 10)"):
        assert name in out


def test_bench_prints_a_table_and_writes_the_files(paramjax, tmp_path):
    code, out, err = paramjax("bench", *WORKLOAD, "--optimizer", "sgd", *SMALL, "--out", tmp_path)
    assert code == 0, err
    assert "breast_cancer_logistic: test loss, against adamw" in out
    assert "sgd" in out
    assert (tmp_path / "report.html").as_uri() in out
    assert "with 3 seeds the intervals rest on normality" in err
    command = json.loads((tmp_path / "manifest.json").read_text())["command"]
    assert command[:2] == ["paramjax", "bench"]
    code, again, _ = paramjax("report", tmp_path)
    assert code == 0
    assert "breast_cancer_logistic: test loss, against adamw" in again


def test_left_out_optimizers_are_said_and_change_the_exit_code(paramjax, tmp_path):
    mine = tmp_path / "mine.py"
    mine.write_text("def broken(learning_rate):\n    raise RuntimeError('[red]boom[/]')\n")
    words = ["--optimizer", f"{mine}:broken", "--optimizer", "sgd", *SMALL, "--out", tmp_path / "o"]
    code, out, err = paramjax("bench", *WORKLOAD, *words)
    assert code == 3
    assert "mine.py:broken is left out: its first step raised RuntimeError: [red]boom[/]" in err
    assert "sgd" in out
    assert "mine.py:broken" in (tmp_path / "o" / "report.html").read_text()


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
    ],
)
def test_bad_input_is_said_and_nothing_is_written(paramjax, tmp_path, words, message):
    code, _, err = paramjax("bench", "--out", tmp_path / "out", *words)
    assert code == 2
    assert message in " ".join(err.split())
    assert not (tmp_path / "out").exists()


def test_a_missing_extra_is_named(paramjax, monkeypatch, tmp_path):
    monkeypatch.setitem(sys.modules, "sklearn", None)
    code, _, err = paramjax("bench", *WORKLOAD, *SMALL, "--out", tmp_path / "out")
    assert code == 2
    assert 'sklearn is missing: pip install "paramjax[bench]"' in err


def test_damaged_records_are_said_and_not_trained_upon(paramjax, tmp_path):
    words = ["bench", *WORKLOAD, "--optimizer", "sgd", *SMALL, "--out", tmp_path]
    assert paramjax(*words)[0] == 0
    with sqlite3.connect(tmp_path / "records.sqlite") as db:
        db.execute("UPDATE trainings SET value = 0.0 WHERE optimizer = 'sgd' AND seed = 2")
    db.close()
    for again in (words, ["report", tmp_path]):
        code, _, err = paramjax(*again)
        assert code != 0
        assert "of trainings is not what was written" in err


def test_report_of_nothing(paramjax, tmp_path):
    code, _, err = paramjax("report", tmp_path)
    assert code == 2
    assert "no records.sqlite and no manifest.json there" in err


def start(out, *more):
    """The command in a process of its own, on more than it can finish in a second."""
    words = ["bench", "--optimizer", "sgd", "--optimizer", "adam", *more, "--out", str(out)]
    return subprocess.Popen(
        [sys.executable, "-m", "paramjax", *words],
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env={**os.environ},
    )  # fmt: skip


def wait_for_records(out):
    """Until the first training is in the file."""
    for _ in range(600):
        if (out / "records.sqlite").exists():
            db = sqlite3.connect(out / "records.sqlite", timeout=30)
            tables = db.execute("SELECT name FROM sqlite_master WHERE name='trainings'").fetchall()
            count = db.execute("SELECT count(*) FROM trainings").fetchone()[0] if tables else 0
            db.close()
            if count:
                return
        time.sleep(0.1)
    pytest.fail("no training was recorded within a minute")


@pytest.mark.parametrize("end", [signal.SIGINT, signal.SIGKILL])
def test_stopped_or_killed_it_goes_on_to_the_same_verdicts(paramjax, tmp_path, end):
    more = [*WORKLOAD, "--trials", "3", "--tuning-seeds", "1", "--seeds", "2", "--steps", "3000"]
    process = start(tmp_path / "cut", *more)
    wait_for_records(tmp_path / "cut")
    process.send_signal(end)
    _, err = process.communicate(timeout=120)
    if end == signal.SIGINT:
        assert process.returncode == 130
        assert "interrupted; what is finished is kept, go on with: paramjax bench" in err
    else:
        assert process.returncode == -signal.SIGKILL
    words = ["bench", "--optimizer", "sgd", "--optimizer", "adam", *more]
    assert paramjax(*words, "--out", tmp_path / "cut")[0] == 0
    assert paramjax(*words, "--out", tmp_path / "whole")[0] == 0
    cut, whole = (tmp_path / name / "verdicts.json" for name in ("cut", "whole"))
    assert cut.read_bytes() == whole.read_bytes()
    assert not list((tmp_path / "cut").glob("*.tmp"))
