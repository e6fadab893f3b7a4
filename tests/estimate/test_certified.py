"""Regressions that NIST certified: parameters, deviations and sums of squares."""

import numpy as np
import pytest

import paramjax as pj


def digits(found, certified):
    found, certified = np.array([*found]), np.array([*certified])
    worst = np.max(np.abs(found - certified) / np.abs(certified))
    return -np.log10(max(worst, 1e-11))


def check(problem):
    model, columns = pj.estimate.formula(problem.model), dict(problem.columns)
    y = model.response.evaluate(columns)
    del columns["y"]
    for start in problem.starts:
        est = pj.estimate.curve_fit(model.predict, start, columns, y)
        assert est.outcome == "converged"
        assert digits(est.params.values(), problem.parameters.values()) > 8
        if problem.name == "Lanczos1":  # double numbers do not hold its deviations
            continue
        assert digits(est.stderr.values(), problem.deviations.values()) > 8
        assert digits([est.value], [problem.sum_of_squares]) > 8


BOXBOD = pj.data.Regression(
    "BoxBOD", "Higher", "y = b1*(1-exp[-b2*x])",
    {"y": np.array([109.0, 149, 149, 191, 213, 224]), "x": np.array([1.0, 2, 3, 5, 7, 10])},
    ({"b1": 1.0, "b2": 1.0}, {"b1": 100.0, "b2": 0.75}),
    {"b1": 213.80940889, "b2": 0.54723748542}, {"b1": 12.354515176, "b2": 0.10455993237},
    1168.0088766,
)  # fmt: skip
MGH10 = pj.data.Regression(
    "MGH10", "Higher", "y = b1 * exp[b2/(x+b3)]",
    {
        "y": np.array([34780.0, 28610, 23650, 19630, 16370, 13720, 11540, 9744, 8261, 7030, 6005,
                       5147, 4427, 3820, 3307, 2872]),
        "x": np.arange(50.0, 126.0, 5.0),
    },
    ({"b1": 2.0, "b2": 4e5, "b3": 25000.0}, {"b1": 0.02, "b2": 4000.0, "b3": 250.0}),
    {"b1": 5.6096364710e-3, "b2": 6181.3463463, "b3": 345.22363462},
    {"b1": 1.5687892471e-4, "b2": 23.309021107, "b3": 0.78486103508},
    87.945855171,
)  # fmt: skip


@pytest.mark.parametrize(
    "problem", [pytest.param(BOXBOD, marks=pytest.mark.slow), MGH10], ids=["BoxBOD", "MGH10"]
)
def test_two_of_the_hardest_from_both_starts(problem):
    check(problem)


@pytest.mark.slow
def test_all_of_them_from_both_starts(shared_data):
    problems = pj.data.nist_regressions(shared_data)
    assert len(problems) == 27
    for problem in problems.values():
        check(problem)
