import pytest

from paramjax.bench import Protocol
from paramjax.optim import CATALOGUE, get


def test_everyone_gets_the_same_number_of_trials():
    protocol = Protocol(trials=6, tuning_seeds=3)
    for optimizer in CATALOGUE.values():
        runs = protocol.tuning_runs(optimizer)
        assert len(runs) == 18
        assert {run.trial for run in runs} == set(range(6))
        assert {run.seed for run in runs} == {0, 1, 2}
        assert all(set(run.hyperparameters) == set(optimizer.space) for run in runs)


def test_report_seeds_never_tuned():
    protocol = Protocol(tuning_seeds=4, seeds=7)
    tuning, report = set(protocol.tuning_seed_numbers), set(protocol.report_seed_numbers)
    assert (len(tuning), len(report)) == (4, 7)
    assert not tuning & report
    assert tuning | report == set(protocol.all_seed_numbers)


def test_trials_depend_on_the_key_and_not_on_who_else_takes_part():
    rates = lambda key: [
        run.hyperparameters["learning_rate"] for run in Protocol(key=key).tuning_runs(get("sgd"))
    ]
    assert rates(0) == rates(0)
    assert rates(0) != rates(1)


@pytest.mark.parametrize(
    ("trials", "tuning_seeds", "seeds"),
    [(16, 2, 10), (1, 1, 2), (64, 3, 10), (100, 5, 500), (2, 1, 3), (4096, 1, 2)],
)
def test_one_width_serves_both_phases_with_little_waste(trials, tuning_seeds, seeds):
    protocol = Protocol(trials, tuning_seeds, seeds)
    width = protocol.width
    assert 1 <= width <= 64
    calls = -(-trials * tuning_seeds // width) + -(-seeds // width)
    assert calls * width <= max(1.25 * protocol.trainings, protocol.trainings + width)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"trials": 0}, "trials: expected a whole number from 1"),
        ({"tuning_seeds": 0}, "tuning_seeds: expected"),
        ({"seeds": 1}, "seeds: expected a whole number from 2"),
        ({"steps": 0}, "steps: expected"),
        ({"key": -1}, "key: expected an integer from 0"),
        ({"key": 2**32}, "two numbers would give the same key"),
        ({"clip_norm": 0.0}, "clip_norm: expected"),
    ],
)
def test_bad_numbers_are_refused(change, message):
    with pytest.raises(ValueError, match=message):
        Protocol(**change)
