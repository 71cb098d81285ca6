import hashlib
import json
from dataclasses import replace

import numpy as np
import pytest
import safetensors
from checkpoints import choice, contents, flip, net

from initium import DataError, Plan, PlanError, SettingError
from initium._checkpoint import verify
from initium._checkpoint._manifest import Manifest
from initium._checkpoint._pieces import _MOST
from initium._verification import Verification

LARGE = Plan(
    (
        choice("embed.weight", (9000, 256), axes="vo", tied=("head.weight",)),
        choice("up.weight", (256, 1024), axes="io", dtype="bfloat16"),
        choice("down.weight", (256, 1024), dtype="float64"),
        choice("bias", (1000,), "zeros", axes="o"),
    )
)


@pytest.fixture
def file(tmp_path):
    return net().write(tmp_path / "w.safetensors", seed=3).path


def found(plan, file, seed=3, manifest=None):
    """What is told of the differences."""
    return [str(one) for one in verify(plan, file, seed=seed, manifest=manifest).differences]


def place(file, name):
    """Where a tensor begins in a file, and where it ends."""
    data = file.read_bytes()
    begin = 8 + int.from_bytes(data[:8], "little")
    start, end = json.loads(data[8:begin])[name]["data_offsets"]
    return begin + start, begin + end


def reheaded(file, change):
    """Change the header of a file, and nothing else."""
    data = file.read_bytes()
    begin = 8 + int.from_bytes(data[:8], "little")
    header = json.loads(data[8:begin])
    change(header)
    text = json.dumps(header).encode()
    file.write_bytes(len(text).to_bytes(8, "little") + text + data[begin:])


def test_what_was_written_is_equal_and_says_so(file):
    verification = net().verify(file, seed=3)
    assert verification
    assert str(verification).replace(str(file), "w.safetensors") == (
        "w.safetensors equals what the plan draws.\n"
        "16 tensors, 4.6 kB, seed 3\n"
        "Not compared, since nobody recorded how they are made:\n"
        "  table"
    )


def test_another_seed_differs_in_all_that_is_drawn(file):
    verification = net().verify(file, seed=4)
    assert not verification
    drawn = {one.path for one in net().choices} - {"bias", "scale", "nothing"}
    assert {one.path for one in verification.differences} == drawn


@pytest.mark.parametrize("name", ["embed.weight", "up.weight", "down.weight", "bias"])
@pytest.mark.parametrize("where", [0.0, 0.3, 0.71, 1.0])
def test_one_flipped_bit_is_found_wherever_it_is(tmp_path, name, where):
    written = LARGE.write(tmp_path / "w.safetensors")
    before, _ = contents(written.path)
    start, end = place(written.path, name)
    at = start + int(where * (end - start - 1))
    flip(written.path, at, bit=int(where * 7))
    verification = LARGE.verify(written.path)
    (difference,) = verification.differences
    value = before[name]
    assert difference.path == name
    assert difference.index == tuple(map(int, np.unravel_index((at - start) // value.itemsize, value.shape)))
    if name == "down.weight":
        after = contents(written.path)[0][name][difference.index]
        assert difference.what == f"is {after}, and {value[difference.index]} in the plan"
    assert "differ)" not in difference.what


def test_of_many_differences_in_one_tensor_the_first_is_told_and_how_many_there_are(file):
    start, _ = place(file, "mlp.half")
    for element in (40, 37, 200):
        flip(file, start + 2 * element + 1, bit=6)
    (told,) = found(net(), file)
    after = contents(file)[0]["mlp.half"][1, 5]
    flip(file, start + 2 * 37 + 1, bit=6)
    before = contents(file)[0]["mlp.half"][1, 5]
    assert told == f"mlp.half[1, 5] is {after!s}, and {before!s} in the plan (3 elements differ)"


def test_of_differences_in_several_pieces_the_first_is_told(tmp_path):
    file = LARGE.write(tmp_path / "w.safetensors").path
    start, end = place(file, "embed.weight")
    assert end - start > 2 * _MOST
    for row in (7000, 100):
        flip(file, start + 4 * 256 * row)
    (difference,) = LARGE.verify(file).differences
    assert difference.index == (100, 0)
    assert difference.what.endswith("(2 elements differ)")


def test_numbers_are_told_in_their_own_precision(tmp_path):
    plan = Plan((choice("w", (2, 2), "constant(0.1)", dtype="bfloat16"), choice("n", (), "zeros", axes="")))
    file = plan.write(tmp_path / "w.safetensors").path
    flip(file, place(file, "w")[0] + 3, bit=7)
    flip(file, place(file, "n")[0] + 3, bit=7)
    assert found(plan, file) == [
        "w[0, 1] is -0.100097656, and 0.100097656 in the plan",
        "n is -0.0, and 0.0 in the plan",
    ]


def test_tensors_too_few_too_many_or_of_another_kind_are_named(file):
    def change(header):
        header["stranger"] = header.pop("bias")
        header["mlp.half"]["shape"] = [32, 8]
        header["attn.weight"]["dtype"] = "I32"

    reheaded(file, change)
    assert found(net(), file) == [
        "attn.weight is I32 (8, 24), and F32 (8, 24) in the plan",
        "mlp.half is F16 (32, 8), and F16 (8, 32) in the plan",
        "bias is missing",
        "stranger is not in the plan",
    ]


def test_a_tied_weight_may_go_by_any_of_its_names_and_by_all_of_them(tmp_path):
    plan = LARGE
    file = plan.write(tmp_path / "w.safetensors").path
    reheaded(file, lambda header: header.update({"head.weight": header.pop("embed.weight")}))
    assert plan.verify(file)
    both = replace(plan.choices[0], param=replace(plan.choices[0].param, tied=()))
    other = replace(both, param=replace(both.param, path="head.weight"), draws_as="embed.weight")
    file = Plan((both, other, *plan.choices[1:])).write(tmp_path / "both.safetensors").path
    assert plan.verify(file)
    flip(file, place(file, "head.weight")[0])
    assert [one.path for one in plan.verify(file).differences] == ["head.weight"]


def test_a_buffer_that_nobody_recorded_may_be_there(file, tmp_path):
    reheaded(file, lambda header: header.update(table=header.pop("norm.mean")))
    assert found(net(), file) == ["norm.mean is missing"]


def test_a_file_that_was_cut_off_is_told_with_the_first_element_that_is_gone(file):
    size = file.stat().st_size
    start, _ = place(file, "mlp.half")
    with file.open("r+b") as opened:
        opened.truncate(start + 2 * 37 + 1)
    told = found(net(), file)
    assert told[0] == f"the file ends after {start + 75:,} of {size:,} bytes"
    assert "mlp.half[1, 5] is cut off: the file ends before it" in told
    assert "mask[0, 0] is cut off: the file ends before it" in told
    with file.open("ab") as opened:
        opened.truncate(size)
    assert not found(net(), file)[0].startswith("the file")


def test_bytes_behind_the_last_tensor_are_told(file):
    with file.open("ab") as opened:
        opened.write(b"\0" * 9)
    assert found(net(), file) == ["the file has 9 bytes too many"]


@pytest.mark.parametrize(
    ("data", "flaw"),
    [
        (b"", "is no safetensors file: it does not begin with the length of a header"),
        (b"\xff" * 8, "is no safetensors file: it does not begin with the length of a header"),
        (b"\0\xe1\xf5\5\0\0\0\0{}", "is no safetensors file: it does not begin with the length of a header"),
        (b"\2\0\0\0\0\0\0\0[]", "has a broken header: it holds no names"),
        (b"\2\0\0\0\0\0\0\0{]", "has a broken header: Expecting property name enclosed in double quotes"),
        (b"\2\0\0\0\0\0\0\0\xff\xff", "has a broken header: 'utf-8' codec can't decode byte 0xff"),
        (b'\x0f\0\0\0\0\0\0\0{"a":1, "a": 2}', 'has a broken header: one object has "a" 2 times'),
        (b'\x08\0\0\0\0\0\0\0{"w": 1}', "has a broken header: 'w' is not told as safetensors does"),
        (b"\x88\x13\0\0\0\0\0\0" + b"[" * 5000, "has a broken header: "),
    ],
)
def test_a_header_is_never_believed(tmp_path, data, flaw):
    file = tmp_path / "w.safetensors"
    file.write_bytes(data)
    (told,) = found(net(), file)
    assert told.startswith(f"the file {flaw}")


@pytest.mark.parametrize(
    ("said", "flaw"),
    [
        ({"data_offsets": [0, 4]}, "'bias' is not as long as its shape says"),
        ({"shape": [10**30], "data_offsets": [0, 28]}, "'bias' is not told as safetensors does"),
        ({"shape": [2**40, 2**40, 0], "data_offsets": [0, 0]}, "'bias' is not as long as its shape says"),
        ({"dtype": "F33"}, "'bias' is not told as safetensors does"),
        ({"more": 1}, "'bias' is not told as safetensors does"),
        ({"shape": [-7]}, "'bias' is not told as safetensors does"),
        ({"shape": [7.0]}, "'bias' is not told as safetensors does"),
        ({"data_offsets": [28, 0]}, "'bias' is not told as safetensors does"),
        ({"data_offsets": [0, 28]}, "does not begin where the tensor before it ends"),
    ],
)
def test_a_tensor_that_cannot_lie_where_it_is_said_to_is_told(file, said, flaw):
    reheaded(file, lambda header: header["bias"].update(said))
    (told,) = found(net(), file)
    assert told.startswith("the file has a broken header: ")
    assert told.endswith(flaw)


ONE = '"dtype": "F32", "shape": [1], "data_offsets": [0, 4]'


@pytest.mark.parametrize(
    "text",
    [
        f'{{"__metadata__": [1], "w": {{{ONE}}}}}',
        f'{{"__metadata__": {{"a": 1}}, "w": {{{ONE}}}}}',
        f'{{"__metadata__": "a", "w": {{{ONE}}}}}',
        f'\ufeff{{"w": {{{ONE}}}}}',
        f'{{"w": {{{ONE}, "more": NaN}}}}',
        f'{{"w": {{{ONE.replace("[0,", "[-0,")}}}}}',
        f'{{"w": {{{ONE.replace("F32", "F33")}}}}}',
        f'{{"w": {{{ONE.replace("[1]", "[1.0]")}}}}}',
        f'{{"w": {{{ONE.replace("[1]", "[18446744073709551616, 0]")}}}}}',
        f'{{"w": {{{ONE.replace("[0, 4]", "[0, 4, 4]")}}}}}',
        f'{{"w": {{{ONE}}}, "\\ud800": {{{ONE}}}}}',
        f'{{"w": {{{ONE}}}, "x": {{"dtype": "F4", "shape": [1], "data_offsets": [4, 4]}}}}',
        f'{{"w": {{{ONE}}}, "x": null}}',
    ],
)
def test_what_safetensors_refuses_equals_nothing(tmp_path, text):
    header, one = text.encode(), Plan((choice("w", (1,), "ones", axes="o"),))
    data = len(header).to_bytes(8, "little") + header + np.float32(1).tobytes()
    with pytest.raises(safetensors.SafetensorError):
        safetensors.deserialize(data)
    (tmp_path / "w.safetensors").write_bytes(data)
    assert not one.verify(tmp_path / "w.safetensors")


def test_what_safetensors_reads_is_read(tmp_path):
    header, one = f'{{"__metadata__": null, "w": {{{ONE}}}}} '.encode(), Plan((choice("w", (1,), "ones", axes="o"),))
    data = len(header).to_bytes(8, "little") + header + np.float32(1).tobytes()
    assert safetensors.deserialize(data)
    (tmp_path / "w.safetensors").write_bytes(data)
    assert one.verify(tmp_path / "w.safetensors")


def test_a_file_that_is_not_there_is_refused(tmp_path):
    with pytest.raises(DataError) as error:
        net().verify(tmp_path / "no.safetensors")
    assert str(error.value) == f"There is no file '{tmp_path}/no.safetensors'."
    with pytest.raises(DataError, match=r"cannot be read: Is a directory\.$"):
        net().verify(tmp_path)
    with pytest.raises(SettingError):
        net().verify(tmp_path, seed=-1)
    with pytest.raises(SettingError, match=r"^A file is named by its path, not by None\.$"):
        net().verify(None)
    with pytest.raises(PlanError):
        Plan((choice("w", (3,), "framework", axes="o"),)).verify(tmp_path)


# Shards


@pytest.fixture
def shards(tmp_path):
    return net().write(tmp_path / "w.safetensors", seed=3, shards=3)


def test_shards_are_equal_and_one_flipped_bit_is_found(shards):
    assert net().verify(shards.path, seed=3)
    index = json.loads(shards.path.read_text())["weight_map"]
    file = shards.path.with_name(index["mlp.half"])
    flip(file, place(file, "mlp.half")[0] + 7)
    (told,) = found(net(), shards.path)
    assert told.startswith("mlp.half[0, 3] is ")


def test_a_shard_that_is_missing_or_broken_is_told(shards):
    gone = shards.files[0]
    gone.unlink()
    shards.files[2].write_bytes(b"broken")
    told = found(net(), shards.path)
    assert told[:2] == [
        f"There is no file '{gone}'.",
        f"'{shards.files[2].name}' is no safetensors file: it does not begin with the length of a header",
    ]
    assert all(one.endswith("is missing") for one in told[2:])


@pytest.mark.parametrize(
    ("text", "flaw"),
    [
        ("{", "is a broken index: Expecting property name"),
        ("[]", 'is no index: it has no "weight_map" of names'),
        ('{"weight_map": {"a": 1}}', 'is no index: it has no "weight_map" of names'),
        ('{"weight_map": {"a": "../a"}}', "is a broken index: '../a' is no name of a file beside it"),
        ('{"weight_map": {"a": ""}}', "is a broken index: '' is no name of a file beside it"),
        ('{"weight_map": {"a": ".."}}', "is a broken index: '..' is no name of a file beside it"),
        ('{"weight_map": {"a": "a\\\\b"}}', "is a broken index: 'a\\b' is no name of a file beside it"),
        ('{"weight_map": {"a": "C:b"}}', "is a broken index: 'C:b' is no name of a file beside it"),
        ('{"weight_map": {"a": "a\\u0000b"}}', "is a broken index: 'a\\x00b' is no name of a file beside it"),
        ('{"weight_map": {"a": "\\ud800"}}', "is a broken index: it has \\ud800, which is half a letter"),
        ('{"weight_map": {"a": "b", "a": "c"}}', 'is a broken index: one object has "a" 2 times'),
    ],
)
def test_an_index_is_never_believed(tmp_path, text, flaw):
    file = tmp_path / "w.safetensors.index.json"
    file.write_text(text)
    (told,) = found(net(), file)
    assert told.startswith(f"the file {flaw}")


def test_an_index_that_lacks_or_invents_tensors_is_told(shards):
    index = json.loads(shards.path.read_text())
    file = index["weight_map"].pop("bias")
    index["weight_map"]["ghost"] = file
    shards.path.write_text(json.dumps(index))
    assert found(net(), shards.path) == [
        f"'{file}' lacks 'ghost', which the index places there",
        f"'{file}' holds 'bias', which the index tells otherwise",
        "bias is missing",
    ]


def test_a_tensor_that_the_index_places_elsewhere_is_missing(shards):
    index = json.loads(shards.path.read_text())
    index["weight_map"]["mlp.half"] = shards.files[0].name
    shards.path.write_text(json.dumps(index))
    assert found(net(), shards.path) == [
        f"'{shards.files[0].name}' lacks 'mlp.half', which the index places there",
        f"'{shards.files[2].name}' holds 'mlp.half', which the index tells otherwise",
        "mlp.half is missing",
    ]


# Matrix products, whose last bits another machine has otherwise


def nudged(file, name, relative):
    """A file in which one element of a float32 tensor is off."""
    start, _ = place(file, name)
    with file.open("r+b") as opened:
        opened.seek(start + 4 * 11)
        value = np.frombuffer(opened.read(4), np.float32)
        opened.seek(start + 4 * 11)
        opened.write((value * np.float32(1 + relative)).tobytes())


ORTHOGONAL = Plan((choice("q", (64, 64), "orthogonal"), choice("n", (64, 64))))


@pytest.fixture
def product(tmp_path):
    return ORTHOGONAL.write(tmp_path / "w.safetensors")


def test_the_last_bits_of_a_matrix_product_may_differ_and_that_is_told(product):
    nudged(product.path, "q", 1e-6)
    verification = ORTHOGONAL.verify(product.path)
    assert verification
    assert verification.close == ("q",)
    assert str(verification).endswith("Equal but for last bits, which depend on the machine:\n  q")
    nudged(product.path, "q", 1e-3)
    assert [one.index for one in ORTHOGONAL.verify(product.path).differences] == [(0, 11)]
    nudged(product.path, "n", 1e-6)
    assert [one.path for one in ORTHOGONAL.verify(product.path).differences] == ["q", "n"]


def test_a_bfloat16_matrix_product_may_be_rounded_to_the_next_number(tmp_path):
    plan = Plan((choice("q", (64, 64), "orthogonal", dtype="bfloat16"),))
    file = plan.write(tmp_path / "w.safetensors").path
    flip(file, place(file, "q")[0] + 2)
    assert plan.verify(file).close == ("q",)
    flip(file, place(file, "q")[0] + 2, bit=3)
    assert not plan.verify(file)


@pytest.mark.parametrize("spec", ["identity", "sparse(4)", "whole('glorot_uniform')", "padded('normal', row=3)"])
def test_what_is_computed_without_products_is_equal_to_the_bit(tmp_path, spec):
    axes = "vo" if spec.startswith("padded") else "oi"
    plan = Plan((choice("w", (64, 64), spec, axes=axes),))
    file = plan.write(tmp_path / "w.safetensors").path
    for at in (0, 4 * 64 * 3):
        flip(file, place(file, "w")[0] + at)
        (difference,) = plan.verify(file).differences
        assert difference.path == "w"
        flip(file, place(file, "w")[0] + at)


@pytest.mark.parametrize("spec", ["sinusoidal", "through('uniform(1, 16)', ('log',))", "s4d_real"])
@pytest.mark.parametrize("dtype", ["float32", "bfloat16", "float64"])
def test_functions_may_be_off_by_the_last_bit_and_by_no_more(tmp_path, spec, dtype):
    plan = Plan((choice("w", (64, 64), spec, dtype=dtype),))
    written = plan.write(tmp_path / "w.safetensors")
    width = contents(written.path)[0]["w"].itemsize
    words = np.dtype(f"u{width}")
    start, _ = place(written.path, "w")
    data = written.path.read_bytes()

    def verified(at, add):
        changed = bytearray(data)
        word = np.frombuffer(data, words, 1, start + width * at) + words.type(add)
        changed[start + width * at : start + width * (at + 1)] = word.tobytes()
        written.path.write_bytes(changed)
        return plan.verify(written.path)

    assert verified(7, 1).close == ("w",)
    assert not verified(7, 2)
    if spec == "sinusoidal":  # whose first sine is 0
        assert not verified(0, 1)
    written.path.write_bytes(data)
    there = manifest(written)
    assert verify(plan, written.path, manifest=there)
    verified(7, 1)
    assert not verify(plan, written.path, manifest=there)


def test_a_product_within_what_is_computed_is_one(tmp_path):
    plan = Plan((choice("w", (64, 64), "flattened('orthogonal')"),))
    file = plan.write(tmp_path / "w.safetensors").path
    flip(file, place(file, "w")[0])
    assert plan.verify(file).close == ("w",)


def test_a_manifest_is_named_by_its_path_and_must_be_of_the_seed(product, tmp_path):
    file = tmp_path / "w.json"
    file.write_text(ORTHOGONAL.manifest())
    assert ORTHOGONAL.verify(product.path, manifest=file)
    nudged(product.path, "q", 1e-6)
    assert ORTHOGONAL.verify(product.path)
    assert not ORTHOGONAL.verify(product.path, manifest=file)
    with pytest.raises(PlanError) as error:
        ORTHOGONAL.verify(product.path, 3, manifest=file)
    assert str(error.value) == f"'{file}' is the manifest of seed 0, not 3. Pass seed=0."
    ORTHOGONAL.save(tmp_path / "plan.json")
    with pytest.raises(PlanError, match="is a saved plan and no manifest: it has no digests to compare with"):
        ORTHOGONAL.verify(product.path, manifest=tmp_path / "plan.json")


def manifest(written, **changed):
    said = {"seed": 0, "digest": written.digest, "versions": {}, "sha256": written.sha256}
    return Manifest(**(said | changed))


def test_with_a_manifest_of_this_machine_not_even_the_last_bit_may_differ(product):
    assert verify(ORTHOGONAL, product.path, manifest=manifest(product))
    nudged(product.path, "q", 1e-6)
    (told,) = found(ORTHOGONAL, product.path, 0, manifest(product))
    assert told.startswith("q[0, 11] is ")


def test_with_a_manifest_of_another_machine_the_file_must_be_what_it_wrote(product, tmp_path):
    nudged(product.path, "q", 1e-6)
    found_there, _ = contents(product.path)
    sha256 = {name: _sha256(value) for name, value in found_there.items()}
    there = manifest(product, sha256=sha256, digest=_digest(found_there, sha256))
    verification = verify(ORTHOGONAL, product.path, manifest=there)
    assert verification
    assert verification.close == ("q",)
    nudged(product.path, "q", -2e-6)
    assert found(ORTHOGONAL, product.path, 0, there) == ["q has another SHA-256 than the manifest tells"]


def test_a_manifest_that_fits_neither_its_plan_nor_itself_is_told(product):
    other = {**product.sha256, "n": "0" * 64}
    assert found(ORTHOGONAL, product.path, 0, manifest(product, sha256=other)) == [
        "the manifest's digest is not that of its own tensors",
        "n has another SHA-256 than the manifest tells",
    ]
    del other["q"]
    assert "q is in the plan or in the manifest alone" in found(
        ORTHOGONAL, product.path, 0, manifest(product, sha256=other)
    )


def _sha256(value):
    return hashlib.sha256(value.tobytes()).hexdigest()


def _digest(values, sha256):
    lines = [f"{name} F32 {list(value.shape)} {sha256[name]}\n" for name, value in values.items()]
    return hashlib.sha256(("initium stream 1\n" + "".join(sorted(lines))).encode()).hexdigest()


def test_a_verification_is_true_if_nothing_differs(tmp_path):
    facts = {"path": tmp_path, "seed": 0, "num_tensors": 1, "num_bytes": 4}
    assert Verification(**facts, close=("q",), unknown=("table",))
