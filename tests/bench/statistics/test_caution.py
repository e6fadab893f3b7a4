"""Cautions come where the simulated errors are, and not elsewhere."""

import numpy as np
import pytest

from paramjax.bench.statistics import caution, decide, weigh


def cautioned(differences, margin=0.0):
    found = decide(differences, np.zeros(len(differences)), margin=margin, maximise=True)
    return found.word, caution(found, differences)


def test_a_tail_towards_the_other_side_is_doubted():
    gains = np.array([1.0, 1.1, 1.0, 1.2, 1.1, 0.2])
    word, text = cautioned(gains)
    assert word == "better"
    assert "tail against the verdict" in text
    assert "with 6 replicates" in text
    assert cautioned(-gains)[0] == "worse"
    assert cautioned(-gains)[1] == text


def test_a_tail_in_the_verdicts_own_direction_is_not():
    assert cautioned(np.array([1.0, 1.1, 1.0, 1.2, 1.1, 2.0])) == ("better", "")


def test_equivalents_are_doubted_by_the_outer_tail_and_below_six_replicates():
    inside = np.array([0.1, 0.0, 0.1, 0.0, 0.1, 0.7])
    assert "tail out of the margin" in cautioned(inside, margin=2.0)[1]
    assert cautioned(inside[::-1] - 0.7, margin=2.0)[0] == "equivalent"
    assert "3 replicates cannot show a tail" in cautioned(inside[:3], margin=2.0)[1]
    assert cautioned(np.zeros(3)) == ("equivalent", "")


def test_undecided_and_lost_runs_need_none():
    assert cautioned(np.array([1.0, -1.0, 1.0, -1.0, 1.0, -5.0])) == ("undecided", "")
    assert cautioned(np.array([1.0, 1.0, 1.0, 1.0, 1.0, np.nan]))[1] == ""


def test_what_is_not_doubted_holds_for_skewed_differences():
    """Of 1,500 exponential nulls with mean zero, few give a verdict without a caution."""
    rng = np.random.default_rng(0)
    found = [cautioned(rng.exponential(size=10) - 1) for _ in range(1500)]
    decided = sum(word != "undecided" for word, _ in found)
    undoubted = sum(word != "undecided" and not text for word, text in found)
    assert decided > 0.07 * 1500
    assert undoubted < 0.05 * 1500


@pytest.mark.parametrize(("draw", "said"), [("exponential", 6), ("lognormal", 10)])
def test_the_rates_that_it_says_are_those_of_a_simulation(draw, said):
    """Six differences of mean zero, 4,000 repetitions."""
    rng = np.random.default_rng(1)
    mean = {"exponential": 1.0, "lognormal": np.exp(0.5)}[draw]
    scores = getattr(rng, draw)(size=(4000, 6)) - mean
    words = weigh(
        scores, 0 * scores, margin=0.0, maximise=True, variance_ratio=0.0, level=0.95
    ).words
    assert 100 * np.mean(words != "undecided") == pytest.approx(said, abs=1.5)
    text = cautioned(np.array([1.0, 1.1, 1.0, 1.2, 1.1, 0.2]))[1]
    assert f"in {said} % " in text


def test_differences_of_another_comparison_are_refused():
    found = decide(np.ones(6), np.zeros(6), margin=0.0, maximise=True)
    with pytest.raises(ValueError, match="expected 6 differences"):
        caution(found, np.ones(5))
