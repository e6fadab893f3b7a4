import collections

import numpy as np
import pytest

from paramjax.data import StreamChanged
from paramjax.data.streams._batches import BatchForm  # the checks of every streamed batch

ROWS = 3


def batch(number):
    return {"x": np.full((ROWS, 2), number, np.float32), "y": np.full(ROWS, number, np.int32)}


def changed(**leaves):
    return {**batch(2), **leaves}


CHANGES = {
    r"leaf x of batch 2 .* is float32\[2,2\], expected float32\[3,2\] as before; drop or pad": (
        changed(x=np.zeros((2, 2), np.float32))
    ),
    r"leaf y of batch 2 .* is float32\[3\], expected int32\[3\] as before": (
        changed(y=np.zeros(3, np.float32))
    ),
    "batch 2 .* has the leaves x, y, z, expected x, y as before": changed(z=np.zeros(3)),
    "batch 2 .* has the leaves x, expected x, y as before": {"x": batch(2)["x"]},
    r"batch 2 .* leaves PyTreeDef\(CustomNode\(OrderedDict.*, expected PyTreeDef\(\{'x': \*": (
        collections.OrderedDict(batch(2))
    ),
}


@pytest.mark.parametrize("message", CHANGES)
def test_a_batch_of_another_form_is_named(message):
    form = BatchForm(batch(0), step=0)
    form.read(batch(1), step=1)
    with pytest.raises(StreamChanged, match=f"data: {message}"):
        form.read(CHANGES[message], step=2)


WRONG = {
    r"leaf x of batch 1 .* holds 2 values that are NaN or infinite, the first in row 1": {
        "x": np.array([[0, 0], [0, np.inf], [np.nan, 0]], np.float32)
    },
    r"leaf x of batch 1 .* beyond the range of float32; rescale it": {"x": np.full((3, 2), 1e39)},
    r"leaf x of batch 1 .* holds 1 values that are NaN or infinite, the first in row 2": {
        "x": np.array([[0, 0], [0, 0], [np.nan, 1]])
    },
    r"leaf y of batch 1 .* integers from -3 to 1099511627776, which do not fit in 32 bits": {
        "y": np.array([0, 2**40, -3])
    },
    r"leaf y of batch 1 .* integers from 0 to 2147483648, which do not fit": {
        "y": np.array([0, 2**31, 0])
    },
}


@pytest.mark.parametrize("message", WRONG)
def test_values_that_would_train_to_nonsense_are_refused(message):
    form = BatchForm(batch(0), step=0)
    with pytest.raises(ValueError, match=f"data: {message}"):
        form.read(batch(1) | WRONG[message], step=1)


@pytest.mark.parametrize(
    ("first", "error", "message"),
    [
        ({}, TypeError, "batch 0 of the stream holds no array"),
        ({"x": np.array(["a"])}, TypeError, "leaf x of batch 0 .* expected an array of numbers"),
        ({"x": np.zeros(2, "f4,i4")}, TypeError, "leaf x .* expected an array of numbers"),
        ({"x": np.zeros((0, 2))}, ValueError, r"leaf x of batch 0 .* empty, shape \(0, 2\)"),
        (np.float32([np.nan]), ValueError, r"leaf \(the tree itself\) of batch 0 .* 1 values"),
        (np.float32(np.nan), ValueError, "NaN or infinite; drop or impute"),
        ({"n": np.array([2**40])}, ValueError, "leaf n of batch 0 .* do not fit in 32 bits"),
    ],
)
def test_a_first_batch_that_cannot_be_trained_on_is_refused(first, error, message):
    with pytest.raises(error, match=f"data: .*{message}"):
        BatchForm(first, step=0).read(first, step=0)
