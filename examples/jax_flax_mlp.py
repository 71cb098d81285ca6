"""A Flax network on handwritten digits whose weights Initium starts: he_normal below the ReLUs, zeros at the end.

pip install 'initium[jax]' flax optax scikit-learn
"""

import jax.numpy as jnp
import optax
from flax import nnx
from sklearn.datasets import load_digits

import initium.jax


class Network(nnx.Module):
    """Three layers with ReLU between them."""

    def __init__(self, rngs: nnx.Rngs):
        first = initium.jax.lecun_normal()  # it sees the data: no ReLU comes before it
        hidden = initium.jax.he_normal()
        self.layers = nnx.List(
            [
                nnx.Linear(64, 128, kernel_init=first, rngs=rngs),
                nnx.Linear(128, 128, kernel_init=hidden, rngs=rngs),
                nnx.Linear(128, 10, kernel_init=initium.jax.zeros(), rngs=rngs),
            ]
        )

    def __call__(self, x):
        """Scores of the ten digits."""
        *hidden, last = self.layers
        for layer in hidden:
            x = nnx.relu(layer(x))
        return last(x)


def loss(model, x, y):
    """Mean cross-entropy."""
    return optax.softmax_cross_entropy_with_integer_labels(model(x), y).mean()


@nnx.jit
def step(model, optimizer, x, y):
    """One step of Adam."""
    value, gradient = nnx.value_and_grad(loss)(model, x, y)
    optimizer.update(model, gradient)
    return value


def main():
    """Train on 1500 digits and count how many of the other 297 are read right."""
    images, labels = load_digits(return_X_y=True)
    x, y = jnp.asarray((images - images.mean()) / images.std(), jnp.float32), jnp.asarray(labels)
    model = Network(nnx.Rngs(0))
    optimizer = nnx.Optimizer(model, optax.adam(1e-3), wrt=nnx.Param)

    print(f"before training: loss {loss(model, x, y):.3f}; guessing has {jnp.log(10):.3f}")
    for epoch in range(10):
        for start in range(0, 1500, 100):
            value = step(model, optimizer, x[start : start + 100], y[start : start + 100])
        right = (model(x[1500:]).argmax(-1) == y[1500:]).mean()
        print(f"epoch {epoch + 1}: loss {value:.3f}, {right:.1%} of unseen digits right")


if __name__ == "__main__":
    main()
