"""Structures of a search space are listed once each."""

import paramjax as pj
from paramjax.bench.entries._structures import structures
from paramjax.space._tracing import structure


def test_children_exist_where_their_parent_admits_them():
    space = {
        "momentum": pj.conditional("rule", "sgd", pj.choice([True, False])),
        "rule": pj.choice(["adam", "sgd"]),
        "rate": pj.uniform(0.0, 1.0),
    }
    found = structures(space)
    assert [structure(space, point) for point in found.points] == [
        {"rule": "adam"},
        {"momentum": True, "rule": "sgd"},
        {"momentum": False, "rule": "sgd"},
    ]
    assert all(point["rate"] == 0.5 for point in found.points)
    assert found.complete


def test_too_many_are_cut():
    space = {f"s{i}": pj.choice([True, False]) for i in range(6)}
    found = structures(space)
    assert (len(found.points), found.complete) == (32, False)
    assert not structures({"depth": pj.integer(1, 100, static=True)}).complete


def test_no_structure_is_one():
    assert structures({"rate": pj.uniform(0.0, 1.0)}).points == [{"rate": 0.5}]
    assert structures({}).points == [{}]
