"""Hooks: averages, guards and monitors around the step, one a file."""

from paramjax.train.hooks.ema import EMAState, ema
from paramjax.train.hooks.hook import Hook, Observation
from paramjax.train.hooks.skip_nonfinite import skip_nonfinite

__all__ = ["EMAState", "Hook", "Observation", "ema", "skip_nonfinite"]
