"""What a folder holds is trained once: what an optimizer computes decides, not its text."""

from __future__ import annotations

import optax
import pytest

import paramjax as pj
from paramjax.bench import Benchmark, Plan, Protocol
from paramjax.bench.entries import entry_of
from paramjax.bench.workloads import Workload
from tests.bench.conftest import ROWS, loss_fn, sgd, start

WORKLOAD = Workload(
    name="rows", init=start, data=ROWS, batch_size=4, loss_fn=loss_fn, metric="loss", margin=0.01
)


def mine(learning_rate):
    return optax.sgd(learning_rate, momentum=0.5)


def reworded(learning_rate):
    decay = 0.5  # the same in other words
    return optax.sgd(learning_rate, decay)


def edited(learning_rate):
    return optax.sgd(learning_rate, momentum=0.6)


def wider(learning_rate):
    return optax.sgd(learning_rate, momentum=0.5)


for factory in (mine, reworded, edited):
    factory.space = sgd.space
wider.space = {"learning_rate": pj.log_uniform(0.05, 0.9)}


@pytest.fixture
def trained(tmp_path):
    """A benchmark of sgd and `mine` in one folder; returns the trainings it made of each."""

    def run(own):
        made = {"sgd": 0, "mine": 0}

        def count(event):
            made[event.optimizer] += event.trainings if event.trained else 0

        plan = Plan(
            workloads=[WORKLOAD], entries=[entry_of("sgd", sgd), entry_of("mine", own)],
            baseline="sgd", protocol=Protocol(replicates=2, trials=2, steps=4), out=tmp_path,
        )  # fmt: skip
        benchmark = Benchmark(plan)
        results = benchmark.run(count)
        return made, results.verdicts[0].differences, benchmark.notices

    return run


def test_an_edited_optimizer_is_trained_anew_and_the_baseline_kept(trained):
    made, first, notices = trained(mine)
    assert made == {"sgd": 8, "mine": 8}
    made, same, more = trained(reworded)
    assert made == {"sgd": 0, "mine": 0}
    assert same == first
    assert notices == more == []
    made, other, (notice,) = trained(edited)
    assert made == {"sgd": 0, "mine": 8}
    assert other != first
    assert "mine computes something else on rows than its 8 recorded trainings" in notice


def test_fewer_replicates_are_compared_with_the_first_of_an_earlier_call(tmp_path):
    def run(replicates, name, own):
        plan = Plan(
            workloads=[WORKLOAD], entries=[entry_of("sgd", sgd), entry_of(name, own)],
            baseline="sgd", protocol=Protocol(replicates=replicates, trials=2, steps=4),
            out=tmp_path,
        )  # fmt: skip
        verdicts = Benchmark(plan).run().verdicts
        return {verdict.optimizer: verdict.differences for verdict in verdicts}

    many = run(3, "mine", mine)
    few = run(2, "other", edited)
    assert few["mine"] == many["mine"][:2]
    assert len(few["other"]) == 2


def with_options():
    """An optimizer of functions, tuples and floats, whose functions are new objects each time."""

    def of_options(learning_rate, rule, betas, momentum):
        assert betas in {(0.9, 0.99): 1, (0.5, 0.9): 2}  # the tuple itself, not a list
        return rule(learning_rate, betas, {0.3: momentum, None: 0.0}[momentum])

    of_options.space = {
        "learning_rate": pj.log_uniform(0.05, 0.5),
        "rule": pj.choice([lambda r, b, m: optax.adam(r, *b), lambda r, b, m: optax.sgd(r, m)]),
        "betas": pj.choice([(0.9, 0.99), (0.5, 0.9)]),
        "momentum": pj.choice([0.3, None]),
    }
    return of_options


@pytest.mark.slow
def test_options_are_the_same_in_the_next_process(trained, tmp_path):
    made, first, notices = trained(with_options())
    assert made == {"sgd": 8, "mine": 8}
    made, same, more = trained(with_options())
    assert made == {"sgd": 0, "mine": 0}
    assert same == first
    assert notices == more == []
    assert b" at 0x" not in (tmp_path / "records" / "rows" / "mine.sqlite").read_bytes()


def test_another_space_is_another_search(trained):
    trained(mine)
    made, *_ = trained(wider)
    assert made == {"sgd": 0, "mine": 8}
