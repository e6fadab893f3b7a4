import hashlib

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

from paramjax.checkpoints import ProgramWarning


@pytest.fixture
def adam():
    """The state of a small network under Adam."""
    params = {"first": jnp.ones((2, 3)), "second": jnp.ones((3, 1))}
    return {"params": params, "opt_state": optax.adam(0.1).init(params), "key": jax.random.key(0)}


def check_refused(store, like, *lines, last="choose another folder"):
    """The restore is refused with exactly these lines between the first and the last."""
    with pytest.raises(ValueError, match="checkpoint .*step_000000001: expected ") as caught:
        store.restore(like)
    found = str(caught.value).splitlines()
    assert [line.strip() for line in found[1:-1]] == list(lines)
    assert last in found[-1]


@pytest.fixture
def store(open_store, adam):
    identity = {"key": [0, 7], "batch_size": 32, "data x": "float32[9,2] 0a1b"}
    with open_store(identity=identity, program="p") as store:
        store.save(1, adam, {}, {}, {})
    return open_store(identity=identity, program="p")


def test_another_architecture(store, adam):
    params = {"first": jnp.ones((2, 4)), "second": jnp.ones((4, 1)), "third": jnp.ones(1)}
    check_refused(
        store, adam | {"params": params},
        "params/first: expected float32[2,4], got float32[2,3]",
        "params/second: expected float32[4,1], got float32[3,1]",
        "params/third: expected float32[1], got nothing",
    )  # fmt: skip


def test_another_optimizer(store, adam):
    check_refused(
        store, adam | {"opt_state": optax.sgd(0.1, momentum=0.9).init(adam["params"])},
        "opt_state/0/trace/first: expected float32[2,3], got nothing",
        "opt_state/0/trace/second: expected float32[3,1], got nothing",
        "opt_state/0/count: expected nothing, got int32[]",
        "opt_state/0/mu/first: expected nothing, got float32[2,3]",
        "opt_state/0/mu/second: expected nothing, got float32[3,1]",
        "opt_state/0/nu/first: expected nothing, got float32[2,3]",
        "opt_state/0/nu/second: expected nothing, got float32[3,1]",
        last="use the model, optimizer and hooks that wrote it",
    )  # fmt: skip


def test_another_dtype_or_kind_of_key(store, adam):
    for dtype in ("bfloat16", "float16", "int32", "complex64", "uint8"):
        params = adam["params"] | {"first": jnp.ones((2, 3), dtype)}
        expected = f"params/first: expected {dtype}[2,3], got float32[2,3]"
        check_refused(store, adam | {"params": params}, expected)
    for key, form in ((jax.random.key(0, impl="rbg"), "key<rbg>[]"),
                      (jax.random.PRNGKey(0), "uint32[2]")):  # fmt: skip
        check_refused(store, adam | {"key": key}, f"key: expected {form}, got key<fry>[]")


def test_another_key_batch_size_and_data(store, open_store, adam):
    store.close()
    other = open_store(identity={"key": [0, 8], "batch_size": 64, "data": "stream"}, program="p")
    check_refused(
        other, adam,
        "key: [0, 7] in the checkpoint, [0, 8] now",
        "batch_size: 32 in the checkpoint, 64 now",
        'data x: "float32[9,2] 0a1b" in the checkpoint, nothing now',
        'data: nothing in the checkpoint, "stream" now',
        last="pass what that run had, choose another folder, or start over "
        "with Checkpoints(fresh=True)",
    )  # fmt: skip


def test_a_refused_run_leaves_what_the_folder_says_of_itself(store, open_store, adam, tmp_path):
    before = (tmp_path / "run" / "run.json").read_text()
    store.close()
    with open_store(identity={"key": [0, 8]}) as other, pytest.raises(ValueError, match="of this"):
        other.restore(adam)
    assert (tmp_path / "run" / "run.json").read_text() == before


def test_an_identity_equals_itself_and_none_differs_from_nothing(open_store):
    identity = {"tuple": (1, 2), "nan": float("nan"), "limit": None, "dict": {"b": 1, "a": (2,)}}
    for step in (1, 2):
        with open_store(identity=identity) as store:
            assert (store.restore({}) is None) == (step == 1)
            store.save(1, {}, {}, {}, {})
    del identity["limit"]
    check_refused(open_store(identity=identity), {}, "limit: null in the checkpoint, nothing now")


def test_another_program_is_told(store, open_store, adam):
    store.close()
    identity = {"key": [0, 7], "batch_size": 32, "data x": "float32[9,2] 0a1b"}
    message = r"wrote the checkpoint of step 1 \(its loss, optimizer or a constant\)"
    with (
        open_store(identity=identity, program="q") as other,
        pytest.raises(ValueError, match=message),
    ):
        other.restore(adam)
    with (
        open_store(identity=identity, program="q", allow_new_program=True) as other,
        pytest.warns(ProgramWarning, match=message),
    ):
        other.restore(adam)
    with (
        open_store(identity=identity, program="q JAX 1 on 1 cpu") as other,
        pytest.warns(ProgramWarning, match=r"now JAX 1 on 1 cpu, then "),
    ):
        saved = other.restore(adam)
    np.testing.assert_array_equal(saved.tree["params"]["first"], 1)


def test_a_fresh_store_deletes_the_checkpoints_that_are_there(store, open_store, adam):
    store.close()
    with open_store(fresh=True) as anew:
        assert anew.restore(adam) is None


@pytest.mark.parametrize("version", [1, 99])
def test_another_format_is_told_from_damage(store, adam, tmp_path, version):
    path = tmp_path / "run" / "step_000000001" / "manifest.json"
    body = path.read_text().partition('"manifest": ')[2]
    body = body.replace('"format": 2', f'"format": {version}')
    digest = hashlib.sha256(body.removesuffix("}\n").encode()).hexdigest()
    path.write_text(f'{{"sha256": "{digest}",\n"manifest": {body}')
    message = f"expected format 2, got {version}; install the version of paramjax that wrote it"
    with pytest.raises(ValueError, match=message):
        store.restore(adam)
