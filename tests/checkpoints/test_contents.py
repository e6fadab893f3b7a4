"""Everything that a run is comes back to equal bits, at the places and of the kinds asked for."""

from typing import NamedTuple

import jax
import jax.numpy as jnp
import ml_dtypes
import numpy as np
import pytest

from paramjax.checkpoints._host import named_leaves, to_host

DTYPES = [
    "bool", "int4", "uint4", "int8", "uint8", "int16", "uint16", "int32", "uint32", "float16",
    "bfloat16", "float32", "complex64", "float8_e4m3fn", "float8_e5m2", "float8_e4m3b11fnuz",
    "float4_e2m1fn", "int2", "float8_e8m0fnu",
]  # fmt: skip
WIDE = ["int64", "uint64", "float64", "complex128"]


class Moments(NamedTuple):
    mean: object
    square: object


@pytest.fixture
def returned(open_store):
    """Save a tree, and restore it in the form of another, in a store of its own."""

    def returned_(tree, like=None):
        with open_store() as store:
            store.save(5, tree, {}, {}, {})
        with open_store() as store:
            return store.restore(tree if like is None else like).tree

    return returned_


def assert_equal_bits(got, expected):
    assert jax.tree.structure(got) == jax.tree.structure(expected)
    for left, right in zip(jax.tree.leaves(got), jax.tree.leaves(expected), strict=True):
        assert type(left) is type(right)
        one, other = to_host(left), to_host(right)
        assert (one.form, one.key) == (other.form, other.key)
        assert one.array.tobytes() == other.array.tobytes()
        assert getattr(left, "weak_type", False) == getattr(right, "weak_type", False)


def bits(dtype, shape):
    """Random bits: subnormal numbers, signed zeros, infinities and nan with payloads too."""
    dtype = np.dtype(getattr(ml_dtypes, dtype, dtype))
    rng = np.random.default_rng(0)
    if dtype.kind == "b":
        return rng.integers(0, 2, shape).astype(bool)
    if dtype.name in ("int4", "uint4", "int2", "float4_e2m1fn"):
        return rng.integers(0, 2, shape).astype(dtype)
    return np.frombuffer(rng.bytes(int(np.prod(shape)) * dtype.itemsize), dtype).reshape(shape)


def test_arrays_of_every_dtype_come_back(returned):
    shapes = {"scalar": (), "vector": (7,), "empty": (0, 3), "cube": (2, 3, 2)}
    tree = {
        dtype: {name: jnp.asarray(bits(dtype, shape)) for name, shape in shapes.items()}
        for dtype in DTYPES
    }
    assert {leaf.dtype.name for leaf in jax.tree.leaves(tree)} == set(DTYPES)
    got = returned(tree, like=jax.tree.map(jnp.zeros_like, tree))
    assert_equal_bits(got, tree)


def test_arrays_of_numpy_stay_so_and_keep_their_width(returned):
    tree = {dtype: bits(dtype, (3, 2)) for dtype in [*DTYPES, *WIDE]}
    tree |= {f"{dtype} number": bits(dtype, (1,))[0] for dtype in WIDE}
    assert_equal_bits(returned(tree), tree)


def test_arrays_of_fortran_order_and_with_strides_come_back(returned):
    tree = {"fortran": np.asfortranarray(bits("float32", (3, 4))), "every": np.arange(9)[::3]}
    assert_equal_bits(returned(tree), tree)


def test_containers_and_numbers_of_python_come_back(returned):
    tree = {
        "tuple": (jnp.ones(2), [jnp.zeros(1), None]),
        "named": Moments(mean=jnp.float32(1), square={}),
        "python": (True, 3, 2.5, 1 + 2j),
        "weak": (jnp.asarray(1.5), jnp.asarray(3), jnp.zeros(()) * 1j),
        "none": None,
    }
    assert jax.tree.leaves(tree["weak"])[0].weak_type
    assert_equal_bits(returned(tree), tree)


@pytest.mark.parametrize("impl", ["threefry2x32", "rbg", "unsafe_rbg"])
def test_keys_come_back_with_their_generator(returned, impl):
    key = jax.random.key(11, impl=impl)
    tree = {"one": key, "many": jax.random.split(key, (2, 3))}
    got = returned(tree, like={"one": jax.random.key(0, impl=impl), "many": tree["many"]})
    assert_equal_bits(got, tree)
    assert jax.random.key_impl(got["one"]) == jax.random.key_impl(key)
    np.testing.assert_array_equal(jax.random.uniform(got["one"]), jax.random.uniform(key))


@pytest.mark.parametrize(
    "tree",
    [
        {"a/b": 1.0, "a": {"b": 2.0}},
        {"a/b": 1.0, "a": {"b": 2.0}, "['a']['b']": 3.0},
        {"..": 1.0, "/": 2.0, "": 3.0, "a\nb": 4.0, "é\ud800": 5.0, "x" * 300: 6.0},
        [{"0": 1.0}, {"0": 2.0}],
        7.0,
    ],
    ids=["slash", "three", "strange", "list", "leaf"],
)
def test_any_names_will_do(returned, tree):
    arrays = jax.tree.map(jnp.float32, tree)
    assert len(named_leaves(tree)) == len(jax.tree.leaves(tree))
    assert_equal_bits(returned(arrays), arrays)


def test_nodes_that_name_two_children_alike_are_refused(open_store):
    @jax.tree_util.register_pytree_with_keys_class
    class Twins:
        def tree_flatten_with_keys(self):
            same = jax.tree_util.GetAttrKey("same")
            return ((same, np.ones(1)), (same, np.zeros(1))), None

        @classmethod
        def tree_unflatten(cls, _, children):
            return cls()

    with pytest.raises(ValueError, match="expected a name of its own for each of the 2 leaves"):
        open_store().save(1, Twins(), {}, {}, {})


@pytest.mark.parametrize("tree", [{}, None, {"w": np.zeros((0, 2))}], ids=str)
def test_trees_without_a_number_come_back(returned, tree):
    assert_equal_bits(returned(tree), tree)


def test_history_validations_and_position_come_back(open_store):
    history = {"loss": bits("float32", (4,)), "per class": bits("bfloat16", (4, 3))}
    history |= {"": np.zeros(0), "x": np.arange(3)}
    validation = {"step": np.array([10, 20]), "accuracy": np.array([0.5, np.nan])}
    extra = {"position": {"epoch": 3, "name": 'quo"te\n'}, "best": [float("inf"), None, -0.0]}
    with open_store() as store:
        store.save(20, {"w": np.ones(1)}, history, validation, extra)
    saved = open_store().restore({"w": np.ones(1)})
    assert saved.step == 20
    assert saved.extra == extra
    for got, expected in ((saved.history, history), (saved.validation, validation)):
        assert list(got) == list(expected)
        for name, array in expected.items():
            assert got[name].dtype == array.dtype
            assert got[name].shape == array.shape
            assert got[name].tobytes() == array.tobytes()


def test_the_copy_is_made_before_the_run_goes_on(open_store):
    """The next step takes over the memory of the state that was saved."""
    state = {"w": jnp.arange(1000.0), "n": np.arange(1000)}
    step = jax.jit(lambda w: w * 0 - 1, donate_argnums=0)
    with open_store() as store:
        store.save(1, state, {}, {}, {})
        state["w"] = step(state["w"])
        state["n"][:] = -1
        got = store.restore(state).tree
    np.testing.assert_array_equal(got["w"], np.arange(1000.0))
    np.testing.assert_array_equal(got["n"], np.arange(1000))


def test_what_is_restored_can_be_taken_over(open_store):
    with open_store() as store:
        store.save(1, {"w": jnp.arange(4.0)}, {}, {}, {})
        for _ in range(2):
            got = store.restore({"w": jnp.zeros(4)}).tree["w"]
            moved = jax.jit(lambda w: w + 1, donate_argnums=0)(got)
            np.testing.assert_array_equal(moved, [1.0, 2.0, 3.0, 4.0])


@pytest.mark.parametrize(
    ("leaf", "shown"),
    [("text", "leaf a/w is str 'text'"), (np.array(["x"]), "leaf a/w is <U1"),
     (np.array([None]), "leaf a/w is object"), (np.zeros(1, ">f4"), "leaf a/w is >f4"),
     (np.zeros(1, "M8[s]"), r"leaf a/w is datetime64\[s\]\[1\]"),
     (np.zeros(1, "f4,i4"), "leaf a/w is"), (jax.ShapeDtypeStruct((), np.str_), "leaf a/w is")],
    ids=str,
)  # fmt: skip
def test_what_is_no_array_of_numbers_is_refused(open_store, leaf, shown):
    with pytest.raises(TypeError, match=f"{shown}.*, expected an array of numbers"):
        open_store().save(1, {"a": {"w": leaf}}, {}, {}, {})
