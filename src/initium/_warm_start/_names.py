"""Names of one tensor in two places: what wrappers and older libraries made of them."""

import re
from collections.abc import Iterable
from functools import lru_cache

# What PyTorch's wrappers put into names, wherever they stand; no module of a model is called so.
_WRAPPERS = {"_orig_mod", "_fsdp_wrapped_module", "_checkpoint_wrapped_module"}
# What older libraries call the last part of a name, and what newer ones do.
_LAST = {"gamma": "weight", "beta": "bias"}
# Weight norms as they were, and as `torch.nn.utils.parametrizations` has them: a hyphened end of any weight's name.
_NORMS = {"_g": "original0", "_v": "original1"}
_NORMED = re.compile(r"(?P<name>weight|bias|weight_[ih]h_l\d+(_reverse)?)(?P<part>_[gv])")
# A recurrent cell calls its weights as a layer of one does, but for the layer.
_CELL = re.compile(r"(weight|bias)_([ih]h)_l0")


@lru_cache(maxsize=1 << 16)  # each name is looked at from several sides
def plain(name: str) -> str:
    """A name as every library has it by now."""
    *owners, last = [part for part in name.split(".") if part not in _WRAPPERS] or [name]
    if found := _NORMED.fullmatch(last):
        owners, last = [*owners, "parametrizations", found["name"]], _NORMS[found["part"]]
    elif cell := _CELL.fullmatch(last):
        last = f"{cell[1]}_{cell[2]}"
    return ".".join([*owners, _LAST.get(last, last)])


def renaming(here: str, there: str) -> str:
    """Which parts of two names of one tensor differ, as a clause."""
    ours, theirs = here.split("."), there.split(".")
    more = [part for part in theirs if part in _WRAPPERS and part not in ours]
    if more and plain(there) == here:
        return f"its name without `{more[0]}.`"
    same = next((index for index, pair in enumerate(zip(ours, theirs, strict=False)) if pair[0] != pair[1]), 0)
    return f"called `{'.'.join(theirs[same:])}` there"


def suffixes(name: str) -> Iterable[str]:
    """A dotted name and its ends, the longest first."""
    while True:
        yield name
        _, dot, name = name.partition(".")
        if not dot:
            return
