"""What games of several players share: one name for each player, one loss for each name."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from paramjax._checks import describe
from paramjax._types import LossFn, Metrics, Params
from paramjax.step._gradients import GradFn


def check_losses(losses: Mapping[str, LossFn]) -> dict[str, LossFn]:
    """Refuse what is no mapping of players to losses.

    Args:
        losses: Player -> loss of the parameters of all players.

    Returns:
        The losses as a dict of the same order.

    Raises:
        TypeError: If it is no mapping, a name is no string or a loss is no function or a GradFn.
        ValueError: If there is no player.

    Example:
        >>> list(check_losses({"generator": max, "discriminator": min}))
        ['generator', 'discriminator']
    """
    check_by_player("losses", losses)
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


def check_players(what: str, got: Any, players: Mapping[str, Any]) -> None:
    """Refuse anything but one entry for each player.

    Args:
        what: What `got` is, for the message.
        got: Player -> entry.
        players: The players, as keys.

    Raises:
        TypeError: If `got` is no mapping.
        ValueError: If a player is missing or one is unknown; the message names them.

    Example:
        >>> check_players("params", {"x": 1.0, "y": 2.0}, {"y": 0, "x": 0})
    """
    check_by_player(what, got)
    wrong = [f"without {name!r}" for name in players if name not in got]
    wrong += [f"with the unknown {name!r}" for name in got if name not in players]
    if wrong:
        raise ValueError(
            f"{what}: expected one entry for each player that has a loss, {list(players)}, "
            f"got it {', '.join(wrong)}"
        )


def check_by_player(what: str, got: Any) -> None:
    """Refuse anything but a mapping.

    Args:
        what: What `got` is, for the message.
        got: Player -> entry.

    Raises:
        TypeError: If `got` is no mapping.

    Example:
        >>> check_by_player("steps", {"discriminator": 5})
    """
    if not isinstance(got, Mapping):
        raise TypeError(f"{what}: expected a mapping from players to entries, got {describe(got)}")


def own_loss(loss_fn: LossFn, name: str, params: Mapping[str, Params]) -> LossFn:
    """A player's loss as a function of its own parameters, with the others' held fixed.

    Args:
        loss_fn: A loss of the parameters of all players, in either form.
        name: The player.
        params: The parameters of all players.

    Returns:
        A loss of `params[name]`, in the same form.

    Example:
        >>> product = lambda params, batch, key: (params["x"] * params["y"], {})
        >>> own_loss(product, "x", {"x": 1.0, "y": 3.0})(2.0, None, None)[0]
        6.0
    """
    return lambda own, *rest: loss_fn({**params, name: own}, *rest)


def by_player(name: str, metrics: Metrics) -> Metrics:
    """Metrics under the name of their player.

    Args:
        name: The player.
        metrics: Its metrics.

    Returns:
        The metrics, each as `<player>/<metric>`.

    Example:
        >>> by_player("x", {"loss": 0.5})
        {'x/loss': 0.5}
    """
    return {f"{name}/{metric}": value for metric, value in metrics.items()}
