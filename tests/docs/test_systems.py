"""The table of the 32 systems says what is recorded."""

import importlib.util
from pathlib import Path

import pytest

DOCS = Path(__file__).parents[2] / "docs"
spec = importlib.util.spec_from_file_location("systems", DOCS / "systems.py")
systems = importlib.util.module_from_spec(spec)
spec.loader.exec_module(systems)


@pytest.fixture(scope="module")
def page():
    return systems.page()


def test_the_page_is_that_of_the_scripts_and_their_figures(page):
    found = systems.PAGE.read_text(encoding="utf-8")
    assert found == page, "run `python docs/systems.py`"


def test_all_rows_are_there_and_figures_carry_their_tolerance(page):
    for number in range(1, 33):
        assert f"\n| {number} | " in page
    # certified by NIST, see experiments/expected/closed_form.json
    assert "Norris, slope: 1.00211681802 ± 1e-11" in page
