"""What fit trains in half precision, a sweep trains with traced hyperparameters, too."""

import jax
import jax.numpy as jnp
import numpy as np
import optax
from pairs import pair

import paramjax as pj

KINDS = {
    "sgd": lambda v: optax.sgd(v),
    "momentum": lambda v: optax.sgd(0.1, momentum=v),
    "adam b1": lambda v: optax.adam(0.1, b1=v),
    "weight decay": lambda v: optax.adamw(0.1, weight_decay=v),
    "lion b2": lambda v: optax.lion(0.1, b2=v),
    "catalogue": lambda v: pj.optim.get("momentum").factory(learning_rate=0.1, momentum=v),
}


def loss_fn(w, batch, key):
    return ((w - 1.0) ** 2).sum() * batch.mean().astype(w.dtype), {}


data, key = np.ones(8, np.float32), jax.random.key(0)
for dtype in (jnp.bfloat16, jnp.float16):
    for name, make in KINDS.items():
        start = jnp.zeros(2, dtype)
        right = pj.fit(pj.train_step(loss_fn, make(0.5)), start, data, key=key, steps=5).params
        problem = pj.Problem(init=lambda k, start=start: start, data=data)
        try:
            leaf = jax.tree.leaves(pj.sweep(
                lambda hp, make=make: pj.train_step(loss_fn, make(hp["v"])),
                {"v": pj.uniform(0.4, 0.6)}, problem, trials=[{"v": 0.5}], seeds=1, steps=5,
                key=key,
            ).params)[0]  # fmt: skip
            ours = (str(leaf.dtype), np.allclose(leaf[0], right, rtol=0.02))
        except (ValueError, TypeError) as error:
            ours = str(error)[:200]
        pair(f"{np.dtype(dtype).name}, {name}", ours, (str(right.dtype), True))
