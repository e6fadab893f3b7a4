"""Hooks: averages, guards and monitors around the step, one a file."""

from paramjax.train.hooks.average_metrics import WindowState, average_metrics
from paramjax.train.hooks.best_params import BestState, best_params
from paramjax.train.hooks.ema import EMAState, ema
from paramjax.train.hooks.hook import Hook, Observation, reject
from paramjax.train.hooks.monitor_groups import monitor_groups
from paramjax.train.hooks.noise_scale import NoiseScaleState, noise_scale
from paramjax.train.hooks.polyak_average import PolyakState, polyak_average
from paramjax.train.hooks.sharpness import SharpnessState, sharpness
from paramjax.train.hooks.skip_nonfinite import skip_nonfinite
from paramjax.train.hooks.skip_spikes import SpikeState, skip_spikes

__all__ = [
    "BestState",
    "EMAState",
    "Hook",
    "NoiseScaleState",
    "Observation",
    "PolyakState",
    "SharpnessState",
    "SpikeState",
    "WindowState",
    "average_metrics",
    "best_params",
    "ema",
    "monitor_groups",
    "noise_scale",
    "polyak_average",
    "reject",
    "sharpness",
    "skip_nonfinite",
    "skip_spikes",
]
