"""The bits of stream version 1, and what names them."""

import hashlib
import math

import numpy as np
import pytest

from initium import SettingError, _stream
from initium._draw import draw
from initium._kernel import kernel, normal_between
from initium.init._law import Constant, Normal, TruncatedNormal, Uniform

DTYPES = {"float32": np.float32, "float64": np.float64, "float16": np.float16, "bfloat16": np.uint16}
LAWS = {
    "uniform(-0.1, 0.1)": Uniform(-0.1, 0.1),
    "normal(0, 1)": Normal(0, 1),
    "truncated_normal(0, 0.02, cut=2)": TruncatedNormal(0, 0.02, 2),
}


def test_the_key_is_blake2b_of_version_seed_and_path():
    message = b"initium/1\x00" + bytes([5, 0, 0, 0, 0, 0, 0, 0]) + "h.0.wö".encode()
    digest = hashlib.blake2b(message, digest_size=8).digest()
    assert _stream.key(5, "h.0.wö") == sum(byte << 8 * i for i, byte in enumerate(digest))
    assert _stream.key(0, "a") != _stream.key(1, "a") != _stream.key(1, "b")


def test_a_permutation_holds_each_index_once():
    order = _stream.permutation(_stream.key(3, "order.0"), 1437)
    assert sorted(order) == list(range(1437))
    assert not (order == np.arange(1437)).all()


# The first elements of "0.weight" under seed 0, as the bits that memory holds; a change here is a new version.
WORDS = [0xD040058C, 0xB0A5D3C0, 0x0FE0EDF8, 0x4DCF1A51, 0x88E49059, 0x353CC652]
# fmt: off
GOLDEN = {
    ("uniform(-0.1, 0.1)", "float32"): "bd80666f bd1bac3f 3c4b3f19 3d78fd21",
    ("uniform(-0.1, 0.1)", "float64"):
        "bfb00ccde8f18f38 bfa37587e6a84190 3f8967e326cff8d9 3faf1fa4207e3def",
    ("uniform(-0.1, 0.1)", "float16"): "ac03 a8dd 225a 2bc8",
    ("uniform(-0.1, 0.1)", "bfloat16"): "bd80 bd1c 3c4b 3d79",
    ("normal(0, 1)", "float32"): "bf640a47 befdeb5d 3e1fdaad 3f5b14aa",
    ("normal(0, 1)", "float64"):
        "bfec8148f0cf8ccd bfdfbd6b97807fd0 3fc3fb559b5506a8 3feb62954a243429",
    ("normal(0, 1)", "float16"): "bb20 b7ef 30ff 3ad9",
    ("normal(0, 1)", "bfloat16"): "bf64 befe 3e20 3f5b",
    ("truncated_normal(0, 0.02, cut=2)", "float32"): "bc9c3d19 bc2fabca 3b5df319 3c9646fa",
    ("truncated_normal(0, 0.02, cut=2)", "float64"):
        "bf9387a347552c0b bf85f57932ef740a 3f6bbe63447791b2 3f92c8df376eac87",
    ("truncated_normal(0, 0.02, cut=2)", "float16"): "a4e2 a17d 1af0 24b2",
    ("truncated_normal(0, 0.02, cut=2)", "bfloat16"): "bc9c bc30 3b5e 3c96",
}
# fmt: on


def test_the_words_of_version_1_never_change():
    assert _stream.words(_stream.key(0, "0.weight"), 0, 6).tolist() == WORDS


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("law", LAWS)
def test_the_bits_of_version_1_never_change(law, dtype):
    out = np.empty(4, DTYPES[dtype])
    draw(out, kernel(LAWS[law], dtype), key=_stream.key(0, "0.weight"))
    assert [f"{bits:x}" for bits in out.view(f"uint{8 * out.itemsize}").tolist()] == GOLDEN[law, dtype].split()


# The words of these elements are the last few of all 2^31, or the first few.
EXTREME = [220933509, 526640019, 345491357, 96871424]
# fmt: off
GOLDEN_EXTREME = {
    ("uniform(-0.1, 0.1)", "float32"): "3dcccccc bdcccccc bdcccccc af7fffff",
    ("uniform(-0.1, 0.1)", "float64"):
        "3fb99999991c2154 bfb9999998fb2c17 bfb99999982c481e bdee601e99999999",
    ("uniform(-0.1, 0.1)", "float16"): "2e66 ae66 ae66 8000",
    ("uniform(-0.1, 0.1)", "bfloat16"): "3dcd bdcd bdcd af80",
    ("normal(0, 1)", "float32"): "40c2b92d c0c0fdaf c0bd02d9 b1347a2b",
    ("normal(0, 1)", "float64"):
        "40185a6bf695e2b5 c01834105d44c7a7 c017a8c473a629aa be27cb335d73c020",
    ("normal(0, 1)", "float16"): "4616 c608 c5e8 8000",
    ("normal(0, 1)", "bfloat16"): "40c3 c0c1 c0bd b134",
    ("truncated_normal(0, 0.02, cut=2)", "float32"): "3d3a42d4 bd3a42d4 bd3a42d3 ae7aacb0",
    ("truncated_normal(0, 0.02, cut=2)", "float64"):
        "3fa7485a856479ae bfa7485a84dfff0c bfa7485a81a05f1d bdd08632f3dab1a9",
    ("truncated_normal(0, 0.02, cut=2)", "float16"): "29d2 a9d2 a9d2 8000",
    ("truncated_normal(0, 0.02, cut=2)", "bfloat16"): "3d3a bd3a bd3a ae7b",
    ("constant(0.1)", "float32"): "3dcccccd 3dcccccd 3dcccccd 3dcccccd",
    ("constant(0.1)", "float64"):
        "3fb999999999999a 3fb999999999999a 3fb999999999999a 3fb999999999999a",
    ("constant(0.1)", "float16"): "2e66 2e66 2e66 2e66",
    ("constant(0.1)", "bfloat16"): "3dcd 3dcd 3dcd 3dcd",
    ("between -1 and 9", "float32"): "40c39b6c bf800000 bf800000 3e4cfa52",
    ("between -1 and 9", "float64"):
        "401876b0515eca13 bfeffffffea7b627 bfeffffffce61b18 3fc99f4a90b2834a",
    ("between -1 and 9", "float16"): "461d bc00 bc00 3268",
    ("between -1 and 9", "bfloat16"): "40c4 bf80 bf80 3e4d",
}
# fmt: on


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("law", [*LAWS, "constant(0.1)", "between -1 and 9"])
def test_the_bits_of_the_far_tail_and_the_middle_never_change(law, dtype):
    assert extremes(law, dtype) == GOLDEN_EXTREME[law, dtype].split()


def extremes(law, dtype):
    others = {"constant(0.1)": kernel(Constant(0.1), dtype), "between -1 and 9": normal_between(0, 1, -1, 9, dtype)}
    made = others[law] if law in others else kernel(LAWS[law], dtype)
    out = np.empty(len(EXTREME), DTYPES[dtype])
    for i, element in enumerate(EXTREME):
        made.fill(out[i : i + 1], np.array([element], np.uint64), _stream.key(0, "0.weight"))
    return [f"{bits:x}" for bits in out.view(f"uint{8 * out.itemsize}").tolist()]


NUM = 1_000_000


def normals(seed, path):
    out = np.empty(NUM)
    draw(out, kernel(Normal(0, 1), "float64"), key=_stream.key(seed, path))
    return out


def test_neighbours_seeds_and_names_are_uncorrelated():
    base = normals(0, "h.0.w")
    others = {
        "next seed": normals(1, "h.0.w"),
        "next name": normals(0, "h.1.w"),
        "next element": np.roll(base, 1),
        "next block": np.roll(base, 4),
    }
    for name, other in others.items():
        assert abs(np.mean(base * other)) < 5 / math.sqrt(NUM), name


def test_half_a_letter_is_no_name():
    with pytest.raises(SettingError) as error:
        _stream.key(0, "a.\ud800")
    assert str(error.value) == r"A name is of whole letters, and 'a.\ud800' has half of one. Rename it."


def test_a_path_is_a_text():
    with pytest.raises(SettingError) as error:
        _stream.key(0, 3)  # pyright: ignore[reportArgumentType]
    assert str(error.value) == "A path is a weight's dotted name such as 'fc1.weight', not 3."
