"""What the planner costs and what its starts do: `python bench/plan.py [speed] [depth] [loss] [rivals]`.

speed   seconds and megabytes to trace and plan real models that have no memory
depth   the second moment after 50 layers without normalisation, against theory's band of finite width
loss    the initial loss of classifiers under `auto`, against log k
rivals  beside anyinit and PyTorch's own start: second moments layer by layer, what was left untouched
"""

import importlib.util
import math
import resource
import sys
import time
import warnings
from pathlib import Path

import numpy as np
import torch
from processor import model_name
from torch import nn
from torch.utils._python_dispatch import TorchDispatchMode

import initium

sys.path.insert(0, str(Path(__file__).parent.parent / "tests"))
from torch_edge import zoo  # pyright: ignore[reportMissingImports]

warnings.simplefilter("ignore")
torch.set_num_threads(2)
DEPTH, WIDTH, SEEDS = 50, 512, 10


def speed() -> None:
    print("trace and plan, no weight allocated    parameters   seconds   MB beyond before")
    for name, build in zoo.speed_models().items():
        with torch.device("meta"):
            model = build()
        before, start = _megabytes(), time.perf_counter()
        made = initium.plan(model)
        seconds = time.perf_counter() - start
        num = sum(parameter.numel() for parameter in model.parameters())
        print(f"{name:<32} {len(made.choices):>6} {num:>14,} {seconds:>8.2f} {_megabytes() - before:>8.0f}")


def _megabytes() -> float:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


class Net(nn.Module):
    """50 layers of one kind, each with its activation; nothing normalises."""

    def __init__(self, kind: str, activation: type[nn.Module]):
        super().__init__()
        self.layers = nn.Sequential(*(layer for _ in range(DEPTH) for layer in _layers(kind, activation)))

    def forward(self, x):
        return self.layers(x)


def _layers(kind: str, activation: type[nn.Module]) -> list[nn.Module]:
    if kind == "dense":
        return [nn.Linear(WIDTH, WIDTH, bias=False), activation()]
    if kind == "convolution":
        return [nn.Conv2d(WIDTH, WIDTH, 3, padding=1, bias=False), activation()]
    depthwise = nn.Conv2d(WIDTH, WIDTH, 3, padding=1, groups=WIDTH, bias=False)
    return [depthwise, activation(), nn.Conv2d(WIDTH, WIDTH, 1, bias=False), activation()]


SIDE = 8
# The last weight's output is looked at, so its k-th moment after the last activation plays no part.
EXACT = {"relu": nn.ReLU, "leaky_relu": nn.LeakyReLU, "tanh": nn.Tanh, "selu": nn.SELU}
REPELLING = {"gelu": nn.GELU, "silu": nn.SiLU, "mish": nn.Mish}


def depth() -> None:
    print(f"second moment of the last weight's output, {DEPTH} layers of {WIDTH}; geometric mean over {SEEDS} seeds")
    print("net                            padding   theory's band of 2 sd   measured  inside")
    for kind in ("dense", "convolution", "depthwise + pointwise"):
        for name, activation in EXACT.items():
            logs = np.log([_last(kind, activation, seed) for seed in range(SEEDS)])
            padded, drift, sd = _theory(kind, name)
            low, high = (math.exp(math.log(padded) + drift + side * 2 * sd / math.sqrt(SEEDS)) for side in (-1, 1))
            got = math.exp(logs.mean())
            verdict = "yes" if low <= got <= high else "NO"
            print(
                f"{kind + ', ' + name:<34} {padded:>5.3f} {low:>9.3f} to {high:<9.3f} {got:>9.3f}   {verdict}",
                flush=True,
            )
    for name, activation in REPELLING.items():
        torch.manual_seed(0)
        model, batch = Net("dense", activation), torch.randn(256, WIDTH)
        made = initium.initialize(model, seed=0, example=batch)
        before = [moment for _, moment in moments(model, batch)]
        made.calibrate(model, batch)
        after = [moment for _, moment in moments(model, batch)]
        others = [moment for _ in range(SEEDS) for _, moment in moments(model, torch.randn(256, WIDTH))]
        calibrated = f"{min(after):.3f} to {max(after):.3f}, on other batches {min(others):.2g} to {max(others):.2g}"
        print(f"dense, {name:<5} {min(before):.2g} to {max(before):.2g}; calibrated {calibrated}")


def _last(kind: str, activation: type[nn.Module], seed: int) -> float:
    torch.manual_seed(1000 + seed)
    model = Net(kind, activation)
    batch = torch.randn(256, WIDTH) if kind == "dense" else torch.randn(1, WIDTH, SIDE, SIDE)
    initium.initialize(model, seed=seed, example=batch)
    return moments(model, batch)[-1][1]


def _theory(kind: str, name: str) -> tuple[float, float, float]:
    """What zero padding leaves, the drift of the log, and its sd for one seed.

    A layer's second moment is a mean over n units of phi(z)^2, so its log has variance k / n, mean -k / 2n, with
    k = Var phi^2 / (E phi^2)^2, and 2 for the last weight's z^2; an error shrinks by the slope at the fixed point from
    layer to layer. For convolutions n counts channels alone, as if all positions said the same. A depthwise kernel
    has nine weights, and what it gives is far from Gaussian: there k is measured, layer by layer, in a net of its own.
    """
    count = DEPTH * (2 if "depthwise" in kind else 1)
    activation = EXACT[name]()
    slope = min(initium.init.stability(name).slope, 1.0)
    k = _variance_of_square(activation)
    steps = [slope**layer for layer in range(count)]
    behind = [k] * count if "depthwise" not in kind else _measured(kind, EXACT[name])
    terms = [2.0, *behind[-2::-1]]  # from the last layer back
    drift = -sum(step * term for step, term in zip(steps, terms, strict=True)) / 2 / WIDTH
    variance = sum(step**2 * term for step, term in zip(steps, terms, strict=True)) / WIDTH
    return (1.0 if kind == "dense" else _padded(activation, count // DEPTH)), drift, math.sqrt(variance)


_Z = torch.linspace(-12, 12, 24_001, dtype=torch.float64)
_P = torch.exp(-(_Z**2) / 2) / torch.exp(-(_Z**2) / 2).sum()


def _variance_of_square(activation: nn.Module) -> float:
    square = activation(_Z) ** 2
    return ((_P * square**2).sum() / (_P * square).sum() ** 2 - 1).item()


@torch.no_grad()
def _measured(kind: str, activation: type[nn.Module]) -> list[float]:
    """The relative variance over channels of each channel's second moment, behind each activation."""
    torch.manual_seed(999)
    model, found = Net(kind, activation), []
    batch = torch.randn(1, WIDTH, SIDE, SIDE)
    initium.initialize(model, seed=999, example=batch)
    for layer in model.layers:
        batch = layer(batch)
        if isinstance(layer, activation):
            each = batch.square().mean((0, 2, 3))
            found.append((each.var() / each.mean() ** 2).item())
    return found


def _padded(activation: nn.Module, times: int) -> float:
    """The mean over positions of the last second moment, where 3 x 3 sums meet zeros outside.

    Between two of them each position passes the activation so many times.
    """
    grid = np.linspace(0, 2, 2001)
    curve = np.array([(_P * activation(math.sqrt(q) * _Z) ** 2).sum().item() for q in grid])
    curve /= curve[1000]  # the gain makes it 1 at 1
    inside = np.ones((SIDE, SIDE))
    for layer in range(DEPTH):
        for _ in range(times if layer else 0):
            inside = np.interp(inside, grid, curve)
        behind = np.pad(inside, 1)
        inside = sum(behind[i : i + SIDE, j : j + SIDE] for i in range(3) for j in range(3)) / 9
    for _ in range(times - 1):
        inside = np.interp(inside, grid, curve)
    return float(np.mean(inside))


class Watch(TorchDispatchMode):
    """The second moment of what each weight gives, in order."""

    def __init__(self, model: nn.Module):
        super().__init__()
        self.paths = {p.untyped_storage().data_ptr(): path for path, p in model.named_parameters() if p.ndim > 1}
        self.found: list[tuple[str, float]] = []

    def __torch_dispatch__(self, func, types, args=(), kwargs=None):
        out = func(*args, **(kwargs or {}))
        if func.overloadpacket.__name__ in ("mm", "addmm", "bmm", "convolution", "_trilinear"):
            tensors = [arg for arg in args if isinstance(arg, torch.Tensor)]
            path = next((self.paths.get(t.untyped_storage().data_ptr()) for t in reversed(tensors)
                         if t.untyped_storage().data_ptr() in self.paths), None)  # fmt: skip
            if path:
                self.found.append((path, out.float().square().mean().item()))
        return out


@torch.no_grad()
def moments(model: nn.Module, batch) -> list[tuple[str, float]]:
    model.train()
    with Watch(model) as watch:
        zoo.call(model, batch)
    return watch.found


def loss() -> None:
    print("initial loss under auto, against log k")
    for name, (build, batch, logits_of) in zoo.classifiers().items():
        torch.manual_seed(0)
        model = build()  # training: an untrained BatchNorm in eval mode is the identity
        initium.initialize(model, seed=0, example=batch)
        with torch.no_grad():
            logits = logits_of(zoo.call(model, batch)).flatten(0, -2).float()
        # The mean over all labels, so that the few that a batch holds add no noise.
        got = float((logits.logsumexp(-1) - logits.mean(-1)).mean())
        wanted = math.log(logits.shape[-1])
        print(f"{name:<28} k = {logits.shape[-1]:>6}  loss {got:>7.3f}  log k {wanted:>7.3f}  {got / wanted - 1:+.1%}")


def rivals() -> None:
    """Of the weights that may not have any size: no normalisation, residual sum or output follows."""
    print(
        f"second moments of what weights give over what they are meant to be, geometric mean over {RIVAL_SEEDS} seeds:"
    )
    print("smallest to largest, how many of them lie outside [1/4, 4], and how many matrices a start left untouched")
    print(f"{'':<24}" + "".join(f"{who:<36}" for who in RIVALS))
    for name, (build, batch) in zoo.small().items():
        made = initium.plan(build(), "auto", example=batch)
        meant = {choice.path: choice.moment or 1.0 for choice in made.choices if _is_judged(choice.param)}
        told = [f"{_tried(who, build, batch, meant):<36}" for who in RIVALS]
        print(f"{name:<24}" + "".join(told).rstrip(), flush=True)


RIVALS = ("torch", "anyinit", "initium")
RIVAL_SEEDS = 5


def _is_judged(param) -> bool:
    use = param.use
    return param.role == "weight" and not (use.is_normalised or use.is_head or (use.branch and use.branch.is_last))


def _tried(who: str, build, batch, meant: dict[str, float]) -> str:
    try:
        return _judged(who, build, batch, meant)
    except Exception as error:  # whatever a rival raises
        return f"fails: {type(error).__name__}"


def _judged(who: str, build, batch, meant: dict[str, float]) -> str:
    logs: dict[str, list[float]] = {}
    same = 0
    for seed in range(RIVAL_SEEDS):
        torch.manual_seed(seed)
        model = build()
        before = {path: p.detach().clone() for path, p in model.named_parameters()}
        _start(who, model, batch, seed)
        matrices = [path for path, p in model.named_parameters() if p.ndim > 1]
        same = sum(bool(torch.equal(model.get_parameter(path), before[path])) for path in matrices)
        for path, moment in moments(model, batch):
            if path in meant and moment > 0:
                logs.setdefault(path, []).append(math.log(moment / meant[path]))
    means = [math.exp(sum(found) / len(found)) for found in logs.values()]
    outside = sum(not 0.25 <= mean <= 4 for mean in means)
    untouched = f"; {same} untouched" if same and who != "torch" else ""
    return f"{min(means):.2g} to {max(means):.2g}, {outside} of {len(means)}{untouched}" if means else f"-{untouched}"


def _start(who: str, model: nn.Module, batch, seed: int) -> None:
    if who == "initium":
        initium.initialize(model, seed=seed, example=batch)
    if who == "anyinit":
        import anyinit  # pyright: ignore[reportMissingImports]

        spec = batch if isinstance(batch, torch.Tensor) else None
        anyinit.initialize(model, seed=seed, input_spec=spec)


if __name__ == "__main__":
    sections = {"speed": speed, "depth": depth, "loss": loss, "rivals": rivals}
    print(model_name(), "torch", torch.__version__, "anyinit" if importlib.util.find_spec("anyinit") else "no anyinit")
    for section in sys.argv[1:] or sections:
        print()
        sections[section]()
