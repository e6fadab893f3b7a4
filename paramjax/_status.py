"""How a training ended: one word for single runs, populations and folds."""

import enum


class Status(enum.StrEnum):
    """How a training ended; each member equals its text, so it is stored and compared as that.

    Attributes:
        FINISHED: All steps were done.
        STOPPED: Early stopping ended it: its validation no longer improved, or other trials of
            a sweep were better.
        DIVERGED: Its loss, its gradient or its parameters were no longer finite. In a population
            also: a metric is not finite after the last step.
        WORSENED: In a population: all steps were done, all numbers are finite, and on average
            over the last tenth of the steps the loss lay above every loss of the first half. It
            counts as finished wherever something is decided; a loss may well rise in
            reinforcement learning, in games, or as tasks get harder.
        INTERRUPTED: Ctrl-C or SIGTERM ended it.

    Example:
        >>> Status("diverged") is Status.DIVERGED, Status.FINISHED == "finished"
        (True, True)
    """

    FINISHED = "finished"
    STOPPED = "stopped"
    DIVERGED = "diverged"
    WORSENED = "worsened"
    INTERRUPTED = "interrupted"

    def __repr__(self) -> str:
        """Show the text alone, so that a printed record stays short."""
        return repr(self.value)
