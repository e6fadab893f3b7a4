"""Measured forms of layers: what is noted, measured, kept, and told to a run that goes on."""

import errno
import json
import os

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from comparing import assert_close
from jax import lax

# no user chooses a form by hand, so there is no public name
from paramjax import _choices
from paramjax.cli import main
from paramjax.models import Conv
from paramjax.models._convolution import convolve
from paramjax.models._convolution_forms import convolve_by_lax, window

X, KERNEL = jnp.ones((2, 3)), jnp.ones((3, 4))
FORMS = {"by rule": lambda x, y, power: x @ y, "other": lambda x, y, power: jnp.matmul(x, y)}


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """A folder of a cache, a process that asked nothing yet, and a kind of layer."""
    monkeypatch.setattr(_choices, "folder", lambda: tmp_path)
    monkeypatch.setitem(_choices._OFFERS, "product", _choices.Offer(FORMS))
    forget(monkeypatch)
    return tmp_path


def forget(monkeypatch):
    monkeypatch.setattr(_choices, "_known", {})
    monkeypatch.setattr(_choices, "_noted", set())


def asked():
    return _choices.choose("product", (X, KERNEL), {"power": 2}, "by rule")


def timed(monkeypatch, **seconds):
    monkeypatch.setattr(_choices, "timed", lambda *_: {"by rule": 1.0, **seconds})


@pytest.mark.parametrize(("other", "taken"), [(0.89, "other"), (0.91, "by rule")])
def test_a_form_is_taken_from_the_next_process_on_if_it_saves_a_tenth(
    folder, monkeypatch, other, taken
):
    assert asked() == "by rule"
    timed(monkeypatch, other=other)
    (outcome,) = _choices.measure()
    assert (outcome.default, outcome.form) == ("by rule", taken)
    assert asked() == "by rule"  # the programs of a process agree with each other
    forget(monkeypatch)
    assert asked() == taken
    assert list(_choices.measure()) == []
    monkeypatch.setattr(_choices, "machine", lambda: "another machine")
    forget(monkeypatch)
    assert asked() == "by rule"


@pytest.mark.parametrize(
    "damage", ["", "{", "[]", '{"%s": []}', '{"%s": {"%s": 3}}', '{"%s": {"%s": {"form": "old"}}}']
)
def test_a_damaged_file_leaves_the_rule_and_is_replaced(folder, monkeypatch, damage):
    question = _choices._question("product", (X, KERNEL), {"power": 2}, "by rule")
    names = (json.dumps(name)[1:-1] for name in (_choices.machine(), question))
    (folder / _choices.FILE).write_text(damage % (*names,)[: damage.count("%s")])
    assert asked() == "by rule"
    timed(monkeypatch, other=0.5)
    (outcome,) = _choices.measure()
    forget(monkeypatch)
    assert asked() == outcome.form == "other"


def test_without_a_folder_the_rule_decides(monkeypatch, tmp_path):
    monkeypatch.setitem(_choices._OFFERS, "product", _choices.Offer(FORMS))
    for place in (None, tmp_path / "missing"):
        monkeypatch.setattr(_choices, "folder", lambda place=place: place)
        forget(monkeypatch)
        assert asked() == "by rule"
        assert list(_choices.measure()) == []


def test_questions_of_two_processes_are_both_kept(folder, monkeypatch):
    asked()
    forget(monkeypatch)
    _choices.choose("product", (KERNEL.T, X.T), {"power": 3}, "other")
    timed(monkeypatch, other=2.0)
    assert {outcome.default for outcome in _choices.measure()} == {"by rule", "other"}


def test_the_command_measures_what_was_noted(folder, monkeypatch, capsys):
    def said(code, *words):
        with pytest.raises(SystemExit) as ended:
            main(["measure", *words])
        assert (ended.value.code or 0) == code
        return " ".join("".join(capsys.readouterr()).split())

    timed(monkeypatch, other=0.5)
    assert "no large convolution was trained" in said(0, "--busy")
    asked()
    monkeypatch.setattr("os.getloadavg", lambda: (99.0, 0.0, 0.0), raising=False)
    assert "or did in the last minute (load 99.0)" in said(2)
    shown = said(0, "--busy")
    assert "product of 2x3 and 3x4 by rule 1000.00 other, usually by rule other 500.00" in shown
    assert "1 layer measured, kept in" in shown
    assert "nothing new: 1 layer is measured already" in said(0, "--busy")
    timed(monkeypatch, other=2.0)
    assert "by rule, as usual" in said(0, "--busy", "--again")
    monkeypatch.setattr("os.replace", refuse)
    assert "cannot be written (No space left on device)" in said(2, "--busy", "--again")
    assert [path.name for path in folder.iterdir()] == [_choices.FILE]
    monkeypatch.setattr(_choices, "folder", lambda: None)
    assert "there is no compilation cache" in said(2)


def refuse(*_):
    raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))


def test_what_a_convolution_is_called():
    strided = window((3, 3), ((1, 1), (1, 1)), strides=(2, 1))
    shapes = [jax.ShapeDtypeStruct(shape, "float32") for shape in ((8, 6, 6, 4), (8, 3, 6, 5))]
    words = _choices._OFFERS["correlation"].described(shapes, {"window": strided})
    lines = ["kernel gradient, float32", "8x6x6x4 by 3x3x4x5", "strides 2x1"]
    assert words.splitlines() == lines


def test_the_forms_are_timed(folder):
    seconds = _choices.timed(FORMS, (X, KERNEL), {"power": 2}, 2)
    assert set(seconds) == set(FORMS)
    assert min(seconds.values()) > 0


def test_a_measured_form_of_a_convolution_is_used_and_told(folder, monkeypatch):
    """16 images of 28x28x16 and 32 features: large enough to be noted."""
    moves = window((3, 3), ((1, 1), (1, 1)))
    rng = np.random.default_rng(0)
    x = jnp.asarray(rng.normal(size=(16, 28, 28, 16)), jnp.float32)
    kernel = jnp.asarray(rng.normal(size=(3, 3, 16, 32)), jnp.float32)

    def loops(conv):
        def step(kernel, _):
            return kernel - 1e-4 * jax.grad(lambda k: conv(x, k, moves).sum())(kernel), None

        return lambda kernel: lax.scan(step, kernel, length=2)[0]

    program = jax.make_jaxpr(loops(convolve))(kernel)
    assert _choices.in_use(program) == ""
    noted = [json.loads(text) for text in _choices._read()]
    assert {kind for kind, *_ in noted} == {"convolution", "correlation"} or len(noted) == 1
    monkeypatch.setattr(
        _choices, "timed", lambda forms, *_: {f: 0.5 if f == "matmul" else 1.0 for f in forms}
    )
    assert {outcome.form for outcome in _choices.measure()} == {"matmul"}
    forget(monkeypatch)
    assert _choices.in_use(program).startswith("measured forms ")
    assert_close(jax.jit(loops(convolve))(kernel), jax.jit(loops(convolve_by_lax))(kernel))
    small = jax.make_jaxpr(lambda x: Conv(8).init(jax.random.key(0), x))(x[:1])
    assert _choices.in_use(small) == ""
