"""What PyTorch keeps private and Initium uses: named here alone, so that a new version of PyTorch breaks one file.

`tests/test_private_api.py` names whatever a version lacks.
"""
# ruff: noqa: F401  Most of what is imported here is for other files.

import sys
from collections.abc import Iterator
from contextlib import AbstractContextManager, ExitStack, contextmanager, nullcontext, suppress
from typing import Any

import torch
from torch import Tensor, nn
from torch._C import (
    _current_graph_task_id,
    _get_dispatch_mode,
    _get_tracing_state,
    _len_torch_dispatch_stack,
    _len_torch_function_stack,
    _set_tracing_state,  # pyright: ignore[reportAttributeAccessIssue]
    _TorchDispatchModeKey,
)
from torch._C import _disabled_torch_function_impl as no_torch_function
from torch._C._dynamo.eval_frame import _FrameAction, _FrameExecStrategy, set_code_exec_strategy
from torch._C._functorch import get_unwrapped, is_functorch_wrapped_tensor, peek_interpreter_stack
from torch._functorch.pyfunctorch import temporarily_clear_interpreter_stack as transforms_popped
from torch._subclasses.fake_tensor import (
    DataDependentOutputException,
    DynamicOutputShapeException,
    FakeTensor,
    FakeTensorMode,
    UnsupportedFakeTensorException,
    UnsupportedOperatorException,
)
from torch.autograd import forward_ad
from torch.nn.init import _calculate_correct_fan as correct_fan
from torch.nn.init import _calculate_fan_in_and_fan_out as fan_in_and_fan_out
from torch.nn.init import _FanMode as FanMode
from torch.nn.init import _make_deprecate as make_deprecate
from torch.nn.init import _NonlinearityType as NonlinearityType
from torch.nn.modules.batchnorm import _NormBase as NormBase
from torch.nn.modules.conv import _ConvNd as ConvNd
from torch.nn.modules.conv import _ConvTransposeNd as ConvTransposeNd
from torch.nn.modules.linear import NonDynamicallyQuantizableLinear as OutProjection
from torch.nn.utils.parametrizations import _Orthogonal as Orthogonal
from torch.nn.utils.parametrizations import _SpectralNorm as SpectralNorm
from torch.nn.utils.parametrizations import _WeightNorm as WeightNorm
from torch.overrides import _get_current_function_mode_stack
from torch.overrides import _pop_mode_temporarily as function_mode_popped
from torch.utils._device import DeviceContext
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._python_dispatch import _disable_current_modes as disable_current_modes
from torch.utils._python_dispatch import _get_current_dispatch_mode_stack as dispatch_modes
from torch.utils._pytree import tree_leaves, tree_map
from torch.utils.checkpoint import CheckpointFunction

# What tensors without memory cannot do, though the model is right.
NEEDS_NUMBERS = (
    DataDependentOutputException,
    DynamicOutputShapeException,
    UnsupportedOperatorException,
    UnsupportedFakeTensorException,
    NotImplementedError,
)


_aten: Any = torch.ops.aten
_autograd: Any = torch.autograd
# A view that marks numbers as conjugate, and what changes them instead; a view that marks them as negative.
conj, conj_physical, neg_view = _aten._conj.default, _aten._conj_physical.default, _aten._neg_view.default
# What `tensor.data = other` asks for.
has_compatible_type = _aten._has_compatible_shallow_copy_type.default

make_subclass: Any = Tensor._make_subclass

# The entry of a tensor's attributes that makes a Parameter of one of another class.
IS_PARAMETER = "_is_param"
_HOOKS = ("_backward_hooks", "_post_accumulate_grad_hooks")


@contextmanager
def numpy_refused() -> Iterator[None]:
    """NumPy's way to the numbers of tensors without memory refuses as each other way to them does.

    PyTorch refuses it to any class of tensors but its own, by an error that is of no kind of its own.
    """
    FakeTensor.numpy = _without_numpy  # pyright: ignore[reportAttributeAccessIssue]
    try:
        yield
    finally:
        with suppress(AttributeError):  # of two threads the first has done it
            del FakeTensor.numpy


def _without_numpy(tensor: Tensor, *args: Any, **kwargs: Any) -> Any:
    raise DataDependentOutputException("numpy")  # pyright: ignore[reportArgumentType]


def wants_bfloat16(error: Exception) -> bool:
    """Whether a kernel refuses numbers because they are no bfloat16, which it says in words alone."""
    return isinstance(error, RuntimeError) and "BF16" in str(error)


class ModeWithoutDynamo(TorchDispatchMode):
    """A mode that Dynamo does not skip: to have it skipped, PyTorch would import Dynamo, for two seconds."""

    @classmethod
    def _should_skip_dynamo(cls) -> bool:
        return False


def unwrapped(tensor: Tensor) -> Tensor:
    """The tensor itself, within what a transform of torch.func makes of it."""
    while is_functorch_wrapped_tensor(tensor):
        tensor = get_unwrapped(tensor)
    return tensor


def engine() -> Any:
    """What differentiates for all of PyTorch, now."""
    return _autograd._engine_run_backward


def put_engine(function: Any) -> None:
    """Let another function differentiate."""
    _autograd._engine_run_backward = function


def differentiated_by(args: tuple[Any, ...]) -> tuple[Tensor, ...]:
    """By what it differentiates, from all its arguments but the first; nothing if it is by all leaves."""
    return args[3] if isinstance(args[3], tuple) else ()


def is_watched() -> bool:
    """Whether a mode, a transform or a tracer is to see what is done to tensors."""
    return (
        _len_torch_dispatch_stack() > 0
        or peek_interpreter_stack() is not None
        or _get_tracing_state() is not None
        or forward_ad._current_level >= 0
        or (_len_torch_function_stack() > 0 and _is_function_watched())
    )


def _is_function_watched() -> bool:
    """A default device is a mode as well, but watches only what makes tensors."""
    return any(type(mode) is not DeviceContext for mode in _get_current_function_mode_stack())


@contextmanager
def tracing_paused() -> Iterator[None]:
    """torch.jit.trace writes nothing down."""
    state = _get_tracing_state()
    _set_tracing_state(None)
    try:
        yield
    finally:
        _set_tracing_state(state)


@contextmanager
def function_modes_popped() -> Iterator[None]:
    """No mode sees what functions are called, nor gives what they make a default device."""
    with ExitStack() as stack:
        for _ in range(_len_torch_function_stack()):
            stack.enter_context(function_mode_popped())
        yield


def is_traced() -> bool:
    """Whether what is done to tensors is written down, to be done again without Python."""
    modes = (_TorchDispatchModeKey.PROXY, _TorchDispatchModeKey.FUNCTIONAL)
    return _get_tracing_state() is not None or any(_get_dispatch_mode(mode) is not None for mode in modes)


def without_modes() -> AbstractContextManager[Any]:
    """No mode sees what is done to tensors in here."""
    return disable_current_modes() if _len_torch_dispatch_stack() else nullcontext()


def uncompiled_function(function: Any) -> Any:
    """A function that torch.compile calls as it is, with all that it calls.

    `torch.compiler.disable` says the same, and imports Dynamo for it, which takes two seconds.
    """
    set_code_exec_strategy(function.__code__, _FrameExecStrategy(_FrameAction.SKIP, _FrameAction.SKIP))
    function._torchdynamo_disable = True
    function._torchdynamo_disable_msg = (
        "Initium draws outside of PyTorch; fill weights before what is compiled as one graph"
    )
    return function


def is_backward() -> bool:
    """Whether a backward pass is under way."""
    return _current_graph_task_id() >= 0


def storage_of(tensor: Tensor) -> int:
    """What tensors that share memory have in common, on meta too."""
    return tensor.untyped_storage()._cdata


def hooks_of(tensor: Any) -> dict[str, Any]:
    """What is to be called when a gradient arrives."""
    return {name: held for name in _HOOKS if (held := getattr(tensor, name))}


def put_hooks(tensor: Tensor, hooks: dict[str, Any]) -> None:
    """Give a tensor the hooks of another."""
    for name, held in hooks.items():
        setattr(tensor, name, held)


def version_of(tensor: Tensor) -> int:
    """How many operations have written a tensor in place."""
    return tensor._version


def offset_in_archive(value: Tensor) -> int | None:
    """Where in a file the storage lies of a tensor that was loaded onto meta."""
    return getattr(value.untyped_storage(), "_checkpoint_offset", None)


def schema_of(op: Any) -> Any:
    """What an operation takes and returns; None of a function that is no operator."""
    return getattr(op, "_schema", None)


def overload_name(op: Any) -> str:
    """`Tensor` of `aten.mul.Tensor`."""
    return op._overloadname


def can_decompose(op: Any) -> bool:
    """Whether an operation is made of others."""
    return op._can_decompose()


def is_checkpointed(value: Tensor) -> bool:
    """Whether a block on its way was checkpointed in the reentrant way, which gives leaves their gradients alone."""
    seen, waiting = set[Any](), [value.grad_fn]
    while waiting:
        node = waiting.pop()
        if node is None or node in seen:
            continue
        if node.name() == f"{CheckpointFunction.__name__}Backward":
            return True
        seen.add(node)
        waiting += [before for before, _ in node.next_functions]
    return False


def own_parameters(module: nn.Module) -> dict[str, nn.Parameter | None]:
    """What a module itself has registered as parameters, None too."""
    return module._parameters


def own_buffers(module: nn.Module) -> dict[str, Tensor | None]:
    """What a module itself has registered as buffers, None too."""
    return module._buffers


def unsaved_buffers(module: nn.Module) -> set[str]:
    """The names of its own buffers that no checkpoint holds."""
    return module._non_persistent_buffers_set


def pre_hooks(module: nn.Module) -> list[Any]:
    """What is called before a module runs."""
    return list(module._forward_pre_hooks.values())


# Where each class of wrappers is found once a module is wrapped in it, and how it calls that module.
_WRAPPERS = (
    ("torch.nn.parallel", "DataParallel", "module"),
    ("torch.nn.parallel", "DistributedDataParallel", "module"),
    ("torch._dynamo.eval_frame", "OptimizedModule", "_orig_mod"),
    ("torch.distributed.fsdp", "FullyShardedDataParallel", "_fsdp_wrapped_module"),
    ("torch.distributed.algorithms._checkpoint.checkpoint_wrapper", "ActivationWrapper", "_checkpoint_wrapped_module"),
)


def wrappers() -> list[tuple[type, str]]:
    """The classes that wrap a module, as far as this program has imported any, and how they call it."""
    imported = ((sys.modules.get(place), kind, name) for place, kind, name in _WRAPPERS)
    return [(getattr(there, kind), name) for there, kind, name in imported if hasattr(there, kind)]


def is_packed(module: nn.Module) -> bool:
    """Whether a module is quantised and holds its weights where nobody can name them."""
    return hasattr(module, "_packed_params") or hasattr(module, "_all_weight_values")


def flat_weights_names(module: nn.RNNBase) -> list[str]:
    """The weights and biases of a recurrent module, in the order of its second list of them."""
    return module._flat_weights_names


def put_flat_weights(module: nn.RNNBase, weights: list[Any]) -> None:
    """Replace that list."""
    module._flat_weights = weights


def iterate_power_method(norm: Any, weight: Tensor, num_iterations: int) -> None:
    """Let a spectral norm look for the greatest singular value of a weight."""
    norm._power_method(norm._reshape_weight_to_matrix(weight), num_iterations)


def trunc_normal_within() -> Any:
    """What draws for PyTorch's truncated normal, now."""
    return nn.init._no_grad_trunc_normal_


def put_trunc_normal_within(function: Any) -> None:
    """Let another function draw for it."""
    nn.init._no_grad_trunc_normal_ = function


def spec_of(sharded: Any) -> Any:
    """How a DTensor lies on its mesh."""
    return sharded._spec


def is_split(placement: Any) -> bool:
    """Whether a placement of a DTensor says how it splits a tensor."""
    return hasattr(placement, "_split_tensor")


def split(placement: Any, tensor: Tensor, num_shards: int) -> list[Tensor]:
    """What each place of a mesh's axis gets."""
    return placement._split_tensor(tensor, num_shards, with_padding=False, contiguous=False)[0]
