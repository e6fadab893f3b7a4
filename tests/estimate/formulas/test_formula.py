"""Formulas as text: the precedence of mathematics, and no way from a text to code."""

import math

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from scipy import special

from paramjax.estimate import formula

X = np.array([0.5, 1.5, 2.0])


def value(text, **names):
    return formula(text).evaluate(names)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("-2^2", -4.0), ("2^3^2", 512.0), ("2**-1", 0.5), ("-2**2*3", -12.0), ("8/4/2", 1.0),
        ("1-2-3", -4.0), ("2+3*4", 14.0), ("(2+3)*4", 20.0), ("[2+3]*4", 20.0), ("--3", 3.0),
        ("2*-3", -6.0), ("+.5e1", 5.0), ("min(3, 1, 2)", 1.0), ("max(1, 2)", 2.0),
        ("log(8)/ln(2)", 3.0), ("log10(1000)", 3.0), ("atan(1)*4", math.pi), ("4^.5", 2.0),
        ("exp[1]", math.e), ("abs(-3)", 3.0), ("lgamma(5)", math.log(24)), ("gamma(5)", 24.0),
        ("atan2(1, 1)", math.pi / 4), ("sigmoid(0)", 0.5), ("erf(.3)", math.erf(0.3)),
        ("3 \u2212 2\u00b72", -1.0), ("pow(2, 3)", 8.0), ("pi", math.pi), ("e^2", math.e**2),
    ],
)  # fmt: skip
def test_arithmetic(text, expected):
    assert value(text) == pytest.approx(expected, rel=1e-15)


def test_names_of_both_sides_in_the_order_in_which_they_come():
    model = formula("log(`the y`) = b2*x + b1*`x 1`*pi^2 - x")
    assert model.response.names == ("the y",)
    assert model.response.text == "log(`the y`)"
    assert model.names == ("b2", "x", "b1", "x 1")
    assert model.constants == ("pi",)
    assert model.response.evaluate({"the y": X}).tolist() == np.log(X).tolist()
    assert formula("a*x").response is None
    assert formula("log(`the y`) = b2*x + b1*`x 1`*pi^2 - x") is model


def test_a_name_takes_precedence_over_a_constant():
    assert value("e*2", e=np.array([3.0])).tolist() == [6.0]
    assert value("lambda*exp", exp=2.0, **{"lambda": 3.0}) == 6.0


NIST = {
    "b1*(1-exp[-b2*x])": lambda a, b, x: a * (1 - np.exp(-b * x)),
    "b1 * (1-(1+2*b2*x)**(-.5))": lambda a, b, x: a * (1 - (1 + 2 * b * x) ** -0.5),
    "b1 - arctan[b2/(x-4)]/pi": lambda a, b, x: a - np.arctan(b / (x - 4)) / np.pi,
    "b1*x**b2 + erfc(x)": lambda a, b, x: a * x**b + special.erfc(x),
    "(b1+b2*x+x**2)/\n (1+b1*x**3)": lambda a, b, x: (a + b * x + x**2) / (1 + a * x**3),
}


@pytest.mark.parametrize("text", NIST)
def test_models_as_nist_writes_them_on_the_host_and_traced(text):
    """Formulas of StRD, evaluated by numpy and by JAX in float32, and differentiated."""
    expected = NIST[text](1.5, 0.7, X)
    np.testing.assert_allclose(value(text, b1=1.5, b2=0.7, x=X), expected, rtol=1e-14)
    predict = formula(text).predict

    def total(a):
        return predict({"b1": a, "b2": 0.7}, {"x": jnp.asarray(X)}).sum()

    got, slope = jax.value_and_grad(total)(1.5)
    assert got == pytest.approx(expected.sum(), rel=1e-5)
    step = NIST[text](1.5 + 1e-6, 0.7, X).sum() - NIST[text](1.5 - 1e-6, 0.7, X).sum()
    assert slope == pytest.approx(step / 2e-6, rel=1e-4)


def test_a_model_of_one_number_predicts_each_row():
    assert formula("y ~ b").predict({"b": 2.0}, {"x": X}).tolist() == [2.0, 2.0, 2.0]


def test_a_single_column_may_be_an_array_alone():
    predict = formula("y ~ b*x + c").predict
    assert predict({"b": 2.0, "c": 1.0}, X).tolist() == [2.0, 4.0, 5.0]
    with pytest.raises(ValueError, match="expected columns by name, got an array, for 2 names"):
        predict({"b": 2.0}, X)
    with pytest.raises(ValueError, match="unknown name 'c'"):
        predict({"b": 2.0}, {"x": X})


def test_constants_overflow_as_arrays_do():
    for text in ("x/(pi - pi)", "x*e^1000", "x*(pi - pi)^-1"):
        assert np.isinf(value(text, x=X)).all()
        assert np.isinf(value(text, x=jnp.asarray(X))).all()


def test_a_square_differentiates_at_zero():
    assert jax.grad(lambda x: value("x^2 + x**3", x=x))(0.0) == 0.0


@pytest.mark.parametrize(
    ("text", "message", "pointed"),
    [
        ("y ~ __import__('os')", "unknown function '__import__'|texts", "'"),
        ("y ~ x.shape", "attributes are not allowed.*`a.b`", "."),
        ("y ~ system(x)", "unknown function 'system'", "system"),
        ("y ~ b1(x + 1)", r"for a product write b1\*\(...\)", "b1"),
        ("y ~ x == 1", "comparisons", "=="),
        ("y ~ x < 1", "comparisons", "<"),
        ("y ~ (x := 3)", "assignments", ":="),
        ('y ~ "x"', "texts are not allowed", '"'),
        ("y ~ x % 2", "'%' is not arithmetic", "%"),
        ("y ~ x // 2", "'//' is not arithmetic", "//"),
        ("y ~ {x}", "braces", "{"),
        ("y ~ x @ x", "'@' is not arithmetic", "@"),
        ("y ~ lambda: x", "':' is not arithmetic", ":"),
        ("y ~ x if x else 1", r"expected a sign such as \* before 'if'", "if"),
        ("y ~ 2x", r"expected a sign such as \* before 'x'", "x"),
        ("y ~ exp x", r"expected exp\(...\), with parentheses", "exp"),
        ("y ~ (x + 1", "'\\(' is never closed", "("),
        ("y ~ (x + 1]", "expected '\\)', got '\\]'", "]"),
        ("y ~ x)", "'\\)' closes nothing", ")"),
        ("y ~ x ~ z", "a second '~'", "~ z"),
        ("y ~ x, z", "a comma outside", ","),
        ("y ~ log(x, 2)", "log takes 1 argument, got 2", "log"),
        ("y ~ min(x)", "min takes at least 2 arguments, got 1", "min"),
        ("y ~ x + * 2", "expected a number or a name, got '\\*'", "* 2"),
        ("y ~ 9**9**9**9", "a constant here is inf", "9"),
        ("y ~ x/0 + 1/0", "a constant here is inf", "0"),
        ("y ~ 1e999*x", "within float64", "1e999"),
        ("y ~ `x", "between two backticks", "`"),
        ("y ~ ()", "expected a number or a name, got '\\)'", ")"),
    ],
)  # fmt: skip
def test_what_is_not_arithmetic_is_refused_with_its_place(text, message, pointed):
    with pytest.raises(ValueError, match=message) as raised:
        formula(text)
    _, shown, carets = str(raised.value).split("\n")
    place = carets.index("^")
    assert shown[place:].startswith(pointed)
    assert shown[2:] == text


def test_ends_and_lengths_that_are_refused():
    for text, message in (
        ("y ~", "but the formula ends"), ("", "expected a formula such as"),
        ("y ~ " + "(" * 60 + "x" + ")" * 60, "nested deeper than 50"),
        ("y ~ " + "-" * 60 + "x", "nested deeper than 50"), ("x" * 10_001, "up to 10000"),
        ("2^" * 60 + "x", "nested deeper"), ("y\x1b ~ x", r"'\\x1b' is not arithmetic"),
    ):  # fmt: skip
        with pytest.raises(ValueError, match=message) as raised:
            formula(text)
        assert "\x1b" not in str(raised.value)
    with pytest.raises(TypeError, match="expected a text"):
        formula(3)
    assert value("+".join(["x"] * 3000), x=1.0) == 3000.0  # long, not deep


def test_a_long_formula_is_shown_around_the_place():
    text = "y ~ " + " + ".join(["x"] * 80) + " + x ? x" + " + x" * 80
    with pytest.raises(ValueError, match=r"'\?' is not arithmetic") as raised:
        formula(text)
    lines = str(raised.value).split("\n")
    assert max(map(len, lines)) <= 80
    assert lines[1][lines[2].index("^")] == "?"
