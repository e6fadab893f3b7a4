import jax.numpy as jnp
import pytest

import paramjax as pj
from paramjax.step.trainers._players import check_losses, check_players, player_loss, player_metrics


def test_a_players_loss_holds_the_others_fixed():
    loss_fn = lambda params, seen, batch, key: (params["x"] - params["y"], (seen + batch, {}))
    own = player_loss(loss_fn, "y", {"x": 5.0, "y": 1.0})
    assert own(2.0, 3, 4, None) == (3.0, (7, {}))


def test_metrics_carry_their_players_name():
    assert player_metrics("critic", {"loss": 1, "gap": 2}) == {"critic/loss": 1, "critic/gap": 2}


@pytest.mark.parametrize(
    ("losses", "error", "message"),
    [
        (max, TypeError, "losses: expected a mapping from players to entries, got"),
        ({}, ValueError, "losses: expected a loss for each player, got an empty mapping"),
        ({0: max}, TypeError, "losses: expected the players' names as keys, got int 0"),
        ({"x": pj.GradFn(max)}, TypeError, r"losses\['x'\]: expected a loss .*, got a GradFn"),
        ({"x": 1.0}, TypeError, r"losses\['x'\]: expected a function, got float 1.0"),
    ],
    ids=["no mapping", "empty", "no name", "estimator", "no function"],
)
def test_losses_of_another_kind_are_refused(losses, error, message):
    with pytest.raises(error, match=message):
        check_losses(losses)


@pytest.mark.parametrize(
    ("got", "error", "message"),
    [
        ({"x": 1}, ValueError, r"\['x', 'y'\], got a mapping without 'y'"),
        ({"x": 1, "y": 2, "z": 3}, ValueError, "got a mapping with the unknown 'z'"),
        ({"x": 1, "z": 3}, ValueError, "got a mapping without 'y', with the unknown 'z'"),
        (jnp.ones(2), TypeError, r"params: expected a mapping .*, got float32\[2\]"),
    ],
    ids=["missing", "unknown", "both", "no mapping"],
)
def test_entries_of_other_players_are_refused_by_name(got, error, message):
    with pytest.raises(error, match=message):
        check_players("params", got, {"x": None, "y": None})
