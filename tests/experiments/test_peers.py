"""The tables of `experiments/peers/all.py`: ratios, targets, losses that differ."""

import importlib
import sys
from pathlib import Path

import pytest

PEERS = Path(__file__).parents[2] / "experiments" / "peers"


@pytest.fixture(scope="module")
def measuring():
    """The script as a module."""
    sys.path.insert(0, str(PEERS))
    yield importlib.import_module("all")
    sys.path.remove(str(PEERS))


def said(seconds, loss=1.0, compiling=1.0, compiled=2):
    return [
        [taken, {"loss": loss, "compiling": compiling, "compiled": compiled}] for taken in seconds
    ]


def test_a_page_compares_with_the_scan_and_says_what_is_missed(measuring):
    whole = {
        "by_hand": said([1.0, 2.0, 4.0]),
        "ours": said([2.0, 3.0, 6.0]),  # 2, 1.5 and 1.5 of the scan; 1, 2 and 5 without compilation
        "second": said([1.0, 2.0, 5.0], compiled=0),
        "torch": said([4.0, 6.0, 12.0], loss=1.1),
    }
    rows = {"cnn": {"whole": whole, "steady": {"by_hand": [10.0], "ours": [10.2], "torch": [8.0]}}}
    args = measuring.arguments(["--quick", "--machine", "two cores"])
    text = measuring.page(rows, args, {"torch": "2", "keras": None}, measuring.sides_of)
    assert (
        "| cnn: first run, of the scan by hand | 1.5 (1.5 to 1.75) | 1.35 | missed, by 11% |"
        in text
    )
    assert "| cnn: first run, of PyTorch's | 0.5 | 1 | held |" in text
    assert "| cnn: second process, of the first less its compilation | 1 | 1.1 | held |" in text
    assert "| cnn: compilations of the second process | 0 | 0 | held |" in text
    assert "| cnn: a step, of the best form by hand | 1.02 | 1.03 | held |" in text
    assert "| cnn: a step, of PyTorch's | 1.27 | 1 | missed, by 27% |" in text
    assert "1.1 **differs**" in text
    assert "keras was not there." in text
