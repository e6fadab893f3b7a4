"""Tables of refused calls."""

import pytest


def assert_refused(function, *cases):
    """Each case is `(given, error, match)`: one argument, a tuple of them, or a dict by name."""
    for given, error, match in cases:
        with pytest.raises(error, match=match):
            _must_raise(_call(function, given), given, match)


def _call(function, given):
    if type(given) is dict:
        return function(**given)
    return function(*given) if type(given) is tuple else function(given)


def _must_raise(result, given, match):
    pytest.fail(f"{given} was taken and returned {result}, expected an error: {match}")
