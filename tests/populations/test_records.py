import numpy as np
import pytest

from paramjax.populations import ChunkResult, Layout, TrialRun, evaluation_steps, records


def chunk(losses, ends=None, lost=None, **curve):
    """Trainings with these losses, as a population leaves them; a step loses the first."""
    losses = np.atleast_2d(np.float32(losses))
    runs = [TrialRun(trial, 0, {}) for trial in range(len(losses))]
    steps = np.full(len(losses), losses.shape[1])
    if lost is not None:
        steps[0] = lost
    alive = steps == losses.shape[1]
    return ChunkResult(
        runs, ends or (losses.shape[1],), {"loss": losses}, curve, alive, steps, steps, None
    )


@pytest.mark.parametrize(
    ("losses", "expected"),
    [
        ([1.0, 0.5, 0.1], ("finished", None)),
        ([1.0, np.inf, np.nan], ("diverged", 1)),
        ([np.nan, np.nan], ("diverged", 0)),
        # a hook rejected one step
        ([1.0, np.inf, 0.1], ("finished", None)),
        ([0.1, np.inf, 1.0], ("worsened", None)),
        # a gradient lost it, and its loss there is finite
        ([1.0, 0.5, np.nan], ("diverged", 1)),
        ([1.0, 2.0, 3.0], ("worsened", None)),
        ([1.0, 1.0], ("finished", None)),
        # noise around a loss that does not move
        ([1.0, 1.3, 0.9, 1.2], ("finished", None)),
    ],
)
def test_losses_decide_the_status(losses, expected):
    found = records(chunk([losses, [1.0] * len(losses)], lost=expected[1]))
    assert [(r.status, r.diverged_step) for r in found] == [expected, ("finished", None)]


def test_without_an_evaluation_the_last_tenth_is_averaged():
    (record,) = records(chunk(np.arange(40, 0, -1.0)))
    assert record.metrics == {"loss": np.mean([1, 2, 3, 4])}


def test_a_curve_has_the_losses_between_evaluations_and_ends_with_the_run():
    error = np.float32([[0.5, 0.25, 7.0]])
    (record,) = records(chunk([4.0, 2.0, 1.0, 3.0, np.inf, np.nan], (2, 4, 6), 4, error=error))
    assert record.curve["step"] == [2.0, 4.0, 6.0]
    assert record.curve["train_loss"] == [3.0, 2.0, pytest.approx(np.nan, nan_ok=True)]
    assert record.curve["error"] == [0.5, 0.25, pytest.approx(np.nan, nan_ok=True)]
    assert np.isnan(record.metrics["error"])


def test_a_metric_that_is_not_finite_is_a_divergence():
    (record,) = records(chunk([1.0, 0.5], error=np.float32([[np.nan]])))
    assert (record.status, record.diverged_step) == ("diverged", None)


@pytest.mark.parametrize(
    ("steps", "evaluations", "expected"),
    [(10, 5, [2, 4, 6, 8, 10]), (7, 3, [1, 4, 7]), (3, 9, [1, 2, 3]), (5, 1, [5])],
)
def test_evaluations_are_even_and_end_at_the_end(steps, evaluations, expected):
    assert evaluation_steps(steps, evaluations) == expected


@pytest.mark.parametrize(
    ("counts", "error", "message"),
    [
        ({"width": 0}, ValueError, "layout: width: expected a whole number from 1"),
        ({"workers": 2.0}, TypeError, "layout: workers: expected a whole number, got float 2.0"),
    ],
)
def test_bad_counts_of_a_layout_are_refused(counts, error, message):
    with pytest.raises(error, match=message):
        Layout(**counts)
