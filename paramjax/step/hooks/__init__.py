"""Hooks around a step, one a file; `_hook.py` says what a hook is.

Averages choose the parameters to evaluate (ema, polyak_average, best_params), guards reject
steps (skip_nonfinite, skip_spikes), and monitors report metrics (average_metrics,
monitor_groups, noise_scale, sharpness).
"""

from paramjax.step.hooks._average_metrics import WindowState, average_metrics
from paramjax.step.hooks._best_params import BestState, best_params
from paramjax.step.hooks._ema import EMAState, ema
from paramjax.step.hooks._hook import Hook, Observation, reject
from paramjax.step.hooks._monitor_groups import monitor_groups
from paramjax.step.hooks._noise_scale import NoiseScaleState, noise_scale
from paramjax.step.hooks._polyak_average import PolyakState, polyak_average
from paramjax.step.hooks._sharpness import SharpnessState, sharpness
from paramjax.step.hooks._skip_nonfinite import skip_nonfinite
from paramjax.step.hooks._skip_spikes import SpikeState, skip_spikes

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
