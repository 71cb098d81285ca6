"""Each byte of a file is where it belongs, whatever the dtype and wherever the memory lies."""

import pytest
import safetensors.torch
import torch
from torch import nn

from initium import CheckpointError, warm_start

# More than one stretch of a copy, and rows that do not divide it.
ROWS, WIDTH = 1031, 1100
FLOATS = (torch.float32, torch.float64, torch.float16, torch.bfloat16)
WHOLE = (torch.bool, torch.uint8, torch.int8, torch.int16, torch.int32, torch.int64)


class Holder(nn.Module):
    """A parameter, and a buffer of any dtype."""

    def __init__(self, weight, table=None):
        super().__init__()
        self.weight = nn.Parameter(weight)
        self.register_buffer("table", table)

    def forward(self, x):
        return x @ self.weight


def numbers(shape, dtype, seed=0):
    """Any numbers of a dtype, of a float finite ones."""
    generator = torch.Generator().manual_seed(seed)
    if dtype in FLOATS:
        return torch.randn(shape, generator=generator, dtype=torch.float64).to(dtype)
    low, high = (0, 2) if dtype is torch.bool else (torch.iinfo(dtype).min, torch.iinfo(dtype).max)
    return torch.randint(low, high, shape, generator=generator).to(dtype)


def bits(tensor):
    return tensor.detach().contiguous().view(torch.uint8)


def begun(model, tmp_path, **held):
    """The model, once it began from a file of these."""
    file = tmp_path / "w.safetensors"
    safetensors.torch.save_file(held, file)
    warm_start(model, file).apply(model)
    return model


@pytest.mark.parametrize("on_meta", [True, False])
@pytest.mark.parametrize("dtype", FLOATS)
def test_a_parameter_has_the_bits_of_its_file(tmp_path, dtype, on_meta):
    held = numbers((ROWS, WIDTH), dtype)
    model = Holder(torch.zeros(held.shape, dtype=dtype, device="meta" if on_meta else "cpu"))
    assert torch.equal(bits(begun(model, tmp_path, weight=held).weight), bits(held))


@pytest.mark.parametrize("on_meta", [True, False])
@pytest.mark.parametrize("dtype", [*FLOATS, *WHOLE])
def test_a_buffer_has_the_bits_of_its_file(tmp_path, dtype, on_meta):
    weight, held = numbers((3, 2), torch.float32), numbers((ROWS, WIDTH), dtype)
    place = "meta" if on_meta else "cpu"
    model = Holder(torch.zeros(3, 2, device=place), torch.zeros(held.shape, dtype=dtype, device=place))
    begun(model, tmp_path, weight=weight, table=held)
    assert torch.equal(bits(model.table), bits(held))
    assert torch.equal(model.weight, weight)


# Where a weight's numbers lie within a larger piece of memory that holds other things.
LAID = {
    "turned": lambda memory: memory[:WIDTH, :ROWS].T,
    "columns": lambda memory: memory[:ROWS, 7 : 7 + WIDTH],
    "rows apart": lambda memory: memory[: 2 * ROWS : 2, :WIDTH],
    "rows": lambda memory: memory.view(-1)[5 : 5 + ROWS * WIDTH].view(ROWS, WIDTH),
}


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
@pytest.mark.parametrize("laid", LAID)
def test_what_lies_within_other_memory_is_written_and_nothing_beside_it(tmp_path, laid, dtype):
    memory = torch.full((2 * ROWS, 2 * WIDTH), 7.0, dtype=dtype)
    held = numbers((ROWS, WIDTH), dtype)
    wanted = memory.clone()
    LAID[laid](wanted).copy_(held)
    model = begun(Holder(LAID[laid](memory)), tmp_path, weight=held)
    assert model.weight.data_ptr() == LAID[laid](memory).data_ptr()
    assert torch.equal(memory, wanted)


def test_channels_that_come_last_stay_last(tmp_path):
    model = nn.Conv2d(64, 300, (8, 9)).to(memory_format=torch.channels_last)
    held = {
        name: numbers(value.shape, torch.float32, seed) for seed, (name, value) in enumerate(model.named_parameters())
    }
    steps = model.weight.stride()
    begun(model, tmp_path, **held)
    assert model.weight.stride() == steps
    assert all(torch.equal(value, held[name]) for name, value in model.named_parameters())


def test_weights_side_by_side_in_one_piece_of_memory_keep_to_their_own(tmp_path):
    memory = torch.full((3, 64), 7.0)
    model = nn.ModuleList([Holder(memory[0].view(8, 8)), Holder(memory[2].view(8, 8))])
    held = {f"{at}.weight": numbers((8, 8), torch.float32, at) for at in range(2)}
    begun(model, tmp_path, **held)
    wanted = torch.stack([held["0.weight"].view(-1), torch.full((64,), 7.0), held["1.weight"].view(-1)])
    assert torch.equal(memory, wanted)


@pytest.mark.parametrize("on_meta", [True, False])
def test_a_tied_weight_is_one_before_and_after(tmp_path, on_meta):
    first = Holder(torch.zeros(ROWS, WIDTH, device="meta" if on_meta else "cpu"))
    model = nn.ModuleList([first, Holder(torch.zeros(1))])
    model[1].weight = first.weight
    held = numbers((ROWS, WIDTH), torch.float32)
    begun(model, tmp_path, **{"1.weight": held})
    assert model[0].weight is model[1].weight
    assert torch.equal(model[0].weight, held)


@pytest.mark.parametrize("is_file", [True, False])
def test_complex_numbers_are_refused_and_never_said_to_be_loaded(tmp_path, is_file):
    held = {"weight": torch.ones(2, 2), "table": torch.ones(3, dtype=torch.complex64)}
    safetensors.torch.save_file(held, tmp_path / "w.safetensors")
    model = Holder(torch.zeros(2, 2), torch.zeros(3, dtype=torch.complex64))
    with pytest.raises(CheckpointError, match=r"table  holds (C64|complex64) there, which is no dtype"):
        warm_start(model, tmp_path / "w.safetensors" if is_file else held)
    warm_start(model, held, skip="table").apply(model)
    assert torch.equal(model.weight, held["weight"])
    assert not model.table.any()
