"""Whole models of Flax: how long a plan and a fill take; how large signals are, beside Flax's own start and anyinit.

Of each weight's output E[x^2] is measured on noise, or on random tokens: the least and the greatest, and that of the
model's. `left` is how many weights stand as they were built. Where anyinit is not installed, its rows are left out.
"""

import math
import os
import resource
import statistics
import time
from collections.abc import Callable
from datetime import date
from typing import Any

# Before NumPy is loaded: its BLAS takes as many threads as the fills.
os.environ |= {"OPENBLAS_NUM_THREADS": "2", "OMP_NUM_THREADS": "2"}

import jax  # pyright: ignore[reportMissingImports]
import jax.numpy as jnp  # pyright: ignore[reportMissingImports]
from flax import linen as nn  # pyright: ignore[reportMissingImports]
from processor import model_name

import initium.jax

ROUNDS = 3
KEY = jax.random.key(0)


class Mlp(nn.Module):
    """Ten layers of tanh."""

    @nn.compact
    def __call__(self, x: Any) -> Any:
        """Class scores."""
        for _ in range(10):
            x = nn.tanh(nn.Dense(256)(x))
        return nn.Dense(10)(x)


class Bottleneck(nn.Module):
    """Of ResNet, with its statistics taken from the batch."""

    width: int
    stride: int

    @nn.compact
    def __call__(self, x: Any) -> Any:
        """The stream, with what this block adds."""
        y = nn.relu(_normed(nn.Conv(self.width, (1, 1), use_bias=False)(x)))
        y = nn.relu(_normed(nn.Conv(self.width, (3, 3), self.stride, use_bias=False)(y)))
        y = _normed(nn.Conv(4 * self.width, (1, 1), use_bias=False)(y))
        if x.shape != y.shape:
            x = _normed(nn.Conv(4 * self.width, (1, 1), self.stride, use_bias=False)(x))
        return nn.relu(x + y)


def _normed(x: Any) -> Any:
    return nn.BatchNorm(use_running_average=False)(x)


class ResNet50(nn.Module):
    """He et al., 2016, table 1."""

    @nn.compact
    def __call__(self, x: Any) -> Any:
        """Class scores."""
        x = nn.max_pool(nn.relu(_normed(nn.Conv(64, (7, 7), 2, use_bias=False)(x))), (3, 3), (2, 2), "SAME")
        for stage, num_blocks in enumerate((3, 4, 6, 3)):
            for place in range(num_blocks):
                x = Bottleneck(64 * 2**stage, 2 if stage and not place else 1)(x)
        return nn.Dense(1000)(x.mean((1, 2)))


class Block(nn.Module):
    """A pre-norm block with grouped queries and a gated feed-forward net."""

    width: int
    hidden: int

    @nn.compact
    def __call__(self, x: Any, _: Any = None) -> Any:
        """The stream, with what this block adds."""
        y, heads = nn.RMSNorm()(x), self.width // 128
        query = nn.DenseGeneral((heads, 128), use_bias=False)(y)
        key, value = (nn.DenseGeneral((heads // 4, 128), use_bias=False)(y) for _ in range(2))
        mixed = jax.nn.dot_product_attention(query, key, value, is_causal=True)
        x = x + nn.DenseGeneral(self.width, axis=(-2, -1), use_bias=False)(mixed)
        y = nn.RMSNorm()(x)
        gate, up = (nn.Dense(self.hidden, use_bias=False)(y) for _ in range(2))
        return x + nn.Dense(self.width, use_bias=False)(nn.silu(gate) * up), None


class Transformer(nn.Module):
    """Blocks in a scan, and one table for words and logits."""

    width: int
    hidden: int
    num_blocks: int
    num_words: int

    @nn.compact
    def __call__(self, ids: Any) -> Any:
        """Logits."""
        embed = nn.Embed(self.num_words, self.width)
        blocks = nn.scan(Block, {"params": 0, "intermediates": 0}, split_rngs={"params": True}, length=self.num_blocks)
        x, _ = blocks(self.width, self.hidden)(embed(ids), None)
        return embed.attend(nn.RMSNorm()(x))


def seconds(call: Callable[[], Any]) -> tuple[float, Any]:
    """The median time of a call, and what it gave."""
    taken, found = [], None
    for _ in range(ROUNDS):
        start = time.perf_counter()
        found = jax.block_until_ready(call())
        taken.append(time.perf_counter() - start)
    return statistics.median(taken), found


def moments(model: nn.Module, variables: Any, x: Any) -> list[float]:
    """E[x^2] of what each weight gives, and at the end of the model's output; of a scan that of each of its steps."""
    weights = (nn.Dense, nn.DenseGeneral, nn.Conv)
    output, state = model.apply(
        variables, x, mutable=True, capture_intermediates=lambda module, _: isinstance(module, weights)
    )
    found = [jnp.square(value) for value in jax.tree.leaves(state["intermediates"])]
    steps = [step for value in found for step in (value if value.ndim > x.ndim + 1 else [value])]
    return [float(step.mean()) for step in [*steps, jnp.square(output)]]


def started(who: str, model: nn.Module, variables: Any, x: Any) -> Any:
    """The variables as somebody starts them."""
    if who == "flax":
        return model.init(KEY, x)
    if who == "anyinit":
        import anyinit  # pyright: ignore[reportMissingImports]

        return anyinit.initialize(model, seed=0, input_spec=x, params=variables).params
    return initium.jax.initialize(lambda params, x: model.apply(params, x, mutable=["batch_stats"]), variables, x)


def sizes(name: str, model: nn.Module, x: Any) -> None:
    """A line for each way to start a model."""
    variables = model.init(KEY, x)
    for who in ("flax", "anyinit", "initium"):
        try:
            taken, found = seconds(lambda who=who: started(who, model, variables, x))
            found = found if "params" in found else {"params": found}
            given = moments(model, {**variables, **found}, x)
        except ImportError:
            continue
        except Exception as error:  # whatever another library may raise
            print(f"| {name} | {who} | {type(error).__name__}: {str(error).splitlines()[0][:80]} |", flush=True)
            continue
        pairs = zip(jax.tree.leaves_with_path(found["params"]), jax.tree.leaves(variables["params"]), strict=True)
        same = [bool((a == b).all()) for (keys, a), b in pairs if keys[-1].key in ("kernel", "embedding")]
        left = sum(same) if who != "flax" else "-"
        told = " | ".join(f"{one:.3g}" for one in (min(given), max(given), given[-1]))
        print(f"| {name} | {who} | {told} | {left} | {taken:.2f} |", flush=True)


def times(name: str, model: nn.Module, x: Any, *, is_filled: bool) -> None:
    """How long it takes to plan a model on shapes, and to fill it."""
    shapes = jax.eval_shape(model.init, KEY, x)
    num = sum(math.prod(leaf.shape) for leaf in jax.tree.leaves(shapes["params"]))
    function = lambda params, x: model.apply(params, x, mutable=["batch_stats"])  # noqa: E731
    planned, plan = seconds(lambda: initium.jax.plan(function, shapes, x))
    filled = f"{seconds(lambda: initium.jax.apply(plan, shapes))[0]:.2f}" if is_filled else "-"
    memory = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20
    print(f"| {name} | {num / 1e6:,.0f} M | {planned:.2f} | {filled} | {memory:.1f} GB |", flush=True)


def main() -> None:
    """Print both tables with the machine and the date."""
    print(f"{date.today()}, {model_name()}, {os.cpu_count()} cores, jax {jax.__version__} on {jax.default_backend()}\n")
    print("| model | parameters | plan, s | fill, s | memory so far |\n|---|---|---|---|---|")
    ids = jax.ShapeDtypeStruct((1, 2048), jnp.int32)
    times("transformer, 22 blocks in a scan", Transformer(2048, 5632, 22, 32_000), ids, is_filled=False)
    times("ResNet50", ResNet50(), jax.ShapeDtypeStruct((2, 64, 64, 3), jnp.float32), is_filled=True)
    print("\n| model | start | least | greatest | output | left | s |\n|---|---|---|---|---|---|---|")
    sizes("MLP, tanh", Mlp(), jax.random.normal(KEY, (256, 64)))
    sizes("ResNet50", ResNet50(), jax.random.normal(KEY, (4, 64, 64, 3)))
    sizes("transformer", Transformer(512, 1024, 6, 1000), jax.random.randint(KEY, (4, 64), 0, 1000))


if __name__ == "__main__":
    main()
