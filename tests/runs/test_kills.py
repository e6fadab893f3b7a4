"""A training that is killed at any moment and resumed ends with the bits of one that was not."""

import re
import subprocess
import sys
from pathlib import Path

import pytest

SCRIPT = Path(__file__).parents[2] / "experiments" / "robustness" / "kills.py"


@pytest.mark.parametrize(
    ("variant", "kills"),
    [
        ("steps", 1),
        pytest.param("steps", 3, marks=pytest.mark.slow),
        pytest.param("iterator", 1, marks=pytest.mark.slow),
    ],
)
def test_kills_change_no_bit_and_leave_nothing_behind(variant, kills):
    """The script compares every leaf, the history, the validations and the logs."""
    words = [sys.executable, SCRIPT, "--variant", variant, "--kills", kills, "--steps", 4000]
    done = subprocess.run([*map(str, words)], capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stdout + done.stderr
    last = done.stdout.splitlines()[-1]
    assert re.fullmatch(rf"{kills} kills, .*; nothing differs, and nothing is left behind", last)
    hits = re.findall(r"'([a-z ]+)': (\d+)", last)
    assert sum(int(count) for _, count in hits) == kills
