import enum
import math
from collections import Counter

import jax.numpy as jnp
import numpy as np
import pytest

import paramjax as pj
from paramjax.space._options import option_texts


@pytest.mark.parametrize(
    ("options", "message"),
    [([], "at least one option, got none"), ([1, 1], "distinct options"), ([1, True], "distinct"),
     ([0.1, math.nan], "options that equal"), (["a", math.nan], "options that equal"),
     ([0.1, math.inf], "traced numbers finite"), ([1.0, 1e39], "traced numbers finite"),
     ([1, 2**31], "traced whole numbers within int32")],
)  # fmt: skip
def test_bad_options_are_refused(options, message):
    with pytest.raises(ValueError, match=f"choice: expected {message}"):
        pj.choice(options)


@pytest.mark.parametrize(
    "options", [3, None, {"a", "b"}, frozenset("ab"), "relu", b"ab", {"a": 1}, np.array(3.0)]
)
def test_what_has_no_order_is_refused(options):
    with pytest.raises(TypeError, match="choice: expected a list of options, got"):
        pj.choice(options)


class Order(enum.IntEnum):
    FIRST = 1
    SECOND = 2


class Rate(float, enum.Enum):
    LOW = 0.1
    HIGH = 0.2


@pytest.mark.parametrize(
    ("options", "static"),
    [(["a", "b"], True), ([True, False], True), ([None, 1], True), ([8, 16], False),
     ([0.5, 2], False), (np.array([1, 2]), False), (np.array([0.1], np.float32), False),
     (jnp.array([0.1, 0.2]), False), ([jnp.bfloat16(0.5), np.array(2)], False),
     (Order, True), ([Rate.LOW, Rate.HIGH], True), ([jnp.ones(2), jnp.ones(2)[None]], True)],
)  # fmt: skip
def test_numbers_are_traced(options, static):
    assert pj.choice(options).static is static
    assert pj.choice(options, static=True).static


def test_a_member_of_an_enum_stays_the_member():
    drawn = pj.choice(Order)
    assert [drawn.quantile(u) for u in (0.0, 1.0)] == [Order.FIRST, Order.SECOND]
    assert drawn.quantile(0.0) is Order.FIRST
    texts = option_texts({"order": Order.FIRST, "rate": Rate.LOW})
    assert texts == {"order": "Order.FIRST", "rate": "Rate.LOW"}


def test_equal_numbers_of_any_library_are_equal():
    for options in ([jnp.float32(0.5), 0.5], [np.array(1), True], [np.float32("nan"), 1.0]):
        with pytest.raises(ValueError, match="choice: expected"):
            pj.choice(options, static=True)


def test_objects_that_cannot_be_compared_are_themselves():
    class Odd:
        def __eq__(self, other):
            raise RuntimeError("no")

        __hash__ = None

    options = [Odd(), Odd()]
    assert [pj.choice(options).quantile(u) is options[int(u)] for u in (0.0, 1.0)] == [True, True]


def test_only_numbers_are_traced():
    with pytest.raises(ValueError, match="only numbers can be traced"):
        pj.choice(["a", "b"], static=False)


@pytest.mark.parametrize("options", [list("abc"), [1, 2, 3, 5, 7], [(3, 3)]])
def test_each_option_is_equally_likely(options):
    even = (np.arange(60) + 0.5) / 60
    counts = Counter(pj.choice(options).quantile(u) for u in even)
    assert counts == {option: 60 // len(options) for option in options}
    assert [pj.choice(options).quantile(u) for u in (0.0, 1.0)] == [options[0], options[-1]]
