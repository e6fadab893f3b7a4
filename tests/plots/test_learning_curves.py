import math

import numpy as np
import pytest
from matplotlib.colors import to_rgba

from paramjax.plots import learning_curves

BEST_COLOUR = "#D55E00"
STEPS = 40


def rates(*losses):
    return [({"learning_rate": 0.1}, own) for own in losses]


def test_each_training_has_its_curve_and_the_best_is_in_front(make, ax, labelled):
    assert learning_curves(make(rates([2.0, 3.0], [1.0, 1.0])), ax) is ax
    drawn = labelled(ax)
    assert list(drawn) == ["a training", "best trial"]
    steps = np.array([10.0, 20.0, 30.0, 40.0])
    for line, end in zip(drawn["a training"].get_segments(), (2.0, 3.0), strict=True):
        np.testing.assert_allclose(line, np.column_stack([steps, np.linspace(4.0, end, 4)]))
    best = drawn["best trial"]
    assert len(best.get_segments()) == 2
    assert best.get_colors()[0].tolist() == pytest.approx(to_rgba(BEST_COLOUR))
    assert best.zorder > drawn["a training"].zorder
    assert (ax.get_xlabel(), ax.get_ylabel()) == ("step", "loss")


def test_a_diverged_training_has_a_cross_at_its_step(make, ax, labelled):
    learning_curves(make(rates([2.0], [1.0], [math.inf])), ax)
    drawn = labelled(ax)
    assert drawn["diverged"].get_linestyles()[0][1] is not None, "dashed"
    crosses = [c.get_offsets().tolist() for c in ax.collections]
    assert [[15.0, pytest.approx(0.955)]] in crosses, "in the lane above its last step"
    assert ax.get_ylim()[1] < 5


def test_a_training_whose_loss_rose_is_drawn_apart(make, ax, labelled):
    learning_curves(make(rates([2.0], [1.0], [1e30]), status={2: "worsened"}), ax)
    (line,) = labelled(ax)["loss rose"].get_segments()
    assert line[0].tolist() == [10.0, 4.0]
    assert ax.get_ylim()[1] < 5


def test_a_stopped_training_ends_where_it_was_stopped(make, ax, labelled):
    learning_curves(make(rates([2.0], [1.0], [3.0]), status={2: "stopped"}), ax)
    (line,) = labelled(ax)["stopped early"].get_segments()
    assert line[:, 0].tolist() == [10, 20]
    ends = [c.get_offsets().tolist() for c in ax.collections]
    assert [[20.0, 3.0]] in ends


def test_without_evaluations_along_the_way_the_training_loss_is_drawn(make, ax, labelled):
    history = {"loss": np.linspace(4.0, 1.0, STEPS)[None].repeat(2, 0)}
    history["loss"][1, 20:] = np.nan
    last = {"step": [40.0], "train_loss": [1.0], "loss": [1.0]}
    learning_curves(make(rates([1.0], [2.0]), curve=last), ax, history=history)
    assert ax.get_ylabel() == "loss while training"
    (line,) = labelled(ax)["best trial"].get_segments()
    np.testing.assert_allclose(
        line, np.column_stack([np.arange(1, STEPS + 1), np.linspace(4.0, 1.0, STEPS)])
    )
    (other,) = labelled(ax)["a training"].get_segments()
    assert len(other) == 20


def test_a_metric_without_a_curve_shows_the_loss_with_its_bad_end_above(make, ax):
    trials = rates([1.0], [2.0], [math.inf])
    learning_curves(make(trials), ax, "accuracy", maximise=True)
    assert ax.get_ylabel() == "loss while training"
    assert any([15.0, pytest.approx(0.955)] in c.get_offsets().tolist() for c in ax.collections)


@pytest.mark.parametrize(
    ("start", "scale"), [(4.0, "linear"), (400.0, "log")], ids=["one decade", "three decades"]
)
def test_decades_are_shown_on_a_logarithmic_axis(make, ax, start, scale):
    history = {"loss": np.linspace(start, 1.0, STEPS)[None]}
    last = {"step": [40.0], "train_loss": [1.0]}
    learning_curves(make(rates([1.0]), curve=last), ax, history=history)
    assert ax.get_yscale() == scale


def test_a_spike_leaves_the_axis(make, ax):
    history = {"loss": np.ones((2, STEPS)) + np.linspace(1, 0, STEPS)}
    history["loss"][0, 7] = 1e6
    last = {"step": [40.0], "train_loss": [1.0]}
    learning_curves(make(rates([2.0], [1.0]), curve=last), ax, history=history)
    assert ax.get_ylim()[1] < 3


def test_one_step_is_a_dot(make, ax):
    history = {"loss": np.array([[2.0], [3.0]])}
    last = {"step": [1.0], "train_loss": [2.0]}
    learning_curves(make(rates([2.0], [3.0]), curve=last, steps=1), ax, history=history)
    dots = [c.get_offsets().tolist() for c in ax.collections]
    assert [[1.0, 2.0]] in dots
    assert [[1.0, 3.0]] in dots


def test_where_all_diverged_at_once_it_says_so(make, ax, labelled):
    history = {"loss": np.full((2, STEPS), np.nan)}
    none = {"step": [], "train_loss": []}
    records = make(rates([math.nan], [math.nan]), curve=none, diverged_step=0)
    learning_curves(records, ax, history=history)
    assert list(labelled(ax)) == ["diverged"]
    assert "no finite loss while training" in [text.get_text() for text in ax.texts]


def test_thousands_of_long_trainings_are_few_points_each(make, ax, labelled):
    history = {"loss": np.ones((1000, 1999), np.float32)}
    last = {"step": [1999.0], "train_loss": [1.0]}
    records = make(rates(*[[1.0]] * 1000), curve=last, steps=1999)
    learning_curves(records, ax, history=history)
    drawn = labelled(ax)["a training"]
    assert len(drawn.get_segments()) == 999
    assert len(drawn.get_segments()[0]) == 200
    assert drawn.get_rasterized()
    assert drawn.get_alpha() < 0.2


def test_a_mean_of_a_long_training_is_over_consecutive_steps(make, ax, labelled):
    values = np.random.default_rng(0).normal(2.0, 0.1, size=(2, 401))
    last = {"step": [401.0], "train_loss": [1.0]}
    records = make(rates([1.0], [2.0]), curve=last, steps=401)
    learning_curves(records, ax, history={"loss": values})
    for name, own in (("best trial", values[0]), ("a training", values[1])):
        ((steps, means),) = (s.T for s in labelled(ax)[name].get_segments())
        assert steps[-1] == 401
        np.testing.assert_allclose(means @ np.diff([0, *steps]), own.sum(), rtol=1e-9)


def test_without_a_history_the_recorded_training_loss_is_drawn(make, ax, labelled):
    curve = {"step": [10.0, 20.0], "train_loss": [3.0, 1.0]}
    learning_curves(make(rates([1.0]), curve=curve), ax)
    assert ax.get_ylabel() == "loss while training"
    (line,) = labelled(ax)["best trial"].get_segments()
    assert line.tolist() == [[10, 3], [20, 1]]
