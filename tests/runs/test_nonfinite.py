import warnings

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

import paramjax as pj
from paramjax.optim import adjustable_rate
from paramjax.runs import NonFiniteWarning

KEY = jax.random.key(0)
DATA = np.ones(1, np.float32)


def well(params, batch, key):
    """A square with a logarithmic wall at 1: a long step jumps over it, to where it is NaN."""
    w = params["w"]
    return (w - 3.0) ** 2 * batch.sum() - 1e-6 * jnp.log(w - 1), {}


def start():
    return {"a": jnp.float32(1.0), "w": jnp.float32(6.0)}


def train(tx, steps=50, **options):
    return pj.fit(pj.train_step(well, tx), start(), DATA, key=KEY, steps=steps, **options)


def test_a_run_stops_before_the_step_with_all_that_was_done():
    # at a rate of 0.8, w - 3 goes 3, -3 * 0.6 = -1.8, -1.8 * -0.6 = 1.08 and so on; at a rate of
    # 0.9 it goes to -3 * 0.8 = -2.4, and w = 0.6 is behind the wall
    with pytest.raises(pj.NonFiniteError) as caught:
        train(optax.sgd(0.9))
    assert "the loss is not finite at step 2 (last finite loss: 9; " in str(caught.value)
    assert "skip such steps with hooks=[pj.hooks.skip_nonfinite()]" in str(caught.value)
    fit = caught.value.fit
    assert fit.status == "diverged"
    assert int(fit.state.step) == 1
    np.testing.assert_allclose(fit.params["w"], 0.6, rtol=1e-5)
    np.testing.assert_allclose(fit.history["loss"], [9.0], rtol=1e-5)
    assert np.isfinite(train(optax.sgd(0.8)).history["loss"]).all()


def test_the_first_leaf_is_named():
    bad = {**start(), "w": jnp.float32(jnp.nan)}
    with pytest.raises(pj.NonFiniteError, match="first such leaf: params/w before it"):
        pj.fit(pj.train_step(well, optax.sgd(0.1)), bad, DATA, key=KEY, steps=3)
    wild = lambda params, batch, key: (jnp.sqrt(params["w"] - 6.0) + params["a"], {})
    with pytest.raises(pj.NonFiniteError, match="the gradient is not .* leaf: params/w after it"):
        pj.fit(pj.train_step(wild, optax.sgd(0.1)), start(), DATA, key=KEY, steps=3)


def test_keys_and_whole_numbers_are_no_such_leaf():
    def loss_fn(params, own, batch, key):
        return params["w"] * own["z"][1] * batch.sum(), (own, {})

    trainer = pj.train_step(loss_fn, optax.sgd(0.1), stateful=True)
    own = {"k": KEY, "n": jnp.int32(1), "x": jnp.zeros(2), "z": jnp.array([0.0, jnp.inf])}
    with pytest.raises(pj.NonFiniteError, match="leaf: model_state/z before it"):
        pj.fit(trainer, start(), DATA, key=KEY, steps=3, model_state=own)


def test_whoever_goes_on_is_warned_once_at_the_end():
    with pytest.warns(
        NonFiniteWarning, match=r"at step 2 \(the one before was 9\), and at 1 of 50"
    ):
        run = train(optax.sgd(0.9), nonfinite="warn")
    assert np.flatnonzero(np.isnan(run.history["loss"])).tolist() == [1]


def test_a_guard_is_heard_first():
    trainer = pj.train_step(well, optax.sgd(0.9), [pj.hooks.skip_nonfinite()])
    with pytest.warns(NonFiniteWarning, match="at 2 of 3 steps"):
        run = pj.fit(trainer, start(), DATA, key=KEY, steps=3)
    assert run.history["skipped"].tolist() == [0, 1, 2]


@pytest.mark.parametrize(
    "tx",
    [
        optax.chain(optax.sgd(0.9), adjustable_rate()),
        optax.chain(optax.sgd(0.9), pj.optim.reduce_on_plateau()),
        optax.inject_hyperparams(optax.sgd)(learning_rate=0.9),
    ],
    ids=["adjustable", "plateau", "injected"],
)
def test_a_run_goes_back_with_a_lower_rate(tmp_path, tx):
    options = {"checkpoints": pj.Checkpoints(tmp_path, every=10)}
    if "Plateau" in str(jax.eval_shape(tx.init, start())):
        options["validation"] = pj.Validation(
            lambda params, batch: {"loss": params["w"]}, DATA, every=100
        )
    with pytest.warns(NonFiniteWarning, match=r"back to step 0 with 0\.5 times the learning rate"):
        run = train(tx, nonfinite=pj.Rollback(), **options)
    # w - 3 shrinks by 1 - 2 * 0.45 = 0.1 a step
    np.testing.assert_allclose(run.history["loss"][:3], [9.0, 0.09, 0.0009], rtol=1e-3)
    assert run.history["loss"].shape == (50,)


def test_rollbacks_add_up_and_end(tmp_path):
    """From 6 with a rate above 5/6 the wall at 1 is jumped over; 100 needs three factors of 0.1."""
    tx = optax.chain(optax.sgd(100.0), adjustable_rate())
    options = {"nonfinite": pj.Rollback(0.1, attempts=2)}
    with warnings.catch_warnings(record=True) as said:
        warnings.simplefilter("always")
        with pytest.raises(pj.NonFiniteError, match="at step 2 .* after 2 rollbacks; lower the"):
            train(tx, checkpoints=pj.Checkpoints(tmp_path / "two", every=10), **options)
    rates = [str(warning.message).rpartition("with ")[2] for warning in said]
    assert rates == ["0.1 times the learning rate", "0.01 times the learning rate"]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", NonFiniteWarning)
        saving = pj.Checkpoints(tmp_path / "three", every=10)
        run = train(tx, checkpoints=saving, nonfinite=pj.Rollback(0.1, attempts=3))
    np.testing.assert_allclose(run.params["w"], 3.0, atol=1e-3)


def test_no_rate_helps_where_the_start_is_bad(tmp_path):
    bad = {**start(), "w": jnp.float32(jnp.inf)}
    trainer = pj.train_step(well, optax.chain(optax.sgd(0.9), adjustable_rate()))
    with pytest.raises(pj.NonFiniteError, match=r"w before it\); nothing was learned"):
        pj.fit(
            trainer, bad, DATA, key=KEY, steps=9, checkpoints=pj.Checkpoints(tmp_path),
            nonfinite=pj.Rollback(),
        )  # fmt: skip
    assert not list(tmp_path.glob("step_*"))  # where its parameters are not finite


@pytest.mark.parametrize(
    "every", [1, 10, *(pytest.param(n, marks=pytest.mark.slow) for n in (2, 3))]
)
def test_a_rollback_goes_back_to_before_the_cause(tmp_path, every):
    """Step 1 ends behind the wall; only the start can be saved, with half the rate."""
    by_hand = 6.0
    for _ in range(50):
        by_hand -= 0.45 * (2 * (by_hand - 3) - 1e-6 / (by_hand - 1))
    tx = optax.chain(optax.sgd(0.9), adjustable_rate())
    with pytest.warns(NonFiniteWarning, match="back to step 0") as said:
        run = train(tx, nonfinite=pj.Rollback(), checkpoints=pj.Checkpoints(tmp_path, every=every))
    assert len(said) == 1
    np.testing.assert_allclose(run.params["w"], by_hand, rtol=1e-6)


def trap(params, batch, key):
    """Behind 1 a gentle slope leads to where the loss is NaN, at each rate after some steps."""
    w = params["w"]
    slope = jnp.where(w < 0.25, jnp.nan, 0.1 * w)
    return jnp.where(w > 1, (w - 3.0) ** 2, slope) * batch.sum(), {}


@pytest.mark.parametrize("keep", [2, *(pytest.param(n, marks=pytest.mark.slow) for n in (1, 3))])
def test_a_rollback_leaves_checkpoints_from_which_it_only_fails_later(tmp_path, keep):
    """All that are kept lie behind the cause, so the run goes back to its start at last."""
    tx = optax.chain(optax.sgd(0.9), adjustable_rate())
    saving = lambda folder: pj.Checkpoints(
        tmp_path / folder, every=1, keep=pj.checkpoints.Keep(last=keep)
    )

    trainer = pj.train_step(trap, tx)

    def go(folder, *cuts):
        for steps in cuts:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore", NonFiniteWarning)
                run = pj.fit(
                    trainer, start(), DATA, key=KEY, steps=steps,
                    checkpoints=saving(folder), nonfinite=pj.Rollback(),
                )  # fmt: skip
        return run

    whole, cut = go("whole", 40), go("cut", 1, 4, 5, 6, 7, 8, 40)
    np.testing.assert_allclose(whole.params["w"], 3.0, atol=1e-3)
    np.testing.assert_array_equal(whole.history["loss"], cut.history["loss"])


def spoiled(at):
    """A step whose loss and gradient are finite and whose update is not."""
    rate = lambda step: jnp.where(step == at - 1, jnp.inf, 0.1)
    return pj.train_step(lambda w, batch, key: (w * batch.sum(), {}), optax.sgd(rate))


@pytest.mark.parametrize("steps", [5, 6, 50])
def test_parameters_that_the_last_step_spoils_are_not_returned(tmp_path, steps):
    """w = 1 - 0.1 t, and step 5 makes it -inf, which the loss of step 6 would show."""
    with pytest.raises(pj.NonFiniteError) as caught:
        pj.fit(
            spoiled(5), jnp.float32(1), DATA, key=KEY, steps=steps,
            checkpoints=pj.Checkpoints(tmp_path, every=1),
        )  # fmt: skip
    assert "the parameters are not finite after step 5 (last finite loss: 0.7; " in str(
        caught.value
    )
    assert "first such leaf: params after it" in str(caught.value)
    fit = caught.value.fit
    assert (fit.status, int(fit.state.step), len(fit.history["loss"])) == ("diverged", 4, 4)
    np.testing.assert_allclose(fit.params, 0.6, rtol=1e-5)
    assert pj.checkpoints.inspect(tmp_path)[-1].step == 4


@pytest.mark.parametrize("at", [1, 2, 7, 150, 200])
@pytest.mark.parametrize("streamed", [False, True])
def test_a_leaf_that_no_loss_reads_is_seen_at_its_step(at, streamed):
    """Few parameters are counted by numpy, many by a program."""
    unread = jnp.ones(2**22 if at == 2 else ())
    rate = lambda step: jnp.where(step == at - 1, jnp.inf, 1.0)
    idle = optax.masked(optax.scale_by_schedule(rate), {"w": False, "idle": True})
    trainer = pj.train_step(
        lambda params, batch, key: (params["w"] ** 2 * batch.sum(), {}),
        optax.chain(optax.sgd(0.1), idle),
    )
    data = (DATA for _ in range(200)) if streamed else DATA
    with pytest.raises(pj.NonFiniteError, match=f"after step {at} .* leaf: params/idle after it"):
        pj.fit(trainer, {"w": jnp.float32(1), "idle": unread}, data, key=KEY, steps=200)


def test_whoever_goes_on_with_spoiled_parameters_is_warned_and_saves_none(tmp_path):
    with pytest.warns(NonFiniteWarning, match="parameters are not finite after step 5 .*params"):
        run = pj.fit(
            spoiled(5), jnp.float32(1), DATA, key=KEY, steps=5, nonfinite="warn",
            checkpoints=pj.Checkpoints(tmp_path, every=2),
        )  # fmt: skip
    assert run.status == "finished"
    assert np.isinf(run.params)
    assert [info.step for info in pj.checkpoints.inspect(tmp_path)] == [2, 4]


def test_a_run_that_rolled_back_and_was_stopped_is_the_one_that_was_not(tmp_path):
    def spiky(params, batch, key):
        # w begins at 6: at the whole rate the loss is NaN at step 13, at the half rate it is not
        w = params["w"] - 0.1
        return jnp.where(w < 4.75, jnp.nan, w) * batch.sum(), {}

    tx = optax.chain(optax.sgd(0.1), adjustable_rate())

    def go(folder, *cuts):
        for steps in cuts:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore", NonFiniteWarning)
                run = pj.fit(
                    pj.train_step(spiky, tx), start(), DATA, key=KEY, steps=steps,
                    checkpoints=pj.Checkpoints(folder, every=5), nonfinite=pj.Rollback(),
                )  # fmt: skip
        return run

    whole, cut = go(tmp_path / "whole", 13), go(tmp_path / "cut", 5, 10, 13)
    assert float(whole.state.opt_state[1].scale) == 0.5
    np.testing.assert_array_equal(whole.history["loss"], cut.history["loss"])
    np.testing.assert_array_equal(whole.params["w"], cut.params["w"])


@pytest.mark.parametrize(
    ("options", "error", "message"),
    [
        ({"nonfinite": "skip"}, ValueError, "give the trainer the hook pj.hooks.skip_nonfinite"),
        ({"nonfinite": pj.Rollback()}, ValueError, "Rollback.*, and nothing is saved; pass"),
        ({"checkpoints": "x"}, TypeError, r"expected pj.Checkpoints\(folder\) or None, got str"),
        (
            {"checkpoints": pj.Checkpoints("x"), "nonfinite": pj.Rollback()}, ValueError,
            "the chain holds none that can be lowered",
        ),
        ({"last_batch": "keep"}, ValueError, "last_batch: 'keep' says how batches end"),
        ({"last_batch": "some"}, ValueError, "expected 'drop', 'keep' or 'pad', got 'some'"),
    ],
)  # fmt: skip
def test_settings_that_nothing_follows_from_are_refused(options, error, message):
    with pytest.raises(error, match=message):
        train(optax.sgd(0.1), **options)


def test_a_rollback_needs_its_batches_again(tmp_path):
    tx = optax.chain(optax.sgd(0.1), adjustable_rate())
    with pytest.raises(ValueError, match="needs its batches again, got generator"):
        pj.fit(
            pj.train_step(well, tx), start(), (DATA for _ in range(9)), key=KEY, steps=3,
            checkpoints=pj.Checkpoints(tmp_path), nonfinite=pj.Rollback(),
        )  # fmt: skip


@pytest.mark.parametrize(("factor", "attempts"), [(0.0, 1), (1.0, 1), (0.5, 0), (-1.0, 1)])
def test_rollbacks_out_of_range_are_refused(factor, attempts):
    with pytest.raises(ValueError, match="rollback: (factor|attempts): expected a"):
        pj.Rollback(factor, attempts)


def masked(params, batch, key):
    """A mean under a mask of -inf among the parameters: at w it is w times the share of what is
    left, so that its gradient is 1 and of the mask 0."""
    weights = jax.nn.softmax(jax.lax.stop_gradient(params["mask"]))
    return params["w"] * weights.sum() + 0.0 * batch.sum(), {}


@pytest.mark.parametrize("hooks", [[], [pj.hooks.skip_nonfinite()], [pj.hooks.ema(0.5)]])
def test_masks_in_the_parameters_are_no_fault(tmp_path, hooks):
    begun = {"w": jnp.float32(1.0), "mask": jnp.array([0.0, -jnp.inf, 1.0])}
    trainer = pj.train_step(masked, optax.sgd(0.125), hooks)
    whole = {"batch_size": 1, "key": KEY, "checkpoints": pj.Checkpoints(tmp_path, every=2)}
    pj.fit(trainer, begun, DATA, steps=3, **whole)
    run = pj.fit(trainer, begun, DATA, steps=6, **whole)
    assert float(run.state.params["w"]) == 1.0 - 6 * 0.125
    np.testing.assert_array_equal(run.params["mask"], begun["mask"])


def test_what_gets_worse_than_a_mask_still_ends_the_run():
    begun = {"w": jnp.float32(1.0), "mask": jnp.array([0.0, -jnp.inf, 1.0])}
    broken = optax.sgd(lambda count: jnp.where(count == 4, jnp.nan, 0.125))
    with pytest.raises(
        pj.NonFiniteError, match="after step 5 .* leaf: params/.* after it"
    ) as raised:
        pj.fit(pj.train_step(masked, broken), begun, DATA, key=KEY, steps=5)
    assert float(raised.value.fit.params["w"]) == 0.5


def test_a_model_state_that_became_nan_is_told():
    def loss_fn(params, count, batch, key):
        return well(params, batch, key)[0], (jnp.where(count > 1, jnp.nan, count + 1), {})

    trainer = pj.train_step(loss_fn, optax.sgd(0.1), stateful=True)
    with pytest.warns(NonFiniteWarning, match="model state is not finite at the end .*model_state"):
        pj.fit(trainer, start(), DATA, key=KEY, steps=3, model_state=jnp.float32(0))


def test_a_model_state_that_begins_infinite_is_taken_as_meant(recwarn):
    lowest = lambda params, own, batch, key: (
        well(params, batch, key)[0], ({**own, "min": jnp.minimum(own["min"], params["w"])}, {})
    )  # fmt: skip
    own = {"min": jnp.float32(jnp.inf), "unseen": jnp.float32(jnp.nan)}
    trainer = pj.train_step(lowest, optax.sgd(0.1), stateful=True)
    run = pj.fit(trainer, start(), DATA, key=KEY, steps=3, model_state=own)
    assert float(run.model_state["min"]) <= float(start()["w"])
    assert not [w for w in recwarn if w.category is NonFiniteWarning]
