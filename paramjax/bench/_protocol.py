"""The rules of a comparison, the same for every optimizer."""

from __future__ import annotations

from dataclasses import dataclass

import jax
import jax.numpy as jnp
import numpy as np

from paramjax._checks import check_count, check_rate, describe
from paramjax._types import Key


@dataclass(frozen=True, kw_only=True)
class Protocol:
    """How many replicates a comparison rests on, and what one replicate is.

    A replicate is the whole procedure once: it splits the data, draws trials, trains each of
    them with the tuning seeds, chooses the one that is best on validation data, and trains that
    one with the report seeds; its score is their mean on test data. Replicates share no seed.
    Replicate k of every optimizer has the same split, initial parameters, orders of batches, and
    the same points of the hyperparameters that bear the same name.

    Bouthillier et al. (2021, Accounting for variance in machine learning benchmarks) vary all of
    these sources; a comparison of one chosen trial over many seeds varies the smallest of them.

    Attributes:
        replicates: Replicates of each optimizer; a verdict other than `equivalent` needs 6.
        trials: Trials of each replicate.
        tuning_seeds: Trainings of each trial.
        report_seeds: Trainings of the chosen trial.
        steps: Steps of each training.
        key: Integer that names all randomness, in [0, 2**64).
        clip_norm: Global norm at which every optimizer's gradient is clipped.
        evaluations: Points of a learning curve.
        fixed_split: Whether all replicates share the split of the first one, so that verdicts are
            about that split alone.
        these_rows: Whether verdicts are about the rows of each workload alone, and not about
            others like them: with the variance factor 1/K although the split varies.

    Raises:
        TypeError: If a count is not a whole number.
        ValueError: If a number is out of range.

    Example:
        >>> protocol = Protocol(replicates=2, trials=4, tuning_seeds=1, report_seeds=2)
        >>> list(protocol.tuning_seed_numbers(1)), list(protocol.report_seed_numbers(1))
        ([3], [4, 5])
    """

    replicates: int = 6
    trials: int = 6
    tuning_seeds: int = 1
    report_seeds: int = 2
    steps: int = 500
    key: int = 0
    clip_norm: float = 1.0
    evaluations: int = 25
    fixed_split: bool = False
    these_rows: bool = False

    def __post_init__(self) -> None:
        """Refuse numbers that cannot be run."""
        for name in (
            "replicates", "trials", "tuning_seeds", "report_seeds", "steps", "evaluations"
        ):  # fmt: skip
            check_count(name, getattr(self, name))
        if isinstance(self.key, bool) or not isinstance(self.key, int):
            raise TypeError(f"key: expected a whole number, got {describe(self.key)}")
        if not 0 <= self.key < 2**64:
            raise ValueError(f"key: expected a whole number from 0 to 2**64 - 1, got {self.key}")
        check_rate("clip_norm", self.clip_norm, low=1e-30)

    @property
    def seeds(self) -> int:
        """Seeds of one replicate."""
        return self.tuning_seeds + self.report_seeds

    @property
    def trainings(self) -> int:
        """Trainings of one replicate of one optimizer."""
        return self.trials * self.tuning_seeds + self.report_seeds

    def trial_numbers(self, replicate: int) -> range:
        """The trials of a replicate, numbered through all replicates."""
        return range(replicate * self.trials, (replicate + 1) * self.trials)

    def tuning_seed_numbers(self, replicate: int) -> range:
        """The seeds that choose the trial of a replicate."""
        first = replicate * self.seeds
        return range(first, first + self.tuning_seeds)

    def report_seed_numbers(self, replicate: int) -> range:
        """The seeds that a replicate is scored with."""
        first = replicate * self.seeds
        return range(first + self.tuning_seeds, first + self.seeds)

    def keyed(self, what: str) -> Key:
        """The key of one kind of randomness: `starts`, `trials` or `splits`."""
        kinds = ("starts", "trials", "splits")
        # the bits of `jax.random.key(self.key)` where that is in [0, 2**32)
        words = np.array([self.key >> 32, self.key & 0xFFFFFFFF], np.uint32)
        key = jax.random.wrap_key_data(jnp.asarray(words), impl="threefry2x32")
        return jax.random.fold_in(key, kinds.index(what))
