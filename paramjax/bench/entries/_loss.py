"""The gradient of a workload: its operations and contents, which are not the optimizer's."""

from __future__ import annotations

import functools
from collections.abc import Hashable
from typing import Any, NamedTuple

import jax

from paramjax._types import LossFn
from paramjax.bench.entries._cost import flops
from paramjax.bench.entries._findings import Findings, findings
from paramjax.bench.entries._traced import Setting, shapes_of
from paramjax.populations.planning._guess import operations
from paramjax.step._gradients import gradient


class LossProgram(NamedTuple):
    """The gradient of a loss on one batch.

    Attributes:
        flops: Its operations, as XLA counts them.
        operations: Its operations, counted roughly.
        findings: What its program contains.
    """

    flops: float
    operations: float
    findings: Findings


def loss_program(setting: Setting) -> LossProgram:
    """The gradient of a workload, looked at once for all optimizers."""
    workload = setting.workload
    states = (jax.eval_shape(workload.model_state_of, setting.params),) if workload.stateful else ()
    leaves, tree = jax.tree.flatten(shapes_of((setting.params, *states, setting.batch)))
    known = isinstance(workload.loss_fn, Hashable)
    program = _program if known else _program.__wrapped__
    return program(workload.loss_fn, workload.stateful, tuple(leaves), tree)


@functools.lru_cache(maxsize=32)
def _program(loss_fn: LossFn, stateful: bool, leaves: tuple[Any, ...], tree: Any) -> LossProgram:
    key = jax.eval_shape(lambda: jax.random.key(0))
    grad_fn = gradient(loss_fn, stateful=stateful)
    traced = jax.jit(grad_fn).trace(*jax.tree.unflatten(tree, leaves), key)
    return LossProgram(flops(traced), operations(traced.jaxpr), findings(traced.jaxpr))
