"""Iterative solvers: one problem's step as a pure function, run alone or by the thousand."""

from paramjax.estimate.solvers._lbfgs import lbfgs
from paramjax.estimate.solvers._levenberg_marquardt import levenberg_marquardt, linearised
from paramjax.estimate.solvers._many import solve_many
from paramjax.estimate.solvers._newton import newton
from paramjax.estimate.solvers._single import solve_single
from paramjax.estimate.solvers._solver import Inputs, Rows, Solved, Solver, SolverState

__all__ = [
    "Inputs",
    "Rows",
    "Solved",
    "Solver",
    "SolverState",
    "lbfgs",
    "levenberg_marquardt",
    "linearised",
    "newton",
    "solve_many",
    "solve_single",
]
