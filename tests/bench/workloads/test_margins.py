import pytest

from paramjax.bench.workloads import Workload, default_margin, workload_warnings


def workload(metric, **change):
    loss_fn = lambda params, batch, key: (params, {})
    given = {"name": "mine", "init": lambda key: 0.0, "loss_fn": loss_fn, "data": None}
    return Workload(metric=metric, **{**given, **change})


@pytest.mark.parametrize("metric", ["accuracy", "error"])
def test_the_margin_of_a_share_is_half_a_point_or_two_rows(metric):
    own = workload(metric)
    assert default_margin(own, 10_000) == (
        0.005,
        "half a point, which is at least two of 10000 test rows",
    )
    assert default_margin(own, 400)[0] == 0.005
    assert default_margin(own, 100) == (
        0.02,
        "two of 100 test rows, which are more than half a point",
    )


def test_the_margin_of_a_loss_is_left_to_the_baseline():
    margin, reason = default_margin(workload("loss"), 400)
    assert margin is None
    assert reason == "1 % of what training wins with the baseline"


@pytest.mark.parametrize(("rows", "error"), [(0, ValueError), (2.5, TypeError)])
def test_what_is_no_number_of_rows_is_refused(rows, error):
    with pytest.raises(error, match="n_test: expected a whole number"):
        default_margin(workload("loss"), rows)
    with pytest.raises(error, match="test rows: expected a whole number"):
        workload_warnings(workload("loss"), 10, rows)


@pytest.mark.parametrize(
    ("metric", "margin", "rows", "needed"),
    [
        ("accuracy", 0.005, 400, None),
        ("accuracy", 0.005, 399, 400),
        ("accuracy", None, 399, 400),
        ("accuracy", 0.0056, 359, 358),
        ("error", 0.1, 19, 20),
        ("error", 0.1, 20, None),
        ("accuracy", 0.0, 2, None),
        ("loss", 0.1, 200, None),
        ("loss", None, 199, 200),
    ],
)
def test_two_rows_must_not_be_more_than_the_margin(metric, margin, rows, needed):
    found = workload_warnings(workload(metric, margin=margin), 10_000, rows)
    too_few = needed is not None and rows < needed
    assert len(found) == too_few
    if too_few:
        assert found == [
            f"mine has {rows} test rows, too few for its margin: {metric} needs {needed}"
        ]


def test_small_parts_and_workloads_kept_for_speed_are_named():
    found = workload_warnings(workload("loss", bears_verdicts=False), 20, 30)
    assert found == [
        "mine is kept for its speed: it is too small to carry a verdict",
        "mine has 20 validation rows, too few to choose a trial by: loss needs 200",
        "mine has 30 test rows, too few for its margin: loss needs 200",
    ]
