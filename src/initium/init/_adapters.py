"""Adapters for fine-tuning: W x becomes W x + (alpha / r) B A x. See `pissa` and `olora` as well."""

from ._elementary import zeros
from ._initialiser import Initialiser, initialiser
from ._variance_scaling import torch_default


@initialiser
def lora_a() -> Initialiser:
    """The factor of a LoRA adapter that meets the input.

    Formula: A (r, in) ~ U[-a, a], a = sqrt(1 / in)

    Use: the lower factor of a LoRA adapter. `lora_b` is the other. An embedding's adapter has zeros here
        and `normal` there.

    Differs: the paper says Gaussian; this is what its code and peft draw.

    Reference: Hu et al., "LoRA: Low-Rank Adaptation of Large Language Models", ICLR 2022, section 4.1, and the
        authors' code. https://arxiv.org/abs/2106.09685 [hu2022lora]

    Example:
        >>> str(lora_a())
        'lora_a'
    """
    return torch_default()


@initialiser
def lora_b() -> Initialiser:
    """The factor of a LoRA adapter that makes the output: 0, so that nothing changes at first.

    Formula: B (out, r) = 0

    Use: the upper factor of a LoRA adapter, with `lora_a`.

    Reference: Hu et al., "LoRA: Low-Rank Adaptation of Large Language Models", ICLR 2022, section 4.1.
        https://arxiv.org/abs/2106.09685 [hu2022lora]

    Example:
        >>> str(lora_b())
        'lora_b'
    """
    return zeros()
