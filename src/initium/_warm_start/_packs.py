"""packed: tensors that are one on one side and several on the other, such as q, k and v."""

from collections.abc import Iterator, Mapping, Sequence

from .._stored import Stored
from ._match import Match, Part
from ._names import plain
from ._target import Target

# What several matrices one after another are called, and what each of them is. No `query_key_value`: libraries that
# call it so lay the three out head by head.
_QKV = ("qkv", "qkv_proj", "to_qkv", "Wqkv", "c_attn", "in_proj")
_EACH = (
    ("q", "k", "v"),
    ("q_proj", "k_proj", "v_proj"),
    ("query", "key", "value"),
    ("to_q", "to_k", "to_v"),
    ("wq", "wk", "wv"),
    ("q_lin", "k_lin", "v_lin"),
)
_PACKS = (
    *((whole, each) for whole in _QKV for each in _EACH),
    ("gate_up_proj", ("gate_proj", "up_proj")),
    ("w13", ("w1", "w3")),
    ("w12", ("w1", "w2")),
    # The gates of a recurrence, as PyTorch's documentation calls each.
    ("weight_ih", ("W_ii", "W_if", "W_ig", "W_io")),
    ("weight_hh", ("W_hi", "W_hf", "W_hg", "W_ho")),
    ("bias_ih", ("b_ii", "b_if", "b_ig", "b_io")),
    ("bias_hh", ("b_hi", "b_hf", "b_hg", "b_ho")),
)
# PyTorch's attention calls its weights without a dot.
_JOINED = {"in_proj_weight": "in_proj.weight", "in_proj_bias": "in_proj.bias"}


def packed(targets: Sequence[Target], wanted: Mapping[str, str], tensors: Mapping[str, Stored]) -> dict[str, Match]:
    """What each target is a part of, or is made of.

    Args:
        targets: of the model, which have found nothing by their names.
        wanted: how the checkpoint would call each, by its path.
        tensors: of the checkpoint, which nobody has taken.
    """
    by_name = {_dotted(plain(name)): name for name in tensors}
    sizes = {wanted[target.path]: target.shape[0] for target in targets if target.shape}
    sizes = {_dotted(name): size for name, size in sizes.items()}
    found: dict[str, Match] = {}
    for target in targets:
        here = _dotted(wanted[target.path])
        if len(target.shape) not in (1, 2):
            continue
        made = next((one for one in _options(here, by_name, sizes)), None)
        if made:
            found[target.path] = made
    return found


def _dotted(name: str) -> str:
    owner, dot, last = name.rpartition(".")
    return f"{owner}{dot}{_JOINED.get(last, last)}"


def _options(here: str, by_name: Mapping[str, str], sizes: Mapping[str, int]) -> Iterator[Match]:
    parts = here.split(".")
    for index, part in enumerate(parts):
        for whole, each in _PACKS:

            def called(name: str, index: int = index) -> str:
                return ".".join([*parts[:index], name, *parts[index + 1 :]])

            if part == whole and all(called(one) in by_name for one in each):
                yield Match(tuple(by_name[called(one)] for one in each), f"{', '.join(each)} there, one after another")
            elif part in each and called(whole) in by_name and all(called(one) in sizes for one in each):
                split = tuple(sizes[called(one)] for one in each)
                which = f"{part} of `{whole}` there"
                yield Match((by_name[called(whole)],), which, part=Part(each.index(part), split))
