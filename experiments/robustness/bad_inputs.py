"""Give 314 bad inputs to what users call: is each refused, by us, in words that name it?

A refusal is a ValueError, TypeError, OSError or one of our own errors, raised by a line of
paramjax or by Python's own check of arguments, whose message holds the word that the table asks
for. An input that passes, or that ends in an error of JAX, numpy or sqlite, is printed, and fails.

    python experiments/robustness/bad_inputs.py
"""

from __future__ import annotations

import argparse
import collections
import sys
import traceback
import warnings
from pathlib import Path

import optuna
from bad_input_table import TABLE, BadInput

import paramjax as pj

OURS = str(Path(pj.__file__).parent)
REFUSALS = (
    ValueError, TypeError, OSError, pj.NonFiniteError, pj.populations.UnknownHyperparameterError,
)  # fmt: skip


def verdict(row: BadInput) -> str:
    """An empty text if the input is refused as it should be, else what happened."""
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        try:
            returned = row.call()
        except REFUSALS as error:
            return _judged(error, row.word)
        except Exception as error:
            return f"{type(error).__module__}.{type(error).__name__}: {_short(error)}"
    said = [str(one.message) for one in caught if row.word in str(one.message)]
    if row.may_warn and said:
        return ""
    return f"not refused: {_short(returned)}"


def _judged(error: Exception, word: str) -> str:
    """What is wrong with a refusal, or nothing."""
    last = traceback.extract_tb(error.__traceback__)[-1]
    by_python = isinstance(error, TypeError) and "argument" in str(error)
    if not last.filename.startswith(OURS) and not by_python:
        return f"raised in {last.filename}: {type(error).__name__}: {_short(error)}"
    if word not in str(error):
        return f"does not say {word!r}: {_short(error)}"
    return ""


def _short(what: object) -> str:
    return " ".join(str(what).split())[:220]


def main() -> None:
    """Try all, or those whose name holds a word."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--only", default="", help="a word of the names to try")
    arguments = parser.parse_args()
    optuna.logging.set_verbosity(optuna.logging.ERROR)
    tally: collections.Counter[str] = collections.Counter()
    wrong = []
    for row in TABLE:
        if arguments.only in row.name:
            problem = verdict(row)
            tally[row.name.partition(":")[0]] += 1
            wrong += [f"{row.name}: {problem}"] if problem else []
    print(f"{sum(tally.values())} bad inputs: {dict(tally)}")
    print(f"{len(wrong)} are not refused as they should be", *wrong, sep="\n")
    sys.exit(bool(wrong))


if __name__ == "__main__":
    main()
