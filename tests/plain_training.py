"""A training run written out in plain PyTorch and scikit-learn: what a run of a study must equal."""

import hashlib

import numpy as np
import reference
import torch


def key(seed, name):
    """As docs/stream.md has it."""
    message = b"initium/1\0" + seed.to_bytes(8, "little") + name.encode()
    return int.from_bytes(hashlib.blake2b(message, digest_size=8).digest(), "little")


def order(seed, epoch, length):
    """The order of samples, by order seed + r and epoch alone: the places of its words, sorted."""
    return np.argsort(reference.words(key(seed, f"order.{epoch}"), 0, length), kind="stable")


def plain_run(net, parts, *, seed, loss, optimizer, batch_size, epochs=3, steps=None, schedule=None, clip=None):
    """Losses on both splits, and the outputs for the test split, before the first step and after each epoch.

    Args:
        net: at step zero.
        parts: `(x_train, y_train, x_test, y_test)`, as they are trained on.
        seed: order seed + r.
        loss: outputs and targets to a mean.
        optimizer: from parameters to what takes the steps.
        batch_size: the last batch of an epoch may be smaller.
        epochs: passes over the training split.
        steps: after which it ends, wherever in an epoch that is.
        schedule: from an optimiser to one of `torch.optim.lr_scheduler`.
        clip: the largest norm of all gradients together.
    """
    x, y, x_test, y_test = map(torch.as_tensor, parts)
    stepper = optimizer(net.parameters())
    pace = schedule(stepper) if schedule else None
    found = [_seen(net, loss, x, y, x_test, y_test)]
    torch.manual_seed(key(seed, "dropout"))
    taken = 0
    for epoch in range(epochs):
        net.train()
        rows = order(seed, epoch, len(x))
        for first in range(0, len(x), batch_size):
            if taken == steps:
                break
            chosen = torch.as_tensor(rows[first : first + batch_size])
            stepper.zero_grad()
            loss(net(x[chosen]), y[chosen]).backward()
            if clip:
                torch.nn.utils.clip_grad_norm_(net.parameters(), clip)
            stepper.step()
            if pace:
                pace.step()
            taken += 1
        found.append(_seen(net, loss, x, y, x_test, y_test))
    return tuple(zip(*found, strict=True))


def _seen(net, loss, x, y, x_test, y_test):
    net.eval()
    with torch.no_grad():
        outputs = net(x_test)
        return loss(net(x), y).item(), loss(outputs, y_test).item(), outputs
