"""Plans made by hand, and files read back by hand."""

import json
import math

import numpy as np

from initium import Plan, parse
from initium._decisions import Choice
from initium._graph import Buffer, Made, Param

NUMBERS = {
    "F64": np.float64,
    "F32": np.float32,
    "F16": np.float16,
    "BF16": np.uint16,
    "I64": np.int64,
    "BOOL": np.bool_,
}


def choice(path, shape, spec="normal(std=0.02)", *, axes=None, role="weight", draws_as="", **facts):
    axes = "oihw"[: len(shape)] if axes is None else axes
    param = Param(path=path, shape=shape, axes=axes, role=role, because=role, **facts)
    return Choice(param=param, init=parse(spec), because="said", draws_as=draws_as)


def buffer(path, shape, spec, dtype="float32"):
    return Buffer(path=path, shape=shape, dtype=dtype, made=Made(init=parse(spec), because=spec) if spec else None)


def net():
    """Every kind of weight and of buffer that a checkpoint meets."""
    return Plan(
        (
            choice("odd.bias", (3,), "uniform(0, 1)", axes="o", role="bias", dtype="float16"),
            choice("wte.weight", (50, 8), axes="vo", role="embedding", tied=("head.weight",)),
            choice("attn.weight", (8, 24), axes="io", blocks=3),
            choice("uneven.weight", (6, 8), "glorot_normal", blocks=(4, 2)),
            choice("mlp.weight", (32, 8), "orthogonal", dtype="bfloat16"),
            choice("mlp.half", (8, 32), "uniform(-0.1, 0.1)", dtype="float16"),
            choice("mlp.wide", (3, 8), dtype="float64"),
            choice("conv.weight", (4, 3, 2, 2), axes="iohw", transposed=True),
            choice("keras.weight", (3, 2, 5, 4), axes="hwio"),
            choice("bias", (7,), "zeros", axes="o", role="bias"),
            choice("scale", (), "constant(0.5)", axes="", role="scale"),
            choice("nothing", (0, 4), "normal"),
            choice("again", (6, 4), draws_as="mlp.wide"),
        ),
        buffers=(
            buffer("norm.mean", (4,), "zeros"),
            buffer("norm.batches", (), "zeros", "int64"),
            buffer("mask", (2, 3), "ones", "bool"),
            buffer("table", (5,), None),
        ),
    )


def contents(path):
    """The tensors of a file as arrays of their bits, and its metadata, read by hand."""
    data = path.read_bytes()
    begin = 8 + int.from_bytes(data[:8], "little")
    header = json.loads(data[8:begin])
    metadata = header.pop("__metadata__")
    found = {}
    for name, said in header.items():
        start, end = said["data_offsets"]
        array = np.frombuffer(data[begin + start : begin + end], NUMBERS[said["dtype"]])
        assert array.size == math.prod(said["shape"])
        found[name] = array.reshape(said["shape"])
    return found, metadata


def flip(path, at, bit=0):
    """Flip one bit of a file."""
    with path.open("r+b") as file:
        file.seek(at)
        byte = file.read(1)[0]
        file.seek(at)
        file.write(bytes([byte ^ 1 << bit]))
