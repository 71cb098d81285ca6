"""file_of: the file that is meant by what a user names as a checkpoint."""

import re
from os import PathLike
from pathlib import Path

from .._errors import CheckpointError
from .._reading import opened, path_of

SAFETENSORS, NPZ, TORCH = "safetensors", "npz", "torch"
# What Hugging Face's libraries save in a folder, the first that is there; an index stands before one of its files.
_IN_A_FOLDER = (
    "model.safetensors.index.json",
    "model.safetensors",
    "pytorch_model.bin.index.json",
    "pytorch_model.bin",
)
_OF_TORCH = (".pt", ".pth", ".bin", ".ckpt", ".tar")
_INDEX, SUFFIX = ".index.json", ".safetensors"
_ARCHIVE = b"PK\x03\x04"
_LONGEST = 100_000_000  # bytes of a header, as safetensors itself reads at most
_HUB = re.compile(r"[A-Za-z0-9][\w.-]*/[A-Za-z0-9][\w.-]*")
# Formats that hold numbers as no layer of a model has them, or none that is read here, by how they begin.
_OTHERS = {
    b"GGUF": "is a GGUF file, whose weights are quantised for another program. Take the checkpoint it was made from.",
    b"\x89HDF": "is an HDF5 file. Load it with Keras, and pass its weights as a dict of arrays.",
}


def file_of(source: str | PathLike[str]) -> Path:
    """The file that is meant: itself, or what a folder of Hugging Face's holds.

    Raises:
        CheckpointError: if there is none; of a hub's name, with the command that fetches it.
        SettingError: if it is no path.
    """
    path = path_of(source)
    if path.is_dir():
        return _in_folder(path)
    text = str(source)
    if not path.exists() and _HUB.fullmatch(text) and not path.parent.exists():
        raise CheckpointError(
            f"There is no file '{text}'. If it is a model of the Hugging Face Hub, fetch it first: "
            f"`hf download {text} --local-dir {path.name}`, and pass '{path.name}'."
        )
    return path


def _in_folder(path: Path) -> Path:
    found = [path / name for name in _IN_A_FOLDER if (path / name).is_file()]
    if not found:
        there = sorted(one.name for one in path.iterdir() if one.suffix in (".safetensors", ".npz", *_OF_TORCH))
        hint = f" Name one of its files: {', '.join(there[:5])}." if there else ""
        raise CheckpointError(f"The folder '{path}' holds none of {', '.join(_IN_A_FOLDER)}.{hint}")
    return found[0]


def format_of(path: Path) -> str:
    """Which kind of file it is, by its name, and by how it begins.

    Raises:
        CheckpointError: if it is of no kind that is read here.
    """
    with opened(path, refuse=CheckpointError) as file:
        begins = file.read(9)
    for mark, what in _OTHERS.items():
        if begins.startswith(mark):
            raise CheckpointError(f"'{path}' {what}")
    name = path.name.removesuffix(_INDEX)
    if name.endswith(SUFFIX):
        if begins.startswith(_ARCHIVE):
            raise CheckpointError(f"'{path}' is an archive, as PyTorch and NumPy write them: name it .pt, or .npz.")
        return SAFETENSORS
    if name.endswith(".npz"):
        return NPZ
    if name.endswith(_OF_TORCH):
        if begins.endswith(b"{") and int.from_bytes(begins[:8], "little") < _LONGEST:
            raise CheckpointError(f"'{path}' is a safetensors file by how it begins: name it {SUFFIX}.")
        return TORCH
    raise CheckpointError(
        f"'{path}' is no checkpoint by its name: one ends in .safetensors, .npz, {', '.join(_OF_TORCH)}."
    )
