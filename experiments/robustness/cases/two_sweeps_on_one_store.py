"""Of two processes that want a store at once one is refused, and the other one's table is right."""

import subprocess
import sys
import tempfile

import jax
import jax.numpy as jnp
import numpy as np
import optax
from pairs import pair

import paramjax as pj

RNG = np.random.default_rng(0)
DATA = RNG.normal(size=(512, 20)).astype(np.float32)
STOPPING = pj.tuning.successive_halving(3, least_steps=600)


def loss_fn(params, batch, key):
    return jnp.mean((jnp.tanh(batch @ params) - batch[:, :1] ** 2) ** 2), {}


if len(sys.argv) > 1:
    problem = pj.Problem(
        init=lambda k: 0.3 * jax.random.normal(k, (20, 48)), data=DATA, batch_size=32
    )
    found = pj.sweep(
        lambda hp: pj.train_step(loss_fn, optax.adam(hp["rate"])),
        {"rate": pj.log_uniform(1e-4, 1.0)}, problem, trials=9, seeds=2, steps=5400,
        key=jax.random.key(5), stopping=STOPPING, store=sys.argv[1],
        execution=pj.Execution(layout=pj.populations.Layout(6)),
    )  # fmt: skip
    print(found.to_frame().to_csv())
    sys.exit()
with tempfile.TemporaryDirectory() as place:
    start = lambda name: subprocess.Popen(  # noqa: E731
        [sys.executable, __file__, f"{place}/{name}"], text=True, stdout=-1, stderr=-1
    )
    truth = start("truth").communicate()[0]
    both = [start("one") for _ in range(2)]
    told = [process.communicate() for process in both]
    pair("refused of two at once", sum("in use" in error for _, error in told), 1)
    pair("the other one's table", [table for table, _ in told if table], [truth])
    pair("the same again", start("one").communicate()[0] == truth, True)
