"""Games in which all players move at once: the gradient of each player's own loss."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import optax

from paramjax._types import LossFn, Metrics, Params
from paramjax.step._gradients import GradFn, gradient, join_aux, split_aux
from paramjax.step.trainers._players import by_player, check_losses, check_players, own_loss


def simultaneous(losses: Mapping[str, LossFn], *, stateful: bool = False) -> GradFn:
    r"""The gradient of each player's loss with respect to its own parameters.

    $$g_i(\theta) = \nabla_{\theta_i} \ell_i(\theta_1, \dots, \theta_n)$$

    All are taken at the same point. A gradient transformation then moves the players at
    once: `optax.sgd` is gradient descent-ascent, which circles outwards on bilinear games;
    `optax.optimistic_gradient_descent` converges there (Daskalakis et al., 2018), and so does
    `optax.optimistic_adam_v2` without momentum (`b1=0.0`); `optax.partition` gives each
    player its own.

    Args:
        losses: Player -> `(params, batch, key) -> (loss, metrics)`, where `params` is a dict
            with one entry for each player; each player descends on its own loss. All get
            the same key, so that two losses of opposite sign stay so.
        stateful: Whether the losses take and return model state; it goes from player to
            player in the order of the mapping.

    Returns:
        A GradFn. Its loss is the sum of the players' losses, which is finite where all are,
        zero in a zero-sum game and no objective: `loss_fn` is None, and optimizers that
        search along a loss raise their own errors. Its metrics are each player's own under
        `<player>/<metric>`, with `<player>/loss` and `<player>/grad_norm`.

    Raises:
        TypeError: If a loss is no function; at the first trace, if the parameters are no mapping.
        ValueError: If there is no player; at the first trace, if the parameters lack a player
            or hold one without a loss, or a loss is not a scalar.

    Example:
        >>> product = lambda params, batch, key: (params["x"] * params["y"], {})
        >>> minus = lambda params, batch, key: (-params["x"] * params["y"], {})
        >>> grad_fn = simultaneous({"x": product, "y": minus})
        >>> grads, loss, metrics = grad_fn({"x": 2.0, "y": 3.0}, None, None)
        >>> float(grads["x"]), float(grads["y"]), float(metrics["x/loss"]), float(loss)
        (3.0, -2.0, 6.0, 0.0)
    """
    losses = check_losses(losses)

    def estimate(params: Params, *rest: Any) -> tuple[Any, Any, Any]:
        carried, (batch, key) = rest[:-2], rest[-2:]
        check_players("params", params, losses)
        grads: dict[str, Params] = {}
        metrics: Metrics = {}
        total: Any = 0.0
        for name, loss_fn in losses.items():
            own = gradient(own_loss(loss_fn, name, params), stateful=stateful)
            grads[name], loss, aux = own(params[name], *carried, batch, key)
            carried, reported = split_aux(aux, stateful=stateful)
            reported = {**reported, "loss": loss, "grad_norm": optax.tree.norm(grads[name])}
            metrics |= by_player(name, reported)
            total = total + loss
        return grads, total, join_aux(carried, metrics)

    return GradFn(estimate, stateful=stateful)
