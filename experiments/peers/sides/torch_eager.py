"""PyTorch, eager, as its tutorials write it.

python torch_eager.py WORK FILE [--steady]
"""

import numpy as np
import torch
from torch import nn
from torch.nn import functional
from works import DECAY, VOCABULARY, serve

DEVICE = "cuda" if torch.cuda.is_available() else "cpu"
LOSSES = {
    "binary_cross_entropy": functional.binary_cross_entropy_with_logits,
    "squared_error": functional.mse_loss,
    "cross_entropy": functional.cross_entropy,
}


class Characters(nn.Module):
    """Embedding, LSTM, logits of the next character, [batch, vocabulary, length]."""

    def __init__(self):
        super().__init__()
        self.embedding = nn.Embedding(VOCABULARY, 64)
        self.lstm = nn.LSTM(64, 128, batch_first=True)
        self.head = nn.Linear(128, VOCABULARY)
        self.lstm.bias_ih_l0.requires_grad_(False)  # the other bias is enough

    def forward(self, tokens):
        """Map characters to logits."""
        return self.head(self.lstm(self.embedding(tokens))[0]).transpose(1, 2)


def dense(start):
    """A linear layer from kernel [in, out] and bias."""
    layer = nn.Linear(*start["kernel"].shape)
    fill(layer.weight, start["kernel"].T)
    fill(layer.bias, start["bias"])
    return layer


def convolution(start):
    """A convolution from kernel [3, 3, in, out] and bias."""
    layer = nn.Conv2d(*start["kernel"].shape[2:], 3, padding=1)
    fill(layer.weight, start["kernel"].transpose(3, 2, 0, 1))
    fill(layer.bias, start["bias"])
    return layer


def fill(parameter, values):
    """Give a parameter its first values."""
    with torch.no_grad():
        parameter.copy_(torch.from_numpy(np.ascontiguousarray(values)))


def mlp(start, activation):
    """Dense layers with an activation between them."""
    layers = [dense(start["Dense_0"])]
    for i in range(1, len(start)):
        layers += [activation(), dense(start[f"Dense_{i}"])]
    return nn.Sequential(*layers)


def cnn(start):
    """Two convolutions with pooling, two dense layers."""
    kernel = start["Dense_0"]["kernel"]  # rows by height, width, channel; here channel first
    kernel = kernel.reshape(7, 7, 64, 64).transpose(2, 0, 1, 3).reshape(3136, 64)
    blocks = [
        part
        for i in range(2)
        for part in (convolution(start[f"Conv_{i}"]), nn.ReLU(), nn.MaxPool2d(2))
    ]
    first = dense({"kernel": kernel, "bias": start["Dense_0"]["bias"]})
    return nn.Sequential(*blocks, nn.Flatten(), first, nn.ReLU(), dense(start["Dense_1"]))


def lstm(start):
    """The recurrent network with its gates in the order i, f, g, o."""
    model, cell = Characters(), start["lstm"]["cell"]
    fill(model.embedding.weight, start["embedding"])
    for name, letter in (("weight_ih_l0", "i"), ("weight_hh_l0", "h")):
        stacked = np.concatenate([cell[letter + gate]["kernel"].T for gate in "ifgo"])
        fill(getattr(model.lstm, name), stacked)
    fill(model.lstm.bias_hh_l0, np.concatenate([cell[f"h{gate}"]["bias"] for gate in "ifgo"]))
    fill(model.lstm.bias_ih_l0, np.zeros(512, np.float32))
    fill(model.head.weight, start["head"]["kernel"].T)
    fill(model.head.bias, start["head"]["bias"])
    return model


def model_of(name, work, start):
    """The network with its first values."""
    if name in ("cnn", "lstm"):
        return {"cnn": cnn, "lstm": lstm}[name](start)
    return mlp(start, nn.Sigmoid if work.activation == "sigmoid" else nn.ReLU)


def optimizer_of(work, params):
    """The optimizer."""
    if work.optimizer == "sgd":
        return torch.optim.SGD(params, lr=work.rate)
    if work.optimizer == "adam":
        return torch.optim.Adam(params, lr=work.rate)
    return torch.optim.AdamW(params, lr=work.rate, weight_decay=DECAY)


def make(name, work, given):
    """A training: its losses for a number of steps."""
    x, y = torch.from_numpy(given.x), torch.from_numpy(given.y)
    if name == "cnn":
        x = x.permute(0, 3, 1, 2).contiguous()
    if x.dtype == torch.int32:
        x = x.long()
    if y.dtype == torch.int32:
        y = y.long()
    x, y, loss_fn = x.to(DEVICE), y.to(DEVICE), LOSSES[work.loss]

    def train(steps):
        model = model_of(name, work, given.start).to(DEVICE)
        params = [own for own in model.parameters() if own.requires_grad]
        optimizer, losses = optimizer_of(work, params), []
        for rows in torch.from_numpy(given.rows(steps)).long().to(DEVICE):
            batch = (x, y) if work.batch is None else (x[rows], y[rows])
            optimizer.zero_grad()
            loss = loss_fn(model(batch[0]), batch[1])
            loss.backward()
            if work.clip:
                nn.utils.clip_grad_norm_(params, 1.0)
            optimizer.step()
            losses.append(loss.detach())
        return torch.stack(losses).cpu().numpy()

    return train


if __name__ == "__main__":
    serve(make)
