"""Deep ensembles: networks that differ in start and order of batches, trained as a population."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from types import MappingProxyType
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from scipy import special

from paramjax._checks import check_count, check_takes, describe
from paramjax._display import as_html, lines_of, tree_summary
from paramjax._programs import owned_jit
from paramjax._status import Status
from paramjax._types import Array, Hyperparameters, Key, ModelState, Params, PyTree
from paramjax.estimate.networks._mixtures import ClassMixture, ValueMixture
from paramjax.populations._execution import Execution
from paramjax.populations._population import MakeTrainer
from paramjax.populations._problem import Problem, is_stateful, rows_a_step, with_structure
from paramjax.populations._trial_run import Record
from paramjax.step._state import Trainer
from paramjax.tuning._cross_validate import trainer_of
from paramjax.tuning._result import Sweep
from paramjax.tuning._sweep import sweep


@dataclass(frozen=True, eq=False, repr=False)
class Ensemble:
    """Networks that were trained alike from different starts.

    Attributes:
        params: Parameters to evaluate, leaves [members, ...].
        model_state: The model states that belong to them, leaves [members, ...]; `()` if the
            model has none.
        seeds: The seed of each member, which `sweep.replay(0, seed)` trains again.
        left_out: Seed -> why that member is not in the ensemble.
        sweep: The trainings: records, histories, and curves of the evaluations.
    """

    params: Params
    model_state: ModelState
    seeds: tuple[int, ...]
    left_out: dict[int, str]
    sweep: Sweep

    def __len__(self) -> int:
        """The number of members."""
        return len(self.seeds)

    def __repr__(self) -> str:
        """Members, those left out with their reasons, and the parameters of all."""
        out = [f"seed {seed}: {why}" for seed, why in self.left_out.items()]
        title = f"Ensemble: {len(self)} {'member' if len(self) == 1 else 'members'}"
        return lines_of(title, {"left out": "; ".join(out), "params": tree_summary(self.params)})

    def _repr_html_(self) -> str:
        """The same lines in a notebook."""
        return as_html(repr(self))

    def __getitem__(self, members: slice) -> Ensemble:
        """Some of the members, such as `ensemble[:5]`."""
        if not isinstance(members, slice) or not self.seeds[members]:
            raise TypeError(
                f"ensemble: expected a slice of its {len(self)} members such as [:1], got "
                f"{describe(members)}"
            )
        params, state = jax.tree.map(lambda leaf: leaf[members], (self.params, self.model_state))
        return replace(self, params=params, model_state=state, seeds=self.seeds[members])

    def classify(self, apply_fn: Callable[..., Array], x: PyTree) -> ClassMixture:
        """The mean of the members' class probabilities.

        Args:
            apply_fn: `(params, x) -> logits` [rows, classes], or one logit for two classes, [rows]
                or [rows, 1]; of a stateful model `(params, model_state, x) -> logits`.
            x: Inputs, leaves [rows, ...].

        Returns:
            Probabilities, of two classes if there is one logit, and disagreement.

        Raises:
            TypeError: If `apply_fn` does not take these arguments.
            ValueError: If a logit is not finite; the member and the row are named.
        """
        logits = np.asarray(self._outputs(apply_fn, x), np.float64)
        _check_finite("logits", logits, self.seeds)
        if logits.ndim == 2 or logits.shape[-1] == 1:
            chance = special.expit(logits.reshape(logits.shape[:2]))
            return ClassMixture(np.stack([1.0 - chance, chance], axis=-1))
        return ClassMixture(np.asarray(special.softmax(logits, axis=-1)))

    def predict(self, apply_fn: Callable[..., Any], x: PyTree) -> ValueMixture:
        """Mean and standard deviation of predicted values.

        Args:
            apply_fn: `(params, x) -> mean` [rows, ...], or `-> (mean, variance)` of that shape for
                networks that predict their noise, too; of a stateful model
                `(params, model_state, x) -> ...`.
            x: Inputs, leaves [rows, ...].

        Returns:
            The mixture of the members' Gaussians, with spread within and between members.

        Raises:
            TypeError: If `apply_fn` does not take these arguments.
            ValueError: If mean and variance differ in shape, a variance is negative, or a number
                is not finite; the member and the row are named.
        """
        outputs = self._outputs(apply_fn, x)
        pair = outputs if isinstance(outputs, tuple) else (outputs, jnp.zeros_like(outputs))
        mean, variance = (np.asarray(own, np.float64) for own in pair)
        if mean.shape != variance.shape:
            raise ValueError(
                "apply_fn: expected mean and variance of one shape, got "
                f"{mean.shape[1:]} and {variance.shape[1:]}"
            )
        _check_finite("mean", mean, self.seeds)
        _check_finite("variance", np.where(variance < 0, np.nan, variance), self.seeds)
        return ValueMixture(mean, variance)

    def _outputs(self, apply_fn: Callable[..., Any], x: PyTree) -> Any:
        """What each member gives, leaves [members, rows, ...]."""
        states = (self.model_state,) if jax.tree.leaves(self.model_state) else ()
        names = ("params", "model_state", "x") if states else ("params", "x")
        check_takes(apply_fn, names, "apply_fn")
        return _mapped(apply_fn, (self.params, *states), jax.tree.map(jnp.asarray, x))


def ensemble(
    make_trainer: MakeTrainer | Trainer,
    problem: Problem,
    *,
    members: int = 5,
    steps: int,
    key: Key,
    hyperparameters: Hyperparameters = MappingProxyType({}),
    evaluations: int = 1,
    store: str | Path | None = None,
    fresh: bool = False,
    execution: Execution = Execution(),
) -> Ensemble:
    """Train a deep ensemble as one population: one program, and a start and order for each member.

    Lakshminarayanan, Pritzel and Blundell (2017, Simple and scalable predictive uncertainty
    estimation using deep ensembles): every member learns from all rows; they differ in their
    initial parameters and the order of their batches. A member that diverges is left out, with a
    warning that says why.

    Args:
        make_trainer: A trainer, or `(hyperparameters) -> Trainer`.
        problem: What is learned, from which data, and what is measured.
        members: Number of networks, positive; the paper takes 5.
        steps: Training steps of each, positive.
        key: A typed key; it names initial parameters and orders of batches. Fewer members are the
            first of more.
        hyperparameters: The argument of `make_trainer`, such as `result.best().hyperparameters`.
        evaluations: Number of evaluations during the training, positive.
        store: A folder that keeps members as they end, see `sweep`: the same call with the same
            folder goes on from there. None keeps them in memory.
        fresh: Whether to delete the members in `store` and start over.
        execution: Memory, layout, devices and progress bar, a `pj.Execution`.

    Returns:
        The members' parameters, stacked, with their predictions.

    Raises:
        TypeError: If `make_trainer` makes no trainer, the key is a legacy one, or see `sweep`.
        ValueError: If no member stays finite, hyperparameters are given to a trainer, a count is
            out of range, or see `sweep`.

    Warns:
        UserWarning: If a member diverged and is left out.

    Example:
        >>> import optax, paramjax as pj
        >>> x = jnp.linspace(-1.0, 1.0, 8)
        >>> apply = lambda params, x: params["w"] * x + params["b"]
        >>> fitted = pj.estimate.ensemble(
        ...     pj.train_step(pj.losses.supervised(apply, pj.losses.squared_error), optax.sgd(0.1)),
        ...     pj.Problem(
        ...         init=lambda key: dict(zip("wb", jax.random.normal(key, (2,)))),
        ...         data={"x": x, "y": 2 * x},
        ...     ),
        ...     members=3, steps=9, key=jax.random.key(0),
        ... )
        >>> mixture = fitted.predict(apply, x)
        >>> mixture.mean.shape, bool((mixture.between > 0).all())
        ((8,), True)
    """
    check_count("members", members)
    trainer = trainer_of(make_trainer, hyperparameters)
    trained = sweep(
        lambda _: trainer, {}, _bound(problem, hyperparameters, trainer), trials=[{}],
        seeds=members, steps=steps, key=key, evaluations=evaluations, store=store, fresh=fresh,
        execution=execution,
    )  # fmt: skip
    return _without_diverged(trained)


def _bound(problem: Any, hyperparameters: Hyperparameters, trainer: Trainer) -> Problem:
    """The problem, whose functions have their hyperparameters."""
    if not isinstance(problem, Problem):
        raise TypeError(f"problem: expected a pj.Problem, got {describe(problem)}")
    evaluate, state = problem.evaluate, problem.model_state
    inputs = 2 + is_stateful(problem, trainer)
    return replace(
        problem,
        init=with_structure(problem.init, hyperparameters, 1),
        batch_size=rows_a_step(problem, hyperparameters),
        evaluate=evaluate and with_structure(evaluate, hyperparameters, inputs),
        model_state=with_structure(state, hyperparameters, 1) if callable(state) else state,
    )


def _without_diverged(trained: Sweep) -> Ensemble:
    """The members that stayed finite; raise if there is none, warn if some are lost."""
    out = {r.seed: _reason(r) for r in trained.records if r.status == Status.DIVERGED}
    reasons = "; ".join(f"seed {seed}: {why}" for seed, why in out.items())
    seeds = tuple(record.seed for record in trained.records if record.seed not in out)
    if not seeds:
        raise ValueError(
            f"ensemble: no member stayed finite ({reasons}); try a smaller learning rate, or look "
            "for values in the data that no loss can hold"
        )
    if out:
        warnings.warn(f"ensemble: members left out: {reasons}", UserWarning, stacklevel=3)
    stayed = np.array(seeds)
    states = [trained.model_state_of(0, seed) for seed in seeds]
    return Ensemble(
        jax.tree.map(lambda leaf: leaf[stayed], trained.params),
        jax.tree.map(lambda *leaves: np.stack(leaves), *states),
        seeds,
        out,
        trained,
    )


def _reason(record: Record) -> str:
    """Why a member is lost, in words."""
    if record.diverged_step is not None:
        return f"diverged at step {record.diverged_step + 1}"
    bad = [name for name, value in record.metrics.items() if not np.isfinite(value)]
    return f"{bad[0]} is not finite at the end" if bad else "a parameter is not finite at the end"


@owned_jit()
def _mapped(apply_fn: Callable[..., Any], members: tuple[PyTree, ...], x: PyTree) -> Any:
    """The outputs of each member, one after the other: mapped convolutions would be slow."""
    return jax.lax.map(lambda own: apply_fn(*own, x), members)


def _check_finite(name: str, values: np.ndarray, seeds: tuple[int, ...]) -> None:
    bad = np.argwhere(~np.isfinite(values))
    if len(bad):
        raise ValueError(
            f"apply_fn: expected a finite {name}, got another number from the member of seed "
            f"{seeds[bad[0][0]]} in row {bad[0][1] if values.ndim > 1 else 0}"
        )
