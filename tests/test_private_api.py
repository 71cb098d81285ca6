"""What a framework keeps private is named in one file of its edge, and what a version of it lacks is named here."""

import ast
import io
import os
import sys
import warnings
from functools import partial
from importlib import import_module
from pathlib import Path

import pytest
import torch
from torch import nn

import initium

os.environ.setdefault("KERAS_BACKEND", "torch")  # before Keras is imported, as tests/keras_edge does
ROOT = Path(initium.__file__).parent
EDGES = ("torch", "keras", "jax")
# Python's own, and those of named tuples, which only look private.
PYTHONS = {"_getframe", "_make", "_replace", "_fields"}


def is_private(path):
    return any(part == "src" or (part.startswith("_") and not part.startswith("__")) for part in path.split("."))


def private_names(text, framework):
    """The line and the name of each private import and attribute that is not of the source's own classes."""
    nodes = list(ast.walk(ast.parse(text)))
    own = {node.name for node in nodes if isinstance(node, ast.FunctionDef)} | PYTHONS
    own |= {node.attr for node in nodes if isinstance(node, ast.Attribute) and ast.unparse(node.value) == "self"}
    for node in nodes:
        names = []
        if isinstance(node, ast.ImportFrom) and node.level == 0:
            names = [f"{node.module}.{alias.name}" for alias in node.names]
        elif isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        names = [name for name in names if name.split(".")[0] == framework]
        if isinstance(node, ast.Attribute):
            names = [node.attr]
        elif isinstance(node, ast.Call) and ast.unparse(node.func) in ("getattr", "hasattr", "setattr"):
            names = [str(ast.literal_eval(node.args[1]))] if isinstance(node.args[1], ast.Constant) else []
        yield from ((node.lineno, name) for name in names if is_private(name) and name not in own)


@pytest.mark.parametrize("edge", EDGES)
def test_what_a_framework_keeps_private_is_named_in_one_file(edge):
    found = [
        f"{path.relative_to(ROOT)}:{line}: {name}"
        for path in sorted((ROOT / edge).rglob("*.py"))
        for line, name in private_names(path.read_text(), edge)
        if path != ROOT / edge / f"_{edge}.py"
    ]
    assert not found, "\n".join(found)


def test_the_test_of_private_names_sees_imports_and_attributes():
    source = """
from torch.utils._pytree import tree_map
def f():
    from torch.nn.init import _FanMode, ones_
    import torch._C
    self._mine = torch._C._len()
    return getattr(op, "_schema", other._mine)
from ._torch import _ours
"""
    assert sorted(private_names(source, "torch")) == [
        (2, "torch.utils._pytree.tree_map"),
        (4, "torch.nn.init._FanMode"),
        (5, "torch._C"),
        (6, "_C"),
        (6, "_len"),
        (7, "_schema"),
    ]
    assert list(private_names("from keras.src.initializers import compute_fans", "keras"))


def loaded_onto_meta():
    file = io.BytesIO()
    torch.save(torch.ones(1), file)
    file.seek(0)
    return torch.load(file, map_location="meta")


# What has each private attribute that an edge's own file touches.
ATTRIBUTES = {
    "torch": {
        "_parameters _buffers _non_persistent_buffers_set _forward_pre_hooks": nn.Module,
        "_flat_weights _flat_weights_names": lambda: nn.RNN(1, 1),
        "_power_method _reshape_weight_to_matrix": lambda: nn.utils.parametrizations._SpectralNorm,
        "_packed_params": lambda: torch.ao.nn.quantized.Linear(1, 1),
        "_all_weight_values": lambda: torch.ao.nn.quantized.dynamic.LSTM(1, 1),
        "_orig_mod": lambda: torch.compile(nn.Linear(1, 1), backend="eager"),
        "_torchdynamo_disable _torchdynamo_disable_msg": lambda: torch.compiler.disable(lambda: None),
        "_no_grad_trunc_normal_": lambda: nn.init,
        "_version": lambda: torch.empty(0),
        "_saved_padding_idx": lambda: nn.Embedding(1, 1)(torch.tensor([0])).grad_fn,
        "_make_subclass _backward_hooks _post_accumulate_grad_hooks": lambda: torch.Tensor,
        "_is_param": lambda: nn.Parameter(torch.empty(0).as_subclass(type("Other", (torch.Tensor,), {}))),
        "_cdata": lambda: torch.UntypedStorage(0),
        "_checkpoint_offset": lambda: loaded_onto_meta().untyped_storage(),
        "_conj _conj_physical _neg_view _has_compatible_shallow_copy_type": lambda: torch.ops.aten,
        "_schema _overloadname _can_decompose": lambda: torch.ops.aten.add.Tensor,
        "_current_level": lambda: torch.autograd.forward_ad,
        "_engine_run_backward": lambda: torch.autograd,
        "_should_skip_dynamo": lambda: torch.utils._python_dispatch.TorchDispatchMode,
        "_spec": lambda: import_module("torch.distributed.tensor").DTensor,
        "_split_tensor": lambda: import_module("torch.distributed.tensor").Shard,
    },
    "keras": {
        "_flatten_layers _trainable_variables _non_trainable_variables": lambda: import_module("keras").Layer(),
        "_build_shapes_dict _outbound_nodes": lambda: import_module("keras").Layer(),
        "_functional": lambda: import_module("keras").Sequential(),
        "_inputs_struct": lambda: import_module("keras").Model(one := import_module("keras").Input((1,)), one),
        "_keras_history": lambda: import_module("keras").Input((1,)),
    },
    "jax": {},
}


def holders(edge):
    return {name: get for names, get in ATTRIBUTES[edge].items() for name in names.split()}


def has(get, name):
    try:
        with warnings.catch_warnings(action="ignore"):  # what is deprecated is still there
            return hasattr(get(), name)
    except Exception:  # nor is what should have it
        return False


def lacking(edge):
    """What an edge's own file names and the installed version of its framework has not, all of it."""
    tree = ast.parse((ROOT / edge / f"_{edge}.py").read_text())
    imports = [node for node in ast.walk(tree) if isinstance(node, ast.ImportFrom) and node.level == 0]
    named = [(node.module, alias.name) for node in imports for alias in node.names if node.module.startswith(edge)]
    missing = [f"{module}.{name}" for module, name in named if not has(partial(import_module, module), name)]
    return sorted(missing + [name for name, get in holders(edge).items() if not has(get, name)])


@pytest.mark.parametrize("edge", EDGES)
def test_this_version_of_a_framework_has_all_that_is_private_and_used(edge):
    assert not (missing := lacking(edge)), f"this version of {edge} lacks\n" + "\n".join(missing)


@pytest.mark.parametrize("edge", EDGES)
def test_each_private_attribute_is_looked_for(edge):
    text = (ROOT / edge / f"_{edge}.py").read_text()
    touched = {name for _, name in private_names(text, edge) if "." not in name}
    looked_for = holders(edge).keys()
    assert touched <= looked_for
    assert [name for name in looked_for if name not in text] == []


def test_all_that_a_version_lacks_is_named_at_once(monkeypatch):
    monkeypatch.setitem(sys.modules, "torch.nn.modules.batchnorm", None)
    monkeypatch.delattr("torch.nn.utils.parametrizations._Orthogonal")
    monkeypatch.delattr("torch.distributed.tensor.Shard._split_tensor")
    assert lacking("torch") == [
        "_split_tensor",
        "torch.nn.modules.batchnorm._NormBase",
        "torch.nn.utils.parametrizations._Orthogonal",
    ]
