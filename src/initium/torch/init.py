"""`torch.nn.init`, drawn faster: change the import, keep the code.

    from initium.torch import init  # instead of: from torch.nn import init

Every public name of `torch.nn.init` is here, with its arguments, defaults, errors and warnings, and with
PyTorch's own meaning of fans and gains. `torch.manual_seed` and `generator=` are honoured: each call takes
one key of 63 bits from the generator, and every element is a function of that key and its place alone, so the
numbers depend neither on the threads, of which there are `torch.get_num_threads()`, nor on how the tensor lies
in memory.

The same law is drawn, from other numbers than PyTorch's for the same seed. float32, float64, float16 and
bfloat16 are drawn here: in place in this machine's memory, else beside it and copied. PyTorch's own function
takes whatever else there is: other dtypes, empty and meta tensors, subclasses, modes, transforms and tracing,
and arguments that it refuses or warns of.

Example:
    >>> import torch
    >>> _ = torch.manual_seed(0)
    >>> layer = torch.nn.Linear(400, 300)
    >>> weight = kaiming_normal_(layer.weight, nonlinearity="relu")
    >>> weight is layer.weight
    True
    >>> round(weight.std().item() / (2 / 400) ** 0.5, 2)
    1.0
"""

import math
import threading
from collections.abc import Callable
from functools import lru_cache, partial
from types import SimpleNamespace
from typing import Any

import torch
from numpy import put_along_axis
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.autograd.graph import increment_version
from torch.compiler import is_dynamo_compiling
from torch.nn.init import (
    calculate_gain,
    constant,
    constant_,
    dirac,
    dirac_,
    eye,
    eye_,
    ones_,
    zeros_,
)

from .. import _stream
from .._draw import draw
from .._fill import fill
from .._kernel import kernel, normal_between
from ..init._law import Normal, Orthogonal, Uniform
from ..init._weight import Weight
from ._memory import DTYPES, has_memory, memory
from ._torch import FanMode, NonlinearityType, correct_fan, fan_in_and_fan_out, is_watched, make_deprecate

__all__ = [
    "calculate_gain",
    "constant",
    "constant_",
    "dirac",
    "dirac_",
    "eye",
    "eye_",
    "kaiming_normal",
    "kaiming_normal_",
    "kaiming_uniform",
    "kaiming_uniform_",
    "normal",
    "normal_",
    "ones_",
    "orthogonal",
    "orthogonal_",
    "sparse",
    "sparse_",
    "trunc_normal_",
    "uniform",
    "uniform_",
    "xavier_normal",
    "xavier_normal_",
    "xavier_uniform",
    "xavier_uniform_",
    "zeros_",
]

Fill = Callable[..., None]  # of an array, with `key` and `threads`

# PyTorch's own functions, as they are now: who puts this module's in their place must not make a circle.
_torch = SimpleNamespace(**vars(nn.init))

_NAMES = {dtype: str(dtype).removeprefix("torch.") for dtype in DTYPES}
# Half of what a dtype holds, so that no sum or difference of two such numbers overflows.
_MOST = {dtype: torch.finfo(dtype).max / 2 for dtype in DTYPES}
_NUMBER = (float, int)
_TYPES = (Tensor, nn.Parameter)  # exactly these: a subclass may see what is done to it
_UNREACHED = 9  # a Gaussian draw ends before so many stds
_ZEROS = 2  # the stream of a key that says where zeros are; fills use 0 and 1
_AT_ONCE = 1 << 20  # elements whose places are sorted at once


def uniform_(tensor: Tensor, a: float = 0.0, b: float = 1.0, generator: torch.Generator | None = None) -> Tensor:
    """Uniform between `a` and `b`.

    Differs: the numbers; and the interval is closed, `b` may be drawn (PyTorch: almost never).

    Example:
        >>> _ = torch.manual_seed(0)
        >>> x = uniform_(torch.empty(1000), -2, 3)
        >>> bool((x >= -2).all() and (x <= 3).all())
        True
    """
    if not _is_ours(tensor, generator, a, b):
        return _torch.uniform_(tensor, a, b, generator)
    return _write_uniform(tensor, a, b, generator)


def normal_(tensor: Tensor, mean: float = 0.0, std: float = 1.0, generator: torch.Generator | None = None) -> Tensor:
    """Gaussian of this mean and std.

    Differs: the numbers.

    Example:
        >>> first = normal_(torch.empty(3), generator=torch.Generator().manual_seed(7))
        >>> again = normal_(torch.empty(3), generator=torch.Generator().manual_seed(7))
        >>> bool((first == again).all())
        True
    """
    if not _is_ours(tensor, generator, mean, std):
        return _torch.normal_(tensor, mean, std, generator)
    return _write_normal(tensor, mean, std, generator)


def trunc_normal_(
    tensor: Tensor,
    mean: float = 0.0,
    std: float = 1.0,
    a: float = -2.0,
    b: float = 2.0,
    generator: torch.Generator | None = None,
) -> Tensor:
    """Gaussian of this mean and std before the cut, given that it lies between `a` and `b`.

    The ends are absolute, not multiples of std, and the realised std is smaller than `std`: 0.88 of it
    if the ends are 2 std away. In float16 and bfloat16 the ends are rounded as every number is.

    Differs: the numbers.

    Example:
        >>> _ = torch.manual_seed(0)
        >>> x = trunc_normal_(torch.empty(100_000), std=1, a=-2, b=2)
        >>> bool(x.abs().max() <= 2), round(x.std().item(), 2)
        (True, 0.88)
    """
    ours = _is_ours(tensor, generator, mean, std, a, b)
    chosen = _truncated(mean, std, a, b, tensor.dtype) if ours else None
    if chosen is None:
        return _torch.trunc_normal_(tensor, mean, std, a, b, generator)
    return _write(tensor, chosen, generator)


def xavier_uniform_(tensor: Tensor, gain: float = 1.0, generator: torch.Generator | None = None) -> Tensor:
    """Uniform of std `gain` sqrt(2 / (fan_in + fan_out)), also called Glorot's.

    Differs: the numbers.
    """
    if not _is_ours(tensor, generator, gain):
        return _torch.xavier_uniform_(tensor, gain, generator)
    bound = math.sqrt(3.0) * _xavier_std(tensor, gain)
    return _write_uniform(tensor, -bound, bound, generator)


def xavier_normal_(tensor: Tensor, gain: float = 1.0, generator: torch.Generator | None = None) -> Tensor:
    """Gaussian of std `gain` sqrt(2 / (fan_in + fan_out)), also called Glorot's.

    Differs: the numbers.
    """
    if not _is_ours(tensor, generator, gain):
        return _torch.xavier_normal_(tensor, gain, generator)
    return _write_normal(tensor, 0.0, _xavier_std(tensor, gain), generator)


def kaiming_uniform_(
    tensor: Tensor,
    a: float = 0,
    mode: FanMode = "fan_in",
    nonlinearity: NonlinearityType = "leaky_relu",
    generator: torch.Generator | None = None,
) -> Tensor:
    """Uniform of std `calculate_gain(nonlinearity, a)` / sqrt(fan), also called He's.

    Differs: the numbers.
    """
    if not _is_ours(tensor, generator):
        return _torch.kaiming_uniform_(tensor, a, mode, nonlinearity, generator)
    bound = math.sqrt(3.0) * _kaiming_std(tensor, a, mode, nonlinearity)
    return _write_uniform(tensor, -bound, bound, generator)


def kaiming_normal_(
    tensor: Tensor,
    a: float = 0,
    mode: FanMode = "fan_in",
    nonlinearity: NonlinearityType = "leaky_relu",
    generator: torch.Generator | None = None,
) -> Tensor:
    """Gaussian of std `calculate_gain(nonlinearity, a)` / sqrt(fan), also called He's.

    Differs: the numbers.
    """
    if not _is_ours(tensor, generator):
        return _torch.kaiming_normal_(tensor, a, mode, nonlinearity, generator)
    return _write_normal(tensor, 0, _kaiming_std(tensor, a, mode, nonlinearity), generator)


def orthogonal_(tensor: Tensor, gain: float = 1, generator: torch.Generator | None = None) -> Tensor:
    """`gain` times a matrix of orthonormal rows or columns, whichever are fewer, uniform over all of them (Haar).

    The first axis against all others together.

    Differs: the numbers; float16 and bfloat16 work.

    Example:
        >>> w = orthogonal_(torch.empty(20, 3, 5), gain=2)
        >>> columns = w.reshape(20, 15)
        >>> bool(torch.allclose(columns.T @ columns, 4 * torch.eye(15), atol=1e-5))
        True
    """
    ours = _is_ours(tensor, generator, gain) and tensor.ndim > 1 and abs(gain) <= _MOST[tensor.dtype]
    if not ours:
        return _torch.orthogonal_(tensor, gain, generator)
    rows = tensor.shape[0]
    weight = Weight(shape=(rows, tensor.numel() // rows), axes="oi")
    return _write(tensor, partial(fill, law=Orthogonal(gain), weight=weight), generator)


def sparse_(tensor: Tensor, sparsity: float, std: float = 0.01, generator: torch.Generator | None = None) -> Tensor:
    """Gaussian, with ceil(`sparsity` rows) zeros in each column at random places.

    Differs: the numbers; and `generator` draws the places of the zeros as well.

    Example:
        >>> w = sparse_(torch.empty(10, 3), sparsity=0.25)
        >>> (w == 0).sum(dim=0)
        tensor([3, 3, 3])
    """
    ours = _is_ours(tensor, generator, sparsity, std) and tensor.ndim == 2 and 0 <= sparsity <= 1
    chosen = _normal(0, std, tensor.dtype) if ours else None
    if chosen is None:
        return _torch.sparse_(tensor, sparsity, std, generator)
    num_zeros = math.ceil(sparsity * tensor.shape[0])
    return _write(tensor, partial(_draw_sparse, chosen=chosen, num_zeros=num_zeros), generator)


uniform = make_deprecate(uniform_)
normal = make_deprecate(normal_)
xavier_uniform = make_deprecate(xavier_uniform_)
xavier_normal = make_deprecate(xavier_normal_)
kaiming_uniform = make_deprecate(kaiming_uniform_)
kaiming_normal = make_deprecate(kaiming_normal_)
orthogonal = make_deprecate(orthogonal_)
sparse = make_deprecate(sparse_)


def _xavier_std(tensor: Tensor, gain: float) -> float:
    fan_in, fan_out = fan_in_and_fan_out(tensor)
    return gain * math.sqrt(2.0 / float(fan_in + fan_out))


def _kaiming_std(tensor: Tensor, a: float, mode: FanMode, nonlinearity: NonlinearityType) -> float:
    fan = correct_fan(tensor, mode)
    return calculate_gain(nonlinearity, a) / math.sqrt(fan)


def _write_uniform(tensor: Tensor, a: float, b: float, generator: torch.Generator | None) -> Tensor:
    chosen = _uniform(a, b, tensor.dtype)
    return _torch.uniform_(tensor, a, b, generator) if chosen is None else _write(tensor, chosen, generator)


def _write_normal(tensor: Tensor, mean: float, std: float, generator: torch.Generator | None) -> Tensor:
    chosen = _normal(mean, std, tensor.dtype)
    return _torch.normal_(tensor, mean, std, generator) if chosen is None else _write(tensor, chosen, generator)


@lru_cache(maxsize=1024)
def _uniform(a: float, b: float, dtype: torch.dtype) -> Fill | None:
    """What draws it; None where PyTorch has to refuse or to warn, as for the other laws."""
    most = _MOST[dtype]
    # So narrow that scaling an integer down to it leaves the normal numbers.
    if not -most <= a <= b <= most or 0 < b - a < 1e-25:
        return None
    return partial(draw, kernel=kernel(Uniform(float(a), float(b)), _NAMES[dtype]))


@lru_cache(maxsize=1024)
def _normal(mean: float, std: float, dtype: torch.dtype) -> Fill | None:
    if not std >= 0:
        return None
    chosen = kernel(Normal(float(mean), float(std)), _NAMES[dtype])
    return partial(draw, kernel=chosen) if chosen.reach <= _MOST[dtype] else None


@lru_cache(maxsize=1024)
def _truncated(mean: float, std: float, a: float, b: float, dtype: torch.dtype) -> Fill | None:
    most = _MOST[dtype]
    if not (-most <= a <= b <= most and -most <= mean <= most and 0 < std <= most):
        return None
    # Far out PyTorch warns; between ends that are very near, one inverse has too few numbers left.
    if not a - 2 * std <= mean <= b + 2 * std or b - a < std / 64:
        return None
    if a <= mean - _UNREACHED * std and mean + _UNREACHED * std <= b:
        return _normal(mean, std, dtype)
    return partial(draw, kernel=normal_between(float(mean), float(std), float(a), float(b), _NAMES[dtype]))


def _draw_sparse(out: NDArray[Any], *, chosen: Fill, num_zeros: int, key: int, threads: int) -> None:
    chosen(out, key=key, threads=threads)
    rows, columns = out.shape
    at_once = max(1, _AT_ONCE // rows)
    for first in range(0, columns, at_once):
        part = out[:, first : first + at_once]
        words = _stream.words(key, first * rows, part.size, stream=_ZEROS).reshape(-1, rows)
        places = words.argpartition(num_zeros - 1, axis=1)[:, :num_zeros]
        put_along_axis(part, places.T, 0, axis=0)


def _write(tensor: Tensor, chosen: Fill, generator: torch.Generator | None) -> Tensor:
    """Fill a tensor in place, or beside it if it does not lie in this machine's memory as a whole."""
    key, threads = _key(tensor, generator), torch.get_num_threads()
    if has_memory(tensor):
        chosen(memory(tensor), key=key, threads=threads)
        increment_version(tensor)  # autograd must notice, as if an operation of its own had written
    else:
        drawn = torch.empty(tensor.shape, dtype=tensor.dtype, device="cpu")
        chosen(memory(drawn), key=key, threads=threads)
        with torch.no_grad():
            tensor.copy_(drawn)
    return tensor


def _key(tensor: Tensor, generator: torch.Generator | None) -> int:
    """63 bits from the generator that PyTorch would use for this tensor."""
    word = _words.own if tensor.is_cpu else torch.empty((), dtype=torch.int64, device=tensor.device)
    return int(word.random_(generator=generator).item())


class _Words(threading.local):
    """A thread's own place for a key, made once: making it costs as much as drawing into it."""

    def __init__(self):
        with torch.inference_mode(False):
            self.own = torch.empty((), dtype=torch.int64, device="cpu")


_words = _Words()


def _is_ours(tensor: Tensor, generator: torch.Generator | None, *numbers: float) -> bool:
    """Whether a fill may write this tensor: an ordinary one with elements, plain numbers, and nobody watches."""
    for number in numbers:
        if not isinstance(number, _NUMBER):
            return False
    return (
        not is_dynamo_compiling()
        and not is_watched()  # first: a mode sees even that a dtype is asked for
        and type(tensor) in _TYPES
        and tensor.dtype in _MOST
        and tensor.layout is torch.strided
        and (generator is None or isinstance(generator, torch.Generator))
        and not tensor.is_nested
        and (not tensor.is_inference() or torch.is_inference_mode_enabled())
        and tensor.data_ptr() != 0  # nor empty, meta, or freed
    )
