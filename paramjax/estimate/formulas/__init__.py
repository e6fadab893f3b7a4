"""Formulas as text, read by an own grammar of arithmetic: nothing of them is ever executed."""
