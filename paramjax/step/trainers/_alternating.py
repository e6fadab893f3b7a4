"""Games in which the players move in turn, each with its own gradient transformation."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import jax
import jax.numpy as jnp
import optax

from paramjax._checks import check_count
from paramjax._types import Batch, Key, LossFn, Metrics, ModelState, Params, PyTree
from paramjax.step._assemble import assemble
from paramjax.step._evaluation import PlayerStates, gradient_point, init_optimizer
from paramjax.step._norms import norm_of
from paramjax.step._state import Trainer, TrainState, scan_steps
from paramjax.step._train_step import as_transformation, train_step
from paramjax.step.hooks._hook import Hook
from paramjax.step.trainers._players import (
    check_losses,
    check_mapping,
    check_players,
    player_loss,
    player_metrics,
)


def alternating(
    losses: Mapping[str, LossFn],
    txs: Mapping[str, optax.GradientTransformation | optax.MultiSteps],
    hooks: Sequence[Hook] = (),
    *,
    steps: Mapping[str, int] | None = None,
    stateful: bool = False,
) -> Trainer:
    r"""Players that move in turn, each seeing the others' newest parameters.

    $$\theta_i \leftarrow \mathrm{tx}_i(\nabla_{\theta_i}
    \ell_i(\theta_1', \dots, \theta_{i-1}', \theta_i, \dots, \theta_n))$$

    for one player after the other in the order of the losses. With a discriminator and a
    generator, and `steps={"discriminator": k}`, this is Algorithm 1 of Goodfellow et al.
    (2014), with the k updates of the discriminator on one batch, each with its own key.

    Args:
        losses: Player -> `(params, batch, key) -> (loss, metrics)`, where `params` is a dict
            with one entry for each player; each player descends on its own loss.
        txs: Player -> its gradient transformation. Each gets optax's extra arguments for its
            own loss, as line searches need, and chooses the parameters of its own player to
            evaluate (lookahead, schedule-free). The losses of the others use a player's
            parameters at which its gradient is taken.
        hooks: Averages and guards on the parameters of all players. A monitor that observes
            gradients raises, because there is no single gradient.
        steps: Player -> updates per step, positive; 1 for players that are not named.
        stateful: Whether the losses take and return model state; it goes from update to
            update.

    Returns:
        A trainer. Update u of a step, counted over all players, uses
        `fold_in(key of the step, u)`. Metrics are those of each player's last update under
        `<player>/<metric>`, among them `<player>/loss` and `<player>/grad_norm`; `loss` is
        the sum of these losses and `grad_norm` the global norm of these gradients.

    Raises:
        TypeError: If a loss is not callable or a transformation not a gradient
            transformation; in `init`, if the parameters are not a mapping.
        ValueError: If there is no player, or transformations, steps or (in `init`) parameters
            lack a player or name one without a loss; at the first trace, if a hook observes.

    Example:
        >>> import paramjax as pj
        >>> product = lambda params, batch, key: (params["x"] * params["y"], {})
        >>> minus = lambda params, batch, key: (-params["x"] * params["y"], {})
        >>> txs = {"x": optax.sgd(0.5), "y": optax.sgd(0.5)}
        >>> trainer = pj.trainers.alternating({"x": product, "y": minus}, txs)
        >>> state = trainer.init(jax.random.key(0), {"x": jnp.ones(()), "y": jnp.ones(())})
        >>> state, metrics = trainer.step(state, None)
        >>> float(state.params["x"]), float(state.params["y"])
        (0.5, 1.25)
    """
    losses = check_losses(losses)
    check_players("txs", txs, losses)
    txs = {name: as_transformation(txs[name], f"txs[{name!r}]") for name in losses}
    counts = _update_counts(steps, losses)

    def init(params: Params, model_state: ModelState) -> tuple[Params, ModelState, PyTree]:
        check_players("params", params, losses)
        pairs = {name: init_optimizer(txs[name], params[name]) for name in losses}
        opt_state = PlayerStates({name: own for name, (_, own) in pairs.items()})
        return {name: own for name, (own, _) in pairs.items()}, model_state, opt_state

    def step(state: TrainState, batch: Batch, key: Key) -> tuple[TrainState, Metrics, None]:
        params, opt_states = dict(state.params), dict(state.opt_state.states)
        model_state, reported, done = state.model_state, {}, 0
        for name, loss_fn in losses.items():
            fixed = {other: gradient_point(own) for other, own in params.items()}
            player = train_step(player_loss(loss_fn, name, fixed), txs[name], stateful=stateful)
            own = TrainState(jnp.int32(done), params[name], model_state, opt_states[name], (), key)
            own, reported[name] = _update_player(player, own, batch, counts[name])
            params[name], model_state, opt_states[name] = own.params, own.model_state, own.opt_state
            done += counts[name]
        new = state._replace(
            params=params, model_state=model_state, opt_state=PlayerStates(opt_states)
        )
        return new, _merged(reported), None

    return assemble(init, step, hooks, stateful=stateful)


def _update_counts(steps: Mapping[str, int] | None, losses: Mapping[str, LossFn]) -> dict[str, int]:
    """Updates per step of each player."""
    steps = {} if steps is None else steps
    check_mapping("steps", steps)
    counts = dict.fromkeys(losses, 1) | dict(steps)
    check_players("steps", counts, losses)
    return {name: check_count(f"steps[{name!r}]", count) for name, count in counts.items()}


def _update_player(
    player: Trainer, own: TrainState, batch: Batch, count: int
) -> tuple[TrainState, Metrics]:
    """A player's updates on a batch, and the metrics of the last one."""
    if count == 1:  # a scan would be compiled anew at each call outside of jit
        return player.step(own, batch)
    own, metrics = scan_steps(player, own, batch, None, count)
    return own, jax.tree.map(lambda values: values[-1], metrics)


def _merged(reported: Mapping[str, Metrics]) -> Metrics:
    """The metrics of all players, the sum of their losses and their global gradient norm."""
    metrics: Metrics = {}
    for name, own in reported.items():
        metrics |= player_metrics(name, own)
    total = optax.tree.sum([own["loss"] for own in reported.values()])
    norm = norm_of([own["grad_norm"] for own in reported.values()])
    return {**metrics, "loss": total, "grad_norm": norm}
