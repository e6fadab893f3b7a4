import math

import numpy as np
import pytest
from matplotlib.colors import to_rgba

import paramjax as pj
from paramjax.plots import learning_rate_curve

FINISHED_COLOUR, BEST_COLOUR = "#0072B2", "#D55E00"
RATE = {"learning_rate": pj.log_uniform(1e-3, 1.0)}


def rates(*pairs):
    return [({"learning_rate": rate}, losses) for rate, losses in pairs]


def points(drawn):
    return drawn.get_offsets().tolist()


def test_a_dot_a_seed_and_a_line_through_the_means(make, ax, labelled):
    trials = rates((0.1, [1.0, 3.0]), (0.01, [0.5, 1.5]), (0.9, [4.0, 6.0]))
    assert learning_rate_curve(make(trials), RATE, ax) is ax
    drawn = labelled(ax)
    assert list(drawn) == ["one seed", "mean of the seeds", "best: 1 at 0.01"]
    assert points(drawn["one seed"]) == [[0.1, 1.0], [0.1, 3.0], [0.9, 4.0], [0.9, 6.0]]
    assert drawn["one seed"].get_facecolors()[0][:3].tolist() == pytest.approx(
        to_rgba(FINISHED_COLOUR)[:3]
    )
    assert drawn["mean of the seeds"].get_xydata().tolist() == [[0.01, 1], [0.1, 2], [0.9, 5]]
    star = drawn["best: 1 at 0.01"]
    assert points(star) == [[0.01, 1.0]]
    assert star.get_facecolors()[0].tolist() == pytest.approx(to_rgba(BEST_COLOUR))
    seeds = [c for c in ax.collections if c not in drawn.values()]
    assert [points(c) for c in seeds] == [[[0.01, 0.5], [0.01, 1.5]]]
    assert (ax.get_xlabel(), ax.get_ylabel()) == ("learning rate", "loss")
    assert (ax.get_xscale(), ax.get_yscale()) == ("log", "linear")
    assert ax.get_title(loc="left") == "loss against learning rate"


@pytest.mark.parametrize(
    ("losses", "scale"),
    [
        ((0.01, 0.1, 1.01), "log"),
        ((0.01, 0.1, 0.99), "linear"),
        ((0.0, 0.1, 1e3), "linear"),
        ((-1.0, 0.1, 1e3), "linear"),
    ],
    ids=["over two decades", "under two decades", "zero among them", "negative"],
)
def test_two_decades_are_shown_on_a_logarithmic_axis(make, ax, losses, scale):
    trials = rates(*((10.0 ** -(trial + 1), [loss]) for trial, loss in enumerate(losses)))
    learning_rate_curve(make(trials), RATE, ax)
    assert ax.get_yscale() == scale
    low, high = ax.get_ylim()
    assert low < min(losses) < max(losses) < high


def test_diverged_seeds_lie_in_a_lane_that_changes_no_scale(make, ax, labelled):
    trials = rates((0.01, [1.0, 2.0]), (0.1, [2.0, math.nan]), (0.5, [math.inf, math.inf]))
    learning_rate_curve(make(trials), RATE, ax)
    lost = labelled(ax)["diverged"]
    assert lost.get_transform() != ax.transData
    positions = lost.get_offset_transform().transform(lost.get_offsets())
    inside = ax.transAxes.inverted().transform(positions)[:, 1]
    assert ((inside > 0.9) & (inside < 1)).all()
    assert lost.get_offsets()[:, 0].tolist() == [0.1, 0.5, 0.5]
    assert ax.get_ylim()[1] < 2.3
    assert max(ax.get_yticks()) <= 2.05
    line = labelled(ax)["mean of the seeds"].get_ydata()
    assert np.isnan(line).tolist() == [False, True, True]
    assert "worse" in [text.get_text() for text in ax.texts]


def test_a_finite_diverged_loss_has_its_cross_on_the_axis_if_it_fits(make, ax, labelled):
    """The axis must not end at 1e30."""
    trials = rates((0.01, [1.0]), (0.1, [3.0]), (0.3, [2.0]), (0.9, [1e30]))
    learning_rate_curve(make(trials, status={2: "diverged", 3: "diverged"}), RATE, ax)
    assert points(labelled(ax)["diverged"]) == [[0.3, 2.0]]
    assert ax.get_ylim()[1] < 4
    (lane,) = (c for c in ax.collections if [0.9, pytest.approx(0.955)] in points(c))
    assert lane.get_offset_transform() != ax.transData


def test_a_loss_that_rose_is_drawn_apart_and_the_axis_does_not_end_at_it(make, ax, labelled):
    trials = rates((0.01, [1.0]), (0.1, [3.0]), (0.3, [2.0]), (0.9, [1e30]))
    learning_rate_curve(make(trials, status={2: "worsened", 3: "worsened"}), RATE, ax)
    assert points(labelled(ax)["loss rose"]) == [[0.3, 2.0]]
    assert ax.get_ylim()[1] < 4


def test_a_trial_whose_loss_rose_can_be_the_best(make, ax, labelled):
    learning_rate_curve(make(rates((0.01, [2.0]), (0.1, [1.0])), status={1: "worsened"}), RATE, ax)
    assert points(labelled(ax)["best: 1 at 0.1"]) == [[0.1, 1.0]]


def test_the_lane_lies_below_where_larger_is_better(make, ax, labelled):
    trials = rates((0.01, [1.0]), (0.1, [3.0]), (0.5, [math.inf]))
    learning_rate_curve(make(trials), RATE, ax, "accuracy", maximise=True)
    lost = labelled(ax)["diverged"]
    assert lost.get_offsets()[0].tolist() == [0.5, pytest.approx(0.045)]
    assert points(labelled(ax)["best: 0.5 at 0.01"]) == [[0.01, 0.5]]


def test_stopped_trials_are_hollow_and_no_part_of_the_line(make, ax, labelled):
    trials = rates((0.01, [1.0]), (0.1, [1.2]), (0.2, [2.0]), (0.4, [2.2]), (0.9, [1e6]))
    status = {2: "stopped", 3: "stopped", 4: "stopped"}
    learning_rate_curve(make(trials, status=status), RATE, ax)
    stopped = labelled(ax)["stopped early"]
    assert points(stopped) == [[0.2, 2.0], [0.4, 2.2]]
    assert len(stopped.get_facecolors()) == 0
    assert labelled(ax)["from trial to trial"].get_xdata().tolist() == [0.01, 0.1]
    assert ax.get_ylim()[1] < 3, "the worst of them is in the lane"


def test_where_all_diverged_it_says_so(make, ax, labelled):
    learning_rate_curve(make(rates((0.01, [math.nan]), (0.1, [math.inf]))), RATE, ax)
    assert list(labelled(ax)) == ["diverged"]
    assert "no finite loss" in [text.get_text() for text in ax.texts]
    assert ax.get_yticks().tolist() == []


@pytest.mark.parametrize(
    ("loss", "trials"), [(0.0, 1), (2.302585, 4), (-7.0, 1), (1e-12, 4), (1e12, 4)]
)
def test_a_constant_has_room_on_both_sides(make, ax, loss, trials):
    learning_rate_curve(make(rates(*[(0.01 * (t + 1), [loss]) for t in range(trials)])), RATE, ax)
    low, high = ax.get_ylim()
    assert low < loss < high
    assert (high - loss) / (high - low) == pytest.approx(0.5, abs=0.01)


@pytest.mark.parametrize(
    ("space", "name"),
    [
        ({"decay": pj.log_uniform(1e-5, 1), "learning_rate": pj.uniform(0, 1)}, "learning rate"),
        ({"beta": pj.uniform(0, 1), "decay": pj.log_uniform(1e-5, 1)}, "decay"),
        ({"chain": pj.choice(["a", "b"]), "beta": pj.uniform(0, 1)}, "beta"),
        ({"chain": pj.choice(["a", "b"]), "batch": pj.choice([1, 2])}, "chain"),
    ],
    ids=["the learning rate", "the logarithmic one", "the number", "the first choice"],
)
def test_it_is_drawn_against_what_matters_most(make, ax, space, name):
    hp = {n: d.quantile(0.5) for n, d in space.items()}
    learning_rate_curve(make([(hp, [1.0])]), space, ax)
    assert ax.get_xlabel() == name


def test_a_choice_has_categories_side_by_side(make, ax, labelled):
    space = {"width": pj.choice([64, 16, 32])}
    trials = [(16, 3.0), (64, 1.0), (64, 1.5), (64, 2.0), (32, 5.0)]
    learning_rate_curve(make([({"width": w}, [v]) for w, v in trials]), space, ax)
    assert [text.get_text() for text in ax.get_xticklabels()] == ["16", "32", "64"]
    offsets = dict(map(reversed, points(labelled(ax)["one seed"])))
    assert offsets == {3.0: 0.0, 1.5: 2.0, 2.0: pytest.approx(2.22), 5.0: 1.0}
    assert points(labelled(ax)["best: 1"]) == [[pytest.approx(1.78), 1.0]]
    middle = [path[:, 1].tolist() for path in labelled(ax)["median of the trials"].get_segments()]
    assert middle == [[3.0, 3.0], [5.0, 5.0], [1.5, 1.5]]


def test_functions_are_categories_by_name(make, ax):
    space = {"aggregate": pj.choice([max, min, None])}
    learning_rate_curve(make([({"aggregate": max}, [1.0])]), space, ax)
    assert [text.get_text() for text in ax.get_xticklabels()] == ["max", "min", "None"]


def test_a_conditional_hyperparameter_counts_the_trials_that_have_it(make, ax, labelled):
    space = {
        "chain": pj.choice(["sgd", "adam"]),
        "momentum": pj.conditional("chain", "sgd", pj.uniform(0.0, 1.0)),
    }
    trials = [
        ({"chain": "adam"}, [0.5]),
        ({"chain": "sgd", "momentum": 0.25}, [1.0]),
        ({"chain": "sgd", "momentum": 0.75}, [2.0]),
    ]
    learning_rate_curve(make(trials), space, ax, name="momentum")
    assert ax.get_xlabel() == "momentum (in 2 of 3 trials)"
    assert points(labelled(ax)["one seed"]) == [[0.25, 1.0], [0.75, 2.0]]
    assert not any(text.startswith("best") for text in labelled(ax))


def test_where_other_things_vary_too_the_line_is_a_running_median(make, ax, labelled):
    space = RATE | {"beta": pj.uniform(0, 1)}
    losses = [1.0, 9.0, 2.0, 3.0, 4.0, 5.0, 6.0]
    trials = [
        ({"learning_rate": 0.01 * (trial + 1), "beta": 0.5}, [loss])
        for trial, loss in enumerate(losses)
    ]
    learning_rate_curve(make(trials), space, ax)
    assert labelled(ax)["running median"].get_ydata().tolist() == [1, 2, 3, 4, 4, 5, 6]


def test_without_any_hyperparameter_the_trials_are_counted(make, ax):
    learning_rate_curve(make([({}, [1.0]), ({}, [2.0])]), {}, ax)
    assert ax.get_xlabel() == "trial"


def test_thousands_of_seeds_are_pixels_in_a_vector_file(make, ax, labelled):
    trials = rates(*((rate, [rate] * 3) for rate in np.geomspace(1e-3, 1, 500).tolist()))
    learning_rate_curve(make(trials), RATE, ax)
    dots = labelled(ax)["one seed"]
    assert dots.get_rasterized()
    assert dots.get_alpha() < 0.3
    assert len(dots.get_offsets()) == 499 * 3


def test_diverged_trials_count_as_worse_than_all_others(make, ax, labelled):
    space = RATE | {"beta": pj.uniform(0, 1)}
    losses = [1.0, math.inf, 2.0, 3.0, math.inf, math.inf, math.inf]
    trials = [
        ({"learning_rate": 0.01 * (trial + 1), "beta": 0.5}, [loss])
        for trial, loss in enumerate(losses)
    ]
    learning_rate_curve(make(trials), space, ax)
    line = labelled(ax)["running median"].get_ydata()
    np.testing.assert_equal(line, [1.0, 2.0, 3.0, np.nan, np.nan, np.nan, np.nan])


def test_an_unknown_hyperparameter_raises_with_the_nearest_name(make, ax):
    with pytest.raises(
        ValueError, match="unknown hyperparameter 'learning-rate'; nearest: learning_rate"
    ):
        learning_rate_curve(make(rates((0.1, [1.0]))), RATE, ax, name="learning-rate")
