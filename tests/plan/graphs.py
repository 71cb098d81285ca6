"""Graphs made by hand: what a tracer would find, without one."""

from initium._graph import Branch, Graph, Param, Use

DEPTH = 3


def param(path, shape, axes, role, **facts):
    facts = {"because": role, **facts}
    return Param(path=path, shape=shape, axes=axes, role=role, **facts)


def weight(path, shape, *, fed_by="unknown", moment=None, followed_by=(), branch=None, **facts):
    use = Use(operation="dense", fed_by=fed_by, moment=moment, followed_by=followed_by, branch=branch)
    return param(path, shape, facts.pop("axes", "oi"), "weight", because="multiplied and summed", uses=(use,), **facts)


def norm(path, size):
    use = Use(operation="normalisation")
    return [
        param(f"{path}.weight", (size,), "o", "scale", layer="LayerNorm", uses=(use,)),
        param(f"{path}.bias", (size,), "o", "shift", layer="LayerNorm", uses=(use,)),
    ]


def block(index):
    first = Branch(stream=0, number=index + 1, depth=DEPTH, layer=1, layers=2, is_last=False)
    last = Branch(stream=0, number=index + 1, depth=DEPTH, layer=2, layers=2, is_last=True)
    qkv = {"blocks": 3, "packs": ("query", "key", "value"), "followed_by": ("query", "key", "value")}
    return [
        *norm(f"h.{index}.ln_1", 8),
        weight(f"h.{index}.c_attn.weight", (8, 24), axes="io", fed_by="normalisation", moment=1.0, branch=first, **qkv),
        weight(f"h.{index}.c_proj.weight", (8, 8), fed_by="gelu", moment=0.425, branch=last, layer="Linear"),
        param(f"h.{index}.c_proj.bias", (8,), "o", "bias", bias_of=f"h.{index}.c_proj.weight"),
    ]


def gpt():
    """A little transformer whose head is its embedding."""
    words = Use(operation="embedding", fed_by="tokens", followed_by=("residual stream",))
    head = Use(operation="dense", fed_by="normalisation", moment=1.0, followed_by=("output",))
    embedding = param("wte.weight", (50, 8), "vo", "embedding", tied=("lm_head.weight",), padding=0, uses=(words, head))
    blocks = [one for index in range(DEPTH) for one in block(index)]
    return Graph((embedding, *blocks, *norm("ln_f", 8)), notes=("the input was made up: `ids` int64 (2, 16)",))
