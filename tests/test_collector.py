"""What a script imports is left out of collections; a session's objects are not."""

import gc
import sys

import pytest

from paramjax._collector import leave_out_imports


@pytest.mark.parametrize("session", [False, True])
def test_imports_are_left_out_but_in_a_session(monkeypatch, session):
    frozen = []
    monkeypatch.setattr(gc, "freeze", lambda: frozen.append(True))
    monkeypatch.delitem(sys.modules, "IPython", raising=False)
    if session:
        monkeypatch.setitem(sys.modules, "IPython", object())
    leave_out_imports()
    assert frozen == ([] if session else [True])
