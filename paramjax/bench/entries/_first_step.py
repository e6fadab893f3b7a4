"""The first step of a user's optimizer, taken before anything is trained."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import jax
import jax.numpy as jnp

from paramjax._checks import leaf_name
from paramjax._types import Batch, Params
from paramjax.bench._stage import Stage
from paramjax.bench.entries._entries import Entry, Excluded
from paramjax.bench.entries._refused import RefusedError, one_line
from paramjax.bench.entries._structures import structures
from paramjax.bench.entries._traced import Setting, trace
from paramjax.bench.entries._trainer import make_trainer
from paramjax.optim import CATALOGUE
from paramjax.space._tracing import structure, traced


def first_steps(stages: Iterable[Stage], entries: Sequence[Entry]) -> list[Excluded]:
    """Let every optimizer that is not of the catalogue take its first step on every workload.

    The test suite does so with the optimizers of the catalogue.

    Args:
        stages: The workloads, ready to train on.
        entries: The optimizers.

    Returns:
        Those that cannot take part, each once, with reasons.
    """
    known = {optimizer.factory for optimizer in CATALOGUE.values()}
    own = [entry for entry in entries if entry.optimizer.factory not in known]
    excluded: dict[str, Excluded] = {}
    for stage in stages if own else ():
        params = jax.tree.map(lambda leaf: leaf[0], stage.windows[0].starts.made().params)
        for entry in own:
            name, clip_norm = entry.optimizer.name, stage.protocol.clip_norm
            setting = Setting(stage.workload, entry, clip_norm, params, stage.first_batch())
            try:
                if name not in excluded:
                    first_step(setting)
            except RefusedError as error:
                excluded[name] = Excluded(name, f"on {stage.workload.name}: {error}")
    return list(excluded.values())


def first_step(setting: Setting) -> None:
    """Take the first step of the first structure, numbers at their medians.

    Raises:
        RefusedError: If the factory raises, returns no transformation or another program each
            time, if its updates differ from the parameters in tree or shape, or if a parameter
            is NaN or infinite after it.
    """
    workload, optimizer = setting.workload, setting.entry.optimizer
    point = structures(optimizer.space).points[0]
    if trace(setting, point).hash != trace(setting, point).hash:
        raise RefusedError(
            "each call of its factory gives another program, so that its trainings cannot be "
            "repeated; draw random numbers with jax.random and a fixed key, and keep counters in "
            "the state"
        )
    make = make_trainer(workload, optimizer, setting.clip_norm)
    fixed = structure(optimizer.space, point)

    @jax.jit
    def step(numbers: Mapping[str, Any], params: Params, batch: Batch) -> Params:
        trainer = make({**fixed, **numbers})
        state = trainer.init(jax.random.key(0), params, workload.model_state_of(params))
        return trainer.step(state, batch)[0].params

    numbers = {n: v[0] for n, v in traced(optimizer.space, [point]).items()}
    try:
        after = step(numbers, setting.params, setting.batch)
    except Exception as error:
        raise RefusedError(f"its first step raised {one_line(error)}") from error
    for path, leaf in jax.tree_util.tree_leaves_with_path(after):
        if not bool(jnp.isfinite(leaf).all()):
            raise RefusedError(
                f"its first update makes parameter {leaf_name(path)} NaN or infinite "
                f"(hyperparameters {point})"
            )
