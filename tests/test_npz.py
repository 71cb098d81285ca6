import io
import struct
import zipfile

import numpy as np
import pytest

from initium import DataError
from initium._npz import NpzError, arrays

A = np.arange(12.0).reshape(3, 4)


def written(path, **members):
    """A file with members whose bytes are given."""
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in members.items():
            archive.writestr(f"{name}.npy", content)
    return path


def npy(shape, descr="<f8", data=b""):
    header = f"{{'descr': {descr!r}, 'fortran_order': False, 'shape': {shape!r}, }}\n".encode()
    return b"\x93NUMPY\1\0" + struct.pack("<H", len(header)) + header + data


@pytest.mark.parametrize("save", [np.savez, np.savez_compressed])
@pytest.mark.parametrize("array", [A, np.asfortranarray(A), A[0, 0], A[:0], A.astype(str), A > 5, A.astype(">i2")])
def test_arrays_are_as_numpy_reads_them(tmp_path, save, array):
    save(tmp_path / "a.npz", a=array, b=A)
    found, other = arrays(tmp_path / "a.npz", ["a", "b"], refuse=DataError)
    np.testing.assert_array_equal(found, np.load(tmp_path / "a.npz")["a"], strict=True)
    assert (found.dtype, found.flags.writeable, other.tolist()) == (array.dtype, True, A.tolist())


def test_what_it_lacks_is_told(tmp_path):
    np.savez(tmp_path / "a.npz", a=A, b=A)
    with pytest.raises(NpzError) as error:
        arrays(tmp_path / "a.npz", ["a", "x", "y"], refuse=DataError)
    assert str(error.value) == "has no x, y; it holds a, b"


@pytest.mark.parametrize(
    "member",
    [
        b"",
        b"no magic",
        npy((10**12,)),
        npy((2,), data=bytes(15)),
        npy((2,), data=bytes(17)),
        npy((-2,), data=bytes(16)),
        npy((2**62, 4)),
        npy((1,), "|O", bytes(8)),
        npy((1,), "<U1000000000"),
        npy((1,) * 65, data=bytes(8)),
        npy("(1,)" * 9999),
        npy((1,), [("a", "O")], bytes(8)),
    ],
    ids=str,
)
def test_a_member_that_is_no_array_of_plain_numbers_is_refused(tmp_path, member):
    with pytest.raises(NpzError, match="is not a readable file of plain arrays"):
        arrays(written(tmp_path / "a.npz", a=member), ["a"], refuse=DataError)


@pytest.mark.parametrize("flag", [1, 64])  # encrypted, and in a way that nobody knows
def test_an_archive_that_cannot_be_opened_is_refused(tmp_path, flag):
    out = io.BytesIO()
    np.savez(out, a=A)
    data = bytearray(out.getvalue())
    data[data.index(b"PK\1\2") + 8] |= flag
    (tmp_path / "a.npz").write_bytes(data)
    with pytest.raises(NpzError, match="is not a readable file of plain arrays"):
        arrays(tmp_path / "a.npz", ["a"], refuse=DataError)


def test_an_archive_that_is_packed_by_another_method_is_refused(tmp_path):
    with zipfile.ZipFile(tmp_path / "a.npz", "w", zipfile.ZIP_LZMA) as archive:
        archive.writestr("a.npy", npy((1,), data=bytes(8)))
    with pytest.raises(NpzError):
        arrays(tmp_path / "a.npz", ["a"], refuse=DataError)
