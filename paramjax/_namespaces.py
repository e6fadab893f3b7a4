"""Namespaces that are imported on first use, and where names of earlier layouts are now."""

import importlib
import sys
from typing import Any

LAZY = (
    "bench", "estimate", "explain", "models", "plots", "populations", "tuning", "verify",
)  # fmt: skip
"""What a single run does without: flax, scikit-learn, figures, and a tenth of our own files."""

LAZY_NAMES = {
    "Execution": "paramjax.populations",
    "Problem": "paramjax.populations",
    "Sweep": "paramjax.tuning",
    "compare": "paramjax.bench",
    "cross_validate": "paramjax.tuning",
    "search": "paramjax.tuning",
    "sweep": "paramjax.tuning",
}
"""Names of the top level that live in such a namespace."""

MOVED = {
    "CSVWriter": "pj.logs.CSV",
    "JSONLWriter": "pj.logs.JSONLines",
    "Keep": "pj.checkpoints.Keep",
    "Layout": "pj.populations.Layout",
    "Masked": "pj.grads.Masked",
    "TensorBoardWriter": "pj.logs.TensorBoard",
    "accumulate": "pj.grads.accumulate",
    "adapt": "pj.trainers.adapt",
    "adversarial": "pj.grads.adversarial",
    "alternating": "pj.trainers.alternating",
    "average_metrics": "pj.hooks.average_metrics",
    "best_params": "pj.hooks.best_params",
    "conflict_averse": "pj.grads.conflict_averse",
    "dynamic_loss_scale": "pj.grads.dynamic_loss_scale",
    "ema": "pj.hooks.ema",
    "evolution": "pj.grads.evolution",
    "federated": "pj.trainers.federated",
    "forward_gradient": "pj.grads.forward_gradient",
    "grid": "pj.tuning.grid",
    "hyperband": "pj.tuning.hyperband",
    "median_stopping": "pj.tuning.median_stopping",
    "meta_loss": "pj.trainers.meta_loss",
    "monitor_groups": "pj.hooks.monitor_groups",
    "noise_scale": "pj.hooks.noise_scale",
    "per_example": "pj.grads.per_example",
    "poisson": "pj.grads.poisson",
    "polyak_average": "pj.hooks.polyak_average",
    "privacy": "pj.grads.epsilon and pj.grads.noise_multiplier_for",
    "private": "pj.grads.private",
    "project_conflicting": "pj.grads.project_conflicting",
    "random_design": "pj.tuning.random_design",
    "shard": "pj.trainers.shard",
    "sharpness": "pj.hooks.sharpness",
    "simultaneous": "pj.trainers.simultaneous",
    "skip_nonfinite": "pj.hooks.skip_nonfinite",
    "skip_spikes": "pj.hooks.skip_spikes",
    "sobol_design": "pj.tuning.sobol_design",
    "spsa": "pj.grads.spsa",
    "successive_halving": "pj.tuning.successive_halving",
    "surgery": "pj.grads.surgery",
    "train": "pj.step, pj.grads, pj.hooks, pj.trainers, pj.runs, pj.checkpoints and pj.logs",
}
"""What the top level held before the second layout, and where it is now."""


def __getattr__(name: str) -> Any:
    """Import a namespace on first use; say where a moved name is."""
    if name in LAZY:
        return importlib.import_module(f"paramjax.{name}")
    if name in LAZY_NAMES:
        return getattr(importlib.import_module(LAZY_NAMES[name]), name)
    if name in MOVED:
        raise AttributeError(f"paramjax.{name} has moved: use {MOVED[name]}", name=name)
    raise AttributeError(f"module 'paramjax' has no attribute {name!r}", name=name)


def __dir__() -> list[str]:
    """List what the top level offers."""
    return [*sys.modules["paramjax"].__all__, "__version__"]
