"""Language models, as their authors or the library that everyone loads them from start them."""

import math

from .._graph import Graph, Param
from .._rule import Rule
from ..init import Initialiser, lecun_normal, normal
from ._attention import block_by_block
from ._branches import depths, ends_branch, ends_of
from ._embeddings import embeddings
from ._ends import is_head
from ._recipe import USUAL, recipe


@recipe(version=2, cites=("radford2019language",))
def gpt2(graph: Graph, std: float = 0.02) -> tuple[Rule, ...]:
    """GPT-2: one small Gaussian, smaller where a residual branch ends.

    Formula: weights, embeddings, positions, tokens: N(0, std^2); what ends a residual branch: std / sqrt(N), N branches
        in its stream, two a layer; biases 0; normalisation: 1 and 0

    Use: GPT-like language models. Pre-norm, of a width near 768.

    Args:
        graph: of the model.
        std: of all weights that end no branch.

    Differs: OpenAI's released code draws positions with 0.01 and scales no branch; here it is the paper's words as in
        transformers and nanoGPT.

    Reference: Radford et al., "Language Models are Unsupervised Multitask Learners", 2019, section 2.3; transformers
        5.23, GPT2PreTrainedModel. [radford2019language]
    """
    if not graph.is_traced:
        depths(graph, "gpt2")

    def smaller(param: Param) -> Initialiser:
        branch = param.use.branch
        return normal(std=std / math.sqrt(branch.depth if branch else 1))

    return (Rule(role="weight", when=ends_branch, start=smaller, because=ends_of), *_one_std(std))


@recipe(version=2, cites=("touvron2023llama",))
def llama(graph: Graph, std: float = 0.02) -> tuple[Rule, ...]:
    """Llama: one small Gaussian for all.

    Formula: weights and embeddings: N(0, std^2), the same at every depth; biases, if any, 0; normalisation: 1

    Use: Llama-like language models.

    Args:
        graph: of the model.
        std: of everything that is drawn.

    Differs: the paper names no start. This is that of transformers; torchtitan has smaller stds the deeper a layer
        stands, for attention's output and two of the feed-forward net's three matrices.

    Reference: Touvron et al., "LLaMA: Open and Efficient Foundation Language Models", 2023; transformers 5.23,
        LlamaPreTrainedModel. [touvron2023llama]
    """
    return _one_std(std)


@recipe(version=2, cites=("devlin2019bert",))
def bert(graph: Graph, std: float = 0.02) -> tuple[Rule, ...]:
    """BERT: one small Gaussian for all.

    Formula: weights, embeddings, positions: N(0, std^2); padding row 0; biases 0; normalisation: 1 and 0

    Use: BERT-like encoders.

    Args:
        graph: of the model.
        std: of everything that is drawn.

    Differs: Google's code cuts at two stds without correction, which realises 0.0176; here as in transformers.

    Reference: Devlin, Chang, Lee, Toutanova, "BERT", NAACL 2019, appendix A.2; transformers 5.23,
        BertPreTrainedModel. [devlin2019bert]
    """
    return _one_std(std)


def _one_std(std: float) -> tuple[Rule, ...]:
    return (
        Rule(role="weight", start=normal(std=std), because=f"std {std:g} throughout"),
        *embeddings(normal(std=std), f"std {std:g} throughout"),
        Rule(role="token", start=normal(std=std), because=f"std {std:g} throughout"),
        *USUAL,
    )


@recipe(version=2, cites=("raffel2020exploring",))
def t5(graph: Graph, factor: float = 1.0) -> tuple[Rule, ...]:
    """T5: every std by its own width, and attention without 1/sqrt(head size).

    Formula: times factor: embeddings N(0, 1), q: (d k)^-1/2, d the width and k the head size, all other weights
        fan_in^-1/2; relative positions d^-1/2; an untied head 1; biases 0; normalisation: 1

    Use: T5-like models. q takes the place of attention's 1/sqrt(k), which the model leaves out.
    Avoid: attention that is divided by sqrt(k): q would be that much too small.

    Args:
        graph: of the model.
        factor: of all stds.

    Reference: Raffel et al., "Exploring the Limits of Transfer Learning with a Unified Text-to-Text Transformer", JMLR
        2020; transformers 5.23, T5PreTrainedModel, after Mesh TensorFlow. [raffel2020exploring]
    """
    tables = [param for param in graph.params if param.role == "embedding"]
    width = max(tables, key=lambda param: math.prod(param.shape)).size("o") if tables else 1

    def by_width(param: Param) -> Initialiser:
        fan_in = param.parts[0].fans.fan_in
        query = normal(std=factor / math.sqrt(fan_in * (param.use.head_size or 1) or 1))
        return block_by_block(param, lambda part: query if part == "query" else lecun_normal(gain=factor))

    relative = normal(std=factor / math.sqrt(width or 1))
    return (
        Rule(role="weight", when=is_head, start=normal(std=factor), because="an untied head"),
        Rule(role="weight", start=by_width, because=_t5_reason),
        Rule(role="position", start=relative, because="relative position, 1/sqrt(width)"),
        *embeddings(normal(std=factor), "an embedding of unit variance"),
        Rule(role="token", start=normal(std=factor), because="as an embedding"),
        *USUAL,
    )


def _t5_reason(param: Param) -> str:
    is_query = "query" in (*param.packs, *param.use.followed_by)
    return f"query, 1/sqrt({param.size('i')} * {param.use.head_size})" if is_query else "1/sqrt(fan_in)"
