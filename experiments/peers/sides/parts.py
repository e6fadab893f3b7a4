"""A side's first run in parts: python parts.py SIDE WORK FILE START, by_hand or ours.

START is the time at which the process was started; prints the seconds of each part as JSON.
"""

import json
import sys
import time

import works

COMPILING = {
    "/jax/core/compile/jaxpr_trace_duration": "tracing and lowering",
    "/jax/core/compile/jaxpr_to_mlir_module_duration": "tracing and lowering",
    "/jax/core/compile/backend_compile_duration": "XLA",
}


class Marks:
    """Parts: their names, seconds, and the spans of compilation in each."""

    def __init__(self, start):
        self.parts, self._last, self._spans = [], start, []

    def heard(self, event, seconds, **_):
        """A listener of JAX's events."""
        if event in COMPILING:
            self._spans.append((COMPILING[event], time.time() - seconds, time.time()))

    def __call__(self, name):
        """What was done since the last mark is of this name."""
        now = time.time()
        self.parts.append((name, now - self._last, self._spans))
        self._spans, self._last = [], now


def by_hand(mark, name, given):
    """The scan by hand."""
    import by_hand

    return by_hand.make(name, works.WORKS[name], given)


def ours(mark, name, given):
    """Ours, imported one by one."""
    import jax
    import optax  # noqa: F401

    mark("import optax")
    import paramjax  # noqa: F401

    mark("import paramjax")
    import ours

    ours.MODELS[name]()
    mark("import flax and the models")
    jax.random.key(0)
    mark("first key, and with it the platform")
    train = ours.make(name, works.WORKS[name], given)
    mark("`model.init`")
    return train


def main(side, name, file, start):
    """Train, and print what it took."""
    mark = Marks(float(start))
    given = works.load(file)
    mark("start of Python, numpy, data")
    import jax

    mark("import jax")
    jax.monitoring.register_event_duration_secs_listener(mark.heard)
    from compilations import compilations, covered

    train = {"by_hand": by_hand, "ours": ours}[side](mark, name, given)
    train(works.WORKS[name].steps)
    mark("training")
    seconds = {}
    for part, taken, spans in mark.parts:
        seconds[part] = taken
        for kind in dict.fromkeys(kind for kind, *_ in spans):
            seconds[f"{part}: {kind}"] = covered(own for what, *own in spans if what == kind)
    print(json.dumps({"parts": seconds, **compilations(), "end": time.time()}))


if __name__ == "__main__":
    main(*sys.argv[1:])
