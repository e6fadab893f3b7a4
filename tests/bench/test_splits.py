"""The rows of the replicates: parts that share no row, drawn alike whatever their number."""

from __future__ import annotations

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from paramjax.bench._splits import make_splits  # the rows behind the scores
from paramjax.bench.workloads import Workload

KEY = jax.random.key(5)


def loss_fn(params, batch, key):
    return jnp.mean((params - batch) ** 2), {}


def workload(**parts) -> Workload:
    arrays = {name: np.arange(rows, dtype=np.float32) for name, rows in parts.items()}
    return Workload(
        name="rows", init=lambda key: jnp.zeros(()), loss_fn=loss_fn, metric="loss", **arrays
    ).loaded()


def test_a_varied_split_covers_every_row_once_in_each_replicate():
    splits = make_splits(workload(data=23), KEY, 3)
    assert splits.kind == "anew"
    assert splits.rows == {"train": 15, "validation": 4, "test": 4}
    whole = np.concatenate([splits.train, splits.validation, splits.test], axis=1)
    assert np.array_equal(np.sort(whole, axis=1), np.tile(np.arange(23), (3, 1)))
    assert not np.array_equal(splits.test[0], splits.test[1])
    assert splits.variance_ratio == 4 / 19  # Nadeau and Bengio: test rows per learned row


def test_more_replicates_leave_the_first_ones_as_they_were():
    few, many = (make_splits(workload(data=20), KEY, count) for count in (2, 5))
    assert np.array_equal(few.train, many.train[:2])
    assert np.array_equal(few.test, many.test[:2])


def test_a_published_split_is_the_same_in_every_replicate():
    splits = make_splits(workload(data=6, eval_data=3, test_data=4), KEY, 2)
    assert splits.kind == "published"
    assert splits.variance_ratio == 0
    assert np.array_equal(splits.eval_data[splits.validation[1]], np.arange(3))
    assert np.array_equal(splits.eval_data[splits.test[1]], np.arange(4))
    assert np.array_equal(splits.train[0], splits.train[1])


def test_a_fixed_test_part_is_never_trained_on():
    splits = make_splits(workload(data=10, test_data=4), KEY, 3)
    assert splits.kind == "test fixed"
    assert splits.rows == {"train": 8, "validation": 2, "test": 4}
    assert (splits.eval_data[splits.test] == np.arange(4)).all()
    assert (splits.test >= 10).all()
    assert (splits.validation < 10).all()
    together = np.sort(np.concatenate([splits.train, splits.validation], axis=1), axis=1)
    assert np.array_equal(together, np.tile(np.arange(10), (3, 1)))


def test_validation_rows_alone_are_halved_anew():
    splits = make_splits(workload(data=4, eval_data=9), KEY, 4)
    assert splits.kind == "training fixed"
    assert splits.variance_ratio == 0
    assert not set(splits.validation[2]) & set(splits.test[2])
    assert len({tuple(row) for row in splits.test}) > 1


def test_a_fixed_split_is_that_of_the_first_replicate():
    varied = make_splits(workload(data=20), KEY, 3)
    fixed = make_splits(workload(data=20), KEY, 3, fixed=True)
    assert fixed.kind == "once"
    assert fixed.variance_ratio == 0
    assert np.array_equal(fixed.test, np.tile(varied.test[0], (3, 1)))


def test_too_few_rows_and_parts_of_other_forms_are_refused():
    with pytest.raises(ValueError, match="expected at least 5 rows"):
        make_splits(workload(data=4), KEY, 2)
    own = Workload(
        name="forms", init=lambda key: jnp.zeros(()), loss_fn=loss_fn, metric="loss",
        data=np.zeros(8, np.float32), eval_data=np.zeros((4, 2), np.float32),
        test_data=np.zeros(4, np.float32),
    )  # fmt: skip
    with pytest.raises(ValueError, match="rows of one form"):
        make_splits(own, KEY, 2)
