"""Summaries: figures by scipy, 80 columns, and names that command neither HTML nor LaTeX."""

import dataclasses
import re

import numpy as np
import pytest
from scipy import stats

from paramjax.estimate import Estimate, Outcome
from paramjax.estimate._parameters import parameters_of


def estimate(params, errors, **fields):
    made = {
        "title": "Least squares", "value": 0.12455138894, "rows": 14, "dof": 12,
        "scale": 0.12455138894 / 12, "outcome": Outcome.CONVERGED, "objective": None,
        "iterations": 9,
    }  # fmt: skip
    covariance = np.diag(np.square(np.asarray(errors, float)))
    return Estimate(
        params=params, covariance=covariance, parameters=parameters_of(params), **(made | fields)
    )


@pytest.fixture(scope="module")
def misra():
    """Misra1a of NIST StRD, as certified."""
    params = {"b1": 2.3894212918e2, "b2": 5.5015643181e-4}
    return estimate(
        params, [2.7070075241, 7.2668688436e-6], statistics={"R-squared": 0.99998},
        notes=("3 of 17 rows hold missing values and were dropped",),
    )  # fmt: skip


def test_rows_are_those_of_student(misra):
    summary = misra.summary(0.9)
    for row, value, error in zip(summary.rows, misra.theta, misra.errors, strict=True):
        assert row.ratio == value / error
        assert row.p_value == pytest.approx(2 * stats.t.sf(value / error, 12), rel=1e-10)
        assert (row.low, row.high) == pytest.approx(stats.t.interval(0.9, 12, value, error))
    normal = dataclasses.replace(misra, reference="normal").summary()
    assert normal.symbol == "z"
    assert normal.rows[0].high == pytest.approx(stats.norm.interval(0.95, *normal.rows[0][1:3])[1])


def test_text_holds_the_certified_digits(misra):
    text = str(misra.summary())
    assert re.search(r"b1 +238\.942 +2\.707 +88\.268 +<1e-16 +233\.044 +244\.840\n", text)
    assert re.search(r"b2 +0\.000550156 +0\.000007267 +75\.707 ", text)
    assert re.search(r"estimate +std. error +t +P>\|t\| +\[0.025 +0.975\]", text)
    assert re.search(r"outcome: converged \(9 iterations\)", text)
    assert re.search(r"sum of squares +0\.124551 +residual std. error +0\.101879\n", text)
    assert re.search(r"rows +14 +degrees of freedom +12\n", text)
    assert "note: 3 of 17 rows" in text
    assert "R-squared" in text
    assert repr(misra.summary()) == text
    assert "[0.005" in str(misra.summary(0.99))


def test_short_text_of_an_estimate(misra):
    lines = repr(misra).splitlines()
    assert lines[0] == "Estimate: Least squares, converged (9 iterations)"
    assert "238.942 +- 2.71" in lines[2]
    assert "238.942" in misra._repr_html_()


@pytest.mark.parametrize("outcome", list(Outcome))
def test_each_outcome_is_said_in_words(misra, outcome):
    summary = dataclasses.replace(misra, outcome=outcome).summary()
    assert str(summary).count(summary.outcome.split("(")[0].strip()) == 1
    assert len(summary.outcome) > 8


def test_hard_names_and_numbers_fit_into_80_columns():
    params = {
        "a name of a column that somebody wrote out in full, and then wrote some more of": 1.0,
        "b": np.array([1e-12, -3.4e9, 0.0, 5e-5]), "income_of & <all>\x1b[31m": 5e300,
        "w": np.linspace(1, 2, 90),
    }  # fmt: skip
    errors = [0.0, 1e-13, 3.2e8, np.nan, 170.0, 1e300, *np.full(90, 0.1)]
    with np.errstate(over="ignore"):
        hard = estimate(params, errors)
    text = str(hard.summary())
    assert max(map(len, text.splitlines())) <= 80
    assert max(map(len, repr(hard).splitlines())) <= 80
    assert "\x1b" not in text + repr(hard) + hard._repr_html_()
    assert re.search(r"b\[2\] +0 +NaN +NaN +NaN +NaN +NaN\n", text)  # unknown is not zero
    assert re.search(r"b\[3\] +5e-5 +170\.0 ", text)  # small is not zero, either
    assert "and 36 more" in text
    assert "<all>" not in hard._repr_html_()
    assert "income_of &amp; &lt;all&gt;" in hard._repr_html_()


def test_latex_is_escaped_and_balanced(misra):
    lines = misra.summary().latex().splitlines()
    assert lines[0] == r"\begin{tabular}{lrrrrrr}"
    assert lines[-1] == r"\end{tabular}"
    assert r"b1 & $238.942$ & $2.707$ & $88.268$ & $<10^{-16}$ & $233.044$ & $244.840$ \\" in lines
    tiny = estimate({"b_1 #^": -2.5e-12}, [np.nan]).summary().latex()
    assert r"b\_1 \#\textasciicircum{} & $-2.5 \times 10^{-12}$ & -- & -- & -- & --" in tiny


def test_frame_has_a_row_for_each_parameter(misra):
    frame = misra.to_frame()
    assert list(frame.columns) == ["estimate", "stderr", "t", "p_value", "low", "high"]
    assert frame.loc["b1", "estimate"] == 2.3894212918e2
    assert frame.loc["b2", "high"] == misra.interval().high["b2"]


def test_levels_outside_are_refused(misra):
    for method in (misra.summary, misra.to_frame):
        with pytest.raises(ValueError, match="level: expected a number in"):
            method(95)
