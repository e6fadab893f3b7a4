import json

import ml_dtypes
import numpy as np
import pytest

from paramjax.logs._columns import texts, training_columns, validation_columns  # every log's cells


@pytest.mark.parametrize("dtype", [np.float16, np.float32, np.float64, ml_dtypes.bfloat16])
def test_numbers_come_back_to_the_bit(dtype):
    numbers = np.random.default_rng(0).integers(0, 2**62, 2000).view(np.uint8).view(dtype)
    with np.errstate(invalid="ignore"):  # there are signalling NaNs among them
        numbers = numbers[np.isfinite(numbers)]
    back = np.array([json.loads(text) for text in texts(numbers)]).astype(dtype)
    np.testing.assert_array_equal(back, numbers)


def test_digits_are_the_shortest():
    assert texts(np.array([0.1, 1 / 3, 1e20], np.float32)) == ["0.1", "0.33333334", "1e+20"]
    signalling = np.array([0x7FA0], np.uint16).view(ml_dtypes.bfloat16)
    assert texts(signalling) == ["nan"]
    assert texts(np.array([True, False])) == ["1", "0"]
    assert texts(np.array([2**31 - 1], np.int32)) == ["2147483647"]


@pytest.mark.parametrize(("first", "every"), [(1, 1), (1, 3), (3, 3), (4, 3), (98, 100), (1, 100)])
def test_the_steps_that_every_divides_are_kept(first, every):
    columns = training_columns(first, {"loss": np.arange(first, first + 10)}, every)
    expected = [step for step in range(first, first + 10) if step % every == 0]
    assert columns["step"].tolist() == columns["loss"].tolist() == expected


def test_each_element_and_each_part_has_a_column_and_the_step_its_own():
    array = np.arange(12.0).reshape(2, 3, 2)
    rows = {"step": np.array([5.0, 5.0]), "a": array, "z": np.array([1 + 2j, 3])}
    columns = training_columns(8, rows, 1)
    assert list(columns) == ["step", *(f"a[{i}][{j}]" for i in range(3) for j in range(2)),
                             "z.real", "z.imag"]  # fmt: skip
    assert columns["step"].tolist() == [8, 9]
    np.testing.assert_array_equal(columns["a[2][1]"], array[:, 2, 1])
    assert columns["z.imag"].tolist() == [2.0, 0.0]


def test_validations_are_float32_only_where_that_is_exact():
    columns = validation_columns({"a": float(np.float32(0.1)), "b": 0.1, "c": 1e300, "d": np.nan})
    assert {name: (texts(column)[0], str(column.dtype)) for name, column in columns.items()} == {
        "validation/a": ("0.1", "float32"), "validation/b": ("0.1", "float64"),
        "validation/c": ("1e+300", "float64"), "validation/d": ("nan", "float32"),
    }  # fmt: skip
