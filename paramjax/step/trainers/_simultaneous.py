"""Games in which all players move at once: the gradient of each player's own loss."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from paramjax._types import LossFn, Metrics, Params
from paramjax.step._gradients import GradFn, gradient, join_aux, split_aux
from paramjax.step._keys import used_again
from paramjax.step._norms import norm_of
from paramjax.step.trainers._players import (
    check_losses,
    check_players,
    player_loss,
    player_metrics,
)


def simultaneous(losses: Mapping[str, LossFn], *, stateful: bool = False) -> GradFn:
    r"""The gradient of each player's loss with respect to its own parameters.

    $$g_i(\theta) = \nabla_{\theta_i} \ell_i(\theta_1, \dots, \theta_n)$$

    All gradients are taken at the same point; a gradient transformation then moves all
    players at once. `optax.sgd` is gradient descent-ascent, which circles outwards on
    bilinear games; `optax.optimistic_gradient_descent` converges there (Daskalakis et al.,
    2018), and so does `optax.optimistic_adam_v2` without momentum (`b1=0.0`);
    `optax.partition` gives each player its own transformation.

    Args:
        losses: Player -> `(params, batch, key) -> (loss, metrics)`, where `params` is a dict
            with one entry for each player; each player descends on its own loss. All get
            the same key, so that a zero-sum game with random losses stays zero-sum.
        stateful: Whether the losses take and return model state; it goes from player to
            player in the order of the mapping.

    Returns:
        A GradFn. Its loss is the sum of the players' losses, which is finite where all are
        and zero in a zero-sum game. The sum is not an objective, so `loss_fn` is None, and
        optimizers that search along a loss raise. Its metrics are each player's own under
        `<player>/<metric>`, with `<player>/loss` and `<player>/grad_norm`.

    Raises:
        TypeError: If a loss is not callable; at the first trace, if the parameters are not a
            mapping.
        ValueError: If there is no player; at the first trace, if the parameters lack a player
            or hold one without a loss, or a loss is not a scalar.

    Example:
        >>> import paramjax as pj
        >>> product = lambda params, batch, key: (params["x"] * params["y"], {})
        >>> minus = lambda params, batch, key: (-params["x"] * params["y"], {})
        >>> grad_fn = pj.trainers.simultaneous({"x": product, "y": minus})
        >>> grads, loss, metrics = grad_fn({"x": 2.0, "y": 3.0}, None, None)
        >>> float(grads["x"]), float(grads["y"]), float(metrics["x/loss"]), float(loss)
        (3.0, -2.0, 6.0, 0.0)
    """
    losses = check_losses(losses)

    def estimate(params: Params, *rest: Any) -> tuple[Any, Any, Any]:
        model_state, (batch, key) = rest[:-2], rest[-2:]
        check_players("params", params, losses)
        grads: dict[str, Params] = {}
        metrics: Metrics = {}
        total: Any = 0.0
        for name, loss_fn in losses.items():
            own = gradient(player_loss(loss_fn, name, params), stateful=stateful)
            grads[name], loss, aux = own(params[name], *model_state, batch, used_again(key))
            model_state, reported = split_aux(aux, stateful=stateful)
            reported = {**reported, "loss": loss, "grad_norm": norm_of(grads[name])}
            metrics |= player_metrics(name, reported)
            total = total + loss
        return grads, total, join_aux(model_state, metrics)

    return GradFn(estimate, stateful=stateful)
