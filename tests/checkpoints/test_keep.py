import math

import pytest

from paramjax.checkpoints import Keep


@pytest.mark.parametrize(
    ("keep", "scores", "steps"),
    [
        (Keep(last=1), [3, 2, 1], [3]),
        (Keep(last=2), [1, 2, 3, 4], [3, 4]),
        (Keep(last=9), [1, 2, 3], [1, 2, 3]),
        (Keep(last=1, best=1), [1, 2, 3, 4], [1, 4]),
        (Keep(last=1, best=2), [5, 1, 4, 2, 3], [2, 4, 5]),
        (Keep(last=1, best=1), [1, 1, 1, 2], [3, 4]),
        (Keep(last=1, best=2), [math.nan, 2, -math.inf, math.inf, 1], [2, 5]),
        (Keep(last=1, best=3), [None, None, 7, None], [3, 4]),
        (Keep(last=2, best=1), [4, 3, 2, 1], [2, 3, 4]),
        (Keep(last=1, best=1), [-0.0, 0.0, 1], [2, 3]),
    ],
    ids=str,
)
def test_the_last_and_the_best_stay(keep, scores, steps):
    assert keep.stays(dict(enumerate(scores, start=1))) == steps


def test_the_last_and_the_best_stay_on_the_disk(open_store, save, steps_in, tmp_path):
    store = open_store(keep=Keep(last=1, best=2))
    for step, score in enumerate([5, 1, None, math.nan, 2, 3], start=1):
        save(store, step, score=score)
    assert steps_in(tmp_path / "run") == [2, 5, 6]


def test_the_best_outlasts_restarts(open_store, save, steps_in, tmp_path):
    for step, score in enumerate([5, 1, 4, 3], start=1):
        with open_store(keep=Keep(last=1, best=1)) as store:
            save(store, step, score=score)
    assert steps_in(tmp_path / "run") == [2, 4]


@pytest.mark.parametrize(
    ("counts", "error", "message"),
    [({"last": 0}, ValueError, "keep: last"), ({"best": -1}, ValueError, "keep: best"),
     ({"last": 1.5}, TypeError, "keep: last"), ({"best": True}, TypeError, "keep: best")],
    ids=str,
)  # fmt: skip
def test_counts_out_of_range_are_refused(counts, error, message):
    with pytest.raises(error, match=message):
        Keep(**counts)
