import functools
import math
import sys

import jax
import jax.numpy as jnp
import numpy as np
import pandas as pd
import pytest

import paramjax as pj

# a sweep has few of the records that a table must hold
from paramjax._format import option_names
from paramjax.populations import Record
from paramjax.tuning._frame import frame


def record(trial=0, seed=0, hp=None, status="finished", lost=None, metrics=None, steps=9):
    return Record(trial, seed, hp or {}, status, lost, metrics or {"loss": 0.5}, {}, steps)


def column(distribution, values, name="x"):
    """The column of a hyperparameter with these values, `...` where it does not exist."""
    records = [record(t, hp={} if v is ... else {name: v}) for t, v in enumerate(values)]
    return frame(records, {name: distribution})[name]


def test_a_row_a_training():
    space = {"rate": pj.uniform(0, 1)}
    records = [
        record(3, 0, {"rate": 0.5}, metrics={"loss": 1.0, "accuracy": 0.25}),
        record(3, 1, {"rate": 0.5}, "diverged", 7, {"loss": math.inf, "accuracy": math.nan}, 7),
    ]
    table = frame(records, space)
    assert table.columns.tolist() == [
        "trial", "seed", "rate", "status", "diverged_step", "steps", "loss", "accuracy",
    ]  # fmt: skip
    assert table[["trial", "seed", "steps"]].to_numpy().tolist() == [[3, 0, 9], [3, 1, 7]]
    assert table["status"].tolist() == ["finished", "diverged"]
    assert table["diverged_step"].dtype == "Int64"
    assert table["diverged_step"].tolist() == [pd.NA, 7]
    assert table["loss"].tolist() == [1.0, math.inf]
    assert table["accuracy"].dtype == np.float64
    assert math.isnan(table["accuracy"][1])


@pytest.mark.parametrize(
    ("distribution", "values", "dtype"),
    [
        (pj.uniform(0, 1), [0.25, 0.5], "float64"),
        (pj.uniform(0, 1), [0.25, ...], "float64"),
        (pj.integer(1, 4), [1, 4], "int64"),
        (pj.integer(1, 4), [1, ...], "Int64"),
        (pj.choice([32, 64]), [64, 32], "int64"),
        (pj.choice([0.5, 2]), [0.5, 2], "float64"),
        (pj.choice([True, False]), [True, False], "bool"),
        (pj.choice([True, False]), [True, ...], "boolean"),
        (pj.choice(["a", "b"]), ["b", ...], "category"),
        (pj.uniform(0, 1), [..., ...], "float64"),
    ],
    ids=[
        "number", "number or absent", "whole", "whole or absent", "choice of whole numbers",
        "choice of numbers", "booleans", "booleans or absent", "names or absent", "all absent",
    ],
)  # fmt: skip
def test_columns_have_the_type_of_their_values(distribution, values, dtype):
    drawn = column(distribution, values)
    assert drawn.dtype == dtype
    assert drawn.isna().tolist() == [value is ... for value in values]
    assert [v for v in drawn if not pd.isna(v)] == [v for v in values if v is not ...]


def test_an_option_none_is_told_from_one_that_does_not_exist():
    drawn = column(pj.choice([None, jax.nn.relu, jnp.tanh]), [None, ..., jax.nn.relu])
    assert drawn.cat.categories.tolist() == ["None", "relu", "tanh"]
    assert drawn[0] == "None"
    assert drawn.isna().tolist() == [False, True, False]
    assert drawn[2] == "relu"


def test_options_of_other_kinds_are_texts_without_addresses():
    options = [functools.partial(max, 1), (3, 3), 0.1, "a"]
    texts = option_names(options)
    assert texts[1:] == ["(3, 3)", "0.1", "a"]
    assert "0x" not in option_names([functools.partial(lambda: None)])[0]
    assert len(set(option_names([1, "1", lambda: 1, lambda: 2]))) == 4


def test_an_option_is_found_after_it_was_rounded():
    drawn = column(pj.choice([0.1, "auto"]), [float(np.float32(0.1)), "auto"])
    assert drawn.tolist() == ["0.1", "auto"]


def test_what_has_the_name_of_a_column_is_kept_beside_it():
    columns = {
        "trial": 5, "seed": 2, "status": "diverged", "diverged_step": 4, "steps": 9, "loss": 0.5,
    }  # fmt: skip
    records = [record(5, 2, dict.fromkeys(columns, 0.75), "diverged", 4)]
    table = frame(records, dict.fromkeys(columns, pj.uniform(0, 1)))
    assert table.loc[0, list(columns)].to_dict() == columns
    assert all(table[f"hyperparameter/{name}"].tolist() == [0.75] for name in columns)
    assert table.columns.is_unique
    table = frame([record(metrics={"loss": 1.0, "steps": 3.5})], {})
    assert table["steps"].tolist() == [9]
    assert table["metric/steps"].tolist() == [3.5]


def test_even_a_name_that_is_taken_twice_is_kept():
    hp = {"seed": 0.25, "hyperparameter/seed": 0.75}
    table = frame([record(hp=hp)], dict.fromkeys(hp, pj.uniform(0, 1)))
    assert sorted(table.filter(like="hyperparameter/").iloc[0]) == [0.25, 0.75]


def test_metrics_that_only_some_structures_have_are_missing_elsewhere():
    table = frame([record(metrics={"loss": 1.0}), record(1, metrics={"loss": 2.0, "b": 3.0})], {})
    assert table["b"].isna().tolist() == [True, False]


def test_without_pandas_the_extra_is_named(monkeypatch):
    monkeypatch.setitem(sys.modules, "pandas", None)
    with pytest.raises(ModuleNotFoundError, match=r'pandas is missing: .*"paramjax\[frames\]"'):
        frame([record()], {})
