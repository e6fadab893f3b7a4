"""What the games share: checks of the players, and each player's own loss and metrics."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from paramjax._checks import describe
from paramjax._types import LossFn, Metrics, Params
from paramjax.step._gradients import GradFn, call_loss


def check_losses(losses: Mapping[str, LossFn]) -> dict[str, LossFn]:
    """The losses as a dict, or an error unless there is a loss for each named player."""
    check_mapping("losses", losses)
    if not losses:
        raise ValueError("losses: expected a loss for each player, got an empty mapping")
    for name, loss_fn in losses.items():
        if not isinstance(name, str):
            raise TypeError(f"losses: expected the players' names as keys, got {describe(name)}")
        if not callable(loss_fn):
            raise TypeError(f"losses[{name!r}]: expected a function, got {describe(loss_fn)}")
        if isinstance(loss_fn, GradFn):
            raise TypeError(
                f"losses[{name!r}]: expected a loss of all players' parameters, got a GradFn; "
                "the game takes the gradient itself"
            )
    return dict(losses)


def check_players(argument: str, got: Any, players: Mapping[str, Any]) -> None:
    """Raise unless a mapping has one entry for each player and no other."""
    check_mapping(argument, got)
    wrong = [f"without {name!r}" for name in players if name not in got]
    wrong += [f"with the unknown {name!r}" for name in got if name not in players]
    if wrong:
        raise ValueError(
            f"{argument}: expected one entry for each player that has a loss, {list(players)}, "
            f"got a mapping {', '.join(wrong)}"
        )


def check_mapping(argument: str, got: Any) -> None:
    """Raise unless it is a mapping."""
    if not isinstance(got, Mapping):
        raise TypeError(
            f"{argument}: expected a mapping from players to entries, got {describe(got)}"
        )


def player_loss(loss_fn: LossFn, name: str, params: Mapping[str, Params]) -> LossFn:
    """A player's loss as a function of its own parameters, with the others' held fixed."""

    def own_loss(own: Params, *rest: Any) -> Any:
        return call_loss(f"losses[{name!r}]", loss_fn, ({**params, name: own}, *rest))

    return own_loss


def player_metrics(name: str, metrics: Metrics) -> Metrics:
    """A player's metrics, each as `<player>/<metric>`."""
    return {f"{name}/{metric}": value for metric, value in metrics.items()}
