"""Files that somebody writes, cuts off or replaces while they are read."""

import os
import subprocess
import sys
import zipfile

import numpy as np
import pytest
import safetensors.torch
import torch
from torch import nn
from warm import IMAGES, net, same, trained

import initium
from initium import CheckpointError, ModelError, _loaded, warm_start
from initium._stored import InFile, tensors_in
from initium.torch import _fill


def write(file, model):
    """A file of a model's numbers, in the format that its name says."""
    held = model.state_dict()
    if file.suffix == ".npz":
        np.savez(file, **{name: value.numpy() for name, value in held.items()})
    elif file.suffix == ".pt":
        torch.save(held, file)
    else:
        safetensors.torch.save_file({name: value.clone() for name, value in held.items()}, file)
    return file


@pytest.fixture(params=["w.safetensors", "w.pt", "w.npz"])
def file(request, tmp_path):
    return write(tmp_path / request.param, trained(net(), IMAGES))


def swapped(monkeypatch, file, after, other=None):
    """Put another whole checkpoint in the place of a file, once so many tensors have been read to be written."""
    write(new := file.with_name(f"new{file.suffix}"), other or trained(net(), IMAGES, seed=9))
    load, read = _fill._load_one, []

    def loads(*args):
        load(*args)
        read.append(args)
        if len(read) == after:
            new.replace(file)

    monkeypatch.setattr(_fill, "_load_one", loads)
    monkeypatch.setattr(torch, "get_num_threads", lambda: 1)


def test_no_model_is_of_two_checkpoints_and_what_is_half_written_is_known(file, monkeypatch):
    model = trained(net(), IMAGES, seed=3)
    plan = warm_start(model, file, example=IMAGES)
    swapped(monkeypatch, file, after=1)
    with pytest.raises(CheckpointError) as caught:
        plan.apply(model)
    assert str(caught.value) == (
        f"'{file}' has changed while it was read. Copy it to where nobody writes, and begin again.\n"
        "The model had numbers, and is half-written now: `0-1,4.weight`, `0-1,4.bias`, `1.running_mean`, "
        "`1.running_var`, `1.num_batches_tracked`. Apply a plan that writes them, or build the model anew."
    )
    monkeypatch.undo()
    for use in (
        lambda: initium.diagnose(model, IMAGES),
        lambda: plan.calibrate(model, torch.randn(8, 3, 6, 6)),
        lambda: initium.initialize(model, recipe="framework", example=IMAGES),
        lambda: initium.initialize(model, only_new="4.*", example=IMAGES),
    ):
        with pytest.raises(ModelError, match=r"An `apply` broke off, and left these half-written: `0-1(,4)?.weight`"):
            use()
    told = str(initium.plan(model, example=IMAGES))
    assert "half-written, since an `apply` broke off: `0-1,4.weight`" in " ".join(told.split())
    plan.apply(model)
    assert same(model, trained(net(), IMAGES, seed=9))
    initium.diagnose(model, torch.randn(8, 3, 6, 6))


def test_what_is_loaded_otherwise_is_whole_again(tmp_path, monkeypatch):
    file = write(tmp_path / "w.safetensors", trained(net(), IMAGES))
    model = net()
    plan = warm_start(model, file)
    swapped(monkeypatch, file, after=1)
    with pytest.raises(CheckpointError, match="half-written"):
        plan.apply(model)
    model.load_state_dict(trained(net(), IMAGES).state_dict())
    initium.diagnose(model, torch.randn(8, 3, 6, 6))


def test_ctrl_c_in_the_middle_leaves_a_model_that_is_known_to_be_half_written(file, monkeypatch):
    model = net()
    plan = warm_start(model, file)

    def interrupted(*args):
        raise KeyboardInterrupt

    monkeypatch.setattr(_fill, "_load_one", interrupted)
    with pytest.raises(KeyboardInterrupt):
        plan.apply(model)
    with pytest.raises(ModelError, match="half-written"):
        initium.diagnose(model, IMAGES)


def test_a_file_that_is_written_is_of_one_checkpoint(file, monkeypatch):
    plan = warm_start(net(), file)
    write(new := file.with_name(f"new{file.suffix}"), trained(net(), IMAGES, seed=9))
    checked = _loaded._checked

    def replaced(*args):
        if new.exists():
            new.replace(file)
        return checked(*args)

    monkeypatch.setattr(_loaded, "_checked", replaced)
    with pytest.raises(CheckpointError, match="has changed while it was read"):
        plan.write(file.with_name("out.safetensors"))
    assert not file.with_name("out.safetensors").exists()


def test_a_file_that_is_as_long_and_as_old_as_before_is_known_to_be_another(tmp_path):
    file = write(tmp_path / "w.safetensors", nn.Linear(2, 3))
    before = tensors_in(file)["weight"]
    times = file.stat()
    file.write_bytes(write(tmp_path / "other.safetensors", nn.Linear(2, 3)).read_bytes())
    os.utime(file, ns=(times.st_atime_ns, times.st_mtime_ns))
    with pytest.raises(CheckpointError, match="has changed"):
        before.read()


CUT_OFF = """
import sys, torch
from initium._stored import tensors_in
from initium import CheckpointError
import initium.torch
from pathlib import Path

file = Path(sys.argv[1])
held = tensors_in(file)["weight"]
with file.open("r+b") as other:
    other.truncate(2000)
try:
    held.read()
except CheckpointError as error:
    print(error)
"""


def test_nobody_is_killed_by_a_file_that_is_cut_off_while_it_is_read(tmp_path):
    for name in ("w.safetensors", "w.pt", "w.npz"):
        file = write(tmp_path / name, nn.Linear(300, 300))
        done = subprocess.run([sys.executable, "-c", CUT_OFF, file], capture_output=True, text=True, check=False)
        assert done.returncode == 0, done
        assert done.stdout.startswith(f"'{file}' "), done


def laid(file):
    weight = torch.arange(24.0).reshape(4, 6)
    torch.save(
        {
            "a.whole": weight,
            "a.rows": weight[1:3],
            "a.columns": weight[:, 2:5],
            "a.turned": weight.t(),
            "a.spread": torch.ones(1).expand(4),
            "a.one": torch.tensor(3.0),
            "a.none": torch.empty(0, 3),
            "a.half": torch.arange(5).bfloat16(),
            "a.last": torch.randn(2, 3, 4, 4).to(memory_format=torch.channels_last),
            "a.count": torch.tensor(7),
        },
        file,
    )
    return torch.load(file)


def bits(value):
    return (value.view(torch.uint16) if value.dtype == torch.bfloat16 else value).numpy()


def test_numbers_of_an_archive_are_read_from_where_they_lie(tmp_path):
    held = laid(file := tmp_path / "w.pt")
    found = tensors_in(file)
    assert [*found] == [*held]
    assert sum(isinstance(one, InFile) for one in found.values()) >= 6
    for name, value in held.items():
        np.testing.assert_array_equal(found[name].read(), bits(value), err_msg=name)
        box = [slice(0, (size + 1) // 2) for size in value.shape]
        np.testing.assert_array_equal(found[name].read(box), bits(value)[(*box, ...)], err_msg=name)


@pytest.mark.parametrize("kind", ["in another order", "with comments", "of old"])
def test_an_archive_that_somebody_wrote_anew_is_read_as_pytorch_reads_it(tmp_path, kind):
    held = laid(tmp_path / "w.pt")
    file = tmp_path / "other.pt"
    with zipfile.ZipFile(tmp_path / "w.pt") as old, zipfile.ZipFile(file, "w") as new:
        members = old.infolist()
        if kind == "of old":  # which wrote its members sorted as text, and no version
            members = sorted(
                (one for one in members if ".format_version" not in one.filename), key=lambda one: one.filename
            )
        for one in members[::-1] if kind == "in another order" else members:
            new.writestr(one.filename, old.read(one))
            if kind == "with comments":
                new.writestr(f"{one.filename}.txt", "what it is")
    found = tensors_in(file)
    for name, value in held.items():
        np.testing.assert_array_equal(found[name].read(), bits(value), err_msg=name)
    assert any(isinstance(one, InFile) for one in found.values()) == (kind == "of old")


def test_an_archive_whose_members_changed_places_is_read_by_their_names(tmp_path):
    torch.save({name: torch.full((3,), float(number)) for number, name in enumerate("abc")}, tmp_path / "w.pt")
    data = (tmp_path / "w.pt").read_bytes()
    for old, new in ((b"/data/1", b"/data/?"), (b"/data/2", b"/data/1"), (b"/data/?", b"/data/2")):
        data = data.replace(old, new)
    (tmp_path / "w.pt").write_bytes(data)  # PyTorch wrote no such file, and reckons where each tensor lies
    assert {name: value.tolist()[0] for name, value in torch.load(tmp_path / "w.pt").items()} == {
        "a": 0,
        "b": 2,
        "c": 1,
    }
    found = tensors_in(tmp_path / "w.pt")
    assert {name: one.read().tolist()[0] for name, one in found.items()} == {"a": 0, "b": 2, "c": 1}


@pytest.mark.parametrize("name", ["byteorder", "ByteOrder"])
def test_numbers_that_another_machine_wrote_the_other_way_round(tmp_path, name):
    held = laid(tmp_path / "w.pt")
    with zipfile.ZipFile(tmp_path / "w.pt") as old, zipfile.ZipFile(tmp_path / "big.pt", "w") as new:
        for one in old.infolist():
            is_order = one.filename.endswith("byteorder")
            new.writestr(one.filename.replace("byteorder", name), b"big" if is_order else old.read(one))
    there = torch.load(tmp_path / "big.pt")
    found = tensors_in(tmp_path / "big.pt")
    assert not torch.equal(there["a.whole"], held["a.whole"])
    for name, value in there.items():
        np.testing.assert_array_equal(found[name].read(), bits(value), err_msg=name)
