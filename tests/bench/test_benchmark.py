import json
import shutil
import sqlite3
from contextlib import closing

import numpy as np
import pytest

import paramjax as pj
from paramjax.bench import RecordsMismatchError, UnknownOptimizerError, find_entries
from paramjax.bench._benchmark import BaselineError, NoRecordsError, redraw  # `paramjax report`

NAMES = ("sgd", "mine:good", "mine:sign_error", "mine:structured")
ENTRIES = [name.replace("mine:", "mine.py:") for name in NAMES]
PROMISED = {
    "workload", "optimizer", "baseline", "metric", "difference", "interval", "verdict", "seeds",
    "optimizer_value", "baseline_value", "diverged_trials", "at_edge",
}  # fmt: skip


@pytest.fixture(scope="module")
def finished(tmp_path_factory):
    """The folder that finished benchmarks are copied from; the first test that asks fills it."""
    return tmp_path_factory.mktemp("finished") / "out"


@pytest.fixture
def out(finished, benchmark, tmp_path):
    if not finished.exists():
        benchmark(finished, *NAMES)
    shutil.copytree(finished, tmp_path / "out")
    return tmp_path / "out"


@pytest.fixture
def verdicts(out):
    return json.loads((out / "verdicts.json").read_text())


def rows(out, query):
    with closing(sqlite3.connect(out / "records.sqlite")) as db:
        return db.execute(query).fetchall()


def test_the_files_hold_verdicts_and_what_they_were_made_with(out, verdicts, users_file):
    names = {path.name for path in out.iterdir()}
    assert names == {"records.sqlite", "verdicts.json", "manifest.json", "report.html"}
    assert [v["optimizer"] for v in verdicts] == ENTRIES
    assert all(set(v) >= PROMISED for v in verdicts)
    assert all(v["verdict"] in ("better", "worse", "undecided") for v in verdicts)
    sign_error = verdicts[2]
    assert sign_error["verdict"] == "worse"
    assert (sign_error["diverged_trials"], sign_error["diverged_seeds"]) == (2, 3)
    manifest = json.loads((out / "manifest.json").read_text())
    assert (manifest["key"], manifest["flags"]["trials"]) == (0, 2)
    assert manifest["versions"]["jax"]
    assert manifest["devices"]
    assert manifest["files"][0]["path"] == str(users_file)
    assert len(manifest["files"][0]["sha256"]) == 64


def test_every_training_is_recorded(out):
    counts = rows(out, "SELECT optimizer, phase, count(*) FROM trainings GROUP BY 1, 2")
    names = {"adamw", *ENTRIES}
    assert set(counts) == {(n, "tuning", 2) for n in names} | {(n, "report", 3) for n in names}
    hyperparameters, curve, status = rows(
        out, "SELECT hyperparameters, curve, status FROM trainings WHERE optimizer='sgd'"
    )[0]
    assert set(json.loads(hyperparameters)) == {"learning_rate"}
    curve = json.loads(curve)
    assert curve["step"] == list(range(1, 13))
    assert {len(values) for values in curve.values()} == {12}
    assert status == "finished"


def test_report_seeds_are_disjoint_and_paired(out):
    seeds = {
        phase: {row[0] for row in rows(out, f"SELECT seed FROM trainings WHERE phase='{phase}'")}
        for phase in ("tuning", "report")
    }
    assert seeds == {"tuning": {0}, "report": {1, 2, 3}}
    # paired: one seed starts everyone at the same loss of the same first batch
    first = rows(out, "SELECT seed, json_extract(curve, '$.train_loss[0]') FROM trainings")
    for seed in (1, 2, 3):
        losses = [loss for s, loss in first if s == seed]
        np.testing.assert_allclose(losses, losses[0], rtol=1e-6)


def test_the_verdict_follows_from_the_records_alone(out, verdicts):
    """The mean difference again, from the file, with numpy."""
    query = "SELECT value FROM trainings WHERE phase='report' AND optimizer='{}' ORDER BY seed"
    mine, base = (
        np.array([v for (v,) in rows(out, query.format(name))])
        for name in ("mine.py:good", "adamw")
    )
    assert verdicts[1]["difference"] == pytest.approx((mine - base).mean())
    assert verdicts[1]["optimizer_value"] == pytest.approx(mine.mean())
    assert verdicts[1]["baseline_value"] == pytest.approx(base.mean())


def test_redrawn_without_training(out):
    files = [out / "verdicts.json", out / "report.html"]
    before = [file.read_bytes() for file in files]
    for file in files:
        file.unlink()
    redraw(out)
    assert [file.read_bytes() for file in files] == before


def test_a_second_call_trains_only_what_is_new(out, benchmark):
    seen = []
    verdicts, _ = benchmark(out, *NAMES, "adam", on_progress=seen.append)
    assert {progress.optimizer for progress in seen if progress.trained} == {"adam"}
    assert {progress.optimizer for progress in seen} == {"adam", "adamw", *ENTRIES}
    assert [v.optimizer for v in verdicts] == [*ENTRIES, "adam"]


def test_interrupted_it_goes_on_to_the_same_bytes(out, benchmark, tmp_path):
    other = tmp_path / "other"

    def interrupt(progress):
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        benchmark(other, *NAMES, on_progress=interrupt)
    kept = rows(other, "SELECT count(*) FROM trainings")[0][0]
    assert 0 < kept < 25
    seen = []
    benchmark(other, *NAMES, on_progress=seen.append)
    assert sum(p.trainings for p in seen if not p.trained) == kept
    assert (other / "verdicts.json").read_bytes() == (out / "verdicts.json").read_bytes()


def test_another_key_needs_another_folder_or_a_fresh_start(out, benchmark, monkeypatch):
    from tests.bench import conftest

    monkeypatch.setattr(conftest, "SMALL", conftest.Protocol(2, 1, 3, 12, key=1))
    (out / "notes.txt").write_text("mine")
    with pytest.raises(RecordsMismatchError, match="key was 0 and is now 1"):
        benchmark(out, "sgd")
    benchmark(out, "sgd", fresh=True)
    assert (out / "notes.txt").read_text() == "mine"


def test_a_changed_file_is_not_mixed_with_its_old_trainings(out, benchmark, users_file):
    text = users_file.read_text()
    users_file.write_text(text + "\n# changed\n")
    try:
        with pytest.raises(RecordsMismatchError, match="mine.py:good' as it was before it changed"):
            benchmark(out, "mine:good")
    finally:
        users_file.write_text(text)


def test_bad_optimizers_are_left_out_by_name_and_the_others_go_on(benchmark, tmp_path):
    bad = (
        "nan", "raises", "wrong_shape", "nothing", "no_rate", "branches", "bad_space", "downhill",
        "late",
    )  # fmt: skip
    verdicts, excluded = benchmark(tmp_path, "mine:by_mapping", *(f"mine:{name}" for name in bad))
    reasons = dict(excluded)
    assert set(reasons) == {f"mine.py:{name}" for name in bad}
    assert "params/Dense_0/bias NaN or infinite" in reasons["mine.py:nan"]
    assert "RuntimeError: no [bold]luck[/] today" in reasons["mine.py:raises"]
    assert "has shape (), expected (1,)" in reasons["mine.py:wrong_shape"]
    assert "returned NoneType, expected an optax" in reasons["mine.py:nothing"]
    assert "unexpected keyword argument 'learning_rate'" in reasons["mine.py:no_rate"]
    assert "depends on the value of a hyperparameter" in reasons["mine.py:branches"]
    assert "must be drawn from uniform" in reasons["mine.py:bad_space"]
    assert "learning_rate: expected a number from 0" in reasons["mine.py:downhill"]
    assert "only this mode fails" in reasons["mine.py:late"]
    assert [v.optimizer for v in verdicts] == ["mine.py:by_mapping"]
    manifest = json.loads((tmp_path / "manifest.json").read_text())
    assert {entry["name"] for entry in manifest["excluded"]} == set(reasons)


@pytest.mark.parametrize("text", ["import sys; sys.exit('usage')", "def f(:", "import no_such_lib"])
def test_a_file_that_cannot_be_imported_is_excluded(tmp_path, text):
    (tmp_path / "own.py").write_text(text)
    _, excluded = find_entries([f"{tmp_path}/own.py:f"])
    assert [name for name, _ in excluded] == ["own.py:f"]
    assert "importing" in excluded[0].reason


def test_plain_factories_get_a_learning_rate(users_file):
    (entry,), _ = find_entries([f"{users_file}:plain"])
    assert entry.optimizer.space == {"learning_rate": pj.log_uniform(1e-4, 1.0)}


def test_a_broken_baseline_ends_the_benchmark(benchmark, tmp_path, users_file):
    with pytest.raises(BaselineError, match=r"baseline mine.py:nan cannot take part"):
        benchmark(tmp_path / "out", "sgd", baseline=f"{users_file}:nan")
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize(
    ("spec", "message"),
    [
        ("adamv", "nearest: adam"),
        ("mine:goood", "unknown factory 'goood'; nearest: good"),
        ("nowhere.py:good", "there is no file nowhere.py"),
    ],
)
def test_unknown_names_are_refused(benchmark, tmp_path, spec, message):
    with pytest.raises(UnknownOptimizerError, match=message):
        benchmark(tmp_path / "out", spec)


def test_a_damaged_manifest_is_said(out):
    for text in ("{", "[]"):
        (out / "manifest.json").write_text(text)
        with pytest.raises(NoRecordsError, match="manifest.json: damaged"):
            redraw(out)


def test_a_folder_without_records_is_not_made(tmp_path):
    with pytest.raises(NoRecordsError, match="no records.sqlite and no manifest.json"):
        redraw(tmp_path / "nothing")
    assert not (tmp_path / "nothing").exists()
