"""Models of timm and transformers, small where their start does not depend on their size."""

from collections.abc import Callable
from typing import NamedTuple

from torch import nn
from torch_edge.zoo import library


class Author(NamedTuple):
    """A model, and what is known of how it starts.

    Attributes:
        build: returns it.
        num_params: how many parameters it has.
        others: the last names of those that no start says, and how many of each there are.
    """

    build: Callable[[], nn.Module]
    num_params: int
    others: dict[str, int]


AUTHORS: dict[str, Author] = {}


def _enter(name, build, num_params, others):
    AUTHORS[name] = Author(build, num_params, others)


def timm(name, num_params, **kwargs):
    """A model of timm; what it is told besides makes it small."""
    _enter(name, lambda: library("timm").create_model(name, pretrained=False, **kwargs), num_params, {})


def transformers(name, config, num_params, *, others=None, **kwargs):
    """A model of transformers with a small configuration."""

    def build():
        module = library("transformers")
        return getattr(module, name)(getattr(module, config)(**kwargs))

    _enter(name, build, num_params, others or {})


timm("resnet18", 62)
timm("vit_tiny_patch16_224", 152)
timm("vit_small_patch16_224", 32, depth=2, weight_init="jax")
timm("deit3_small_patch16_224", 36, depth=2)
timm("beit_base_patch16_224", 39, depth=2)
timm("eva02_tiny_patch14_224", 32, depth=2)
timm("cait_xxs24_224", 80, depth=2)
timm("convnext_atto", 128)
timm("convnextv2_atto", 140)
timm("swin_tiny_patch4_window7_224", 82, depths=(1, 1, 2, 1))
timm("efficientnet_b0", 213)
timm("mobilenetv3_small_100", 142)
timm("densenet121", 364)
timm("regnety_002", 186)
timm("nfnet_l0", 221)
timm("mixer_s32_224", 102)
timm("gmlp_ti16_224", 306)
timm("levit_128s", 169)
timm("xcit_nano_12_p16_224", 103, depth=2)
timm("maxvit_pico_rw_256", 440)
timm("pvt_v2_b0", 178)
timm("repvgg_a0", 168)
timm("crossvit_tiny_240", 304)
timm("hiera_tiny_224", 61, stages=(1, 1, 1, 1))
timm("inception_v3", 284, aux_logits=False)

_DECODER = {
    "vocab_size": 512, "hidden_size": 64, "intermediate_size": 160, "num_hidden_layers": 2, "num_attention_heads": 4,
    "num_key_value_heads": 2, "pad_token_id": 3, "bos_token_id": 1, "eos_token_id": 2,
}  # fmt: skip
_ENCODER = {
    "vocab_size": 512, "hidden_size": 64, "intermediate_size": 160, "num_hidden_layers": 2, "num_attention_heads": 4,
}  # fmt: skip
_PAIR = {
    "vocab_size": 512, "d_model": 64, "encoder_layers": 2, "decoder_layers": 2, "encoder_attention_heads": 4,
    "decoder_attention_heads": 4, "encoder_ffn_dim": 128, "decoder_ffn_dim": 128, "max_position_embeddings": 96,
    "pad_token_id": 1, "bos_token_id": 0, "eos_token_id": 2, "decoder_start_token_id": 2, "forced_eos_token_id": None,
}  # fmt: skip
transformers(
    "GPT2LMHeadModel",
    "GPT2Config",
    28,
    n_layer=2,
    n_embd=64,
    n_head=4,
    n_positions=32,
    vocab_size=512,
    bos_token_id=0,
    eos_token_id=0,
)
transformers("LlamaForCausalLM", "LlamaConfig", 21, **_DECODER)
transformers("Qwen2ForCausalLM", "Qwen2Config", 27, **_DECODER)
transformers("Gemma3ForCausalLM", "Gemma3TextConfig", 28, **_DECODER, head_dim=16)
transformers("MixtralForCausalLM", "MixtralConfig", 21, **_DECODER, num_local_experts=4)
transformers(
    "DeepseekV3ForCausalLM",
    "DeepseekV3Config",
    30,
    **_DECODER | {"num_key_value_heads": 4},
    n_routed_experts=8,
    n_group=2,
    topk_group=1,
    num_experts_per_tok=2,
    moe_intermediate_size=32,
    q_lora_rank=16,
    kv_lora_rank=16,
    qk_rope_head_dim=8,
    qk_nope_head_dim=8,
    v_head_dim=16,
    first_k_dense_replace=1,
)
transformers(
    "Qwen3NextForCausalLM",
    "Qwen3NextConfig",
    34,
    **_DECODER,
    num_experts=4,
    head_dim=16,
    linear_num_value_heads=4,
    linear_num_key_heads=2,
    linear_key_head_dim=16,
    linear_value_head_dim=16,
    moe_intermediate_size=32,
    shared_expert_intermediate_size=32,
    layer_types=["linear_attention", "full_attention"],
)
transformers(
    "RecurrentGemmaForCausalLM", "RecurrentGemmaConfig", 44, **_DECODER, lru_width=64, attention_window_size=32
)
transformers(
    "MambaForCausalLM",
    "MambaConfig",
    22,
    vocab_size=512,
    hidden_size=64,
    num_hidden_layers=2,
    pad_token_id=0,
    bos_token_id=0,
    eos_token_id=0,
)
transformers(
    "Mamba2ForCausalLM",
    "Mamba2Config",
    21,
    vocab_size=512,
    hidden_size=64,
    num_hidden_layers=2,
    num_heads=16,
    head_dim=8,
    n_groups=2,
    pad_token_id=0,
    bos_token_id=0,
    eos_token_id=0,
)
transformers(
    "RwkvForCausalLM",
    "RwkvConfig",
    42,
    vocab_size=512,
    hidden_size=64,
    num_hidden_layers=2,
    bos_token_id=0,
    eos_token_id=0,
)
transformers(
    "OPTForCausalLM",
    "OPTConfig",
    36,
    vocab_size=512,
    hidden_size=64,
    ffn_dim=128,
    num_hidden_layers=2,
    num_attention_heads=4,
    word_embed_proj_dim=64,
    max_position_embeddings=64,
)
transformers("BertForMaskedLM", "BertConfig", 42, **_ENCODER)
transformers("AlbertModel", "AlbertConfig", 25, **_ENCODER | {"pad_token_id": 0, "bos_token_id": 2, "eos_token_id": 3})
transformers("ElectraModel", "ElectraConfig", 39, **_ENCODER)
transformers(
    "DistilBertModel",
    "DistilBertConfig",
    36,
    vocab_size=512,
    dim=64,
    hidden_dim=128,
    n_layers=2,
    n_heads=4,
    sinusoidal_pos_embds=True,
)
transformers("XLNetModel", "XLNetConfig", 36, vocab_size=512, d_model=64, n_layer=2, n_head=4, d_inner=128)
transformers(
    "T5ForConditionalGeneration",
    "T5Config",
    47,
    vocab_size=512,
    d_model=64,
    d_kv=16,
    d_ff=128,
    num_layers=2,
    num_heads=4,
)
transformers("BartModel", "BartConfig", 91, **_PAIR)
transformers("MarianModel", "MarianConfig", 87, **_PAIR)
transformers(
    "WhisperModel",
    "WhisperConfig",
    89,
    **_PAIR | {"max_position_embeddings": None},
    max_source_positions=60,
    max_target_positions=40,
    num_mel_bins=16,
)
transformers(
    "Wav2Vec2Model",
    "Wav2Vec2Config",
    46,
    others={"original0": 1},
    hidden_size=64,
    num_hidden_layers=2,
    num_attention_heads=4,
    intermediate_size=128,
    conv_dim=(32, 32),
    conv_stride=(5, 2),
    conv_kernel=(10, 3),
)
transformers(
    "CLIPModel",
    "CLIPConfig",
    78,
    projection_dim=32,
    text_config={
        "vocab_size": 512,
        "hidden_size": 64,
        "intermediate_size": 128,
        "num_hidden_layers": 2,
        "num_attention_heads": 4,
        "bos_token_id": 1,
        "eos_token_id": 2,
    },
    vision_config={
        "hidden_size": 64,
        "intermediate_size": 128,
        "num_hidden_layers": 2,
        "num_attention_heads": 4,
        "image_size": 32,
        "patch_size": 8,
    },
)
transformers(
    "ViTMAEForPreTraining",
    "ViTMAEConfig",
    62,
    hidden_size=64,
    num_hidden_layers=2,
    num_attention_heads=4,
    intermediate_size=128,
    image_size=64,
    patch_size=8,
    decoder_hidden_size=32,
    decoder_num_hidden_layers=1,
    decoder_num_attention_heads=4,
    decoder_intermediate_size=64,
)
transformers("Dinov2Model", "Dinov2Config", 43, hidden_size=64, num_hidden_layers=2, num_attention_heads=4)
transformers("SegformerModel", "SegformerConfig", 108, hidden_sizes=[16, 32, 48, 64], depths=[1, 1, 1, 1])
