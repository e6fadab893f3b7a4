import json
import math
import sqlite3

import numpy as np
import optax
import pytest

import paramjax as pj
from paramjax.bench import Records, RecordsMismatchError, verdicts
from paramjax.bench._rows import WorkloadRow, describe_space  # rows made by hand
from paramjax.optim import Optimizer
from paramjax.populations import Record
from paramjax.tuning import DamagedError

RULES = {"key": 0, "report_seeds": [1, 4], "steps": 5, "trials": 3, "tuning_seeds": 1}


def record(trial, seed, value, status="finished", rate=0.1):
    curve = {"step": [5.0], "train_loss": [value], "loss": [value]}
    return Record(trial, seed, {"learning_rate": rate}, status, None, {"loss": value}, curve, 10)


def optimizer(name):
    return Optimizer(name, lambda learning_rate: None, {"learning_rate": pj.uniform(0.0, 1.0)}, "")


@pytest.fixture
def records(tmp_path):
    """Two optimizers on one workload where less is better, three report seeds."""
    made = Records(tmp_path)
    made.require(RULES)
    made.note({"baseline": "base"})
    initial = dict.fromkeys((1, 2, 3), 9.0)
    made.add_workload(WorkloadRow("bowl", "", "loss", False, initial, "data"))
    for name in ("base", "other"):
        made.add_optimizer(optimizer(name), "mark")
        tuning = [record(t, 0, 1.0 + t, rate=0.05 + 0.1 * t) for t in range(3)]
        made.add("bowl", name, "tuning", "loss", tuning)
    made.add("bowl", "base", "report", "loss", [record(0, s, 1.0 + 0.1 * s) for s in (1, 2, 3)])
    yield made
    made.close()


def test_verdicts_pair_by_seed(records):
    made = [record(1, seed, 0.5 + 0.1 * seed, rate=0.2) for seed in (3, 1, 2)]
    records.add("bowl", "other", "report", "loss", made)
    (verdict,) = verdicts(records)
    assert verdict.difference == pytest.approx(-0.5)
    # without the pairing the seeds' own spread of 0.1 would show
    assert verdict.interval == pytest.approx((-0.5, -0.5))
    assert verdict.verdict == "better"
    assert (verdict.optimizer_value, verdict.baseline_value) == pytest.approx((0.7, 1.2))
    assert (verdict.seeds, verdict.diverged_trials, verdict.at_edge) == (3, 0, False)
    assert verdict.hyperparameters == {"learning_rate": 0.2}


def test_a_lost_training_counts_as_the_worst_there_was(records):
    lost = [record(0, 1, math.nan, "diverged"), record(0, 2, 0.5), record(0, 3, 0.5)]
    records.add("bowl", "other", "report", "loss", lost)
    (verdict,) = verdicts(records)
    assert verdict.optimizer_value == pytest.approx((9.0 + 0.5 + 0.5) / 3)
    assert verdict.diverged_seeds == 1
    assert verdict.verdict == "undecided"
    assert (verdict.at_edge, verdict.edges) == (True, ["learning_rate (low)"])


def test_an_incomplete_optimizer_has_no_verdict(records):
    records.add("bowl", "other", "report", "loss", [record(0, 1, 0.5)])
    assert verdicts(records) == []


def test_other_rules_are_refused_by_name(records, tmp_path):
    again = Records(tmp_path)
    again.require(RULES)
    with pytest.raises(RecordsMismatchError, match="steps was 5 and is now 6.*--fresh"):
        again.require({**RULES, "steps": 6})
    with pytest.raises(RecordsMismatchError, match="optimizer 'other' as it was before"):
        again.add_optimizer(optimizer("other"), "changed")
    with pytest.raises(RecordsMismatchError, match="workload 'bowl' as it was before"):
        again.add_workload(WorkloadRow("bowl", "", "loss", False, {}, "other data"))
    again.close()


def test_a_file_that_is_no_database_is_refused_and_kept(tmp_path):
    (tmp_path / "records.sqlite").write_text("my notes, " * 200)
    with pytest.raises(DamagedError, match="not a database of records"):
        Records(tmp_path)
    assert (tmp_path / "records.sqlite").read_text().startswith("my notes")


def test_a_file_that_cannot_be_opened_is_refused(tmp_path):
    (tmp_path / "records.sqlite").mkdir()
    with pytest.raises(DamagedError, match="unable to open database file"):
        Records(tmp_path)


def test_a_row_that_was_changed_is_refused_by_name(records, tmp_path):
    with sqlite3.connect(tmp_path / "records.sqlite") as db:
        db.execute("UPDATE trainings SET value = 0.5 WHERE optimizer = 'base' AND seed = 2")
    db.close()
    with pytest.raises(DamagedError, match=r"'base', 'report', 0, 2\) of trainings is not what"):
        verdicts(records)


def test_no_flipped_bit_and_no_cut_changes_a_verdict(records, tmp_path):
    """Whatever is damaged, the verdict is the true one, or there is none."""
    made = [record(1, seed, 0.5 + 0.1 * seed, rate=0.2) for seed in (1, 2, 3)]
    records.add("bowl", "other", "report", "loss", made)
    (truth,) = verdicts(records)
    whole = (tmp_path / "records.sqlite").read_bytes()
    rng = np.random.default_rng(0)
    outcomes = []
    for attempt in range(300):
        damaged = bytearray(whole)
        if attempt % 10 == 0:
            del damaged[int(rng.integers(len(damaged))) :]
        else:
            damaged[int(rng.integers(len(damaged)))] ^= 1 << int(rng.integers(8))
        folder = tmp_path / f"damaged{attempt}"
        folder.mkdir()
        (folder / "records.sqlite").write_bytes(damaged)
        outcomes.append(verdicts_or_damage(folder))
    assert all(found in ([truth], [], "damaged") for found in outcomes)
    assert "damaged" in outcomes


def verdicts_or_damage(folder):
    try:
        opened = Records(folder)
    except DamagedError:
        return "damaged"
    try:
        return verdicts(opened)
    except DamagedError:
        return "damaged"
    finally:
        opened.close()


def test_a_chunk_is_added_whole_or_not_at_all(records, tmp_path):
    bad = record(1, 0, 1.0)._replace(status="odd")
    with pytest.raises(sqlite3.IntegrityError):
        records.add("bowl", "base", "report", "loss", [record(0, 7, 1.0), bad])
    assert [t.seed for t in records.trainings("bowl", "base", "report")] == [1, 2, 3]


def test_nan_is_null_in_the_file_and_nan_when_read(records, tmp_path):
    records.add("bowl", "other", "report", "loss", [record(0, 1, math.nan, "diverged")])
    with sqlite3.connect(tmp_path / "records.sqlite") as db:
        row = db.execute("SELECT value, curve FROM trainings WHERE optimizer='other' AND seed=1")
        value, curve = row.fetchone()
    db.close()
    assert value is None
    assert "NaN" not in curve
    (training,) = records.trainings("bowl", "other", "report")
    assert math.isnan(training.value)
    assert math.isnan(training.curve["loss"][0])


INTEGER = {"kind": "Integer", "logarithmic": True, "static": False, "low": 1, "high": 8}


@pytest.mark.parametrize(
    ("drawn", "expected"),
    [
        (pj.uniform(0, 2), {"kind": "Uniform", "logarithmic": False, "static": False,
                            "low": 0.0, "high": 2.0}),
        (pj.log_uniform(1, 2), {"kind": "LogUniform", "logarithmic": True, "static": False,
                                "low": 1.0, "high": 2.0}),
        (pj.choice([None, (1, 2)]), {"kind": "Choice", "logarithmic": False, "static": True,
                                     "options": [None, [1, 2]]}),
        (pj.integer(1, 8, log=True), INTEGER),
        (pj.conditional("chain", ["a", "b"], pj.integer(1, 8, log=True)),
         {"kind": "Conditional", "logarithmic": True, "static": False, "parent": "chain",
          "values": ["a", "b"], "distribution": INTEGER}),
    ],
)  # fmt: skip
def test_a_space_is_described_as_json(drawn, expected):
    described = describe_space(Optimizer("own", optax.sgd, {"a": drawn}, "mine"))
    assert json.dumps(described) == json.dumps({"a": expected})
