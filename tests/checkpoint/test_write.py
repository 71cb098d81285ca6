import itertools
import json
import math
import re
from dataclasses import replace

import numpy as np
import pytest
from checkpoints import buffer, choice, contents, net

from initium import OutputError, Plan, PlanError, SettingError, SpecError, array
from initium._array import drawn
from initium._checkpoint import write
from initium._checkpoint._pieces import ahead, parts, pieces
from initium._checkpoint._tensors import tensors_of
from initium._stream import key


@pytest.fixture(scope="module")
def written(tmp_path_factory):
    return net().write(tmp_path_factory.mktemp("written") / "w.safetensors", seed=3)


def test_every_weight_has_the_numbers_of_its_path_and_its_seed(written):
    found, _ = contents(written.path)
    for one in net().choices:
        if one.param.dtype != "bfloat16":
            expected = drawn(one.init, one.param, key=key(3, one.draws_as or one.path), dtype=one.param.dtype)
            assert found[one.path].shape == one.param.shape
            assert np.array_equal(found[one.path], expected), one.path
    plain = array("orthogonal", (32, 8), seed=3, path="mlp.weight").view(np.uint32).astype(np.uint64)
    assert np.array_equal(found["mlp.weight"], (plain + 0x7FFF + ((plain >> 16) & 1)) >> 16)


def test_buffers_are_written_where_it_is_known_how_they_are_made_and_named_where_not(written):
    found, _ = contents(written.path)
    assert found["norm.batches"].dtype == np.int64
    assert found["norm.batches"] == 0
    assert found["mask"].dtype == bool
    assert found["mask"].all()
    assert "table" not in found
    assert written.left_out == ("table",)


def test_a_tied_weight_is_written_once_and_its_other_name_is_told(written):
    found, metadata = contents(written.path)
    assert "head.weight" not in found
    assert metadata == {"initium": "seed 3, stream 1", "format": "pt", "head.weight": "wte.weight"}
    assert written.tied == {"head.weight": "wte.weight"}


def test_numbers_begin_at_whole_words_and_wide_ones_come_first(written):
    data = written.path.read_bytes()
    length = int.from_bytes(data[:8], "little")
    header = json.loads(data[8 : 8 + length])
    assert length % 8 == 0
    del header["__metadata__"]
    sizes = {"F64": 8, "I64": 8, "F32": 4, "F16": 2, "BF16": 2, "BOOL": 1}
    assert all(said["data_offsets"][0] % sizes[said["dtype"]] == 0 for said in header.values())
    ends = [said["data_offsets"] for said in header.values()]
    assert ends[0][0] == 0
    assert all(before[1] == after[0] for before, after in itertools.pairwise(ends))
    assert 8 + length + ends[-1][1] == len(data)


def test_what_was_written_is_told_in_80_columns(written):
    text = str(written).replace(str(written.path), "w.safetensors")
    assert text == (
        "Wrote w.safetensors\n"
        "16 tensors, 4.6 kB, seed 3\n"
        f"digest {written.digest}\n"
        "Tied:\n"
        "  head.weight is wte.weight\n"
        "Left out, since nobody recorded how they are made:\n"
        "  table"
    )
    assert max(map(len, text.splitlines())) <= 80


@pytest.mark.parametrize("most", [1, 5, 7, 64, 1 << 20])
def test_pieces_of_any_size_are_the_same_bytes(written, most):
    found, _ = contents(written.path)
    tensors, _ = tensors_of(net(), 3)
    data = {tensor.path: b"" for tensor in tensors}
    for piece in pieces(tensors, max(8, most * 8)):
        assert piece.start == len(data[piece.tensor.path])
        data[piece.tensor.path] += piece.bytes.tobytes()
    assert data == {path: value.tobytes() for path, value in found.items()}


@pytest.mark.parametrize("shape", [(), (1,), (7,), (3, 4), (2, 3, 5), (1, 1, 9), (0, 3), (3, 0)])
@pytest.mark.parametrize("most", [1, 2, 4, 100])
def test_parts_follow_each_other_in_memory_and_are_no_larger_than_asked(shape, most):
    whole = np.arange(math.prod(shape)).reshape(shape)
    found = [whole[part].reshape(-1) for part in parts(shape, most)]
    assert np.array_equal(np.concatenate([*found, np.empty(0, int)]), whole.reshape(-1))
    assert max(map(len, found), default=0) <= most


def test_what_is_made_ahead_comes_in_order_and_its_errors_arrive():
    def broken():
        yield from (1, 2)
        raise ValueError("broken")

    taken = []
    with pytest.raises(ValueError, match="broken"):
        taken.extend(ahead(broken()))
    assert list(ahead(iter(range(5)))) == [0, 1, 2, 3, 4]


def test_a_piece_is_good_until_the_third_after_it_is_asked_for():
    tensors, _ = tensors_of(Plan((choice("w", (100, 8)),)), 0)
    found = list(itertools.islice(pieces(tensors, 64), 3))
    assert len({piece.bytes.ctypes.data for piece in found}) == 3


@pytest.mark.parametrize("shards", [2, 3, 5, 100])
def test_shards_hold_the_same_tensors_in_order_and_their_index_names_them(written, tmp_path, shards):
    several = net().write(tmp_path / "w.safetensors", seed=3, shards=shards)
    assert several.path == tmp_path / "w.safetensors.index.json"
    assert several.digest == written.digest
    assert several.sha256 == written.sha256
    index = json.loads(several.path.read_text())
    assert index["metadata"] == {"initium": "seed 3, stream 1", "total_size": several.num_bytes}
    assert [tmp_path / name for name in dict.fromkeys(index["weight_map"].values())] == list(several.files)
    expected, _ = contents(written.path)
    held = [contents(file)[0] for file in several.files]
    assert {name: file.name for file, found in zip(several.files, held, strict=True) for name in found} == index[
        "weight_map"
    ]
    assert 2 <= len(held) <= shards
    for name, file in index["weight_map"].items():
        assert np.array_equal(contents(tmp_path / file)[0][name], expected[name])
    assert re.fullmatch(f"w-[0-9a-f]{{8}}-00001-of-{len(held):05}.safetensors", several.files[0].name)
    assert set(tmp_path.iterdir()) == {several.path, *several.files}


def test_shards_are_of_about_the_same_size(tmp_path):
    plan = Plan(tuple(choice(f"{number}.weight", (100, 100)) for number in range(10)))
    sizes = [file.stat().st_size for file in plan.write(tmp_path / "w.safetensors", shards=5).files]
    assert len(sizes) == 5
    assert all(80_000 < size < 80_500 for size in sizes)


def test_new_shards_take_the_place_of_older_ones_of_ours_and_of_no_others(tmp_path):
    (tmp_path / "other.safetensors").write_bytes(b"mine")
    older = net().write(tmp_path / "w.safetensors", seed=0, shards=2)
    newer = net().write(tmp_path / "w.safetensors", seed=1, shards=3)
    assert set(older.files).isdisjoint(newer.files)
    assert set(tmp_path.iterdir()) == {newer.path, *newer.files, tmp_path / "other.safetensors"}
    assert net().verify(newer.path, seed=1)


def test_the_same_numbers_in_another_order_have_shards_of_other_names(tmp_path):
    choices = tuple(choice(f"{number}.weight", (100, 100 + 50 * (number % 3))) for number in range(6))
    older, newer = (Plan(order).write(tmp_path / "w.safetensors", shards=2) for order in (choices, choices[::-1]))
    assert older.digest == newer.digest
    assert set(older.files).isdisjoint(newer.files)


def test_a_single_file_does_not_hide_shards(tmp_path):
    shards = net().write(tmp_path / "w.safetensors", shards=2)
    assert refusal(OutputError, net(), tmp_path / "w.safetensors") == (
        f"'{shards.path}' exists, of the same checkpoint in shards. Remove them, or name another file."
    )
    assert set(tmp_path.iterdir()) == {shards.path, *shards.files}


def test_a_manifest_is_written_in_the_same_moment_or_not_at_all(tmp_path, monkeypatch):
    net_, file, beside = net(), tmp_path / "w.safetensors", tmp_path / "w.json"
    written = write(net_, file, seed=3, manifest=beside)
    assert beside.read_text() == net_.manifest(3, sha256=written.sha256)
    before = {path: path.read_bytes() for path in tmp_path.iterdir()}

    def interrupted(*_, **__):
        raise KeyboardInterrupt

    monkeypatch.setattr("initium._checkpoint._write.manifest_of", interrupted)
    with pytest.raises(KeyboardInterrupt):
        write(net_, file, seed=4, manifest=beside)
    assert {path: path.read_bytes() for path in tmp_path.iterdir()} == before


def test_a_name_that_is_there_twice_is_refused(tmp_path):
    one, other = choice("w", (5, 3), tied=("b",)), choice("w", (2, 3))
    plan = Plan((one, other), buffers=(replace(buffer("a", (3,), "zeros"), tied=("b",)),))
    assert refusal(PlanError, plan, tmp_path / "w.safetensors") == (
        "A checkpoint holds each name once:\n  w: is there 2 times\n  b: is there 2 times\nRename one of each."
    )
    Plan((one,), buffers=plan.buffers).save(tmp_path / "plan.json")
    with pytest.raises(PlanError, match="b: is there 2 times"):
        Plan.load(tmp_path / "plan.json")


def test_what_turns_out_too_large_is_named(tmp_path):
    plan = Plan((choice("w", (3, 3), "through('uniform(800, 900)', ('exp',))"),))
    told = refusal(SpecError, plan, tmp_path / "w.safetensors")
    assert told.startswith("`w`: What it computes reaches ")
    assert not list(tmp_path.iterdir())


def test_an_index_that_names_other_peoples_files_costs_them_nothing(tmp_path):
    older = net().write(tmp_path / "w.safetensors", shards=2)
    (tmp_path / "theirs.safetensors").write_bytes(b"theirs")
    index = json.loads(older.path.read_text())
    index["weight_map"]["bias"] = "theirs.safetensors"
    older.path.write_text(json.dumps(index))
    net().write(tmp_path / "w.safetensors", seed=1, shards=2)
    assert (tmp_path / "theirs.safetensors").read_bytes() == b"theirs"


@pytest.mark.parametrize(
    "name", ["other.safetensors", "w.safetensors.index.json", "w2-01234567-00001-of-00002.safetensors"]
)
def test_an_index_that_names_another_checkpoint_of_ours_or_itself_costs_nothing(tmp_path, name):
    index = net().write(tmp_path / "w.safetensors", shards=2).path
    if name != index.name:
        net().write(tmp_path / name)
    text = json.loads(index.read_text())
    text["weight_map"]["bias"] = name
    index.write_text(json.dumps(text, indent=2))
    written = net().write(tmp_path / "w.safetensors", seed=1, shards=2)
    assert net().verify(written.path, seed=1)
    assert name == index.name or net().verify(tmp_path / name)


def test_somebody_elses_file_under_the_name_of_a_shard_is_not_replaced(tmp_path):
    shards = net().write(tmp_path / "w.safetensors", shards=2)
    theirs = shards.files[1]
    theirs.write_bytes(b"theirs")
    assert refusal(OutputError, net(), tmp_path / "w.safetensors", shards=2) == (
        f"'{theirs}' exists and Initium did not write it; move it, or name another file."
    )
    assert theirs.read_bytes() == b"theirs"


def test_a_link_is_followed_by_one_file_and_refused_by_shards(tmp_path):
    (tmp_path / "there").mkdir()
    (tmp_path / "w.safetensors").symlink_to("there/v.safetensors")
    told = refusal(OutputError, net(), tmp_path / "w.safetensors", shards=2)
    assert told.startswith(f"'{tmp_path}/w.safetensors' exists, and loaders take it before the shards.")
    written = net().write(tmp_path / "w.safetensors")
    assert written.path == tmp_path / "there" / "v.safetensors"
    assert (tmp_path / "w.safetensors").is_symlink()
    assert net().verify(tmp_path / "w.safetensors")
    (tmp_path / "v.safetensors.index.json").symlink_to("there/index")
    assert refusal(OutputError, net(), tmp_path / "v.safetensors", shards=2) == (
        f"'{tmp_path}/v.safetensors.index.json' is a link, and shards lie beside their index. Remove it, or name "
        "another file."
    )


def test_no_tensor_goes_by_the_name_of_what_else_a_header_holds(tmp_path):
    assert refusal(PlanError, Plan((choice("__metadata__", (3, 2)),)), tmp_path / "w.safetensors") == (
        "A checkpoint holds no tensor called `__metadata__`, where safetensors has texts. Rename it."
    )


def test_a_matrix_that_fits_no_memory_is_named(tmp_path, monkeypatch):
    def full(self, *_, **__):
        raise MemoryError

    monkeypatch.setattr("initium._tensor.Tensor.part", full)
    assert refusal(SpecError, Plan((choice("q", (500, 500), "orthogonal"),)), tmp_path / "w.safetensors") == (
        "`q`: orthogonal is computed as a whole, and there is no memory for its 1.0 MB. "
        "Take a start that is drawn number by number."
    )


def test_shards_that_cannot_be_named_leave_the_older_ones(tmp_path, monkeypatch):
    older = net().write(tmp_path / "w.safetensors", shards=2)
    before = {path: path.read_bytes() for path in tmp_path.iterdir()}
    calls = []

    def commit(hidden, path):
        calls.append(path)
        if len(calls) == 2:
            raise KeyboardInterrupt
        hidden.replace(path)

    monkeypatch.setattr("initium._files.commit", commit)
    with pytest.raises(KeyboardInterrupt):
        net().write(tmp_path / "w.safetensors", seed=1, shards=2)
    assert {path: path.read_bytes() for path in tmp_path.iterdir()} == before
    assert net().verify(older.path)


def refusal(kind, plan, *args, **kwargs):
    with pytest.raises(kind) as error:
        plan.write(*args, **kwargs)
    return str(error.value)


def test_weights_that_stay_as_built_are_named_all_at_once(tmp_path):
    made = [choice(f"h.{number}.weight", (3, 3), "framework") for number in range(7)]
    plan = Plan((*made, choice("bias", (3,), "zeros", axes="o")))
    assert refusal(PlanError, plan, tmp_path / "w.safetensors") == (
        "These parameters stay as a model is built, so that a plan has no numbers for them:\n"
        "  h.0.weight  framework (said)\n  h.1.weight  framework (said)\n  h.2.weight  framework (said)\n"
        "  h.3.weight  framework (said)\n  h.4.weight  framework (said)\n... and 2 more\n"
        "Give them a start by a rule, such as Rule('PATH', 'zeros'); or take recipe `author` of a model built with "
        "`initium.torch.deferred`. What no start can say is in `plan.apply(model)` alone."
    )
    assert not list(tmp_path.iterdir())


def test_a_dtype_that_no_fill_writes_is_named(tmp_path):
    plan = Plan((choice("w", (3, 3), dtype="float8_e4m3fn"),))
    assert refusal(PlanError, plan, tmp_path / "w.safetensors") == (
        "A fill writes float32, float64, float16, bfloat16, and these parameters are something else:\n"
        "  w  float8_e4m3fn\nPlan the model in one of these."
    )


def test_numbers_that_leave_their_dtype_are_named_before_a_byte_is_written(tmp_path):
    plan = Plan((choice("w", (3, 3), "normal(std=1e5)", dtype="float16"),))
    assert refusal(SpecError, plan, tmp_path / "w.safetensors") == (
        "These starts leave the numbers of their dtype:\n"
        "  w  normal(std=100000): it reaches 6.4e+05, but float16 ends at 65504.\n"
        "Choose a smaller std or limit, or float32."
    )


@pytest.mark.parametrize(
    ("kind", "name", "settings", "message"),
    [
        (OutputError, "w.bin", {}, "A checkpoint is a file that ends in .safetensors, not '{path}'."),
        (SettingError, "w.safetensors", {"shards": 0}, "`shards` is a whole number, 1 or more, not 0."),
        (SettingError, "w.safetensors", {"shards": True}, "`shards` is a whole number, 1 or more, not True."),
        (SettingError, "w.safetensors", {"seed": 1.5}, "A seed is a whole number from 0 to 2^64 - 1, not 1.5."),
        (SettingError, "w.safetensors", {"seed": -1}, "A seed is a whole number from 0 to 2^64 - 1, not -1."),
        (
            OutputError,
            "no/w.safetensors",
            {},
            "'{path}' cannot be written: No such file or directory. Name a file in a folder that you can write to.",
        ),
    ],
)
def test_what_cannot_be_written_is_refused_at_once(tmp_path, kind, name, settings, message):
    assert refusal(kind, net(), tmp_path / name, **settings) == message.format(path=tmp_path / name)
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(("shards", "name"), [(1, "w.safetensors"), (2, "w.safetensors.index.json")])
def test_somebody_elses_checkpoint_is_never_replaced(tmp_path, shards, name):
    (tmp_path / name).write_bytes(b'\x40\0\0\0\0\0\0\0{"__metadata__":{"format":"pt"}}')
    assert refusal(OutputError, net(), tmp_path / "w.safetensors", shards=shards) == (
        f"'{tmp_path / name}' exists and Initium did not write it; name another file."
    )
    assert len(list(tmp_path.iterdir())) == 1


def test_shards_are_not_hidden_behind_a_single_file(tmp_path):
    net().write(tmp_path / "w.safetensors")
    assert refusal(OutputError, net(), tmp_path / "w.safetensors", shards=2) == (
        f"'{tmp_path}/w.safetensors' exists, and loaders take it before the shards. Remove it, or name another file."
    )


def test_our_own_file_is_replaced(tmp_path):
    net().write(tmp_path / "w.safetensors", seed=0)
    net().write(tmp_path / "w.safetensors", seed=1)
    assert net().verify(tmp_path / "w.safetensors", seed=1)
    assert len(list(tmp_path.iterdir())) == 1


def test_a_plan_of_nothing_is_a_file_of_nothing(tmp_path):
    plan = Plan(())
    assert contents(plan.write(tmp_path / "w.safetensors").path)[0] == {}
    assert plan.verify(tmp_path / "w.safetensors")


@pytest.mark.parametrize("path", [None, 7, "w\0.safetensors"])
def test_what_is_no_path_is_refused(path):
    assert refusal(SettingError, net(), path) == f"A file is named by its path, not by {path!r}."


@pytest.mark.parametrize("shards", [1, 2])
def test_a_name_that_no_file_system_takes_is_refused(tmp_path, shards):
    told = refusal(OutputError, net(), tmp_path / ("w" * 300 + ".safetensors"), shards=shards)
    assert told.endswith(" cannot be written: File name too long. Name a file in a folder that you can write to.")
