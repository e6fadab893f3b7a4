"""Formulas as text, read by an own grammar of arithmetic: nothing of them is ever executed."""

from paramjax.estimate.formulas._formula import Expression, Formula, formula

__all__ = [
    "Expression",
    "Formula",
    "formula",
]
