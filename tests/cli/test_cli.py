"""`paramjax bench`, `report` and `list`: what they print, write and refuse."""

import io
import json
import os
import re
import shutil
import signal
import sqlite3
import subprocess
import sys
import time
from contextlib import closing

import pytest
from rich.console import Console

from paramjax.cli import _terminal, _verdicts

SMALL = ["--replicates", "6", "--trials", "4", "--report-seeds", "1", "--steps", "100"]


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return tmp_path_factory.mktemp("bench") / "out"


@pytest.fixture
def bench(paramjax, mine, folder):
    """The small benchmark: the first call trains, the others find everything there."""
    words = [word for name in ("tiny", "small") for word in ("--workload", f"{mine}:{name}")]
    optimizers = ("sgd", f"{mine}:sign_error", f"{mine}:raises")
    words += [word for name in optimizers for word in ("--optimizer", name)]
    return lambda *more, out=folder: paramjax("bench", *words, *SMALL, *more, "--out", out)


@pytest.fixture(scope="module")
def untouched(tmp_path_factory):
    return tmp_path_factory.mktemp("untouched") / "out"


@pytest.fixture
def copied(bench, folder, untouched, tmp_path):
    """A copy of the folder of the small benchmark."""
    if not untouched.exists():
        bench()
        shutil.copytree(folder, untouched)
    return shutil.copytree(untouched, tmp_path / "out")


def words_of(text):
    return " ".join(text.split())


def test_bench_says_its_verdicts_who_is_left_out_and_writes_the_files(bench, folder, paramjax):
    code, out, err = bench()
    assert code == 3
    said = words_of(out)
    assert "mine.py:sign_error is worse than adamw in test loss on tiny, after 4 trials" in said
    assert "6 replicates, paired with those of adamw; in each, 4 trials of 100 steps" in said
    assert "up to 0.02 do not matter (a fiftieth of what there is to win)" in said
    assert "split anew in each replicate (1,200 train, 400 validation, 400 test)" in said
    assert re.search(r"mine.py:sign_error +worse +\d\.\d+ +\+\d\.\d+ +\[\+.*\] +0/6", out)
    report = folder / "report.html"
    assert report.as_uri() in out
    assert (
        "mine.py:raises is left out: on tiny: its first step raised RuntimeError: [red]boom[/]"
        in err
    )
    assert "small has 8 test rows, too few for its margin" in err
    assert "mine.py:raises" in report.read_text()
    command = json.loads((folder / "manifest.json").read_text())["command"]
    assert command[:2] == ["paramjax", "bench"]
    verdicts = json.loads((folder / "verdicts.json").read_text())
    words = {(v["workload"], v["optimizer"]): v["verdict"] for v in verdicts}
    assert words["tiny", "mine.py:sign_error"] == "worse"
    assert set(words) == {(w, o) for w in ("tiny", "small") for o in ("sgd", "mine.py:sign_error")}
    again = paramjax("report", folder)
    assert again.code == 0
    assert again.out.splitlines() == out.splitlines()[-len(again.out.splitlines()) - 1 : -1]


def test_what_is_finished_is_not_trained_again(bench, folder):
    bench()
    before = {path: path.read_bytes() for path in folder.glob("records/*/*.sqlite")}
    verdicts = (folder / "verdicts.json").read_bytes()
    assert bench().code == 3
    assert before
    for path in before:
        with closing(sqlite3.connect(path)) as db:
            assert db.execute("SELECT count(*) FROM trainings").fetchone() == (6 * (4 + 1),)
    assert (folder / "verdicts.json").read_bytes() == verdicts


@pytest.mark.parametrize("width", [80, pytest.param(132, marks=pytest.mark.slow)])
def test_what_is_printed_fits_the_terminal(bench, folder, paramjax, monkeypatch, width):
    bench()
    printed = io.StringIO()
    made = Console(file=printed, width=width, force_terminal=True, highlight=False)
    for module in (_verdicts, _terminal):
        monkeypatch.setattr(module, "console", lambda stderr=False: made)
    assert paramjax("report", folder).code == 0
    lines = re.sub(r"\x1b\[[0-9;]*m", "", printed.getvalue()).splitlines()
    assert any("tiny" in line for line in lines)
    assert [line for line in lines if len(line) > width and "file://" not in line] == []
    assert sum("sign_error" in line and "worse" in line for line in lines) >= 2


@pytest.mark.slow
def test_a_margin_of_the_command_line_decides(bench, copied):
    code, out, _ = bench("--margin", "1e6", out=copied)
    assert code == 3
    said = words_of(out)
    assert "differences up to 1e+06 do not matter (set on the command line)" in said
    assert "sgd and mine.py:sign_error are within 1e6 of adamw in test loss on tiny" in said


@pytest.mark.slow
def test_one_replicate_gives_no_verdict_and_the_reason(bench, copied):
    out = words_of(bench("--replicates", "1", out=copied).out)
    assert "1 replicate, paired with those of adamw" in out
    assert "undecided against adamw: sgd, mine.py:sign_error: one replicate cannot show" in out
    verdicts = json.loads((copied / "verdicts.json").read_text())
    assert {verdict["verdict"] for verdict in verdicts} == {"undecided"}


@pytest.mark.slow
def test_undecided_replicates_are_added_at_looks(bench, copied):
    """The sign error is decided at once; what is not gets two more."""
    _, out, _ = bench("--until-decided", "--max-replicates", "8", out=copied)
    assert "added until decided, paired" in out
    assert "max_replicates" in json.loads((copied / "manifest.json").read_text())["flags"]


@pytest.mark.slow
def test_every_key_of_a_folder_is_said(bench, copied):
    code, _, err = bench("--key", "1", out=copied)
    assert code == 2
    assert "key was 0 and is now 1" in err
    code, _, err = bench("--key", "1", "--fresh", "--replicates", "2", out=copied)
    assert code == 3
    assert "2 keys were used in this folder (0, 1), and these are the verdicts of key 1" in err
    assert "with --replicates 2 no optimizer can be better or worse: take 6 or more" in err


@pytest.mark.slow
def test_damaged_records_are_said_and_not_trained_upon(bench, copied, paramjax):
    store = copied / "records" / "tiny" / "sgd.sqlite"
    with closing(sqlite3.connect(store)) as db, db:
        db.execute("UPDATE trainings SET metrics = '{}' WHERE seed = 2")
    for _ in range(2):
        ends = [bench(out=copied), paramjax("report", copied)]
        assert [end.code for end in ends] == [1, 1]
        assert all("sgd.sqlite" in end.err for end in ends)
        store.write_bytes(b"not a database" * 100)


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("manifest.json", "{", "damaged"),
        ("manifest.json", "[]", "damaged"),
        ("manifest.json", None, "no manifest.json there"),
        ("calibration.json", "{}", "damaged"),
    ],
)
def test_report_of_a_broken_folder(paramjax, copied, name, content, message):
    path = copied / name
    path.unlink(missing_ok=True)
    if content is not None:
        path.write_text(content)
    code, _, err = paramjax("report", copied)
    assert code == 2
    assert message in err


@pytest.mark.slow
def test_records_of_the_old_protocol_are_refused_or_replaced(bench, paramjax, tmp_path):
    (tmp_path / "records.sqlite").write_text("")
    code, _, err = bench(out=tmp_path)
    assert code == 2
    assert "was written by an older paramjax" in err
    code, _, err = paramjax("report", tmp_path)
    assert code == 2
    assert "records.sqlite of an older paramjax" in err
    assert bench("--fresh", "--replicates", "2", out=tmp_path).code == 3
    assert not (tmp_path / "records.sqlite").exists()


def test_report_of_nothing(paramjax, tmp_path):
    code, _, err = paramjax("report", tmp_path)
    assert code == 2
    assert f"no manifest.json there; make a benchmark with: paramjax bench --out {tmp_path}" in err


def test_list_shows_every_optimizer_and_workload(paramjax):
    code, out, _ = paramjax("list")
    assert code == 0
    for text in (
        "nadamw", "nesterov", "digits_mlp", "Kingma and Ba", "log_uniform(0.01, 10)",
        "test accuracy, larger is better; margin 0.0056 (two of the 359 test rows",
        "kept for speed, too small to carry a verdict",
    ):  # fmt: skip
        assert text in out


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["--optimizer", "adamv"], "unknown optimizer 'adamv'; nearest: adam"),
        (["--optimizer", "adamw"], "expected one beside the baseline adamw, got none"),
        (["--workload", "digit"], "unknown workload 'digit'; nearest: digits_mlp"),
        (["--workload", "MINE:tinier"], "unknown workload 'tinier'; nearest: tiny"),
        (["--workload", "MINE:nothing"], "got None"),
        (["--workload", "no.py:tiny"], "there is no file no.py"),
        (["--workload", "MINE:tiny", "--workload", "MINE:twin"], "called 'tiny' too"),
        (["--workload", "MINE:error"], "evaluate does not report what decides"),
        (["--baseline", "adamx"], "unknown optimizer 'adamx'; nearest: adam"),
        (["--baseline", "MINE:bad_space"], "the baseline mine.py:bad_space cannot take part"),
        (["--optimizer", "MINE:sign_error", "--optimizer", "OTHER:sign_error"], "both be called"),
        (["--replicates", "0"], "replicates: expected a whole number from 1"),
        (["--trials", "0"], "trials: expected a whole number from 1"),
        (["--report-seeds", "0"], "report_seeds: expected a whole number from 1"),
        (["--key", "-1"], "key: expected a whole number from 0"),
        (["--key", str(2**64)], "key: expected a whole number from 0"),
        (["--steps", "many"], "Error parsing --steps"),
        (["--workload", "MINE:tiny", "--margin", "-0.1"], "margin: expected"),
        (["--workload", "MINE:tiny", "--margin", "nan"], "margin: expected"),
        (["--margin", "0.1"], "margin: 0.1 cannot hold for metrics of different units"),
        (["--until-decided", "--max-replicates", "3"], "at least the 6 of --replicates, got 3"),
        (["--seeds", "10"], "there is no --seeds any more"),
    ],
)
def test_bad_input_is_said_and_nothing_is_written(paramjax, mine, tmp_path, words, message):
    other = tmp_path / "mine.py"
    other.write_text("from optax import sgd as sign_error\n")
    words = [word.replace("MINE", str(mine)).replace("OTHER", str(other)) for word in words]
    if "--baseline" in words:
        words += ["--workload", f"{mine}:tiny", "--optimizer", "sgd"]
    code, _, err = paramjax("bench", "--out", tmp_path / "out", *words)
    assert code == 2
    assert message in err
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize("command", ["bench", "calibrate"])
@pytest.mark.parametrize("out", ["", " "])
def test_an_empty_path_is_no_folder(paramjax, tmp_path, monkeypatch, command, out):
    monkeypatch.chdir(tmp_path)
    code, text, err = paramjax(command, "--out", out)
    assert code == 2
    assert "expected a folder, got an empty path" in " ".join((text + err).split())
    assert list(tmp_path.iterdir()) == []


def test_files_and_factories_that_cannot_be_used_are_left_out(paramjax, mine, tmp_path):
    (tmp_path / "broken.py").write_text("import no_such_module\n")
    names = [f"{tmp_path}/broken.py:mine", f"{mine}:ignores", f"{mine}:bad_space"]
    words = [word for name in names for word in ("--optimizer", name)]
    words += ["--workload", f"{mine}:tiny", *SMALL, "--replicates", "2", "--out", tmp_path / "out"]
    code, out, err = paramjax("bench", *words)
    assert code == 3
    assert "no verdicts: neither the baseline adamw nor a second optimizer" in words_of(out)
    assert "broken.py:mine is left out" in err
    assert "no_such_module" in err
    assert "mine.py:ignores is left out" in err
    assert "momentum" in err
    assert "mine.py:bad_space is left out: its search space is not valid" in err


@pytest.mark.slow
def test_calibrate_counts_false_verdicts_and_the_report_shows_them(paramjax, mine, tmp_path):
    """Two replicates can call nothing better or worse; 1 - 0.025^(1/3) is Clopper and Pearson's."""
    own = ["--workload", f"{mine}:tiny", *SMALL, "--replicates", "2", "--out", tmp_path]
    code, out, _ = paramjax("calibrate", *own, "--comparisons", "3")
    assert code == 0
    row = next(line for line in out.splitlines() if "better or worse, which is false" in line)
    assert re.search(r"adamw against its copy: .* +0 % +0 % to 70.8 % +3$", row.rstrip())
    false = json.loads((tmp_path / "calibration.json").read_text())["workloads"]["tiny"]["false"]
    assert false["interval"] == [0.0, pytest.approx(1 - 0.025 ** (1 / 3))]
    assert paramjax("bench", *own, "--optimizer", "sgd").code == 0
    assert "adamw against its copy" in (tmp_path / "report.html").read_text()
    assert paramjax("bench", *own, "--optimizer", "sgd", "--replicates", "3").code == 0
    assert "adamw against its copy" not in (tmp_path / "report.html").read_text()
    (tmp_path / "calibration.json").write_text("{")
    code, _, err = paramjax("report", tmp_path)
    assert code == 2
    assert "calibration.json: damaged" in err
    assert paramjax("calibrate", *own, "--comparisons", "0").code == 2
    assert paramjax("calibrate", *own, "--baseline", f"{mine}:raises").code == 2


def test_a_missing_extra_is_named(paramjax, monkeypatch, tmp_path):
    monkeypatch.setitem(sys.modules, "sklearn", None)
    words = ["--workload", "breast_cancer_logistic", *SMALL, "--out", tmp_path / "out"]
    code, _, err = paramjax("bench", *words)
    assert code == 2
    assert 'sklearn is missing: pip install "paramjax[bench]"' in err


def recorded(out):
    """How many trainings are in the stores."""
    count = 0
    for path in out.glob("records/*/*.sqlite"):
        with closing(sqlite3.connect(path, timeout=30)) as db:
            made = db.execute("SELECT name FROM sqlite_master WHERE name='trainings'").fetchall()
            count += db.execute("SELECT count(*) FROM trainings").fetchone()[0] if made else 0
    return count


def stop_after_a_training(words, out, end):
    """Run the command in a process of its own until it has recorded more, then send a signal."""
    before, deadline = recorded(out), time.monotonic() + 120
    process = subprocess.Popen(
        [sys.executable, "-m", "paramjax", *map(str, words), "--out", str(out)],
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env={**os.environ},
    )  # fmt: skip
    while recorded(out) <= before:
        assert process.poll() is None, process.communicate()
        assert time.monotonic() < deadline, "no training was recorded"
        time.sleep(0.05)
    process.send_signal(end)
    return process, process.communicate(timeout=120)[1]


def test_interrupted_and_killed_it_goes_on_to_the_same_verdicts(paramjax, mine, tmp_path):
    words = ["bench", "--workload", f"{mine}:tiny", "--optimizer", "sgd", "--optimizer", "adam",
             "--replicates", "6", "--trials", "4", "--steps", "10000"]  # fmt: skip
    process, err = stop_after_a_training(words, tmp_path / "cut", signal.SIGINT)
    assert process.returncode == 130, err
    message = "interrupted; what is finished is kept, go on with: paramjax bench"
    assert message in words_of(err)
    process, _ = stop_after_a_training(words, tmp_path / "cut", signal.SIGKILL)
    assert process.returncode == -signal.SIGKILL
    assert 0 < recorded(tmp_path / "cut") < 3 * 6 * (4 + 2)
    for name in ("cut", "whole"):
        assert paramjax(*words, "--out", tmp_path / name).code == 0
    cut, whole = (tmp_path / name / "verdicts.json" for name in ("cut", "whole"))
    assert cut.read_bytes() == whole.read_bytes()
    names = ["lock", "manifest.json", "records", "report.html", "verdicts.json"]
    assert sorted(path.name for path in (tmp_path / "cut").iterdir()) == names
