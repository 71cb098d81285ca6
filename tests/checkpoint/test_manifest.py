import hashlib
import json
import platform
from importlib.metadata import PackageNotFoundError

import numpy as np
import pytest
from checkpoints import choice, contents, net

from initium import Plan, PlanError, SettingError
from initium._checkpoint import read


@pytest.fixture
def file(tmp_path):
    (tmp_path / "w.json").write_text(net().manifest(seed=3))
    return tmp_path / "w.json"


def refused(file):
    with pytest.raises(PlanError) as error:
        Plan.load(file)
    return str(error.value).replace(str(file), "w.json")


def edited(file, change):
    data = json.loads(file.read_text())
    change(data["manifest"])
    file.write_text(json.dumps(data))
    return refused(file)


def test_the_digest_can_be_computed_from_the_file_alone(tmp_path):
    written = net().write(tmp_path / "w.safetensors", seed=3)
    data = written.path.read_bytes()
    begin = 8 + int.from_bytes(data[:8], "little")
    header = json.loads(data[8:begin])
    ties = header.pop("__metadata__").items()
    lines = [f"{name} is {path}\n" for name, path in ties if name not in ("initium", "format")]
    for path, said in header.items():
        start, end = said["data_offsets"]
        sha256 = hashlib.sha256(data[begin + start : begin + end]).hexdigest()
        assert written.sha256[path] == sha256
        lines.append(f"{path} {said['dtype']} {said['shape']} {sha256}\n")
    text = "initium stream 1\n" + "".join(sorted(lines))
    assert written.digest == net().digest(seed=3) == hashlib.sha256(text.encode()).hexdigest()


def test_the_digest_is_what_it_was():
    plan = Plan((choice("a.weight", (300, 200), tied=("b.weight",)), choice("a.bias", (300,), "zeros", axes="o")))
    assert plan.digest() == "5bf4c1e622e89674e4c6fd825f550595416d1747ae32a1717f89c9a819e88e97"
    assert plan.digest(1) != plan.digest()


def test_another_layer_leaves_the_digest_of_every_other_tensor(tmp_path):
    before = net().write(tmp_path / "w.safetensors").sha256
    more = Plan((choice("new.weight", (4, 4)), *net().choices), buffers=net().buffers)
    after = more.write(tmp_path / "w.safetensors").sha256
    assert {path: after[path] for path in before} == before
    assert set(after) - set(before) == {"new.weight"}


def test_a_manifest_holds_the_plan_and_all_that_its_bits_follow_from(file, tmp_path):
    said = json.loads(file.read_text())["manifest"]
    written = net().write(tmp_path / "w.safetensors", seed=3)
    assert list(said) == ["seed", "stream", "digest", "versions", "tensors"]
    assert (said["seed"], said["stream"], said["digest"]) == (3, 1, written.digest)
    assert said["versions"].keys() >= {"initium", "python", "numpy"}
    assert (said["versions"]["python"], said["versions"]["numpy"]) == (platform.python_version(), np.__version__)
    assert {path: tensor["sha256"] for path, tensor in said["tensors"].items()} == written.sha256
    assert said["tensors"]["attn.weight"]["fans"] == [8, 8]
    assert said["tensors"]["bias"]["fans"] is None
    assert net().manifest(3, sha256=written.sha256) == file.read_text()


def test_a_manifest_loads_as_its_plan(file):
    assert Plan.load(file) == net()
    decisions, manifest = read(file)
    assert Plan.of(decisions) == net()
    assert manifest
    assert (manifest.seed, manifest.digest) == (3, net().digest(3))


def test_a_saved_plan_has_no_manifest(tmp_path):
    net().save(tmp_path / "plan.json")
    assert read(tmp_path / "plan.json")[1] is None


def test_a_manifest_of_another_stream_is_refused_with_the_reason(file):
    def change(said):
        said["stream"] = 2
        said["versions"]["initium"] = "9.0"

    assert edited(file, change) == (
        "'w.json' was drawn from stream 2, by Initium 9.0, and this one draws stream 1: the same seed gives other "
        "numbers. Take an Initium of stream 2."
    )


def test_another_stream_is_told_before_all_that_it_may_have_otherwise(file):
    data = json.loads(file.read_text())
    data["manifest"] = {"stream": 2, "libraries": {}}
    data["parameters"][0]["start"] = "brand_new(1)"
    file.write_text(json.dumps(data))
    assert refused(file) == (
        "'w.json' was drawn from stream 2, and this one draws stream 1: the same seed gives other numbers. "
        "Take an Initium of stream 2."
    )


@pytest.mark.parametrize("sha256", [{}, {"w": "0"}, {"w": 3}, 3, ["w"]])
def test_sums_that_are_not_of_the_tensors_are_refused(sha256):
    with pytest.raises(PlanError) as error:
        Plan((choice("w", (3, 3)),)).manifest(sha256=sha256)
    assert str(error.value) == (
        "`sha256` is that of each tensor, as `write` returns it: a mapping from its path to 64 digits."
    )


def test_a_copy_of_the_source_that_was_not_installed_has_no_version(monkeypatch):
    def fails(name):
        raise PackageNotFoundError(name)

    monkeypatch.setattr("importlib.metadata.version", fails)
    assert json.loads(net().manifest())["manifest"]["versions"]["initium"] == "unknown"


@pytest.mark.parametrize(
    ("change", "flaw"),
    [
        (
            lambda said: said.pop("seed"),
            """'w.json': "manifest" holds seed, stream, digest, versions, tensors, and nothing else. Write it again.""",
        ),
        (
            lambda said: said.update(note="mine"),
            """'w.json': "manifest" holds seed, stream, digest, versions, tensors, and nothing else. Write it again.""",
        ),
        (
            lambda said: said.update(seed="3"),
            """'w.json': "seed" of the manifest is "3". Write it again.""",
        ),
        (
            lambda said: said.update(seed=1 << 64),
            """'w.json': "seed" of the manifest is 18446744073709551616. Write it again.""",
        ),
        (
            lambda said: said["tensors"].pop("bias"),
            "'w.json' cannot be read as a manifest:\n  bias: is missing\nWrite it again.",
        ),
        (
            lambda said: said["tensors"]["bias"].update(sha256="A" * 64),
            "'w.json' cannot be read as a manifest:\n  bias: a SHA-256 has 64 digits from 0 to f\nWrite it again.",
        ),
        (
            lambda said: said["tensors"]["bias"].update(std=1),
            "'w.json' cannot be read as a manifest:\n  bias: holds fans and sha256, and nothing else\nWrite it again.",
        ),
        (
            lambda said: said["tensors"]["attn.weight"].update(fans=[8, 24]),
            "'w.json' cannot be read as a manifest:\n"
            "  attn.weight: its axes give the fans [8, 8], not [8, 24]\nWrite it again.",
        ),
    ],
)
def test_nothing_in_a_manifest_is_passed_over(file, change, flaw):
    assert edited(file, change) == flaw


def test_a_plan_without_numbers_has_no_digest_and_no_manifest():
    plan = Plan((choice("w", (3,), "framework", axes="o"),))
    for ask in (plan.digest, plan.manifest):
        with pytest.raises(PlanError, match="These parameters stay as a model is built"):
            ask()
        with pytest.raises(SettingError, match="A seed is a whole number"):
            getattr(net(), ask.__name__)(-1)


def test_numbers_in_the_file_are_those_of_the_manifest(file, tmp_path):
    written = Plan.load(file).write(tmp_path / "w.safetensors", seed=3)
    for path, value in contents(written.path)[0].items():
        assert hashlib.sha256(value.tobytes()).hexdigest() == written.sha256[path]
