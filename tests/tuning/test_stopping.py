"""Stopping rules against the papers' definitions and hand-counted budgets."""

import math
import statistics

import numpy as np
import pytest

from paramjax.tuning import Hyperband, hyperband, median_stopping, successive_halving

# how trials are dealt to brackets shows in a schedule only by who goes on
from paramjax.tuning.stopping._hyperband import brackets, sizes
from paramjax.tuning.stopping._successive_halving import cost

RULES = [successive_halving(), hyperband(), median_stopping()]


def alive(schedule, trials):
    """How many trials there are between rungs, and who is left; a trial scores its number."""
    going, along, counts = list(range(trials)), {}, [trials]
    for step in schedule.rungs:
        for trial in going:
            along.setdefault(trial, []).append(trial)
        going = schedule.keep(step, {trial: along[trial] for trial in going})
        counts.append(len(going))
    return counts, going


def spent(schedule, trials, steps):
    counts, _ = alive(schedule, trials)
    ends = [0, *schedule.rungs, steps]
    return sum(n * (b - a) for n, a, b in zip(counts, ends, ends[1:], strict=False))


def test_halving_keeps_a_third_at_each_rung_and_costs_what_the_rungs_say():
    schedule = successive_halving(3, least_steps=10)(27, 270)
    assert schedule.rungs == (10, 30, 90)
    assert alive(schedule, 27) == ([27, 9, 3, 1], [0])
    steps = spent(schedule, 27, 270)
    assert steps == 27 * 10 + 9 * 20 + 3 * 60 + 1 * 180
    assert steps == pytest.approx(cost(3, 3) * 27 * 270)


@pytest.mark.parametrize("reduction", [1.5, 2, 3, 4, 10])
def test_halving_costs_by_default_at_most_a_third_and_stops_no_earlier(reduction):
    trials, steps = 2_000, 100_000
    schedule = successive_halving(reduction)(trials, steps)
    share = spent(schedule, trials, steps) / (trials * steps)
    assert share <= 1 / 3
    assert share == pytest.approx(cost(len(schedule.rungs), reduction), rel=1e-2)
    assert cost(len(schedule.rungs) - 1, reduction) > 1 / 3


def test_few_trials_and_least_steps_limit_the_rungs():
    assert successive_halving(2)(4, 100).rungs == (25, 50)
    assert successive_halving(2, least_steps=20)(1000, 100).rungs == (25, 50)


@pytest.mark.parametrize("rule", RULES, ids=repr)
def test_rungs_lie_within_a_run_and_the_best_goes_on(rule):
    for trials in (1, 2, 3, 5, 28):
        for steps in (1, 2, 7, 500):
            schedule = rule(trials, steps)
            assert list(schedule.rungs) == sorted(set(schedule.rungs))
            assert all(1 <= rung < steps for rung in schedule.rungs)
            counts, going = alive(schedule, trials)
            assert counts == sorted(counts, reverse=True)
            assert 0 in going


def test_brackets_have_the_sizes_of_algorithm_1():
    """R = 81, eta = 3: n = ceil((s_max + 1) / (s + 1) * eta**s), r = R / eta**s."""
    assert sizes(4, 3) == [81, 34, 15, 8, 5]
    found = brackets(143, 81, 3, 1)
    assert [len(b.trials) for b in found] == [81, 34, 15, 8, 5]
    assert [b.rungs for b in found] == [(1, 3, 9, 27), (3, 9, 27), (9, 27), (27,), ()]
    assert sorted(t for b in found for t in b.trials) == list(range(143))


def test_each_bracket_is_halved_by_itself():
    counts, going = alive(hyperband(3, least_steps=1)(143, 81), 143)
    # after 1 step only the first bracket is compared: 81 -> 27
    assert counts[1] == 143 - 81 + 27
    # of each bracket the best stays: 81 -> 1, 34 -> 1, 15 -> 1, 8 -> 2, and 5 are never compared
    assert len(going) == 1 + 1 + 1 + 2 + 5
    assert {0, 81, 115, 130, 131} <= set(going)


def test_the_median_rule_equals_its_definition():
    generator = np.random.default_rng(0)
    schedule = median_stopping(first=5, every=5)(8, 40)
    scores = {trial: generator.normal(size=3).tolist() for trial in range(8)}
    kept = set(schedule.keep(15, scores))
    for trial, own in scores.items():
        others = [sum(s) / 3 for other, s in scores.items() if other != trial]
        assert (trial in kept) == (not min(own) > statistics.median(others))


@pytest.mark.parametrize("rule", RULES, ids=repr)
def test_a_diverged_trial_never_goes_on(rule):
    schedule = rule(9, 81)
    step = schedule.rungs[0]
    kept = set(schedule.keep(step, {trial: [math.inf if trial else 1.0] for trial in range(9)}))
    late = {t for b in brackets(9, 81, 3, None) if step not in b.rungs for t in b.trials}
    assert {0} <= kept <= {0} | (late if isinstance(rule, Hyperband) else set())


def test_ties_go_to_the_lower_number_and_none_goes_on_if_all_diverged():
    tied = {trial: [1.0] for trial in (3, 1, 0, 2)}
    assert successive_halving(2)(4, 8).keep(2, tied) == [0, 1]
    assert successive_halving()(9, 81).keep(9, {0: [math.nan], 1: [math.inf]}) == []


def test_rules_are_values():
    assert successive_halving(3) == successive_halving(3)
    assert repr(hyperband(4)) == "Hyperband(reduction=4, least_steps=None)"


@pytest.mark.parametrize(
    ("make", "error", "message"),
    [
        (lambda: successive_halving(1), ValueError, "reduction: expected a number above 1"),
        (lambda: successive_halving("3"), TypeError, "reduction: expected a number above 1"),
        (lambda: hyperband(3, least_steps=0), ValueError, "least_steps: expected"),
        (lambda: hyperband(3, least_steps=9)(4, 9), ValueError, "fewer than the 9 steps"),
        (lambda: successive_halving(3, 9)(4, 9), ValueError, "fewer than the 9 steps"),
        (lambda: median_stopping(first=9)(4, 9), ValueError, "fewer than the 9 steps"),
        (lambda: median_stopping(every=0), ValueError, "every: expected"),
    ],
)
def test_bad_arguments_are_refused(make, error, message):
    with pytest.raises(error, match=message):
        make()
