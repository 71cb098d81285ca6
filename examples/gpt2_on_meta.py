"""GPT-2 from its config: built without memory, decided, and every weight drawn once.

The constructor of transformers draws each weight two to three times over. Here it runs on tensors without memory, and
what its last draw of each parameter would have been becomes the plan.
"""

import torch
from transformers import GPT2Config, GPT2LMHeadModel

from initium import plan
from initium.torch import deferred


def main():
    """Print what the author draws, what was filled, and the loss on random tokens."""
    model = deferred(GPT2LMHeadModel, GPT2Config(n_layer=4, n_embd=256, n_head=4))
    print(f"built on {model.device}: {sum(p.numel() for p in model.parameters()):,} parameters, no memory")
    decided = plan(model, "author")
    print(decided)
    print(decided.apply(model, seed=0))
    assert model.lm_head.weight is model.transformer.wte.weight  # still tied
    tokens = torch.arange(128).reshape(2, 64)
    with torch.no_grad():
        loss = model.eval()(tokens, labels=tokens).loss
    print(f"loss {loss:.2f}; guessing has {torch.tensor(50257.0).log():.2f}")


if __name__ == "__main__":
    main()
