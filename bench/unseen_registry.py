"""Sixty models of timm and transformers, the same each time, each with a batch, for bench/unseen.py."""

import functools
from collections.abc import Callable, Iterator
from typing import Any

import torch
from torch import nn
from unseen_models import smooth_images

# Drawn by random.Random(16).shuffle of `timm.list_models()`, and of transformers' sorted MODEL_MAPPING_NAMES (timm
# 1.0.31, transformers 5.23.0): from the front the first thirty that build with these options and run, of each family
# (timm's file, a name's first word) one. Not those of more than 15 (transformers: 6) million parameters, of more than
# 2.5 (1.5) seconds a batch, or of several configurations.
TIMM = (
    "cpubone_nano resnet18d rexnet_130 mobilenetv2_035 test_vit_relpos pit_ti_224 regnetx_004 cspnext_s "
    "gmixer_12_224 regnetz_c16_evos repghostnet_130 lcnet_100 sebotnet33ts_256 nf_resnet26 efficientvit_b1 "
    "hardcorenas_c csatv2 mambaout_kobe vit_pe_core_tiny_patch16_384 shvit_s1 poolformer_s12 ese_vovnet19b_dw "
    "levit_128 coatnet_nano_rw_224 cs3darknet_focus_m test_vit4 vit_tiny_r_s16_p8_224 dpn68 "
    "deit_tiny_distilled_patch16_224 dla60x_c "
)
SIZED = (  # those that have to be told how many pixels come
    "test_vit_relpos pit_ti_224 gmixer_12_224 regnetz_c16_evos sebotnet33ts_256 vit_pe_core_tiny_patch16_384 "
    "levit_128 coatnet_nano_rw_224 test_vit4 vit_tiny_r_s16_p8_224 deit_tiny_distilled_patch16_224 "
)
# By the class that builds them and what they take.
TRANSFORMERS = {
    ("AutoModel", "input_ids"): "muse_spark_text visual_bert",
    ("AutoModelForCausalLM", "input_ids"): (
        "hrm_text ctrl gpt2 bert-generation megatron-bert inkling_text mimo_v2_flash internlm3 olmo3 flint "
        "bloom xlm-roberta glm4_moe rembert seed_oss falcon_mamba "
    ),
    ("AutoModelForImageClassification", "pixel_values"): "dinov2_with_registers swiftformer",
    ("AutoModel", "pixel_values"): "clip_vision_model radio siglip_vision_model",
    ("AutoModelForMaskedLM", "input_ids"): "convbert yoso squeezebert flaubert",
    ("AutoModelForCTC", "input_values"): "unispeech-sat sew-d",
    ("AutoModel", "input_values decoder_input_ids"): "moonshine",
}
# Small: whatever of these a configuration has. Each line a size and the attributes that get it.
SIZES = """
64 hidden_size d_model n_embd dim embedding_size word_embed_proj_dim n_positions max_position_embeddings
2 num_hidden_layers n_layer n_layers num_layers encoder_layers decoder_layers num_key_value_heads num_experts_per_tok
4 num_attention_heads n_head n_heads num_heads encoder_attention_heads decoder_attention_heads
4 num_experts num_local_experts n_routed_experts
128 intermediate_size hidden_dim d_ff ffn_dim encoder_ffn_dim decoder_ffn_dim n_inner vocab_size
16 head_dim d_kv
32 moe_intermediate_size image_size
8 patch_size
10 num_labels
0 pad_token_id
1 bos_token_id decoder_start_token_id
2 eos_token_id
"""


def drawn(library: Callable[[str], Any]) -> Iterator[tuple[str, Callable[[], nn.Module], Any, bool]]:
    """Of each its name, a builder, a batch, and whether the output are logits; `library` imports one."""
    create = library("timm").create_model
    for name in TIMM.split():
        options = {"num_classes": 10} | ({"img_size": 64} if name in SIZED.split() else {})
        yield name, functools.partial(create, name, **options), smooth_images(4, 3, 64), True
    for (auto, inputs), names in TRANSFORMERS.items():
        for name in names.split():
            build = functools.partial(_transformer, library("transformers"), name, auto)
            yield name, build, _batch(inputs), auto != "AutoModel"


def _transformer(library: Any, name: str, auto: str) -> nn.Module:
    kind = library.CONFIG_MAPPING[name]
    default = kind()
    sizes = {key: int(size) for size, *keys in map(str.split, SIZES.strip().splitlines()) for key in keys}
    config = kind(**{key: size for key, size in sizes.items() if hasattr(default, key)})
    return getattr(library, auto).from_config(config)


def _batch(inputs: str) -> dict[str, torch.Tensor]:
    numbers = torch.Generator().manual_seed(0)
    tokens = {"input_ids": 16, "decoder_input_ids": 8}
    made = {
        "pixel_values": lambda: smooth_images(2, 3, 32),
        "input_values": lambda: torch.randn(2, 4000, generator=numbers),
    }
    return {
        name: torch.randint(3, 128, (2, tokens[name]), generator=numbers) if name in tokens else made[name]()
        for name in inputs.split()
    }
