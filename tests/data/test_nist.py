"""NIST's text format of regressions with certified results."""

import numpy as np
import pytest

from paramjax import data
from paramjax.data._nist import parse_regression

TEXT = """NIST/ITL StRD
Dataset Name:  Made             (Made.dat)

Data:          1 Response  (y = strength)
               2 Predictors (x1 = time; x2 = temperature)
               3 Observations
               Average Level of Difficulty
               Observed Data

Model:         Rational Class (linear/linear)
               2 Parameters (b1 and b2)

               pi = 3.141592653589793238462643383279E0
               y = (b1+b2*x1) /
                   (1+pi*x2)  +  e


          Starting values                  Certified Values

        Start 1     Start 2           Parameter     Standard Deviation
  b1 =   -2000        .5           2.3894212918E+02  2.7070075241E+00
  b2 =     0.0001      5e-4        5.5015643181E-04  7.2668688436E-06

Residual Sum of Squares:                    1.2455138894E-01

Data:  y          x1           x2
      10.07E0      77.6E0     1
      14.73E0     114.9E0     2
     -17.94E0     141.1E0     3
"""


def test_parts_of_a_file():
    found = parse_regression("Made", TEXT)
    assert found.level == "Average"
    assert found.model == "y = (b1+b2*x1) / (1+pi*x2)"
    assert found.starts == ({"b1": -2000.0, "b2": 1e-4}, {"b1": 0.5, "b2": 5e-4})
    assert found.parameters == {"b1": 238.94212918, "b2": 5.5015643181e-4}
    assert found.deviations["b1"] == 2.7070075241
    assert found.sum_of_squares == 0.12455138894
    np.testing.assert_array_equal(found.columns["y"], [10.07, 14.73, -17.94])
    np.testing.assert_array_equal(found.columns["x2"], [1, 2, 3])


@pytest.mark.parametrize(
    ("part", "message"),
    [("  b", "no parameters"), ("Level of", "without .*Level"), ("Data:  y", "without .*Data")],
)
def test_a_file_without_a_part_is_named(part, message):
    with pytest.raises(ValueError, match=f"Made: expected .*{message}"):
        parse_regression("Made", TEXT.replace(part, "Xx"))


def test_the_published_files(shared_data):
    problems = data.nist_regressions(shared_data)
    assert len(problems) == 27
    assert problems["Misra1a"].parameters == {"b1": 238.94212918, "b2": 5.5015643181e-4}
    assert {len(problem.columns["y"]) for problem in problems.values()} >= {6, 14, 250}
