"""The statistics of verdicts: pure functions of paired scores."""

from paramjax.bench.statistics._decide import decide
from paramjax.bench.statistics._decision import Decision
from paramjax.bench.statistics._evidence import BETTER, EQUIVALENT, UNDECIDED, WORSE
from paramjax.bench.statistics._exact import sign_flip_p, sign_test_p
from paramjax.bench.statistics._multiplicity import adjust, holm
from paramjax.bench.statistics._needed import replicates_needed

__all__ = [
    "BETTER",
    "EQUIVALENT",
    "UNDECIDED",
    "WORSE",
    "Decision",
    "adjust",
    "decide",
    "holm",
    "replicates_needed",
    "sign_flip_p",
    "sign_test_p",
]
