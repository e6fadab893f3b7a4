"""A scan by hand, with jax alone: the losses of a whole training as one jitted program.

python by_hand.py WORK FILE [--steady]      (by_hand.py WORK FILE lax: the CNN's other form)
"""

import sys

import jax
import jax.numpy as jnp
import numpy as np
from compilations import compilations
from jax import lax
from works import DECAY, serve

ACTIVATIONS = {"sigmoid": jax.nn.sigmoid, "relu": jax.nn.relu}


# networks


def dense(params, x):
    """Affine."""
    return x @ params["kernel"] + params["bias"]


def mlp(params, x, work):
    """Dense layers with an activation between them."""
    last = len(params) - 1
    for i in range(last):
        x = ACTIVATIONS[work.activation](dense(params[f"Dense_{i}"], x))
    return dense(params[f"Dense_{last}"], x)


def shifted(x):
    """The nine shifted images of a 3x3 convolution, side by side: [batch, h, w, 9 * channels]."""
    _, height, width, _ = x.shape
    x = jnp.pad(x, ((0, 0), (1, 1), (1, 1), (0, 0)))
    parts = [x[:, i : i + height, j : j + width] for i in range(3) for j in range(3)]
    return jnp.concatenate(parts, axis=-1)


def slices(x, kernel):
    """A convolution as one matmul of shifted slices."""
    return shifted(x) @ kernel.reshape(-1, kernel.shape[-1])


@jax.custom_vjp
def lax_convolution(x, kernel):
    """The platform's convolution, also for the input's gradient; one matmul for the kernel's."""
    return lax.conv_general_dilated(
        x, kernel, (1, 1), "SAME", dimension_numbers=("NHWC", "HWIO", "NHWC")
    )


def _backward(saved, g):
    x, kernel = saved
    to_images = lax_convolution(g, jnp.flip(kernel, (0, 1)).swapaxes(2, 3))
    patches = shifted(x).reshape(-1, 9 * x.shape[-1])
    return to_images, (patches.T @ g.reshape(-1, g.shape[-1])).reshape(kernel.shape)


lax_convolution.defvjp(lambda x, kernel: (lax_convolution(x, kernel), (x, kernel)), _backward)


def pool(x):
    """Maxima of 2x2."""
    batch, height, width, channels = x.shape
    return x.reshape(batch, height // 2, 2, width // 2, 2, channels).max((2, 4))


def cnn(params, x, work):
    """Two convolutions with pooling, two dense layers."""
    convolution = lax_convolution if "lax" in sys.argv else slices
    for i in range(2):
        layer = params[f"Conv_{i}"]
        x = pool(jax.nn.relu(convolution(x, layer["kernel"]) + layer["bias"]))
    x = jax.nn.relu(dense(params["Dense_0"], x.reshape(len(x), -1)))
    return dense(params["Dense_1"], x)


@jax.custom_vjp
def recurrence(z, u):
    """States of an LSTM [time, batch, h] from projected inputs [time, batch, 4h]; u [h, 4h]."""
    return _forward(z, u)[0]


def _forward(z, u):
    def step(carry, z):
        c, h = carry
        i, f, g, o = jnp.split(z + h @ u, 4, -1)
        i, f, g, o = jax.nn.sigmoid(i), jax.nn.sigmoid(f), jnp.tanh(g), jax.nn.sigmoid(o)
        c = f * c + i * g
        h = o * jnp.tanh(c)
        return (c, h), (h, c, i, f, g, o)

    zeros = jnp.zeros((z.shape[1], len(u)))
    saved = lax.scan(step, (zeros, zeros), z)[1]
    return saved[0], (saved, u)


def _before(x):
    return jnp.concatenate([jnp.zeros_like(x[:1]), x[:-1]])


def _back(saved, dh):
    (h, c, i, f, g, o), u = saved

    def step(carry, at):
        dc, back = carry
        dh, c, before, i, f, g, o = at
        dh, squashed = dh + back, jnp.tanh(c)
        dc = dc + dh * o * (1 - squashed**2)
        do = dh * squashed * o * (1 - o)
        di, df, dg = dc * g * i * (1 - i), dc * before * f * (1 - f), dc * i * (1 - g**2)
        dz = jnp.concatenate([di, df, dg, do], -1)
        return (dc * f, dz @ u.T), dz

    zeros = jnp.zeros_like(h[0])
    dz = lax.scan(step, (zeros, zeros), (dh, c, _before(c), i, f, g, o), reverse=True)[1]
    # the weights' gradient by one matmul after the scan
    return dz, _before(h).reshape(-1, len(u)).T @ dz.reshape(-1, dz.shape[-1])


recurrence.defvjp(_forward, _back)


def lstm(params, tokens, work):
    """Embedding, LSTM, logits of the next character."""
    cell, gates = params["lstm"]["cell"], "ifgo"
    w = jnp.concatenate([cell[f"i{gate}"]["kernel"] for gate in gates], -1)
    u = jnp.concatenate([cell[f"h{gate}"]["kernel"] for gate in gates], -1)
    b = jnp.concatenate([cell[f"h{gate}"]["bias"] for gate in gates])
    states = recurrence(params["embedding"][tokens.T] @ w + b, u)
    return dense(params["head"], states).swapaxes(0, 1)


NETWORKS = {"cnn": cnn, "lstm": lstm}


# losses, and optimizers as their equations


def cross_entropy(logits, labels):
    """Of labels that are integers."""
    own = jnp.take_along_axis(logits, labels[..., None], -1)[..., 0]
    return jax.nn.logsumexp(logits, -1) - own


LOSSES = {
    "binary_cross_entropy": lambda z, y: jax.nn.softplus(z) - y * z,
    "squared_error": lambda z, y: (z - y) ** 2,
    "cross_entropy": cross_entropy,
}


def clipped(grads):
    """Gradients of norm 1 at most."""
    norm = jnp.sqrt(sum(jnp.vdot(leaf, leaf) for leaf in jax.tree.leaves(grads)))
    return jax.tree.map(lambda g: jnp.where(norm < 1, g, g / norm), grads)


def updated(work, params, moments, t, grads):
    """The next parameters and moments: plain descent, or Adam with decoupled decay."""
    if work.clip:
        grads = clipped(grads)
    if work.optimizer == "sgd":
        return jax.tree.map(lambda p, g: p - work.rate * g, params, grads), moments
    m = jax.tree.map(lambda m, g: 0.9 * m + 0.1 * g, moments[0], grads)
    v = jax.tree.map(lambda v, g: 0.999 * v + 0.001 * g * g, moments[1], grads)
    decay = DECAY if work.optimizer == "adamw" else 0.0

    def move(p, m, v):
        step = m / (1 - 0.9**t) / (jnp.sqrt(v / (1 - 0.999**t)) + 1e-8)
        return p - work.rate * (step + decay * p if decay else step)

    return jax.tree.map(move, params, m, v), (m, v)


def make(name, work, given):
    """A training: its losses for a number of steps."""
    network, loss = NETWORKS.get(name, mlp), LOSSES[work.loss]

    def loss_fn(params, x, y):
        return loss(network(params, x, work), y).mean()

    def run(params, x, y, order):
        def step(carry, rows):
            params, moments, t = carry
            batch = (x, y) if work.batch is None else (x[rows], y[rows])
            value, grads = jax.value_and_grad(loss_fn)(params, *batch)
            params, moments = updated(work, params, moments, t, grads)
            return (params, moments, t + 1), value

        zeros = jax.tree.map(jnp.zeros_like, params)
        moments = (zeros, zeros) if work.optimizer != "sgd" else None
        return lax.scan(step, (params, moments, 1.0), order)[1]

    program, orders = jax.jit(run), {}

    def drawn(steps):
        rng, rows = np.random.default_rng(0), len(given.x) // work.batch * work.batch
        epochs = [
            rng.permutation(len(given.x))[:rows] for _ in range(-(-steps * work.batch // rows))
        ]
        return np.concatenate(epochs).reshape(-1, work.batch)[:steps].astype(np.int32)

    def train(steps):
        if "drawn" in sys.argv:
            return np.asarray(program(given.start, given.x, given.y, drawn(steps)))
        if steps not in orders:  # not made again for each turn
            orders[steps] = jax.device_put(given.rows(steps))
        return np.asarray(program(given.start, given.x, given.y, orders[steps]))

    return train


if __name__ == "__main__":
    serve(make, compilations)
