"""Each thing that is read, the inputs tried on it, and what must hold: the right thing, or one InitiumError."""

import contextlib
import io
import json
import math
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import hostile
import numpy as np
import safetensors
import safetensors.torch
import torch
import typer
from bounds import attempt, check_shown
from hypothesis import strategies as st

import initium.torch
from initium import Plan, _cli, array, cite, parse, warm_start
from initium._as_exit import as_exit
from initium._checkpoint import read
from initium._compare import show
from initium._model_name import model_function
from initium._recipes import parse_recipe
from initium._study._data import BUILT_IN, load_data
from initium._study._kept import open_store
from initium._study._run import Run
from initium._study._study import Study
from initium._study._toml import read_toml
from initium.init import Initialiser
from initium.init._weight import Weight
from initium.torch._architectures import sizes_of

sys.path.append(str(Path(__file__).parents[1] / "checkpoint"))  # this runs without pytest too
from checkpoints import buffer, choice

NET = Plan(
    (
        choice("0.weight", (6, 4), "he_normal", tied=("tied.weight",)),
        choice("0.bias", (6,), "zeros", axes="o", role="bias"),
        choice("1.weight", (8, 6), "orthogonal", dtype="bfloat16", blocks=2),
        choice("table", (5, 8), "normal(std=0.02)", axes="vo", role="embedding", padding=1),
    ),
    buffers=(buffer("mean", (4,), "zeros"), buffer("count", (), "zeros", "int64")),
    notes=("the input was made up",),
)
SEED = 3
_MOST = 200_000  # bytes of a plan whose numbers are drawn too


@dataclass(frozen=True)
class Target:
    """Something that is read.

    Attributes:
        name: of it, and of the folder of its corpus.
        inputs: a strategy of bytes.
        check: that what is read of the bytes, in an empty folder, is right or refused.
    """

    name: str
    inputs: st.SearchStrategy[bytes]
    check: Callable[[bytes, Path], Any]


def _bytes(text):
    return text.encode("utf-8", "surrogatepass")


def _text(data):
    return data.decode("utf-8", "surrogatepass")


def command(function, **kwargs):
    """Run a command: what it refuses is one message, and exit code 2."""
    with contextlib.redirect_stdout(io.StringIO()) as out, contextlib.redirect_stderr(io.StringIO()) as refused:
        try:
            with as_exit():
                function(**kwargs)
            code = 0
        except typer.Exit as error:
            code = error.exit_code
    check_shown(out.getvalue() + refused.getvalue())
    assert (code == 2) == bool(refused.getvalue()), (code, refused.getvalue())
    assert code < 2 or not out.getvalue()
    return code


# Plans and manifests


def check_plan(data, folder):
    file = folder / "plan.json"
    file.write_bytes(data)
    (folder / "w.safetensors").write_bytes(CHECKPOINT)
    plan = attempt(lambda: Plan.load(file))
    code = command(_cli.verify, file=str(folder / "w.safetensors"), plan=str(file), seed=None)
    if plan is None:
        assert code == 2
        return
    for text in (str(plan), repr(plan), str(plan.diff(NET)), str(NET.diff(plan)), cite(plan)):
        check_shown(text)
    for path in {one.path for one in plan.choices}:
        check_shown(plan.explain(path))
    assert not plan.diff(plan)
    plan.save(folder / "again.json")
    assert Plan.load(folder / "again.json") == plan
    attempt(lambda: plan.verify(folder / "w.safetensors"))
    check_written(plan, folder)


def check_written(plan, folder):
    """What is written is read by safetensors, and equal."""
    sizes = [math.prod(one.param.shape) for one in plan.choices] + [math.prod(one.shape) for one in plan.buffers]
    if 8 * sum(sizes) > _MOST:
        return
    written = attempt(lambda: plan.write(folder / "new.safetensors", seed=SEED))
    if written is not None:
        check_shown(str(written))
        assert plan.verify(written.path, seed=SEED)
        held = dict(safetensors.deserialize(written.path.read_bytes()))
        assert held.keys() == written.sha256.keys()


def check_manifest(data, folder):
    file = folder / "w.json"
    file.write_bytes(data)
    (folder / "w.safetensors").write_bytes(CHECKPOINT)
    found = attempt(lambda: read(file))
    code = command(_cli.verify, file=str(folder / "w.safetensors"), plan=str(file), seed=None)
    assert (found is None) <= (code == 2)
    if code == 0:
        assert Plan.of(found[0]).digest(found[1].seed if found[1] else 0) == NET.digest(SEED)


# Texts

WEIGHTS = (
    Weight(shape=(6, 4), axes="oi"),
    Weight(shape=(4,), axes="o"),
    Weight(shape=(6, 4, 3, 3), axes="oihw"),
    Weight(shape=(9, 8), axes="vo"),
    Weight(shape=(12, 6), axes="oi", blocks=3),
)


def check_spec(data, folder):
    text = _text(data)
    init = attempt(lambda: parse(text))
    recipe = attempt(lambda: parse_recipe(text))
    attempt(lambda: sizes_of(text, "", "mlp(1, 2)"))
    if text.partition("(")[0].strip() not in BUILT_IN:
        attempt(lambda: load_data(text))
    if recipe is not None:
        assert parse_recipe(str(recipe)) == recipe or not recipe.version
    if init is not None:
        assert parse(str(init)) == init
        for weight in WEIGHTS:
            attempt(lambda weight=weight: _check_law(init, weight))


def _check_law(init: Initialiser, weight: Weight):
    law = init.law(weight)
    law.rms(weight)
    check_shown(law.words(weight))
    if law.how != "kept":
        found = array(init, weight.shape, seed=SEED, path="w", axes=weight.axes, blocks=weight.blocks)
        assert found.shape == weight.shape


_files = st.sampled_from(
    ["ok.py", "no.py", "folder.py", "broken.py", "json.py", ".py", "/.py", "./ok.py", "no_such_module"]
)
_model_names = st.one_of(
    st.tuples(_files, st.one_of(hostile.words, st.sampled_from(["build", "bild", "C", "x", "build.a"]))).map(":".join),
    hostile.words.map("no_such_{}".format),
    hostile.words.map("{}.py:build".format),
    hostile.words.map(":{}".format),
)


def check_model_name(data, folder):
    (folder / "ok.py").write_text("def build(): return 7\nclass C:\n  def __init__(self, a): pass\nx = 3\n")
    (folder / "broken.py").write_text("raise ValueError('\\x1b[2J')\n")
    (folder / "folder.py").mkdir()
    where, colon, name = _text(data).rpartition(":")
    inside = f"{folder}/{where}" if where.endswith(".py") else where
    build = attempt(lambda: model_function(f"{inside}{colon}{name}"))
    assert build is None or attempt(build) == 7


# Files of numbers


def check_safetensors(data, folder):
    file = folder / "w.safetensors"
    file.write_bytes(data)
    found = attempt(lambda: NET.verify(file, seed=SEED))
    (folder / "plan.json").write_text(PLAN_TEXT)
    code = command(_cli.verify, file=str(file), plan=str(folder / "plan.json"), seed=SEED)
    assert code == (2 if found is None else 0 if found else 1)
    if not found:
        return
    theirs = dict(safetensors.deserialize(data))  # which must not refuse what we call equal
    assert theirs.keys() <= {*TENSORS, "tied.weight"}
    unlike = {name for name, one in theirs.items() if bytes(one["data"]) != TENSORS.get(name, TENSORS["0.weight"])}
    assert unlike <= set(found.close)


def check_index(data, folder):
    shards = dict(SHARDS)
    (folder / "other.safetensors").write_bytes(CHECKPOINT)
    for name, content in shards.items():
        (folder / name).write_bytes(content)
    index = folder / "w.safetensors.index.json"
    index.write_bytes(data)
    found = attempt(lambda: NET.verify(index, seed=SEED))
    if found:
        assert json.loads(data)["weight_map"] == json.loads(INDEX)["weight_map"]
    if found is not None:
        check_shown(str(found))
    written = attempt(lambda: NET.write(folder / "w.safetensors", seed=SEED + 1, shards=2))
    assert (folder / "other.safetensors").read_bytes() == CHECKPOINT
    if written is not None:
        assert NET.verify(written.path, seed=SEED + 1)


def check_npz(data, folder):
    (folder / "d.npz").write_bytes(data)
    found = attempt(lambda: load_data(str(folder / "d.npz")))
    if found is not None:
        assert np.isfinite(found.x_train).all()


def check_store(data, folder):
    (folder / "s.db").write_bytes(data)
    found = attempt(lambda: show(folder / "s.db"))
    if found is not None:
        check_shown(str(found))


def check_toml(data, folder):
    (folder / "s.toml").write_bytes(data)
    attempt(lambda: read_toml(str(folder / "s.toml")))


# Checkpoints that a model begins from


def check_warm(ending):
    """Whatever a file holds: the model has its numbers afterwards, or is as it was."""

    def check(data, folder):
        file = folder / f"w.{ending}"
        file.write_bytes(data)
        before = {name: value.clone() for name, value in WARM.state_dict().items()}
        plan = attempt(lambda: warm_start(WARM_GRAPH, file))
        done = attempt(lambda: plan.apply(WARM)) if plan else None
        here = WARM.state_dict()
        if done is None:
            assert all(torch.equal(value, here[name]) for name, value in before.items())
            return
        check_shown(str(plan))
        check_shown(str(done))
        assert all(torch.isfinite(value).all() for value in here.values())
        plan.save(folder / "plan.json")
        assert Plan.load(folder / "plan.json") == plan

    return check


def _saved(state, ending):
    """A file of a state dict, as bytes."""
    out = io.BytesIO()
    if ending == "npz":
        np.savez(out, **{name: value.numpy() for name, value in state.items()})
    else:
        torch.save({"model": state, "epoch": 3}, out, _use_new_zipfile_serialization=ending == "pt")
    return out.getvalue()


WARM = torch.nn.Sequential(torch.nn.Linear(4, 3), torch.nn.BatchNorm1d(3), torch.nn.Linear(3, 2))
WARM_GRAPH = initium.torch.survey(WARM)
_WARM_FILE = safetensors.torch.save({f"model.{name}": value for name, value in WARM.state_dict().items()})
_WARM_LENGTH = int.from_bytes(_WARM_FILE[:8], "little")


def _warm_reheaded(text):
    return len(text).to_bytes(8, "little") + text + _WARM_FILE[8 + _WARM_LENGTH :]


def _store():
    """A study of two starts and two runs, as its file."""
    import tempfile

    curve = ((1.0, 1.1, 0.1), (0.1, 0.2, 0.5))
    iris = load_data("iris")
    study = Study("mlp", iris, ["zeros", "ones"], seeds=2, epochs=1)
    with tempfile.TemporaryDirectory() as name, open_store(study, Path(name) / "s.db", resume=False) as store:
        for start in study.inits:
            for number in (0, 1):
                merits, units = np.ones(len(iris.y_test)), ((3,), (3,), (3,))
                run = Run(start.name, number, *zip(*curve, strict=True), merits, *units, cell=study.key)
                store.finish(run.row)
        store.close()
        return (Path(name) / "s.db").read_bytes()


def _made():
    """A checkpoint, its shards with their index, and what it holds."""
    import tempfile

    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        NET.write(folder / "w.safetensors", seed=SEED)
        whole = (folder / "w.safetensors").read_bytes()
        (folder / "w.safetensors").unlink()
        written = NET.write(folder / "w.safetensors", seed=SEED, shards=2)
        NET.save(folder / "plan.json")
        shards = {file.name: file.read_bytes() for file in written.files}
        return whole, shards, written.path.read_bytes(), (folder / "plan.json").read_text()


CHECKPOINT, SHARDS, INDEX, PLAN_TEXT = _made()
TENSORS = {name: bytes(one["data"]) for name, one in safetensors.deserialize(CHECKPOINT)}
MANIFEST_TEXT = NET.manifest(SEED)
_LENGTH = int.from_bytes(CHECKPOINT[:8], "little")


def _reheaded(text):
    return len(text).to_bytes(8, "little") + text + CHECKPOINT[8 + _LENGTH :]


def _npz(packed):
    x, y, out = np.arange(20.0).reshape(10, 2), np.arange(10) % 2, io.BytesIO()
    (np.savez_compressed if packed else np.savez)(out, x_train=x, y_train=y, x_test=x, y_test=y)
    return out.getvalue()


def _either(base):
    return st.one_of(hostile.edited(json.loads(base)), hostile.changed(_bytes(base)))


TARGETS = (
    Target("plans", _either(PLAN_TEXT), check_plan),
    Target("manifests", _either(MANIFEST_TEXT), check_manifest),
    Target("specs", hostile.specs.map(_bytes), check_spec),
    Target("model_names", _model_names.map(_bytes), check_model_name),
    Target(
        "safetensors",
        st.one_of(
            hostile.edited(json.loads(CHECKPOINT[8 : 8 + _LENGTH])).map(_reheaded),
            hostile.changed(CHECKPOINT[8 : 8 + _LENGTH]).map(_reheaded),
            hostile.changed(CHECKPOINT),
        ),
        check_safetensors,
    ),
    Target("indexes", _either(INDEX.decode()), check_index),
    Target("stores", hostile.changed(_store()), check_store),
    Target("studies", hostile.changed(b'inits = ["zeros"]\nlr = [0.1, 1]\n[rules]\n"head.*" = "ones"\n'), check_toml),
    Target(
        "warm_safetensors",
        st.one_of(
            hostile.edited(json.loads(_WARM_FILE[8 : 8 + _WARM_LENGTH])).map(_warm_reheaded),
            hostile.changed(_WARM_FILE),
        ),
        check_warm("safetensors"),
    ),
    Target("warm_torch", hostile.changed(_saved(WARM.state_dict(), "pt")), check_warm("pt")),
    Target("warm_old_torch", hostile.changed(_saved(WARM.state_dict(), "old")), check_warm("pth")),
    Target("warm_npz", hostile.changed(_saved(WARM.state_dict(), "npz")), check_warm("npz")),
    Target("npz", st.one_of(hostile.changed(_npz(False)), hostile.changed(_npz(True))), check_npz),
)
