"""Files of every format, and what is wrong with some."""

import json
import os
import pickle
import warnings
import zipfile
from collections import OrderedDict
from pathlib import Path

import numpy as np
import pytest
import safetensors.torch
import torch
from torch import nn
from warm import IMAGES, net, same, saved, trained

import initium
from initium import CheckpointError, Plan, SettingError, warm_start


@pytest.fixture
def source():
    return trained(net(), IMAGES)


def loads(file, source, **options):
    model = net()
    plan = warm_start(model, file, **options)
    plan.apply(model)
    assert same(model, source)
    return plan


def refused(file, **options):
    """Why a file is refused; the model stays as it is."""
    model = trained(net(), seed=1)
    before = {name: value.clone() for name, value in model.state_dict().items()}
    with pytest.raises(CheckpointError) as caught:
        warm_start(model, file, example=IMAGES, **options).apply(model)
    assert all(torch.equal(value, before[name]) for name, value in model.state_dict().items())
    return str(caught.value).replace(str(Path(file).parent) + os.sep, "")


@pytest.mark.parametrize("name", ["w.pt", "w.pth", "w.bin", "w.ckpt"])
@pytest.mark.parametrize("is_zip", [True, False])
def test_files_of_pytorch(tmp_path, source, name, is_zip):
    torch.save(source.state_dict(), tmp_path / name, _use_new_zipfile_serialization=is_zip)
    plan = loads(tmp_path / name, source)
    plan.save(tmp_path / "plan.json")
    model = net()
    Plan.load(tmp_path / "plan.json").apply(model)
    assert same(model, source)


def test_weights_beside_an_optimisers_state_are_found_and_said(tmp_path, source):
    optimizer = torch.optim.Adam(source.parameters())
    source(IMAGES).sum().backward()
    optimizer.step()
    torch.save({"epoch": 3, "optimizer": optimizer.state_dict(), "model": source.state_dict()}, tmp_path / "w.pt")
    assert loads(tmp_path / "w.pt", source).notes[0] == "its tensors lie under `model`"
    nested = {"model": {"state_dict": source.state_dict(), "args": {}}, "ema": net().state_dict()}
    torch.save(nested, tmp_path / "w.pt")
    assert loads(tmp_path / "w.pt", source).notes[0] == "its tensors lie under `model.state_dict`; not taken: `ema`"
    torch.save({"first": source.state_dict(), "second": net().state_dict()}, tmp_path / "w.pt")
    assert refused(tmp_path / "w.pt") == (
        "'w.pt' holds several dicts of tensors: `first`, `second`. Pass the one that is meant as a dict."
    )


@pytest.mark.parametrize(
    "beside",
    [
        {"rng_state": torch.get_rng_state(), "loss": torch.tensor(0.3)},
        {"0.weight": torch.zeros(4, 3, 3, 3)},
        {"optimizer": {"params": {"0.weight": torch.zeros(4, 3, 3, 3)}}, "opt": {"model": {"a": torch.ones(1)}}},
        {"ema": {"state_dict": {"0.weight": torch.zeros(4, 3, 3, 3)}}},
    ],
)
@pytest.mark.parametrize("name", ["model", "mine"])
def test_what_lies_beside_a_models_weights_hides_none(tmp_path, source, beside, name):
    if name == "mine" and "0.weight" in beside:
        with pytest.raises(CheckpointError, match="holds several dicts of tensors: the top, `mine`") as caught:
            warm_start(net(), {**source.state_dict(), name: net().state_dict()}, example=IMAGES)
        assert str(caught.value).startswith("The dict holds")
        return
    torch.save({**beside, name: source.state_dict()}, tmp_path / "w.pt")
    assert f"its tensors lie under `{name}`" in loads(tmp_path / "w.pt", source).notes[0]


def test_two_networks_of_one_file_are_told_apart(tmp_path, source):
    torch.save(
        {"generator": {"model": source.state_dict()}, "critic": {"model": net().state_dict()}}, tmp_path / "w.pt"
    )
    assert refused(tmp_path / "w.pt") == (
        "'w.pt' holds several dicts of tensors: `generator.model`, `critic.model`. "
        "Pass the one that is meant as a dict."
    )


def test_a_module_in_a_dict_is_its_tensors(tmp_path, source):
    torch.save({"model": source, "epoch": 3}, tmp_path / "w.pt")
    assert loads(tmp_path / "w.pt", source, trust=True).notes[0] == "its tensors lie under `model`"


def test_what_is_no_tensor_is_said(source):
    plan = warm_start(net(), {**source.state_dict(), "_extra_state": {"a": 1}})
    assert plan.notes[0] == "no tensors by name, and left out: `_extra_state`"


def test_an_archive_of_numpy(tmp_path, source):
    arrays = {name: value.numpy() for name, value in source.state_dict().items()}
    arrays["0.weight"] = np.asfortranarray(arrays["0.weight"]).astype(">f4")
    for save in (np.savez, np.savez_compressed):
        save(tmp_path / "w.npz", **arrays)
        loads(tmp_path / "w.npz", source)


def test_an_array_of_an_archive_is_read_once_each_time_that_it_is_used(tmp_path, monkeypatch):
    from initium._stored import _in_npz

    held = np.arange(2_400_000, dtype=np.float32).reshape(-1, 2)  # several stretches
    np.savez(tmp_path / "w.npz", weight=held.T)  # and seen transposed
    reads, arrays = [], _in_npz.arrays

    def counted(path, names, **options):
        reads.extend(names)
        return arrays(path, names, **options)

    monkeypatch.setattr(_in_npz, "arrays", counted)
    model = nn.Linear(2, len(held), bias=False, device="meta")
    plan = warm_start(model, tmp_path / "w.npz", example=torch.zeros(1, 2))
    for use in (plan.apply, lambda _: plan.write(tmp_path / "w.safetensors"), lambda _: plan.save(tmp_path / "p.json")):
        reads.clear()
        use(model)
        assert reads == ["weight"]
    np.testing.assert_array_equal(model.weight.detach().numpy(), held)


def test_several_files_and_their_index(tmp_path, source):
    held = source.state_dict()
    for kind, save, ending in (
        ("model", safetensors.torch.save_file, "safetensors"),
        ("pytorch_model", torch.save, "bin"),
    ):
        names, index = [*held], {}
        for number, part in enumerate((names[:4], names[4:])):
            save({name: held[name] for name in part}, tmp_path / f"{kind}-{number}.{ending}")
            index |= dict.fromkeys(part, f"{kind}-{number}.{ending}")
        path = tmp_path / f"{kind}.{ending}.index.json"
        path.write_text(json.dumps({"weight_map": index}))
        loads(path, source)
        loads(tmp_path, source)  # the folder has the first that is there
        index["0.weight"] = "../elsewhere.safetensors"
        path.write_text(json.dumps({"weight_map": index}))
        assert "'../elsewhere.safetensors' is no name of a file beside it" in refused(path)
        path.unlink()


def test_a_folder_without_a_checkpoint_says_what_it_has(tmp_path, source):
    saved(tmp_path / "mine.safetensors", source)
    assert refused(tmp_path).endswith("pytorch_model.bin. Name one of its files: mine.safetensors.")


def test_a_hubs_name_is_refused_with_the_command_that_fetches_it():
    with pytest.raises(CheckpointError) as caught:
        warm_start(net(), "google-bert/bert-base-uncased")
    assert str(caught.value) == (
        "There is no file 'google-bert/bert-base-uncased'. If it is a model of the Hugging Face Hub, fetch it first: "
        "`hf download google-bert/bert-base-uncased --local-dir bert-base-uncased`, and pass 'bert-base-uncased'."
    )


def test_other_formats_are_refused_by_name(tmp_path):
    (tmp_path / "w.gguf").write_bytes(b"GGUF" + bytes(100))
    assert refused(tmp_path / "w.gguf").startswith("'w.gguf' is a GGUF file, whose weights are quantised")
    (tmp_path / "w.h5").write_bytes(b"\x89HDF\r\n\x1a\n" + bytes(100))
    assert refused(tmp_path / "w.h5").startswith("'w.h5' is an HDF5 file")
    (tmp_path / "w.txt").write_bytes(b"hello")
    assert refused(tmp_path / "w.txt").startswith("'w.txt' is no checkpoint by its name")
    assert refused(tmp_path / "nothing.safetensors") == "There is no file 'nothing.safetensors'."
    with pytest.raises(SettingError, match="is named by its path"):
        warm_start(net(), "a\0b.safetensors")
    for nothing in (3, None, [1, 2]):
        with pytest.raises(CheckpointError, match="A checkpoint is the path of a file or a folder, a module"):
            warm_start(net(), nothing)


def test_quantised_weights_are_refused_by_name(tmp_path, source):
    held = source.state_dict()
    held["0.weight"] = held["0.weight"].to(torch.int8)
    safetensors.torch.save_file(held, tmp_path / "w.safetensors")
    assert "0.weight  holds whole numbers there (int8), as quantised weights do, and float32 in the model" in refused(
        tmp_path / "w.safetensors"
    )
    held["0.weight"] = source.state_dict()["0.weight"].to(torch.float8_e4m3fn)
    safetensors.torch.save_file(held, tmp_path / "w.safetensors")
    assert "0.weight  holds F8_E4M3 there, which is no dtype that a model computes in" in refused(
        tmp_path / "w.safetensors"
    )
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # that it is deprecated, which PyTorch says once a process
        packed = torch.quantize_per_tensor(torch.ones(3), 0.1, 0, torch.qint8)
    with pytest.raises(CheckpointError, match="`a` is quantised"):
        warm_start(net(), {"a": packed})


@pytest.mark.parametrize("wrong", [float("nan"), float("inf")])
@pytest.mark.parametrize("on_meta", [False, True])
def test_what_is_no_number_is_refused_and_the_model_untouched(tmp_path, source, wrong, on_meta):
    with torch.no_grad():
        source[4].weight[1, 7] = wrong
    file = saved(tmp_path / "w.safetensors", source)
    if on_meta:
        with torch.device("meta"):
            model = net()
        with pytest.raises(CheckpointError):
            warm_start(model, file, example=IMAGES).apply(model)
        assert all(value.is_meta for value in model.parameters())
    assert refused(file) == (
        f"`4.weight` would hold {wrong} at (1, 7), from the checkpoint. Mend that, or leave it out: skip=['4.weight']."
    )


def test_a_mask_may_be_infinite(source):
    class Masked(nn.Module):
        def __init__(self):
            super().__init__()
            self.fc = nn.Linear(3, 3)
            self.register_buffer("mask", torch.full((3, 3), float("-inf")).triu(1))

        def forward(self, x):
            return self.fc(x) + self.mask

    held, model = trained(Masked()), Masked()
    model.mask.zero_()
    warm_start(model, held).apply(model)
    assert same(model, held)


def test_numbers_that_leave_the_models_dtype_are_refused(source):
    held = source.state_dict()
    held["4.bias"] = torch.tensor([1.0, 1e6, 1.0])
    model = net().half()
    with pytest.raises(CheckpointError, match=r"`4.bias` would hold inf at \(1,\)"):
        warm_start(model, held, example=IMAGES.half()).apply(model)


class Runs:
    """What a pickle runs as it is read."""

    def __init__(self, path):
        self.path = path

    def __reduce__(self):
        return Path.touch, (self.path,)


def test_no_code_of_a_file_is_run(tmp_path, source):
    ran = tmp_path / "ran"
    torch.save({"state_dict": source.state_dict(), "extra": Runs(ran)}, tmp_path / "zip.pt")
    torch.save(Runs(ran), tmp_path / "old.pt", _use_new_zipfile_serialization=False)
    (tmp_path / "plain.pt").write_bytes(pickle.dumps(Runs(ran)))
    for name in ("zip.pt", "old.pt", "plain.pt"):
        assert "to read that is to run code from the file" in refused(tmp_path / name)
    np.savez(tmp_path / "w.npz", a=np.array([Runs(ran)], dtype=object))
    assert refused(tmp_path / "w.npz") == "'w.npz' is not a readable file of plain arrays."
    assert not ran.exists()
    with pytest.raises(CheckpointError):  # the same file does run where somebody asks for it
        warm_start(net(), tmp_path / "plain.pt", trust=True)
    assert ran.exists()


def test_a_damaged_file_is_called_so_and_not_recommended_to_be_trusted(tmp_path, source):
    for name, is_zip in (("zip.pt", True), ("old.pt", False)):
        torch.save(source.state_dict(), tmp_path / name, _use_new_zipfile_serialization=is_zip)
        data = (tmp_path / name).read_bytes()
        for spoilt in (data[:200], data[:400] + b"\xff\xff" + data[402:], b"hello" * 9):
            (tmp_path / name).write_bytes(spoilt)
            said = refused(tmp_path / name)
            assert said.startswith(f"'{name}' is damaged, or ")
            assert "trust" not in said
    torch.save({"a": Runs(tmp_path)}, tmp_path / "w.pt", pickle_protocol=2)
    assert "trust=True" in refused(tmp_path / "w.pt")


def test_a_module_that_was_pickled_is_read_where_it_is_trusted(tmp_path, source):
    torch.save(source, tmp_path / "w.pt")
    assert "holds more than tensors (`torch.nn.modules.container.Sequential`)" in refused(tmp_path / "w.pt")
    plan = loads(tmp_path / "w.pt", source, trust=True)
    with pytest.raises(initium.PlanError, match="No file can hold these starts"):
        plan.save(tmp_path / "plan.json")


def test_an_archive_that_is_packed_is_not_pytorchs(tmp_path, source):
    torch.save(source.state_dict(), tmp_path / "w.pt")
    with (
        zipfile.ZipFile(tmp_path / "w.pt") as old,
        zipfile.ZipFile(tmp_path / "p.pt", "w", zipfile.ZIP_DEFLATED) as new,
    ):
        for one in old.infolist():
            new.writestr(one.filename, old.read(one))
    assert refused(tmp_path / "p.pt") == "'p.pt' is packed, as PyTorch packs nothing. Save it again by `torch.save`."


def test_arrays_that_claim_more_than_they_hold_are_refused(tmp_path):
    np.savez_compressed(tmp_path / "w.npz", **{"0.weight": np.zeros(1 << 22, np.float32)})
    assert "0.weight" in refused(tmp_path / "w.npz")  # and nothing was unpacked: its shape is not the model's
    data = (tmp_path / "w.npz").read_bytes()
    (tmp_path / "w.npz").write_bytes(data[: len(data) // 2])
    assert refused(tmp_path / "w.npz") == "'w.npz' is not a readable file of plain arrays."


@pytest.mark.parametrize("share", [0, 0.02, 0.5, 0.99])
@pytest.mark.parametrize("name", ["w.safetensors", "w.pt", "old.pt", "w.npz"])
def test_a_file_that_is_cut_off_is_one_error(tmp_path, source, name, share):
    file = tmp_path / name
    if name == "w.safetensors":
        saved(file, source)
    elif name == "w.npz":
        np.savez(file, **{name: value.numpy() for name, value in source.state_dict().items()})
    else:
        torch.save(source.state_dict(), file, _use_new_zipfile_serialization=name == "w.pt")
    data = file.read_bytes()
    file.write_bytes(data[: int(share * len(data))])
    assert refused(file).startswith(f"'{name}'")


def reheaded(file, change):
    data = file.read_bytes()
    begin = 8 + int.from_bytes(data[:8], "little")
    header = json.loads(data[8:begin])
    text = change(header) or json.dumps(header)
    file.write_bytes(len(text).to_bytes(8, "little") + text.encode() + data[begin:])


def test_headers_that_lie_are_refused(tmp_path, source):
    file = tmp_path / "w.safetensors"

    def lies(change):
        saved(file, source)
        reheaded(file, change)
        return refused(file)

    huge = {"dtype": "F32", "shape": [25 * 10**9], "data_offsets": [0, 100 * 10**9]}
    file.write_bytes(b"")
    assert "ends after" in lies(lambda header: (header.clear(), header.update({"0.weight": huge}))[-1])
    assert "is not as long as its shape says" in lies(lambda header: header["0.weight"].update(shape=[4, 3, 3, 4]))
    assert "does not begin where the tensor before it ends" in lies(
        lambda header: header["4.weight"].update(data_offsets=[0, 768])
    )
    assert 'one object has "0.weight" 2 times' in lies(
        lambda header: json.dumps(header)[:-1] + ', "0.weight": ' + json.dumps(header["0.weight"]) + "}"
    )
    assert "is not told as safetensors does" in lies(lambda header: header["0.weight"].update(dtype="F31"))


@pytest.mark.parametrize("name", ["../0.weight", "0.\0weight", "0.\x1b[31mweight", "/etc/passwd"])
def test_names_are_shown_as_they_can_be_and_lead_nowhere(tmp_path, source, name):
    held = dict(source.state_dict())
    safetensors.torch.save_file({**held, name: torch.ones(3)}, tmp_path / "w.safetensors")
    plan = loads(tmp_path / "w.safetensors", source)
    assert [one.name for one in plan.origin.left_out] == [name]
    assert not {"\0", "\x1b"} & set(str(plan))
    plan.save(tmp_path / "plan.json")
    assert Plan.load(tmp_path / "plan.json") == plan


def test_a_file_that_changes_is_not_read_on(tmp_path, source):
    file = saved(tmp_path / "w.safetensors", source)
    model = net()
    plan = warm_start(model, file)
    other = trained(net(), IMAGES, seed=5)
    saved(file, other)  # written anew between the plan and its use: what is there is read
    plan.apply(model)
    assert same(model, other)
    saved(file, net(5))
    before = model[4].weight.clone()
    with pytest.raises(CheckpointError) as caught:
        plan.apply(model)
    assert str(caught.value) == (
        "These numbers are not where the plan says:\n"
        "  4.bias  has shape (5,) there, and (3,) in the plan\n"
        "  4.weight  has shape (5, 64) there, and (3, 64) in the plan\n"
        "Plan the model with this checkpoint again, `initium.warm_start(model, source)`. If it lies elsewhere by now, "
        "say where: `Plan.load(plan, source=file)`."
    )
    assert torch.equal(model[4].weight, before)


def test_a_file_that_changes_while_it_is_read_is_an_error(tmp_path, source, monkeypatch):
    from initium._stored import _in_safetensors

    file = saved(tmp_path / "w.safetensors", source)
    with torch.device("meta"):
        model = net()
    plan = warm_start(model, file, example=IMAGES)
    read = _in_safetensors.InFile._read

    def reads(self, *args):
        read(self, *args)
        with file.open("r+b") as other:
            other.truncate(file.stat().st_size - 4)

    monkeypatch.setattr(_in_safetensors.InFile, "_read", reads)
    monkeypatch.setattr(torch, "get_num_threads", lambda: 1)  # another would find a file that is cut off
    with pytest.raises(CheckpointError, match="has changed while it was read"):
        plan.apply(model)
    assert all(value.is_meta for value in model.parameters())


def test_a_file_of_pytorchs_that_changes_as_it_is_opened_is_an_error(tmp_path, source, monkeypatch):
    from initium._stored import tensors_in

    torch.save(source.state_dict(), tmp_path / "w.pt")
    load = torch.load

    def loads(file, **options):
        found = load(file, **options)
        os.utime(tmp_path / "w.pt", ns=(1, 1))
        return found

    monkeypatch.setattr(torch, "load", loads)
    with pytest.raises(CheckpointError, match="has changed while it was read"):
        tensors_in(tmp_path / "w.pt")["0.weight"].read()


def test_what_was_asked_for_is_absent_or_whole_when_reading_fails(tmp_path, source):
    file = saved(tmp_path / "w.safetensors", source)
    plan = warm_start(net(), file)
    plan.write(tmp_path / "out.safetensors")
    before = (tmp_path / "out.safetensors").read_bytes()
    with torch.no_grad():
        source[0].weight[0, 0, 0, 0] = float("nan")
    saved(file, source)
    for name in ("out.safetensors", "new.safetensors"):
        with pytest.raises(CheckpointError, match=r"`0.weight` would hold nan at \(0, 0, 0, 0\)"):
            plan.write(tmp_path / name)
    assert (tmp_path / "out.safetensors").read_bytes() == before
    assert sorted(one.name for one in tmp_path.iterdir()) == ["out.safetensors", "w.safetensors"]


def test_only_what_is_asked_for_is_read(tmp_path, monkeypatch):
    from initium._stored import named

    model = nn.Linear(50, 40, bias=False)
    file = saved(tmp_path / "w.safetensors", model)
    stored, whole = named(file, "weight"), model.weight.detach().numpy()
    for box in [
        (slice(3, 7), slice(None)),
        (slice(None), slice(2, 9)),
        (slice(5, 6), slice(0, 1)),
        (slice(4, 4), slice(None)),
        (slice(None), slice(50, 50)),
        (slice(0, 40), slice(0, 50)),
    ]:
        np.testing.assert_array_equal(stored.read(box), whole[box])


def test_a_shard_that_is_not_there_is_named(tmp_path, source):
    held = {name: value.clone() for name, value in source.state_dict().items()}
    safetensors.torch.save_file({k: v for k, v in held.items() if k != "4.bias"}, tmp_path / "one.safetensors")
    where = dict.fromkeys(held, "one.safetensors") | {"4.bias": "two.safetensors"}
    (tmp_path / "model.safetensors.index.json").write_text(json.dumps({"weight_map": where}))
    assert refused(tmp_path / "model.safetensors.index.json") == (
        "'model.safetensors.index.json': There is no file 'two.safetensors'. Fetch or write it again."
    )


def test_a_file_by_another_formats_name_is_told_its_own(tmp_path, source):
    saved(tmp_path / "w.pt", source)
    assert refused(tmp_path / "w.pt") == "'w.pt' is a safetensors file by how it begins: name it .safetensors."
    torch.save(source.state_dict(), tmp_path / "w.safetensors")
    assert refused(tmp_path / "w.safetensors") == (
        "'w.safetensors' is an archive, as PyTorch and NumPy write them: name it .pt, or .npz."
    )


def test_a_shard_that_is_replaced_as_its_header_is_read_is_an_error(tmp_path, source, monkeypatch):
    from initium._stored import _in_safetensors

    saved(tmp_path / "one.safetensors", source)
    where = dict.fromkeys(source.state_dict(), "one.safetensors")
    index = tmp_path / "model.safetensors.index.json"
    index.write_text(json.dumps({"weight_map": where}))
    places = _in_safetensors.places

    def replaced(path):
        found = places(path)
        saved(tmp_path / "new", trained(net(), IMAGES, seed=4)).replace(tmp_path / "one.safetensors")
        return found

    monkeypatch.setattr(_in_safetensors, "places", replaced)
    assert "has changed while it was read" in refused(tmp_path)


def test_a_buffer_that_does_not_fit_is_left_as_it_is_by_what_is_advised(source):
    held = source.state_dict() | {"1.num_batches_tracked": torch.tensor(3.0)}
    with pytest.raises(CheckpointError) as caught:
        warm_start(net(), held, example=IMAGES)
    assert str(caught.value).endswith("Pass skip=['1.num_batches_tracked'] to leave it as the model has it.")
    model = net()
    warm_start(model, held, example=IMAGES, skip=["1.num_batches_tracked"]).apply(model)
    assert model[1].num_batches_tracked == 0
    assert torch.equal(model[1].running_mean, source[1].running_mean)


def test_a_name_with_signs_of_a_glob_means_itself():
    model, held = (
        nn.Sequential(OrderedDict({"a[0]": nn.Linear(2, 2)})),
        {"a[0].weight": torch.ones(3, 5), "a[0].bias": torch.ones(2)},
    )
    with pytest.raises(CheckpointError, match=r"skip=\['a\[0\].weight'\]"):
        warm_start(model, held)
    assert warm_start(model, held, skip="a[0].weight", recipe="he")["a[0].bias"].how == "loaded"
