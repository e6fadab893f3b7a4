"""How factories are called: each hyperparameter by its name, or all of them as one mapping."""

import functools

import optax
import pytest

import paramjax as pj
from paramjax.bench.entries import entry_of, find_entries
from paramjax.optim import Optimizer

RATE = {"learning_rate": pj.log_uniform(1e-4, 1.0)}
BOTH = {**RATE, "momentum": pj.uniform(0.1, 0.9)}


def spaced(factory, space):
    factory.space = space
    return factory


class Ruled:
    """A factory that is an object."""

    space = BOTH

    def __init__(self, nesterov):
        self.nesterov = nesterov

    def __call__(self, learning_rate, momentum):
        return optax.sgd(learning_rate, momentum, nesterov=self.nesterov)


GOOD = {
    "the mapping hp": spaced(lambda hp: optax.sgd(**hp), BOTH),
    "the mapping config": spaced(lambda config: optax.sgd(**config), BOTH),
    "keywords": spaced(lambda **settings: optax.sgd(**settings), BOTH),
    "a default that is not searched": lambda learning_rate, momentum=0.5: optax.sgd(
        learning_rate, momentum
    ),
    "keyword only": spaced(lambda *, learning_rate, momentum: optax.sgd(learning_rate), BOTH),
    "positional only": spaced(
        lambda learning_rate, momentum, /: optax.sgd(learning_rate, momentum), BOTH
    ),
    "an object": Ruled(True),
    "partial": functools.partial(optax.sgd, momentum=0.5),
    "partial with a space": spaced(functools.partial(optax.sgd, nesterov=True), BOTH),
    "a method": Ruled(False).__call__,
    "a number of its own name": spaced(lambda lr: optax.sgd(lr), {"lr": pj.uniform(0.1, 0.5)}),
}
MEANS = {"learning_rate": 0.25, "momentum": 0.5, "lr": 0.25}


@pytest.mark.parametrize("kind", GOOD)
def test_each_kind_gets_its_numbers(kind):
    factory = GOOD[kind]
    if kind == "a method":
        factory = Optimizer("own", factory, BOTH, "here")
    optimizer = entry_of("mine", factory).optimizer
    tx = optimizer.factory(**{name: MEANS[name] for name in optimizer.space})
    updates, _ = tx.update(2.0, tx.init(0.0), 0.0)
    nesterov = kind in ("an object", "partial with a space")
    assert float(updates) == (-0.25 * 2.0 * (1.5 if nesterov else 1.0))


def test_an_annotation_says_that_it_is_a_mapping():
    def mine(h: dict[str, float]):
        return optax.sgd(h["learning_rate"])

    assert entry_of("m", mine).optimizer.factory(learning_rate=0.1).init(0.0)


async def later(learning_rate):
    return optax.sgd(learning_rate)


def many(learning_rate):
    yield optax.sgd(learning_rate)


@pytest.mark.parametrize(
    ("factory", "message"),
    [
        (lambda lr: optax.sgd(lr), "optimizer 'mine': its factory needs 'lr', .* 'learning_rate'"),
        (lambda learning_rate, beta: 0, r"needs 'beta', .*\.space = \{'beta'"),
        (spaced(lambda lr: optax.sgd(lr), BOTH), "needs 'lr', and its search space has 'learning_"),
        (lambda: optax.sgd(0.1), r"does not take 'learning_rate' .*\(it takes nothing\)"),
        (spaced(lambda learning_rate: 0, BOTH), "does not take 'momentum' of its search space"),
        (functools.partial(optax.sgd, 0.1), "does not take 'learning_rate'"),
        (Optimizer("a", lambda lr: optax.sgd(lr), RATE, "b"), "optimizer 'mine': .* needs 'lr'"),
        (later, "its factory is an async function"),
        (many, r"its factory is a generator \(it yields\)"),
    ],
)
def test_factories_that_do_not_fit_their_space_are_refused(factory, message):
    with pytest.raises(TypeError, match=message):
        entry_of("mine", factory)


def test_a_transformation_in_a_file_is_left_out_with_what_to_write(tmp_path):
    (tmp_path / "own.py").write_text("import optax\nmine = optax.adam(1e-3)")
    _, ((name, reason),) = find_entries([f"{tmp_path}/own.py:mine"])
    assert name == "own.py:mine"
    assert "made already; write lambda learning_rate" in reason


def test_a_name_that_raises_when_it_is_asked_for_is_left_out(tmp_path):
    (tmp_path / "own.py").write_text("def __getattr__(name):\n    raise RuntimeError('no ' + name)")
    _, ((_, reason),) = find_entries([f"{tmp_path}/own.py:mine"])
    assert reason == "looking for mine in it raised RuntimeError: no mine"
