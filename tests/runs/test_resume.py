"""A run that was stopped and resumed equals the one that was not, leaf by leaf and bit by bit."""

import itertools

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

import paramjax as pj
from paramjax._checks import is_key
from paramjax.checkpoints import ProgramWarning

ROWS, STEPS = 30, 40
RNG = np.random.default_rng(0)
DATA = {"x": RNG.normal(size=(ROWS, 3)).astype(np.float32), "y": np.arange(ROWS, dtype=np.float32)}


def loss_fn(params, seen, batch, key):
    noise = jax.random.normal(key)  # so that every step must have its own key
    error = batch["x"] @ params["w"] + params["b"] - batch["y"] - 0.1 * noise
    return (error**2).mean(), (0.9 * seen + batch["x"].mean(axis=0), {"noise": noise})


def evaluate(params, seen, batch):
    return {"loss": ((batch["x"] @ params["w"] + params["b"] - batch["y"]) ** 2).mean()}


def make(tx=None, loss=loss_fn, hooks=None):
    hooks = [pj.hooks.ema(0.9), pj.hooks.skip_spikes()] if hooks is None else hooks
    return pj.train_step(loss, tx or optax.adam(0.1), hooks, stateful=True)


@pytest.fixture(scope="module")
def trainer():
    return make(optax.chain(optax.adam(0.1), pj.optim.reduce_on_plateau(patience=2)))


PARAMS = {"w": np.zeros(3, np.float32), "b": np.float32(0)}
VALIDATION = pj.Validation(evaluate, DATA, every=7, batch_size=8)


def run(trainer, steps=STEPS, data=DATA, **options):
    options = {"batch_size": 8, "last_batch": "keep", "validation": VALIDATION} | options
    return pj.fit(
        trainer,
        PARAMS,
        data,
        key=jax.random.key(3),
        steps=steps,
        model_state=np.zeros(3),
        **options,
    )


def bits(tree):
    """The bytes of each leaf by name, with its dtype and shape."""

    def of(leaf):
        array = np.asarray(jax.random.key_data(leaf) if is_key(leaf) else leaf)
        return array.dtype, array.shape, array.tobytes()

    return {jax.tree_util.keystr(p): of(v) for p, v in jax.tree_util.tree_leaves_with_path(tree)}


def assert_equal_runs(one, other):
    assert one.status == other.status
    assert bits(one._replace(status=None)) == bits(other._replace(status=None))


@pytest.fixture(scope="module")
def whole(trainer):
    return run(trainer)


@pytest.mark.parametrize("cuts", [(1, 40), (7, 8, 40), (13, 26, 39, 40), (40, 40)])
def test_a_resumed_run_equals_the_whole_one(trainer, whole, tmp_path, cuts):
    for steps in cuts:
        end = run(
            trainer,
            steps,
            checkpoints=pj.Checkpoints(tmp_path, every=5),
        )
        assert int(end.state.step) == steps
        assert end.validation["step"][-1] == steps  # also where it is not time to
    assert_equal_runs(end, whole)
    assert end.validation["step"].tolist() == [7, 14, 21, 28, 35, 40]


def test_saving_changes_nothing(trainer, whole, tmp_path):
    assert_equal_runs(run(trainer, checkpoints=pj.Checkpoints(tmp_path, every=3)), whole)


def test_a_finished_run_is_only_read(trainer, whole, tmp_path):
    run(trainer, checkpoints=pj.Checkpoints(tmp_path))
    assert_equal_runs(run(trainer, checkpoints=pj.Checkpoints(tmp_path)), whole)


def test_more_steps_than_first_asked_for(trainer, whole, tmp_path):
    run(trainer, 14, checkpoints=pj.Checkpoints(tmp_path))
    assert_equal_runs(run(trainer, checkpoints=pj.Checkpoints(tmp_path)), whole)


def test_fewer_steps_than_done_are_refused(trainer, tmp_path):
    run(trainer, 14, checkpoints=pj.Checkpoints(tmp_path))
    with pytest.raises(ValueError, match="steps: the run in .* has done 14 steps, got 13"):
        run(
            trainer,
            13,
            checkpoints=pj.Checkpoints(tmp_path),
        )


def test_a_fresh_run_starts_over(trainer, whole, tmp_path):
    run(trainer, 7, batch_size=4, checkpoints=pj.Checkpoints(tmp_path))
    saving = pj.Checkpoints(tmp_path, fresh=True)
    assert_equal_runs(run(trainer, checkpoints=saving), whole)
    steps = [path.name for path in tmp_path.glob("step_*")]
    assert steps == [f"step_{STEPS:09}"]


def batches():
    for step in itertools.count():
        rng = np.random.default_rng(step)
        yield {"x": rng.normal(size=(8, 3)).astype(np.float32), "y": rng.normal(size=8).astype("f")}


class Counting:
    """An iterator with a state of its own, as grain's have."""

    def __init__(self):
        self.place = 0

    def __iter__(self):
        return self

    def __next__(self):
        self.place += 1
        return next(itertools.islice(batches(), self.place - 1, None))

    def get_state(self):
        return {"place": self.place}

    def set_state(self, state):
        self.place = state["place"]


class Epochs:
    """An iterable of three batches, to be begun again."""

    def __iter__(self):
        return itertools.islice(batches(), 3)


STREAMS = {
    "iterator": batches,
    "iterator with a state": Counting,
    "iterable": Epochs,
    "function of the step": lambda: lambda step: itertools.islice(batches(), step, None),
}


@pytest.mark.parametrize("kind", STREAMS)
def test_a_resumed_stream_goes_on_where_it_stood(trainer, tmp_path, kind):
    options = {"batch_size": None, "last_batch": "drop"}
    whole = run(trainer, data=STREAMS[kind](), **options)
    for steps in (7, 14, STEPS):
        end = run(trainer, steps, STREAMS[kind](), checkpoints=pj.Checkpoints(tmp_path), **options)
    assert_equal_runs(end, whole)


def test_another_loss_on_a_stream_is_said(trainer, tmp_path):
    options = {"batch_size": None, "last_batch": "drop"}
    run(trainer, 7, batches(), checkpoints=pj.Checkpoints(tmp_path), **options)
    twice = lambda *inputs: jax.tree.map(lambda leaf: 2 * leaf, loss_fn(*inputs))
    other = make(optax.chain(optax.adam(0.1), pj.optim.reduce_on_plateau(patience=2)), twice)
    message = "computes something else than the one that wrote"
    with pytest.raises(ValueError, match=f"{message}.*fresh=True"):
        run(other, 8, batches(), checkpoints=pj.Checkpoints(tmp_path), **options)
    saving = pj.Checkpoints(tmp_path, allow_new_program=True)
    with pytest.warns(ProgramWarning, match=message):
        run(other, 8, batches(), checkpoints=saving, **options)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"key": jax.random.key(4)}, r"key: \[0, 3\] in the checkpoint, \[0, 4\] now"),
        ({"batch_size": 4}, "batch_size: 8 in the checkpoint, 4 now"),
        ({"last_batch": "drop"}, "last_batch: .keep. in the checkpoint, .drop. now"),
        ({"data": {**DATA, "y": DATA["y"] + 1}}, r"data y: .float32\[30\] .* in the checkpoint"),
        (
            {"data": batches(), "batch_size": None, "last_batch": "drop"},
            "data x: .*\n.*data y: .*\n.*data: nothing in the checkpoint, .stream. now",
        ),
    ],
)
def test_another_run_is_refused_with_all_that_differs(trainer, tmp_path, change, message):
    run(trainer, 7, checkpoints=pj.Checkpoints(tmp_path))
    arguments = {
        "data": DATA, "key": jax.random.key(3), "batch_size": 8, "last_batch": "keep"
    } | change  # fmt: skip
    data = arguments.pop("data")
    with pytest.raises(ValueError, match=message):
        pj.fit(
            trainer, PARAMS, data, steps=14, model_state=np.zeros(3), validation=VALIDATION,
            checkpoints=pj.Checkpoints(tmp_path), **arguments,
        )  # fmt: skip


@pytest.mark.parametrize(
    ("tx", "params", "hooks", "message"),
    [
        (optax.sgd(0.1, momentum=0.9), PARAMS, None, r"state/opt_state/0/mu/w: expected nothing"),
        (
            None,
            {**PARAMS, "w": np.zeros((3, 1), np.float32)},
            None,
            r"expected float32\[3,1\], got",
        ),
        (None, {**PARAMS, "b": jnp.bfloat16(0)}, None, r"params/b: expected bfloat16\[\], got flo"),
        (None, PARAMS, [], r"hook_state/0/average/w: expected nothing, got float32\[3\]"),
    ],
    ids=["optimizer", "architecture", "dtype", "hooks"],
)
def test_another_state_is_refused_with_the_leaves_that_differ(tmp_path, tx, params, hooks, message):
    def train(trainer, params, steps):
        pj.fit(
            trainer, params, DATA, key=jax.random.key(3), steps=steps, model_state=np.zeros(3),
            checkpoints=pj.Checkpoints(tmp_path),
        )  # fmt: skip

    train(make(), PARAMS, 2)
    forgiving = lambda *inputs: loss_fn({**inputs[0], "w": inputs[0]["w"].reshape(3)}, *inputs[1:])
    with pytest.raises(ValueError, match=message):
        train(make(tx, forgiving, hooks), params, 4)


def test_another_constant_in_the_loss_is_said(tmp_path):
    def train(decay, steps):
        trainer = make(optax.adamw(0.1, weight_decay=decay))
        return run(
            trainer,
            steps,
            validation=None,
            checkpoints=pj.Checkpoints(tmp_path),
        )

    train(0.1, 7)
    train(0.1, 8)
    with pytest.raises(ValueError, match=r"step 8 \(its loss, optimizer or a constant\)"):
        train(0.2, 9)
