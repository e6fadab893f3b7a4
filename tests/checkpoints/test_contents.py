from typing import NamedTuple

import jax
import jax.numpy as jnp
import ml_dtypes
import numpy as np
import pytest
from safetensors.numpy import load_file

# the form and the bits of a leaf as they are stored
from paramjax.checkpoints._leaves import to_host

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


def test_arrays_of_every_dtype_layout_and_container_come_back(returned):
    shapes = {"scalar": (), "vector": (7,), "empty": (0, 3), "cube": (2, 3, 2)}
    on_device = {
        dtype: {name: jnp.asarray(bits(dtype, shape)) for name, shape in shapes.items()}
        for dtype in DTYPES
    }
    assert {leaf.dtype.name for leaf in jax.tree.leaves(on_device)} == set(DTYPES)
    key = jax.random.key(0)
    tree = {
        "jax": on_device,
        "numpy": {dtype: bits(dtype, (3, 2)) for dtype in [*DTYPES, *WIDE]},
        "numpy scalar": {dtype: bits(dtype, (1,))[0] for dtype in WIDE},
        "fortran": np.asfortranarray(bits("complex64", (3, 4))),
        "every third": np.arange(9)[::3],
        "keys": {
            impl: jax.random.split(jax.random.key(1, impl=impl), (2, 3))
            for impl in ("threefry2x32", "rbg", "unsafe_rbg")
        },
        "key": key,
        "tuple": (jnp.ones(2), [jnp.zeros(1), None]),
        "named": Moments(mean=jnp.float32(1), square={}),
        "python": (True, 3, 2.5, 1 + 2j),
        "weak": (jnp.asarray(1.5), jnp.asarray(3), jnp.zeros(()) * 1j),
        "none": None,
    }
    assert jax.tree.leaves(tree["weak"])[0].weak_type
    got = returned(tree)
    assert_equal_bits(got, tree)
    np.testing.assert_array_equal(jax.random.uniform(got["key"]), jax.random.uniform(key))
    structs = jax.tree.map(lambda leaf: jax.ShapeDtypeStruct(leaf.shape, leaf.dtype), on_device)
    assert_equal_bits(returned(on_device, like=structs), on_device)


def test_safetensors_and_orbax_read_the_arrays_without_paramjax(open_store, tree):
    from orbax.checkpoint import v1 as ocp

    with open_store() as store:
        store.save(3, tree, {"loss": np.ones(3, np.float32)}, {}, {})
    folder = store.folder / "step_000000003"
    expected = {
        "params/dense/kernel": np.asarray(tree["params"]["dense"]["kernel"]),
        "params/dense/bias": np.asarray(tree["params"]["dense"]["bias"]),
        "state/params/dense/kernel": np.asarray(tree["params"]["dense"]["kernel"]),
        "state/params/dense/bias": np.asarray(tree["params"]["dense"]["bias"]),
        "state/key": np.asarray(jax.random.key_data(tree["state"]["key"])),
        "state/step": np.int32(3),
    }
    with ocp.Context(checkpoint_layout=ocp.options.CheckpointLayout.SAFETENSORS):
        by_orbax = ocp.load(folder / "arrays.safetensors"), ocp.load(folder)
    history = {"history/loss": np.ones(3, np.float32)}
    for got, wanted in [
        (load_file(folder / "arrays.safetensors"), expected),
        (by_orbax[0], expected),
        (by_orbax[1], expected | history),
    ]:
        assert got.keys() == wanted.keys()
        for name, array in wanted.items():
            assert np.asarray(got[name]).dtype == array.dtype
            np.testing.assert_array_equal(got[name], array)


@pytest.mark.parametrize(
    "tree",
    [
        {"a/b": 1.0, "a": {"b": 2.0}},
        {"a/b": 1.0, "a": {"b": 2.0}, "['a']['b']": 3.0},
        {"..": 1.0, "/": 2.0, "": 3.0, "a\nb": 4.0, "é\ud800": 5.0, "x" * 300: 6.0,
         "__metadata__": 7.0},
        [{"0": 1.0}, {"0": 2.0}],
        7.0,
    ],
    ids=["slash", "three", "strange", "list", "leaf"],
)  # fmt: skip
def test_any_names_will_do(returned, tree):
    arrays = jax.tree.map(jnp.float32, tree)
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
    """The next step reuses the memory of the state that was saved."""
    state = {"w": jnp.arange(1000.0), "n": np.arange(1000)}
    step = jax.jit(lambda w: w * 0 - 1, donate_argnums=0)
    with open_store() as store:
        store.save(1, state, {}, {}, {})
        state["w"] = step(state["w"])
        state["n"][:] = -1
        got = store.restore(state).tree
    np.testing.assert_array_equal(got["w"], np.arange(1000.0))
    np.testing.assert_array_equal(got["n"], np.arange(1000))


def test_restored_arrays_can_be_donated(open_store):
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
def test_leaves_other_than_arrays_of_numbers_are_refused(open_store, leaf, shown):
    with pytest.raises(TypeError, match=f"{shown}.*, expected an array of numbers"):
        open_store().save(1, {"a": {"w": leaf}}, {}, {}, {})
