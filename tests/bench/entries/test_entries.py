"""Which optimizers take part, from names, files, factories and `Optimizer`s."""

import types
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

import paramjax as pj
from paramjax.bench.entries import (
    RefusedError,
    UnknownOptimizerError,
    audit,
    describe_space,
    entry_of,
    find_entries,
    make_trainer,
    space_volume,
)
from paramjax.bench.entries._first_step import first_steps
from paramjax.optim import Optimizer, get
from tests.bench.entries.conftest import PARAMS, ROWS

DEFAULT = {"learning_rate": pj.log_uniform(1e-4, 1.0)}


@pytest.fixture
def stage(workload):
    """As much of a stage as first steps look at."""
    seeds = jax.tree.map(lambda leaf: leaf[None], PARAMS)
    starts = types.SimpleNamespace(made=lambda: types.SimpleNamespace(params=seeds))
    return types.SimpleNamespace(
        workload=workload, windows=[types.SimpleNamespace(starts=starts)], first_batch=lambda: ROWS,
        protocol=types.SimpleNamespace(clip_norm=1.0),
    )  # fmt: skip


def named(users_file, *names):
    return find_entries([f"{users_file}:{name}" for name in names])


# what users write in their files


def test_bad_optimizers_are_left_out_by_name_and_the_others_go_on(users_file, stage, workload):
    bad = ("nan", "raises", "wrong_shape", "nothing", "no_rate", "branches", "bad_space",
           "downhill", "late")  # fmt: skip
    entries, broken = named(users_file, "by_mapping", *bad)
    reasons = dict([*broken, *first_steps([stage, stage], [*entries, entry_of("adam", "adam")])])
    for entry in entries:  # a mode that is not the first one
        try:
            audit(workload, entry, 1.0, params=PARAMS, batch=ROWS)
        except RefusedError as error:
            reasons.setdefault(entry.optimizer.name, str(error))
    assert set(reasons) == {f"mine.py:{name}" for name in bad}
    assert "on tanh: " in reasons["mine.py:nan"]
    assert "parameter bias NaN or infinite" in reasons["mine.py:nan"]
    assert "RuntimeError: no [bold]luck[/] today" in reasons["mine.py:raises"]
    assert "has shape (), expected (1, 4)" in reasons["mine.py:wrong_shape"]
    assert "returned NoneType, expected an optax" in reasons["mine.py:nothing"]
    assert "does not take 'learning_rate' of its search space" in reasons["mine.py:no_rate"]
    assert "depends on the value of 'learning_rate'" in reasons["mine.py:branches"]
    assert "must be drawn from uniform" in reasons["mine.py:bad_space"]
    assert "learning_rate: expected a number from 0" in reasons["mine.py:downhill"]
    assert "only this mode fails" in reasons["mine.py:late"]
    assert all("\n" not in reason for reason in reasons.values())


@pytest.mark.parametrize("text", ["import sys; sys.exit('usage')", "def f(:", "import no_such_lib"])
def test_a_file_that_cannot_be_imported_is_excluded(tmp_path, text):
    (tmp_path / "own.py").write_text(text)
    _, excluded = find_entries([f"{tmp_path}/own.py:f"])
    assert [name for name, _ in excluded] == ["own.py:f"]
    assert "importing" in excluded[0].reason


def test_plain_factories_get_a_learning_rate(users_file):
    (entry,), _ = named(users_file, "plain")
    assert entry.optimizer.space == DEFAULT
    assert entry.file == users_file


@pytest.mark.parametrize(
    ("spec", "message"),
    [
        ("adamv", "nearest: adam"),
        ("{file}:goood", "unknown factory 'goood'; nearest: good"),
        ("nowhere.py:good", "there is no file nowhere.py"),
    ],
)
def test_unknown_names_are_refused(users_file, spec, message):
    with pytest.raises(UnknownOptimizerError, match=message):
        find_entries([spec.format(file=users_file)])


def test_two_of_one_name_are_refused_and_one_named_twice_is_one(tmp_path, monkeypatch):
    for folder in ("a", "b"):
        (tmp_path / folder).mkdir()
        (tmp_path / folder / "mine.py").write_text("import optax\nmine = optax.sgd")
    monkeypatch.chdir(tmp_path)
    with pytest.raises(UnknownOptimizerError, match="would both be called 'mine.py:mine'"):
        find_entries(["a/mine.py:mine", "b/mine.py:mine"])
    entries, _ = find_entries(["a/mine.py:mine", str(Path("a", "mine.py").resolve()) + ":mine"])
    assert len(entries) == 1


def test_two_files_of_one_name_do_not_share_their_helpers(tmp_path):
    for folder, rule in (("a", "adam"), ("b", "sgd")):
        (tmp_path / folder).mkdir()
        (tmp_path / folder / "rule.py").write_text(f"import optax\nmake = optax.{rule}")
        late = "    from rule import make\n    return make(learning_rate)"
        (tmp_path / folder / "mine.py").write_text(f"def {rule}(learning_rate):\n{late}")
    entries, _ = find_entries([f"{tmp_path}/a/mine.py:adam", f"{tmp_path}/b/mine.py:sgd"])
    states = [entry.optimizer.factory(learning_rate=0.1).init(PARAMS) for entry in entries]
    assert len(jax.tree.leaves(states[0])) > len(jax.tree.leaves(states[1])) == 0


# kinds of hyperparameters and transformations


KINDS = {
    "tuples": "def mine(learning_rate, betas):\n"
    "    {(0.9, 0.999): 'slow', (0.5, 0.9): 'fast'}[betas]\n"
    "    return optax.adam(learning_rate, *betas)\n"
    "mine.space = {'learning_rate': pj.log_uniform(1e-3, 0.1),"
    " 'betas': pj.choice([(0.9, 0.999), (0.5, 0.9)])}",
    "functions": "def mine(learning_rate, rule):\n    return rule(learning_rate)\n"
    "mine.space = {'learning_rate': pj.log_uniform(1e-3, 0.1),"
    " 'rule': pj.choice([optax.adam, optax.sgd])}",
    "floats": "def mine(learning_rate, momentum):\n"
    "    return {0.0: optax.sgd(learning_rate), 0.9: optax.sgd(learning_rate, 0.9)}[momentum]\n"
    "mine.space = {'learning_rate': pj.log_uniform(1e-3, 0.1),"
    " 'momentum': pj.choice([0.0, 0.9], static=True)}",
    "no space": "def mine():\n    return optax.contrib.prodigy()\nmine.space = {}",
    "many steps": "def mine(learning_rate):\n"
    "    return optax.MultiSteps(optax.adam(learning_rate), 2)",
    "injected": "def mine(learning_rate, b1):\n"
    "    return optax.inject_hyperparams(optax.adam)(learning_rate=learning_rate, b1=b1)\n"
    "mine.space = {'learning_rate': pj.log_uniform(1e-3, 0.1), 'b1': pj.uniform(0.5, 0.99)}",
    "conditional": "def mine(rule, learning_rate, momentum=None):\n"
    "    return optax.adam(learning_rate) if rule == 'adam' else"
    " optax.sgd(learning_rate, momentum)\n"
    "mine.space = {'rule': pj.choice(['adam', 'momentum']),"
    " 'learning_rate': pj.log_uniform(1e-3, 0.1),"
    " 'momentum': pj.conditional('rule', 'momentum', pj.uniform(0.5, 0.99))}",
    "cosine": "def mine(learning_rate, warmup):\n"
    "    schedule = optax.warmup_cosine_decay_schedule(0.0, 1.0, warmup, 50)\n"
    "    return optax.chain(optax.sgd(schedule), optax.scale(learning_rate))\n"
    "mine.space = {'learning_rate': pj.log_uniform(1e-3, 0.1),"
    " 'warmup': pj.integer(1, 3, static=True)}",
    "rounding": "def mine(learning_rate, beta):\n"
    "    return optax.adam(learning_rate, b2=beta)\n"
    "mine.space = {'learning_rate': pj.log_uniform(1e-3, 0.1),"
    " 'beta': pj.uniform(0.9, 0.99999999)}",
    "an Optimizer": "mine = pj.optim.Optimizer('theirs', lambda learning_rate, decay:"
    " optax.rmsprop(learning_rate, decay), {'learning_rate': pj.log_uniform(1e-3, 0.1),"
    " 'decay': pj.uniform(0.5, 0.9)}, 'Hinton (2012)')",
    "state as a dataclass": "import flax\n"
    "@flax.struct.dataclass\nclass State:\n    momentum: optax.Updates\n"
    "def mine(learning_rate):\n"
    "    def update(updates, state, params=None):\n"
    "        m = jax.tree.map(lambda a, g: 0.9 * a + g, state.momentum, updates)\n"
    "        return jax.tree.map(lambda a: -learning_rate * a, m), State(m)\n"
    "    init = lambda params: State(jax.tree.map(jnp.zeros_like, params))\n"
    "    return optax.GradientTransformation(init, update)",
}
STRUCTURES = {"tuples": 2, "functions": 2, "floats": 2, "conditional": 2, "cosine": 3}


@pytest.mark.parametrize("kind", KINDS)
def test_every_kind_trains_and_is_audited(kind, entry, stage, workload):
    mine = entry(KINDS[kind])
    assert first_steps([stage], [mine]) == []
    found = audit(workload, mine, 1.0, params=PARAMS, batch=ROWS)
    portfolio = f"chooses between {STRUCTURES.get(kind)} updates"
    assert [flag for flag in found.flags if portfolio not in flag] == []
    assert len(found.flags) == (kind in STRUCTURES)


def test_numbers_that_must_be_plain_are_named(entry, stage):
    cosine = KINDS["cosine"].replace(", static=True", "")
    ((_, reason),) = first_steps([stage], [entry(cosine)])
    assert "depends on the value of 'warmup', which is traced" in reason
    assert "take pj.optim.warmup_cosine_decay_schedule, which has the same" in reason
    ((_, reason),) = first_steps(
        [stage], [entry(cosine.replace("0.0, 1.0,", "0.0, learning_rate,"))]
    )
    assert "depends on the value of 'learning_rate' and 'warmup'" in reason
    assert "followed by optax.scale(learning_rate)" in reason


@pytest.mark.parametrize(
    "text",
    [
        "import random\ndef mine(learning_rate):\n"
        "    return optax.sgd(learning_rate * random.random())",
        "calls = []\ndef mine(learning_rate):\n    calls.append(1)\n"
        "    return optax.sgd(learning_rate) if len(calls) < 3 else optax.adam(learning_rate)",
    ],
)
def test_another_program_each_time_is_refused(entry, stage, text):
    ((_, reason),) = first_steps([stage], [entry(text)])
    assert "each call of its factory gives another program" in reason


# factories in Python


def test_a_factory_an_optimizer_and_a_name():
    mine = lambda learning_rate, b1: optax.adam(learning_rate, b1)
    mine.space = {"learning_rate": pj.log_uniform(1e-3, 1.0), "b1": pj.uniform(0.8, 0.9)}
    mine.extra_args, mine.schedule = ("grad_fn",), "cosine to zero at step 500"
    found = entry_of("own", mine).optimizer
    assert (found.name, found.space, found.extra_args) == ("own", mine.space, ("grad_fn",))
    assert found.schedule == "cosine to zero at step 500"
    adam = entry_of("first adam", "adam").optimizer
    assert (adam.name, adam.factory, adam.space) == ("first adam", *_of(get("adam")))
    given = Optimizer("theirs", optax.sgd, DEFAULT, "a paper", ("grad",), "constant")
    own = entry_of("own", given).optimizer
    assert (own.name, own.source, own.extra_args) == ("own", "a paper", ("grad",))
    assert entry_of("sgd", optax.sgd).optimizer.space == DEFAULT
    by_mapping = entry_of("m", lambda hp: optax.sgd(hp["learning_rate"])).optimizer
    assert isinstance(by_mapping.factory(learning_rate=0.1), optax.GradientTransformation)


def _of(optimizer):
    return optimizer.factory, optimizer.space


@pytest.mark.parametrize(
    ("given", "error", "message"),
    [
        ("adamm", UnknownOptimizerError, "nearest: adam"),
        (optax.sgd(0.1), TypeError, "made already; write lambda learning_rate"),
        (3, TypeError, "optimizer 'mine': expected a name of the catalogue, .* got int 3"),
    ],
)
def test_what_is_no_optimizer_is_refused(given, error, message):
    with pytest.raises(error, match=message):
        entry_of("mine", given)


@pytest.mark.parametrize(
    ("attribute", "value", "message"),
    [
        ("extra_args", ("gradfn",), "mine.extra_args: unknown extra argument 'gradfn'; nearest"),
        ("space", {"learning_rate": 0.1}, "search space is not valid: .* must be drawn from"),
        ("space", 3, "search space is not valid: expected a search space"),
    ],
)
def test_what_is_declared_wrongly_is_refused(attribute, value, message):
    mine = lambda learning_rate: optax.sgd(learning_rate)
    setattr(mine, attribute, value)
    with pytest.raises((TypeError, ValueError), match=message):
        entry_of("mine", mine)


def test_model_state_reaches_a_stateful_loss(entry):
    from paramjax.bench.workloads import Workload

    def loss_fn(params, model_state, batch, key):
        return jnp.mean((params - batch) ** 2), (model_state + 1, {})

    workload = Workload(
        name="counting", init=lambda key: jnp.zeros(()), loss_fn=loss_fn, data=jnp.ones(4),
        model_state=jnp.zeros(()), stateful=True,
        evaluate=lambda params, state, data: {"loss": params},
    )  # fmt: skip
    mine = entry(
        "def mine(learning_rate):\n"
        "    def update(u, s, params=None, *, value_fn, **extra):\n"
        "        return jax.tree.map(lambda g: -learning_rate * g * value_fn(params), u), s\n"
        "    return optax.GradientTransformationExtraArgs(lambda p: (), update)\n"
        "mine.extra_args = ('value_fn',)"
    )
    trainer = make_trainer(workload, mine.optimizer, 10.0)({"learning_rate": 0.1})
    state = trainer.init(jax.random.key(0), jnp.zeros(()), workload.model_state)
    state, _ = trainer.step(state, jnp.ones(4))
    np.testing.assert_allclose(state.params, 0.2, rtol=1e-6)  # gradient -2, loss 1
    assert float(state.model_state) == 1
    found = audit(workload, mine, 1.0, params=jnp.zeros(()), batch=jnp.ones(4))
    assert found.gradients == pytest.approx(4 / 3)


# how much is searched


@pytest.mark.parametrize(
    ("distribution", "volume"),
    [
        (pj.log_uniform(1e-5, 1e-1), "4 decades"),
        (pj.log_uniform(1.0, 10.0), "1 decade"),
        (pj.uniform(0.8, 0.99), "width 0.19"),
        (pj.integer(1, 20), "20 whole numbers"),
        (pj.integer(1, 1000, log=True), "3 decades"),
        (pj.choice([1, 2, 3]), "3 options"),
    ],
)
def test_volumes_in_words(distribution, volume):
    assert space_volume({"it": distribution}) == {"it": volume, "": volume}


def test_a_space_as_json():
    import json

    space = {
        "rule": pj.choice([optax.adam, optax.sgd]),
        "rate": pj.log_uniform(1e-3, 1.0),
        "b1": pj.conditional("rule", [optax.adam], pj.uniform(0.8, 0.9)),
    }
    described = describe_space(Optimizer("own", optax.sgd, space, "mine"))
    assert json.loads(json.dumps(described)) == described
    assert (described["rate"]["low"], described["rate"]["logarithmic"]) == (1e-3, True)
    assert described["b1"]["distribution"]["kind"] == "Uniform"
    assert described["b1"]["volume"] == "width 0.1 if rule"
    assert space_volume({}) == {"": "nothing is searched"}
