"""A sweep over functions, lambdas, objects goes on from its own store in another process."""

import dataclasses
import subprocess
import sys
import tempfile

import jax
import jax.numpy as jnp
import numpy as np
import optax
from pairs import pair

import paramjax as pj


@dataclasses.dataclass(eq=False)
class Wide:
    """An option that is an object."""

    factor: float

    def __call__(self, x):
        """Act on what comes in."""
        return jnp.tanh(self.factor * x)


OPTIONS = {
    "strings": ["relu", "tanh"], "tuples": [(1, 2), (3, 4)], "functions": [jax.nn.relu, jnp.tanh],
    "lambdas": [lambda x: jnp.tanh(x), lambda x: jnp.sin(x)], "objects": [Wide(1), Wide(2)],
}  # fmt: skip


def make_trainer(hp):
    act = hp["act"]
    if not callable(act):
        act = getattr(jax.nn, act) if isinstance(act, str) else Wide(act[0])
    loss = lambda p, b, k: (((act(b @ p["a"]) @ p["b"] - b[:, 0] ** 2) ** 2).mean(), {})  # noqa: E731
    return pj.train_step(loss, optax.adam(0.01))


if len(sys.argv) > 1:
    init = lambda k: {"a": jax.random.normal(k, (1, 8)), "b": jax.random.normal(k, (8,)) / 3}  # noqa: E731
    problem = pj.Problem(init=init, data=np.linspace(-1, 1, 32, dtype=np.float32)[:, None])
    pj.sweep(
        make_trainer, {"act": pj.choice(OPTIONS[sys.argv[1]])}, problem, trials=4, seeds=1,
        steps=20, key=jax.random.key(0), store=sys.argv[2],
    )  # fmt: skip
    sys.exit()
for kind in OPTIONS:
    with tempfile.TemporaryDirectory() as folder:
        words = [sys.executable, __file__, kind, folder]
        done = [subprocess.run(words, capture_output=True, text=True) for _ in range(2)]
        last = [
            one.stderr.strip().rpartition("\n")[2][:200] if one.returncode else "done"
            for one in done
        ]
        pair(kind, last, ["done", "done"])
