"""Residual nets that train without normalisation, or a thousand layers deep: the start follows the depth."""

from collections.abc import Callable

from .. import init
from .._graph import Graph, Param
from .._rule import Rule
from ..init import Initialiser, glorot_normal, glorot_uniform, lecun_normal, zeros
from ._attention import block_by_block, parts_of
from ._branches import Stack, depths, ends_branch, stacks
from ._classics import unit_rows
from ._embeddings import embeddings
from ._ends import is_head
from ._lines import used_as
from ._recipe import USUAL, recipe
from ._vision import by_outputs


@recipe(version=2, cites=("zhang2019fixup",))
def fixup(graph: Graph) -> tuple[Rule, ...]:
    """Fixup: residual nets without normalisation.

    Formula: He's std sqrt(2 / (o k)), o outputs of k positions; inside residual branches times L^(-1 / (2m - 2)), L
        branches in the net of m weights each; what ends a branch 0; the head 0; multipliers 1; biases 0

    Use: residual nets without normalisation. The model brings Fixup's scalars.
    Avoid: nets with normalisation, which need none of it.

    Differs: Fixup's scalar biases before each weight and the multiplier of each branch are parts of the model, which a
        start cannot add. The authors' code leaves the stem as PyTorch draws it, and has no attention.

    Reference: Zhang, Dauphin, Ma, "Fixup Initialization", ICLR 2019, section 3, and the authors' code.
        https://arxiv.org/abs/1901.09321 [zhang2019fixup]
    """
    num_branches = sum(depths(graph, "fixup").values())

    def inside(param: Param) -> Initialiser:
        branch = param.use.branch
        return init.fixup(num_branches, max(2, branch.layers if branch else 2))

    def reason(param: Param) -> str:
        branch = param.use.branch
        return f"one of {branch.layers} weights in one of {num_branches} branches" if branch else param.because

    return (
        Rule(role="weight", when=ends_branch, start=zeros(), because="ends residual branch, which starts as nothing"),
        Rule(role="weight", when=is_head, start=zeros(), because="the head starts at 0"),
        Rule(role="weight", when=lambda param: param.use.branch is not None, start=inside, because=reason),
        Rule(role="weight", start=by_outputs, because="ReLU, by outputs times positions"),
        Rule(role="scale", start=used_as(1.0, "a multiplier starts at 1")),
        *embeddings(unit_rows, "rows of length 1"),
        *USUAL,
    )


@recipe(version=2, cites=("huang2020improving",))
def t_fixup(graph: Graph) -> tuple[Rule, ...]:
    """T-Fixup: transformers without layer normalisation and without warm-up.

    Formula: Glorot uniform for all; v, out and the feed-forward net times 0.67 N^(-1/4) in an encoder of N layers,
        times (9 M)^(-1/4) in a decoder of M; embeddings N(0, 1/d) times (9 N)^(-1/4), d their width, the padding row 0;
        learned positions and the head N(0, 1/d); biases 0

    Use: transformers without layer normalisation. Without warm-up.
    Avoid: models with layer normalisation.

    Differs: the authors' code, made from fairseq's layers, leaves q and k at 1/sqrt(2) of Glorot's. A stack without
        another one beside it is taken for an encoder, whether it is causal or not: both have two branches a layer. An
        embedding of the decoder's own counts the encoder's layers too.

    Reference: Huang, Perez, Ba, Volkovs, "Improving Transformer Optimization Through Better Initialization", ICML
        2020, section 3, and the authors' code. [huang2020improving]
    """
    found = stacks(graph, "t_fixup")
    layers = next((stack.layers for stack in found.values() if stack.part == "encoder"), 1)
    return (
        *_by_stack(found, glorot_uniform(), lambda stack: init.t_fixup(stack.layers, stack.part)),
        Rule(role="position", start=unit_rows, because="rows of length 1"),
        *embeddings(init.t_fixup(layers, "embedding"), f"an embedding that {layers} layers read"),
        Rule(role="token", start=unit_rows, because="rows of length 1"),
        *USUAL,
    )


@recipe(version=2, cites=("wang2022deepnet",))
def deepnorm(graph: Graph) -> tuple[Rule, ...]:
    """DeepNet: transformers of up to a thousand layers, x = LayerNorm(alpha x + f(x)).

    Formula: Glorot normal for all; v, out and the feed-forward net with gain beta: (8 N)^(-1/4) in N layers alone,
        0.87 (N^4 M)^(-1/16) in an encoder of N beside a decoder of M, (12 M)^(-1/4) in the decoder; embeddings,
        positions and the head N(0, 1/d), d the width; biases 0; normalisation: 1 and 0

    Use: very deep post-norm transformers. The model multiplies its skips by alpha.
    Avoid: skips without alpha, which are the model's to multiply: (2 N)^(1/4) alone; 0.81 (N^4 M)^(1/16) and
        (3 M)^(1/4) in encoder and decoder.

    Differs: the authors' code (torchscale) gives beta to PyTorch's own start of each layer: the Glorot uniform that it
        has, with q, k and v at 1/sqrt(2), is called for second copies of multiway layers alone. Beside a decoder it
        divides an encoder's weights by (N^4 M)^(1/16) / 1.15, which is 1.15 for 0.87, its reciprocal. Here it is the
        paper's figure 2. What that leaves open, such as the embeddings, is as in the code.

    Reference: Wang et al., "DeepNet: Scaling Transformers to 1,000 Layers", 2022, figure 2; torchscale.
        https://arxiv.org/abs/2203.00555 [wang2022deepnet]
    """
    found = stacks(graph, "deepnorm")
    return (
        *_by_stack(found, glorot_normal(), lambda stack: init.deepnorm(stack.layers, stack.others, stack.part)),
        *embeddings(unit_rows, "rows of length 1"),
        Rule(role="token", start=unit_rows, because="rows of length 1"),
        *USUAL,
    )


def _by_stack(found: dict[str, Stack], plain: Initialiser, scaled: Callable[[Stack], Initialiser]) -> tuple[Rule, ...]:
    """Rules for weights: query and key start plain, what their stack adds up is scaled."""

    def start(param: Param) -> Initialiser:
        other = scaled(found[param.path])
        return block_by_block(param, lambda part: plain if part in ("query", "key") else other)

    def reason(param: Param) -> str:
        stack, part = found[param.path], " ".join(parts_of(param)) or "feed-forward net"
        return f"{part}, {stack.part} of {stack.layers} layers" + (f" beside {stack.others}" if stack.others else "")

    return (
        Rule(role="weight", when=lambda param: param.path in found, start=start, because=reason),
        Rule(role="weight", when=is_head, start=lecun_normal(), because="head, 1/sqrt(width)"),
        Rule(role="weight", start=plain, because="outside the residual branches"),
    )
