import warnings

import pytest
import torch
from torch import nn
from torch.distributed.algorithms._checkpoint.checkpoint_wrapper import checkpoint_wrapper

import initium
from initium import ModelError
from initium.torch import read


def test_layers_say_what_each_parameter_does():
    model = nn.Sequential(
        nn.Conv2d(8, 16, 3, stride=2, groups=4),
        nn.BatchNorm2d(16),
        nn.PReLU(),
        nn.ConvTranspose1d(6, 4, 3, bias=False),
        nn.Linear(5, 2),
    )
    found = {p.path: (p.role, p.axes, p.groups, p.stride, p.transposed) for p in read(model).params}
    assert found == {
        "0.weight": ("weight", "oihw", 4, 4, False),
        "0.bias": ("bias", "o", 1, 1, False),
        "1.weight": ("scale", "o", 1, 1, False),
        "1.bias": ("shift", "o", 1, 1, False),
        "2.weight": ("kept", "o", 1, 1, False),
        "3.weight": ("weight", "iow", 1, 1, True),
        "4.weight": ("weight", "oi", 1, 1, False),
        "4.bias": ("bias", "o", 1, 1, False),
    }


def test_a_shared_parameter_counts_once_by_its_first_name():
    model = nn.Sequential(nn.Linear(3, 3), nn.Linear(3, 3))
    model[1].weight = model[0].weight
    assert [(p.path, p.tied) for p in read(model).params] == [
        ("0.weight", ("1.weight",)),
        ("0.bias", ()),
        ("1.bias", ()),
    ]


def test_a_shared_module_counts_once_by_its_first_name():
    layer = nn.Linear(3, 3, bias=False)
    assert [(p.path, p.tied) for p in read(nn.Sequential(layer, layer)).params] == [("0.weight", ("1.weight",))]


def test_a_wrapped_model_has_the_bare_models_names():
    assert [p.path for p in read(nn.DataParallel(nn.Sequential(nn.Linear(2, 2)))).params] == ["0.weight", "0.bias"]


class Own(nn.Module):
    def __init__(self):
        super().__init__()
        self.weight = nn.Parameter(torch.ones(4, 3))
        self.gain = nn.Parameter(torch.ones(4))


def test_a_layer_of_ones_own_is_read_as_output_by_input():
    params = read(Own()).params
    assert [(p.path, p.role, p.axes) for p in params] == [("weight", "weight", "oi"), ("gain", "kept", "o")]


@pytest.mark.parametrize(
    "layer", [nn.LayerNorm(4), nn.GroupNorm(2, 4), nn.RMSNorm(4), nn.BatchNorm1d(4), nn.InstanceNorm1d(4, affine=True)]
)
def test_a_normalisation_has_a_scale_and_a_shift(layer):
    found = {name: (p.role, p.use.operation, p.because) for name, p in read(layer).by_path.items()}
    assert found["weight"] == ("scale", "normalisation", "scale of a normalisation")
    assert found.get("bias", ("shift",))[0] == "shift"


def test_the_slope_of_an_activation_is_kept():
    (slope,) = read(nn.PReLU(4)).params
    assert (slope.role, slope.use.operation, slope.because) == ("kept", "activation", "slope of an activation")


@pytest.mark.parametrize(
    ("layer", "packs"),
    [
        (nn.LSTM(3, 4), ("input", "forget", "cell", "output")),
        (nn.LSTMCell(3, 4), ("input", "forget", "cell", "output")),
        (nn.GRU(3, 4, bidirectional=True), ("reset", "update", "new")),
        (nn.GRUCell(3, 4), ("reset", "update", "new")),
        (type("OwnCell", (nn.LSTMCell,), {})(3, 4), ("input", "forget", "cell", "output")),
        (type("Own", (nn.GRU,), {})(3, 4), ("reset", "update", "new")),
        (nn.RNN(3, 4), ()),
    ],
)
def test_a_recurrent_layer_packs_its_gates(layer, packs):
    for path, param in read(layer).by_path.items():
        is_bias = path.startswith("bias")
        assert (param.packs, param.blocks) == (packs, max(len(packs), 1))
        assert (param.role, param.axes) == (("bias", "o") if is_bias else ("weight", "oi"))
        assert param.bias_of == (path.replace("bias", "weight") if is_bias else None)
        assert (param.use.operation, param.use.fed_by) == ("recurrent", "state" if "_hh" in path else "unknown")
        if not is_bias:
            assert param.fans == (param.shape[1], 4)


def test_the_projection_of_a_state_is_one_matrix():
    found = read(nn.LSTM(3, 8, proj_size=2)).by_path["weight_hr_l0"]
    assert (found.packs, found.blocks, found.fans, found.use.fed_by) == ((), 1, (8, 2), "cell")


def test_attention_packs_query_key_and_value_unless_they_differ_in_width():
    packed = read(nn.MultiheadAttention(8, 2, add_bias_kv=True)).by_path
    assert (packed["in_proj_weight"].packs, packed["in_proj_weight"].fans) == (("query", "key", "value"), (8, 8))
    assert (packed["in_proj_bias"].bias_of, packed["in_proj_bias"].blocks) == ("in_proj_weight", 3)
    assert (packed["bias_k"].role, packed["out_proj.weight"].role) == ("token", "weight")
    separate = read(nn.MultiheadAttention(8, 2, kdim=4, vdim=6)).by_path
    assert [separate[f"{name}_proj_weight"].fans for name in "qkv"] == [(8, 8), (4, 8), (6, 8)]


def test_embeddings_and_pairs_are_known():
    model = nn.Sequential(nn.Embedding(5, 3, padding_idx=1), nn.EmbeddingBag(5, 3), nn.Bilinear(2, 3, 4))
    found = read(model).by_path
    assert [(found[f"{i}.weight"].role, found[f"{i}.weight"].axes) for i in range(3)] == [
        ("embedding", "vo"),
        ("embedding", "vo"),
        ("weight", "oii"),
    ]
    assert (found["0.weight"].padding, found["1.weight"].padding) == (1, None)


class Named(nn.Module):
    """A user's own modules, called as wrappers call what they wrap."""

    def __init__(self):
        super().__init__()
        self.module, self._orig_mod = nn.Linear(2, 3), nn.Linear(3, 2)
        self.weight = nn.Parameter(torch.ones(2))
        self.register_buffer("_fsdp_wrapped_module", torch.ones(1))

    def forward(self, x):
        return self._orig_mod(self.module(x)) * self.weight


@pytest.mark.filterwarnings("ignore:.*torch.jit.script_method")  # of torch.compile's own imports
@pytest.mark.parametrize(
    "wrap",
    [
        lambda model: model,
        nn.DataParallel,
        torch.compile,
        checkpoint_wrapper,
        lambda model: torch.compile(nn.DataParallel(nn.DataParallel(model))),
        lambda model: checkpoint_wrapper(nn.DataParallel(torch.compile(checkpoint_wrapper(model)))),
    ],
)
def test_only_what_real_wrappers_add_is_left_out_of_a_name(wrap):
    model = wrap(Named())
    plan = initium.initialize(model, 0)
    assert [choice.path for choice in plan.choices] == [name for name, _ in Named().named_parameters()]
    assert [buffer.path for buffer in plan.buffers] == ["_fsdp_wrapped_module"]
    bare = Named()
    initium.initialize(bare, 0)
    assert all(map(torch.equal, model.parameters(), bare.parameters()))


def test_wrappers_within_a_model_are_left_out_of_names():
    inner = nn.DataParallel(checkpoint_wrapper(nn.DataParallel(nn.Linear(2, 3))))
    assert [param.path for param in read(nn.Sequential(inner, nn.Linear(3, 2))).params] == [
        "0.weight",
        "0.bias",
        "1.weight",
        "1.bias",
    ]


def test_a_bias_knows_its_weight_and_buffers_are_named():
    graph = read(nn.DataParallel(nn.Sequential(nn.Linear(2, 2), nn.BatchNorm1d(2))))
    assert graph.by_path["0.bias"].bias_of == "0.weight"
    assert [(buffer.path, buffer.shape, buffer.dtype, buffer.is_saved) for buffer in graph.buffers] == [
        ("1.running_mean", (2,), "float32", True),
        ("1.running_var", (2,), "float32", True),
        ("1.num_batches_tracked", (), "int64", True),
    ]
    assert not graph.is_traced


def test_a_frozen_parameter_is_kept():
    layer = nn.Linear(3, 2)
    layer.weight.requires_grad_(False)
    assert [(p.path, p.role) for p in read(layer).params] == [("weight", "kept"), ("bias", "bias")]


class Wider(nn.Linear):
    def __init__(self):
        super().__init__(3, 2)
        self.mixing = nn.Parameter(torch.ones(4, 2, 3))


def test_what_a_layer_of_ones_own_holds_beside_pytorchs_is_its_own():
    found = read(Wider()).by_path
    assert (found["weight"].because, found["weight"].axes) == ("Linear", "oi")
    assert (found["mixing"].because, found["mixing"].axes) == ("its own layer's, read as (output, input, space)", "oiw")


def test_a_wrapper_with_parameters_of_its_own_is_refused():
    class Wider(nn.DataParallel):
        def __init__(self):
            super().__init__(nn.Linear(4, 3))
            self.extra = nn.Linear(3, 2)

    with pytest.raises(ModelError) as error:
        initium.torch.trace(Wider())
    assert str(error.value) == (
        "Wider wraps a model and has parameters of its own, `extra.weight`, `extra.bias`. "
        "Put them into the model that is wrapped."
    )


def test_names_that_collide_without_their_wrappers_are_refused():
    model = nn.DataParallel(nn.ModuleDict({"fc": nn.Linear(2, 2)}))
    model.fc = nn.Linear(2, 2)
    with pytest.raises(ModelError, match=r"Two parameters are called `fc\.weight` once wrappers are stripped"):
        read(model)


def test_layers_not_known_yet_are_named_not_guessed():
    hidden = nn.utils.parametrizations.weight_norm
    model = nn.Sequential(hidden(nn.Linear(3, 4, bias=False)), hidden(nn.Linear(4, 4)), nn.LazyLinear(2))
    with pytest.raises(ModelError) as error:
        read(model)
    assert str(error.value) == (
        "Initium does not know yet what these parameters do:\n"
        "  0.parametrizations.weight.original0  (ParametrizationList)\n"
        "  0.parametrizations.weight.original1  (ParametrizationList)\n"
        "  1.parametrizations.weight.original0  (ParametrizationList)\n"
        "  1.parametrizations.weight.original1  (ParametrizationList)\n"
        "  2.weight  (LazyLinear)\n... and 1 more\n"
        "Only `framework` can start such a model, or write the layer with Linear and Conv."
    )


def compiled(model):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return torch.jit.script(model)


def test_a_model_without_parameters_is_noted():
    graph = read(nn.Flatten())
    assert (graph.params, graph.notes) == ((), ("this model has no parameters",))


@pytest.mark.parametrize(
    ("model", "message"),
    [
        (3, "`read` takes a torch.nn.Module, not an int."),
        (compiled(nn.Linear(2, 3)), "The model is compiled by torch.jit. Pass the model as it was before."),
        (
            nn.Sequential(*[compiled(nn.Linear(2, 3)) for _ in range(7)]),
            "`0`, `1`, `2`, `3`, `4` and 2 more are compiled by torch.jit. Pass the model as it was before.",
        ),
    ],
)
def test_what_holds_no_parameters_that_can_be_named_is_refused(model, message):
    with pytest.raises(ModelError) as error:
        read(model)
    assert str(error.value) == message
