import dataclasses
import json
import math
from datetime import timedelta

import numpy as np
import pytest

from paramjax.checkpoints import Checkpoints, CheckpointStore, Keep


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


def test_the_last_and_the_best_stay_on_the_disk_over_restarts(open_store, save, steps_in, tmp_path):
    for step, score in enumerate([5, 1, None, math.nan, 2, 3], start=1):
        with open_store(keep=Keep(last=1, best=2)) as store:
            save(store, step, score=score)
    assert steps_in(tmp_path / "run") == [2, 5, 6]


@pytest.mark.parametrize(
    ("make", "error", "message"),
    [
        (lambda: Keep(last=0), ValueError, "keep: last"),
        (lambda: Keep(best=-1), ValueError, "keep: best"),
        (lambda: Keep(last=1.5), TypeError, "keep: last"),
        (lambda: Keep(best=True), TypeError, "keep: best"),
        (lambda: Checkpoints(3), TypeError, "checkpoints: expected a path, got int 3"),
        (lambda: Checkpoints("gs://b/run"), ValueError, "checkpoints: expected a path of this m"),
        (lambda: Checkpoints("run", keep=3), TypeError, "expected a pj.checkpoints.Keep, got int"),
        (
            lambda: Checkpoints("run", keep=3),
            TypeError,
            r"write keep=pj.checkpoints.Keep\(",
        ),
        (lambda: CheckpointStore("run", identity={}, keep=3), TypeError, "got int 3; write keep="),
        (lambda: CheckpointStore("run", identity=[1]), TypeError, "identity: expected a dict"),
        (lambda: Checkpoints("run", fresh="no"), TypeError, "fresh: expected True or False, got s"),
        (lambda: Checkpoints("run", allow_new_program=1), TypeError, "allow_new_program: expected"),
        (lambda: Checkpoints("run", every=0), ValueError, "checkpoints: every"),
        (lambda: Checkpoints("run", every=1.5), TypeError, "steps or a datetime.timedelta, got"),
        (lambda: Checkpoints("run", every=timedelta(0)), ValueError, "expected a time above 0"),
    ],
)
def test_bad_arguments_are_refused(make, error, message):
    with pytest.raises(error, match=message):
        make()


def test_numbers_of_numpy_are_numbers(open_store, save, steps_in, tmp_path):
    keep = Keep(last=np.int64(1), best=np.uint8(0))
    assert json.dumps(dataclasses.asdict(keep)) == '{"last": 1, "best": 0}'
    assert type(Checkpoints("run", every=np.int32(5)).every) is int
    with open_store(keep=keep) as store:
        save(store, 1)
        save(store, 2)
    assert steps_in(tmp_path / "run") == [2]
