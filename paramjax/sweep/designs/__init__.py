"""Designs: which hyperparameters the trials of a population try."""

from paramjax.sweep.designs.design import Design
from paramjax.sweep.designs.grid import grid
from paramjax.sweep.designs.random import random_design
from paramjax.sweep.designs.sobol import sobol_design

__all__ = ["Design", "grid", "random_design", "sobol_design"]
