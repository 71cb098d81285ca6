"""The catalogue's initialisers as Keras's."""

import functools
import inspect
from collections.abc import Callable, Sequence
from typing import Any

import keras  # pyright: ignore[reportMissingImports]

from .. import _stream
from .._array import drawn
from .._errors import SettingError
from .._fill import DTYPES
from ..init import Initialiser, parse
from ..init._offered import offered
from . import initializers
from ._caller import caller
from ._keras import RandomInitializer
from ._paths import Rebuilt
from ._seed import number
from ._tensor import tensor
from ._weight import weight


@keras.saving.register_keras_serializable(package="initium")
class Start(Rebuilt, RandomInitializer):
    """An initialiser of the catalogue for `kernel_initializer=` and its like in any layer of Keras.

    Element (output o, input i, position) is a function of seed, path and its place alone, and so equal to the
    element of `initium.array` with that seed and path, on every backend and however many devices share the weight.

    The path is the variable's own when its layer is built, "model/hidden/kernel". One object therefore starts
    any number of layers, each with other numbers, and the same program repeats them. Name the layers for that
    (`Dense(64, name="hidden")`), and call `keras.utils.clear_session()` before a model is built anew: without a
    name Keras counts on through the life of a process (dense, dense_1, dense_2), and another name is another start.
    A second variable that this object starts under one path in a session is counted: "hidden/kernel#2". Functional
    models lead there, since their layers are built before the model is and do not have its name in their paths;
    those of a Sequential or subclassed model do. The count is this object's: a copy, and layers that copy their
    initialiser (attention does), begin at the plain path.

    A layer that is made again from its config, as when a model is cloned or read from JSON, starts as the layer did
    that was saved: Keras may build it outside of its model, as "hidden/kernel" where it was "a/hidden/kernel", and so
    the paths of a layer that is built are saved with it. Under another name, or in a further model, it is another
    layer. Pass `path=` to hold on to one.

    What the axes of the weight mean comes from the layer: true fans of grouped, strided, depthwise and transposed
    convolutions, embeddings, attention (the equation of EinsumDense), and gate by gate of LSTM and GRU, whose
    orthogonal kernels are orthogonal in each gate. In a layer that is none of Keras's own, the last two of two or
    more axes are input and output, as in a dense or convolution kernel; say so where it is otherwise, as of a stack
    of matrices: `self.add_weight(shape=(experts, inputs, outputs), initializer=he_normal(axes="bio"))`.

    Import `initium.keras` before a saved model is loaded: until then Keras does not know this class, and says that it
    cannot interpret `{'module': 'initium.keras', 'class_name': 'Start', ...}`.

    Args:
        spec: an initialiser of the catalogue or its spec, such as "he_normal(mode='out')".
        seed: from 0 to 2^64 - 1; None takes one that `keras.utils.set_random_seed` governs, once, when this object
            is made; a `keras.random.SeedGenerator` gives another at every call.
        path: used in place of the variable's: whatever this object then starts has the same path.
        axes: the role of each axis, see `initium.fans`, in place of the layer's.
        groups: see `initium.fans`, as are the others; None is the layer's, or 1.
        stride: product over the axes of space.
        transposed: a transposed convolution; None is the layer's, or False.
        blocks: packed along the output axis.

    Raises:
        SpecError: if the spec cannot be read; when called, if it leaves the dtype.
        SettingError: if the seed is out of range; when called, if the dtype is none that is drawn.
        ShapeError: when called, if it needs an input and an output and the weight (a bias) has not got them.

    Differs: Keras's initialisers give two layers that share one object the same numbers, read fans off the order
        of axes, and truncate what is called normal. As in Keras, a `seed` of None is saved as None: a model that
        is loaded or cloned, and then built anew, starts from another.

    Example:
        >>> import initium
        >>> import numpy as np
        >>> weight = Start("he_normal", seed=0, path="hidden/kernel")((300, 400))
        >>> same = initium.array("he_normal", (300, 400), seed=0, path="hidden/kernel", axes="io")
        >>> bool((np.asarray(weight) == same).all())
        True
    """

    def __init__(
        self,
        spec: str | Initialiser,
        seed: Any = None,
        path: str | None = None,
        axes: str | None = None,
        *,
        groups: int | None = None,
        stride: int | None = None,
        transposed: bool | None = None,
        blocks: int | Sequence[int] | None = None,
    ) -> None:
        self.init = parse(spec) if isinstance(spec, str) else spec
        if isinstance(seed, bool) or (isinstance(seed, int) and not 0 <= seed < 1 << 64):
            raise SettingError(f"A seed is a whole number from 0 to 2^64 - 1, not {seed!r}.")
        super().__init__(seed=seed)
        self.path, self.axes = path, axes
        self.groups, self.stride, self.transposed = groups, stride, transposed
        self.blocks = blocks if blocks is None or isinstance(blocks, int) else tuple(blocks)  # JSON has lists

    def __call__(self, shape: Sequence[int], dtype: str | None = None, layout: Any = None) -> Any:
        """The numbers of one weight, as a tensor of Keras's backend."""
        shape, dtype = tuple(shape), keras.backend.standardize_dtype(dtype)
        asker = caller(shape, self)
        path = asker.path if self.path is None else self.path
        wanted = weight(shape, asker._replace(path=path), **self._axes())
        if dtype not in DTYPES:
            raise SettingError(f"`{self.init}` draws {', '.join(DTYPES)}, but {wanted} has dtype {dtype}.")
        if asker.is_placeholder:
            self.init.law(wanted)  # refuses here what it would refuse later, where Keras swallows errors
            return keras.ops.zeros(shape, dtype)
        draw = functools.partial(drawn, self.init, wanted, key=_stream.key(number(self.seed), path), dtype=dtype)
        return tensor(draw, shape, dtype, layout)

    def _axes(self) -> dict[str, Any]:
        return {name: getattr(self, name) for name in ("axes", "groups", "stride", "transposed", "blocks")}

    def get_config(self) -> dict[str, Any]:
        """Spec, seed, path and what was said of the axes."""
        config = super().get_config()
        config |= {"spec": str(self.init), "path": self.path, **self._axes()}
        return config

    def __getstate__(self) -> dict[str, Any]:
        """The spec in place of the initialiser, whose functions cannot be pickled; a seed that was drawn stays."""
        return self.__dict__ | {"init": str(self.init)}

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.__dict__.update(state, init=parse(state["init"]))


# What a saved model names, and Keras's error shows where it has not been imported.
Start.__module__ = "initium.keras"

# What every function of this edge takes beside the catalogue's arguments.
_ADDED = tuple(
    parameter.replace(kind=parameter.KEYWORD_ONLY)
    for name, parameter in inspect.signature(Start).parameters.items()
    if name != "spec"
)


def named(name: str) -> Callable[..., Start]:
    """The catalogue's function of that name, except that it gives a `Start`."""
    return offered(name, Start, *_ADDED, drop_in=initializers)  # pyright: ignore[reportArgumentType]  a module hashes
