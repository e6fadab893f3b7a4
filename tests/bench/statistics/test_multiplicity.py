"""Holm's correction against worked examples, and what it leaves of a family's verdicts."""

import numpy as np
import pytest

from paramjax.bench.statistics import adjust, decide, holm


def test_holm_is_that_of_the_textbook():
    """R: p.adjust(c(.01, .02, .03, .005, .5), "holm")."""
    corrected = holm([0.01, 0.02, 0.03, 0.005, 0.5])
    assert corrected == pytest.approx([0.04, 0.06, 0.06, 0.025, 0.5])
    assert holm([]).size == 0


def test_holm_rejects_values_that_are_none():
    with pytest.raises(ValueError, match=r"values in \[0, 1\]"):
        holm([0.1, np.nan])


def clear(shift, lost=0):
    base = np.linspace(0.4, 0.6, 6)
    scores = base + shift + [0.01, -0.01, 0.02, -0.02, 0.0, 0.0]
    scores[:lost] = np.nan
    return decide(scores, base, margin=0.01, maximise=True)


def test_what_is_clear_survives_and_what_is_not_keeps_its_word_alone():
    family = [clear(1.0), clear(-1.0), clear(0.04)] + [clear(0.0)] * 21
    found = adjust(family)
    assert [d.word for d in found[:4]] == ["better", "worse", "undecided", "undecided"]
    assert [d.alone for d in found[:3]] == ["better", "worse", "better"]
    assert "better alone, but not after the correction for 24 comparisons" in found[2].reason
    assert found[2].needed > 6
    assert found[0].needed is None
    assert found[2].p_adjusted == pytest.approx(22 * family[2].p_value)


def test_an_optimizer_that_loses_every_run_is_worse_in_a_large_family():
    """2 * 4^-6 * 24 = 0.012, while six signs alone would give 24 / 32."""
    assert adjust([clear(0.0, lost=6)] + [clear(0.0)] * 23)[0].word == "worse"
    partly = adjust([clear(-1.0, lost=1)] + [clear(0.0)] * 23)[0]
    assert (partly.word, partly.alone) == ("undecided", "worse")
    assert partly.needed > 6


def test_equivalence_has_a_family_of_its_own():
    same = decide(np.ones(6), np.ones(6), margin=0.0, maximise=True)
    assert [d.word for d in adjust([same] * 30)] == ["equivalent"] * 30
    near = decide(
        np.array([0.2, -0.2, 0.3, -0.3, 0.1, 0.2]), np.zeros(6), margin=0.3, maximise=True
    )
    assert near.word == "equivalent"
    assert adjust([near] * 20)[0].word == "undecided"


def test_a_family_of_one_or_none():
    assert adjust([clear(1.0)]) == [clear(1.0)]
    assert adjust([]) == []


def test_looks_of_several_levels_are_weighed_by_their_levels():
    """The late look comes first in the order: the same p is a smaller part of what it may err."""
    scores, base = np.array([1.1, 0.9, 1.2, 0.8, 1.0, 1.0]), np.zeros(6)
    early = decide(scores, base, margin=0.0, maximise=True, level=0.9995)
    late = decide(scores, base, margin=0.0, maximise=True)
    assert early.p_value == late.p_value < 0.0005
    found = adjust([early, late])
    assert found[0].p_adjusted == pytest.approx(early.p_value)
    assert found[1].p_adjusted == pytest.approx(2 * early.p_value)
    many = adjust([early] * 50)
    assert many[0].p_adjusted == pytest.approx(50 * early.p_value)
    assert (many[0].word, many[0].alone) == ("undecided", "better")
