"""A sweep in which all trials are lost says so, and best() chooses none of them in silence."""

import jax
import jax.numpy as jnp
import numpy as np
import optax
from pairs import pair, said

import paramjax as pj

problem = pj.Problem(init=lambda k: jnp.float32(0), data=np.ones(8, np.float32))
found = pj.sweep(
    lambda hp: pj.train_step(lambda w, b, k: (((w - b) ** 2).mean(), {}), optax.sgd(hp["rate"])),
    {"rate": pj.log_uniform(500.0, 5000.0)}, problem, trials=4, seeds=1, steps=30,
    key=jax.random.key(0),
)  # fmt: skip
pair("status of all", {str(record.status) for record in found.records}, {"diverged"})
with said() as texts:
    try:
        best = found.best()
        ours = "None" if best is None else f"a trial whose value is {best.value}"
    except ValueError as error:
        ours = f"refused: {error}"
print("best():", ours, texts)
pair("best() is no finite number", "refused" in ours or "None" in ours or "nan" in ours, True)
pair("params are finite", bool(np.isfinite(jax.tree.leaves(found.params)[0]).all()), True)
