"""Which tensor of a checkpoint is meant, whatever it is called there."""

import time

import pytest
import torch
from torch import nn
from warm import IMAGES, TOKENS, Block, Classifier, Encoder, net, same, saved, trained

from initium import CheckpointError, RuleError, warm_start
from initium._graph import Graph, Param
from initium._stored import Held
from initium._warm_start._matched import matched
from initium._warm_start._rename import renamed
from initium._warm_start._target import Target, targets_of


def started(model, source, **options):
    """A model that begins from what a source has under some names, and the plan."""
    plan = warm_start(model, source, **options)
    plan.apply(model)
    return plan


def under(model, rename):
    return {rename(name): value for name, value in model.state_dict().items()}


@pytest.mark.parametrize("prefix", ["module.", "model.", "_orig_mod.", "backbone.", "module.model.", "net._orig_mod."])
def test_a_prefix_that_all_names_have_is_found(prefix):
    source, model = trained(net(), IMAGES), net()
    plan = started(model, under(source, lambda name: prefix + name))
    assert same(model, source)
    assert plan.origin.left_out == ()


def test_a_wrapper_within_a_name_is_left_out_of_it():
    source, model = trained(Encoder()), Encoder()
    plan = started(model, under(source, lambda name: name.replace("layers.0.", "layers.0._orig_mod.")), example=TOKENS)
    assert same(model, source)
    assert plan["layers.0.q.weight"].because == "its name without `_orig_mod.`"


def test_one_prefix_is_changed_for_another_where_nothing_has_its_own_name():
    source, model = trained(Classifier()), Classifier()
    held = {name.replace("bert.", "roberta."): v for name, v in source.bert.state_dict(prefix="bert.").items()}
    plan = started(model, held, example=TOKENS)
    assert same(model.bert, source.bert)
    assert plan["bert.embed.weight"].because == "its name with `roberta.` for `bert.`"


def test_no_part_takes_anothers_numbers_where_names_are_their_own():
    held = {name.replace("bert.", "roberta."): v for name, v in trained(Classifier()).state_dict().items()}
    plan = started(Classifier(), held, example=TOKENS)
    assert {choice.path for choice in plan if choice.how == "loaded"} == {"classifier.weight", "classifier.bias"}
    assert (
        "29 names fit as its name with `roberta.` for `bert.`, which was not taken, since others are the model's own; "
        "if meant: rename={'roberta.*': 'bert.*'}"
    ) in plan.notes
    model = Classifier()
    started(model, held, rename={"roberta.*": "bert.*"}, example=TOKENS)
    assert same(model, trained(Classifier()))


class Stack(nn.Module):
    """Some layers, with others beside them that are not run."""

    def __init__(self, **depths):
        super().__init__()
        for name, depth in depths.items():
            setattr(self, name, nn.ModuleDict({"layers": nn.ModuleList(nn.Linear(4, 4) for _ in range(depth))}))

    def forward(self, x):
        for layer in next(self.children())["layers"]:
            x = torch.relu(layer(x))
        return x


def test_layers_that_a_checkpoint_lacks_are_not_those_of_its_other_part():
    plan = started(Stack(encoder=4), trained(Stack(encoder=2, decoder=4)), example=torch.ones(1, 4))
    assert [choice.path for choice in plan if choice.how == "loaded"] == [
        f"encoder.layers.{n}.{kind}" for n in range(2) for kind in ("weight", "bias")
    ]


@pytest.mark.parametrize("lacking", [1, 2])
def test_a_prefix_that_fits_nearly_as_well_is_told_too(lacking):
    source = trained(Encoder(depth=3)).state_dict()
    both = {f"teacher.{name}": value for name, value in source.items()}
    both |= {f"student.{name}": value for name, value in [*source.items()][:-lacking]}
    with pytest.raises(CheckpointError, match=r"rename=\{'student.\*': '\*'\}, or rename=\{'teacher.\*': '\*'\}"):
        warm_start(Encoder(depth=3), both, example=TOKENS)


def test_a_prefix_that_fits_less_well_is_in_the_notes():
    source = trained(Encoder()).state_dict()
    both = {f"student.{name}": value for name, value in [*source.items()][:-8]}
    both |= {f"teacher.{name}": value for name, value in source.items()}
    model = Encoder()
    plan = started(model, both, example=TOKENS)
    assert same(model, trained(Encoder()))
    assert (
        f"{len(source) - 8} names fit as its name with `student.` before it too, {len(source)} as its name with "
        "`teacher.` before it, which was taken; rename={'student.*': '*'} takes that"
    ) in plan.notes


def test_a_stray_name_hides_no_prefix_that_all_have():
    source, model = trained(net(), IMAGES), net()
    held = {**under(source, lambda name: f"net.{name}"), "0.weight": torch.zeros(4, 4)}
    started(model, held)
    assert same(model, source)
    held["0.weight"] = torch.zeros_like(source[0].weight)
    plan = started(model, held)
    assert same(model, source)
    [left] = plan.origin.left_out
    assert (left.name, left.because) == ("0.weight", "the model has `0.weight` from `net.0.weight`")


def test_names_of_its_own_are_not_filled_up_from_a_copy_beside_them():
    source, copy = trained(net(), IMAGES), trained(net(), IMAGES, seed=1)
    held = {**source.state_dict(), **under(copy, lambda name: f"ema.{name}")}
    del held["4.bias"]
    assert started(net(), held, example=IMAGES)["4.bias"].how == "constant"


def test_two_prefixes_that_fit_alike_are_told_and_none_is_taken():
    source = trained(Encoder()).state_dict()
    both = {f"{side}.{name}": value for side in ("student", "teacher") for name, value in source.items()}
    with pytest.raises(CheckpointError) as caught:
        warm_start(Encoder(), both, example=TOKENS)
    assert (
        "The names fit in 2 ways, so that none was taken: its name with `student.` before it, or its name with "
        "`teacher.` before it. Say which: rename={'student.*': '*'}, or rename={'teacher.*': '*'}."
    ) in str(caught.value)
    model = Encoder()
    plan = started(model, both, rename={"teacher.*": "*"}, example=TOKENS)
    assert plan["embed.weight"].because == "your rename teacher.*=*"
    assert {one.name.partition(".")[0] for one in plan.origin.left_out} == {"student"}


def test_names_that_only_end_alike_are_no_prefix():
    source = {"fc1.weight": torch.ones(3, 3), "fc2.weight": torch.ones(3, 3)}
    with pytest.raises(CheckpointError, match="None of the 2 tensors"):
        warm_start(nn.Sequential(nn.Linear(3, 3), nn.Linear(3, 3)), source)


@pytest.mark.parametrize(("old", "new"), [("norm.gamma", "norm.weight"), ("norm.beta", "norm.bias")])
def test_older_names_of_a_normalisation_are_known(old, new):
    source, model = trained(Encoder()), Encoder()
    plan = started(model, under(source, lambda name: name.replace(new, old)), example=TOKENS)
    assert same(model, source)
    assert plan[f"layers.1.{new}"].because == f"called `{old.rpartition('.')[2]}` there"


def test_a_parameter_that_is_called_gamma_itself_is_no_weight():
    class Scaled(nn.Module):
        def __init__(self):
            super().__init__()
            self.fc, self.gamma = nn.Linear(3, 3), nn.Parameter(torch.ones(3))

        def forward(self, x):
            return self.fc(x) * self.gamma

    source, model = trained(Scaled()), Scaled()
    started(model, source)
    assert same(model, source)


def test_a_weight_norm_of_before_is_one_of_now_and_back():
    old, new = nn.utils.weight_norm, nn.utils.parametrizations.weight_norm
    with pytest.warns(FutureWarning):
        source, other = (nn.Sequential(old(nn.Linear(4, 3))) for _ in range(2))
    source = trained(source)
    model, x = nn.Sequential(new(nn.Linear(4, 3))), torch.randn(5, 4)
    started(model, source.state_dict())
    assert torch.equal(model(x), source(x))
    started(other, model.state_dict())
    assert torch.equal(other(x), source(x))


def test_a_user_renames_by_globs():
    source, model = trained(Encoder()), Encoder()
    held = under(source, lambda name: name.replace("layers.", "h_").replace(".q.", ".Q."))
    plan = started(model, held, rename={"h_*.Q.*": "layers.*.q.*", "h_*": "layers.*"}, example=TOKENS)
    assert same(model, source)
    assert plan["layers.0.q.weight"].because == "your rename h_*.Q.*=layers.*.q.*"


def test_what_is_renamed_goes_by_its_new_name_alone():
    source = trained(net(), IMAGES)
    head = {"4.bias": torch.ones(3), "5.bias": torch.zeros(3)}
    held = {name: value for name, value in source.state_dict().items() if not name.startswith("4.")} | head
    plan = started(net(), held, rename={"4.bias": "5.bias", "5.bias": "4.bias"}, example=IMAGES)
    assert plan["4.bias"].because == "your rename 5.bias=4.bias"


@pytest.mark.parametrize("prefix", ["", "net."])
def test_what_is_renamed_away_is_not_there_any_more(prefix):
    held = under(trained(net(), IMAGES), lambda name: prefix + name)
    del held[f"{prefix}1.bias"]
    plan = started(net(), held, rename={f"{prefix}0.bias": "1.bias"}, skip="1.bias", example=IMAGES)
    assert plan["0.bias"].how == "constant"
    plan = started(net(), held, rename={f"{prefix}0.bias": "1.bias"}, example=IMAGES)
    assert plan["1.bias"].because == f"your rename {prefix}0.bias=1.bias"


def test_a_renamed_pack_is_a_pack_under_its_new_name_alone():
    source = trained(nn.Sequential(PackedBlock(8), PackedBlock(8)))
    held = {name.replace("qkv", "joined"): value for name, value in source.state_dict().items()}
    apart = nn.Sequential(Block(8), Block(8))
    started(apart, held, rename={"*.joined.*": "*.qkv.*"}, example=SIGNALS)
    torch.testing.assert_close(apart(SIGNALS), source(SIGNALS))
    started(apart, source, rename={"0.qkv.*": "1.qkv.*", "1.qkv.*": "0.qkv.*"}, example=SIGNALS)
    assert torch.equal(apart[0].k.weight, source[1].qkv.weight[8:16])


def test_a_new_name_that_the_model_lacks_is_refused_with_the_nearest():
    with pytest.raises(RuleError) as caught:
        warm_start(net(), trained(net(), IMAGES), rename={"4.weight": "4.wieght"}, example=IMAGES)
    assert str(caught.value) == (
        "rename '4.weight=4.wieght' calls `4.weight` `4.wieght`, which the model lacks. The closest is '4.weight'. "
        "To take nothing from it, `skip` what it is for."
    )
    with pytest.raises(RuleError, match="rename '4\\.\\*=old\\.\\*'"):
        warm_start(net(), trained(net(), IMAGES), rename={"4.*": "old.*"}, example=IMAGES)


def test_renames_that_say_nothing_or_too_much_are_refused():
    names = ["a.weight", "b.weight"]
    with pytest.raises(RuleError, match=r"has no tensor by the name 'a\.wieght'\. The closest is 'a.weight'"):
        renamed(names, {"a.wieght": "d"})
    with pytest.raises(RuleError, match="both have as many stars"):
        renamed(names, {"a.*": "d"})
    with pytest.raises(RuleError, match="rename maps globs to globs"):
        renamed(names, {"a.*": 3})
    with pytest.raises(CheckpointError) as caught:
        renamed(names, {"a.*": "b.*"})
    assert str(caught.value) == (
        "By `rename` several tensors get one name:\n  b.weight  a.weight, b.weight\nNarrow its globs."
    )


def split(model):
    """What a model of packed weights holds, block by block."""
    held = {}
    for name, value in model.state_dict().items():
        if ".qkv." in name:
            held |= {name.replace("qkv", part): one for part, one in zip("qkv", value.chunk(3), strict=True)}
        else:
            held[name] = value
    return held


class PackedBlock(Block):
    def __init__(self, width):
        super().__init__(width)
        del self.q, self.k, self.v
        self.qkv = nn.Linear(width, 3 * width)

    def forward(self, x):
        q, k, v = self.qkv(self.norm(x)).chunk(3, -1)
        x = x + self.out(torch.softmax(q @ k.transpose(1, 2), -1) @ v)
        return x + self.down(torch.relu(self.up(x)))


SIGNALS = torch.randn(2, 5, 8)


def test_packed_queries_keys_and_values_are_split_and_joined():
    source = trained(nn.Sequential(PackedBlock(8), PackedBlock(8)))
    apart, again = nn.Sequential(Block(8), Block(8)), nn.Sequential(PackedBlock(8), PackedBlock(8))
    plan = started(apart, source, example=SIGNALS)
    assert torch.equal(apart[1].k.weight, source[1].qkv.weight[8:16])
    assert torch.equal(apart[1].v.bias, source[1].qkv.bias[16:])
    assert str(plan["1.k.weight"].law.views) == "('rows 8 to 15',)"
    assert plan["1.k.weight"].because == "k of `qkv` there"
    torch.testing.assert_close(apart(SIGNALS), source(SIGNALS))
    plan = started(again, apart, example=SIGNALS)
    assert same(again, source)
    assert plan["1.qkv.weight"].because == "q, k, v there, one after another"
    assert plan.origin.left_out == ()


def test_pytorchs_attention_takes_queries_keys_and_values_apart():
    class Attention(nn.Module):
        def __init__(self):
            super().__init__()
            self.attn = nn.MultiheadAttention(8, 2)

        def forward(self, x):
            return self.attn(x, x, x)[0]

    source, model = trained(Attention()), Attention()
    held = dict(source.state_dict())
    for kind in ("weight", "bias"):
        parts = held.pop(f"attn.in_proj_{kind}").chunk(3)
        held |= {f"attn.{one}_proj.{kind}": part for one, part in zip("qkv", parts, strict=True)}
    started(model, held, example=SIGNALS)
    assert same(model, source)


def test_packed_blocks_may_be_of_unequal_size():
    class Grouped(nn.Module):
        def __init__(self, sizes):
            super().__init__()
            for name, size in sizes.items():
                setattr(self, name, nn.Linear(8, size))

        def forward(self, x):
            return torch.cat([layer(x) for layer in self.children()], -1)

    source, model = trained(Grouped({"qkv_proj": 14})), Grouped({"q_proj": 8, "k_proj": 4, "v_proj": 2})
    started(model, source, example=SIGNALS)
    assert torch.equal(model.v_proj.weight, source.qkv_proj.weight[12:])


def test_the_gates_of_a_cell_and_of_a_layer_are_the_same():
    source, model = trained(nn.LSTM(4, 3)), nn.LSTMCell(4, 3)
    started(model, source)
    assert torch.equal(model.weight_hh, source.weight_hh_l0)
    gates = {f"W_i{gate}": part for gate, part in zip("ifgo", source.weight_ih_l0.detach().chunk(4), strict=True)}
    held = {"bias_ih": model.bias_ih.detach(), **gates}
    other = nn.LSTMCell(4, 3)
    started(other, held)
    assert torch.equal(other.weight_ih, source.weight_ih_l0)


class Turned(nn.Module):
    """A dense layer that stores its weight (input, output)."""

    def __init__(self, inputs, outputs):
        super().__init__()
        self.weight, self.bias = nn.Parameter(torch.zeros(inputs, outputs)), nn.Parameter(torch.zeros(outputs))

    def forward(self, x):
        return x @ self.weight + self.bias


def blocks(dense):
    class One(nn.Module):
        def __init__(self):
            super().__init__()
            self.c_proj, self.c_fc, self.back = dense(6, 6), dense(6, 12), dense(12, 6)

        def forward(self, x):
            return x + self.back(torch.relu(self.c_fc(self.c_proj(x))))

    return nn.Sequential(One(), One())


@pytest.mark.parametrize(("here", "there"), [(nn.Linear, Turned), (Turned, nn.Linear)])
def test_matrices_of_layers_that_store_them_otherwise_are_transposed_square_ones_too(here, there):
    source, model, x = trained(blocks(there)), blocks(here), torch.randn(4, 6)
    plan = started(model, source, example=x)
    torch.testing.assert_close(model(x), source(x))
    assert plan["0.c_fc.weight"].law.views == ("transposed",)
    assert plan["1.c_proj.weight"].because == "its own name, square, and transposed as the others around it"


def test_square_matrices_of_layers_that_agree_stay_as_they_are():
    source, model = trained(blocks(nn.Linear)), blocks(nn.Linear)
    started(model, source)
    assert same(model, source)


def test_packed_and_transposed_at_once_as_in_gpt2():
    class Joined(nn.Module):
        def __init__(self, dense):
            super().__init__()
            self.c_attn, self.out = dense(6, 18), dense(6, 6)

        def forward(self, x):
            return self.out(sum(self.c_attn(x).chunk(3, -1)))

    class Apart(nn.Module):
        def __init__(self):
            super().__init__()
            self.q, self.k, self.v, self.out = (nn.Linear(6, 6) for _ in range(4))

        def forward(self, x):
            return self.out(self.q(x) + self.k(x) + self.v(x))

    source, model, x = trained(Joined(Turned)), Apart(), torch.randn(3, 6)
    plan = started(model, source, skip="out.*", example=x)
    assert torch.equal(model.k.weight, source.c_attn.weight[:, 6:12].T)
    assert plan["k.weight"].law.views == ("transposed", "rows 6 to 11")


def test_axes_of_size_1_are_added_and_dropped():
    source, model, x = trained(nn.Sequential(nn.Linear(5, 3))), nn.Sequential(nn.Conv2d(5, 3, 1)), torch.randn(2, 5)
    started(model, source, example=torch.zeros(2, 5, 4, 4))
    torch.testing.assert_close(model(x[:, :, None, None])[:, :, 0, 0], source(x))
    back = nn.Sequential(nn.Linear(5, 3))
    started(back, model)
    assert same(back, source)


def test_by_structure_every_pair_is_told():
    class Other(nn.Module):
        def __init__(self):
            super().__init__()
            self.stem, self.norm = nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4)
            self.head = nn.Linear(64, 3)

        def forward(self, x):
            return self.head(torch.relu(self.norm(self.stem(x))).flatten(1))

    source, model, x = trained(Other(), IMAGES), net(), torch.randn(2, 3, 6, 6)
    with pytest.raises(CheckpointError, match="structure=True pairs them"):
        warm_start(net(), source, example=IMAGES)
    plan = started(model, source, structure=True)
    torch.testing.assert_close(model.eval()(x), source(x))
    assert plan["0.weight"].because == "`stem.weight`, by its order and shape"
    assert plan["1.weight"].because == "`norm.weight`, by its order and shape"
    text = str(plan)
    assert all(f"`{name}`, by its order and shape" in text.replace("\n", " ") for name, _ in source.named_parameters())


def test_by_structure_unequal_numbers_pair_nothing_and_say_so():
    source = trained(nn.Sequential(*(nn.Linear(4, 4) for _ in range(3))))
    model = nn.ModuleDict({name: nn.Linear(4, 4) for name in "ab"})
    graph = Graph(tuple(warm_start_graph(model)))
    found = matched([*targets_of(graph)], tensors_of(source), {}, structure=True)
    assert found.by_path == {}
    assert found.notes == (
        "not paired by structure, since there are not as many: (4, 4) `weight`, 2 here and 3 there; "
        "(4,) `bias`, 2 here and 3 there",
    )


def warm_start_graph(model):
    for name, value in model.named_parameters():
        yield Param(path=name, shape=tuple(value.shape), axes="o" * value.ndim, role="weight", because="")


def tensors_of(model):
    return {name: Held(value.detach().numpy()) for name, value in model.state_dict().items()}


def test_names_that_a_file_sorted_as_text_are_ordered_as_people_count(tmp_path):
    source = trained(nn.Sequential(*(nn.Linear(4, 4) for _ in range(12))))
    file = saved(tmp_path / "w.safetensors", source, lambda name: f"layer{name}")
    model = nn.ModuleDict({f"x{chr(97 + n)}": nn.Linear(4, 4) for n in range(12)})
    model.forward = lambda x: x
    plan = warm_start(Graph(tuple(warm_start_graph(model))), file, structure=True)
    assert plan["xc.weight"].because == "`layer2.weight`, by its order and shape"
    assert "the checkpoint keeps its names sorted, so that only they tell the order of its layers" in plan.notes


def test_names_that_a_file_sorted_by_dtype_first_are_sorted_ones_too(tmp_path):
    layers = [layer for _ in range(6) for layer in (nn.Linear(4, 4), nn.BatchNorm1d(4))]
    file = saved(tmp_path / "w.safetensors", trained(nn.Sequential(*layers)))  # whole numbers come first there
    names = [f"{kind}{letter}" for letter in "abcdef" for kind in ("fc", "norm")]
    model = nn.ModuleDict(dict(zip(names, layers, strict=True)))
    plan = warm_start(Graph(tuple(warm_start_graph(model))), file, structure=True)
    assert plan["fcb.weight"].because == "`2.weight`, by its order and shape"
    assert plan["fcf.bias"].because == "`10.bias`, by its order and shape"
    assert "the checkpoint keeps its names sorted, so that only they tell the order of its layers" in plan.notes


class Tied(nn.Module):
    """Words in, and out by the same table."""

    def __init__(self, *, tied=True):
        super().__init__()
        self.embed, self.head = nn.Embedding(11, 8), nn.Linear(8, 11, bias=False)
        if tied:
            self.head.weight = self.embed.weight

    def forward(self, tokens):
        return self.head(self.embed(tokens))


@pytest.mark.parametrize("prefix", ["", "net."])
def test_what_is_tied_here_and_not_there_is_told(prefix):
    source, model = trained(Tied(tied=False)), Tied()
    plan = started(model, under(source, lambda name: prefix + name))
    assert torch.equal(model.head.weight, source.embed.weight)
    assert plan.notes[0] == (
        f"`{prefix}head.weight` has other numbers than `{prefix}embed.weight` there, which are one here; those of "
        f"`{prefix}embed.weight` are taken"
    )
    held = {name: value.to(torch.float8_e4m3fn) for name, value in under(source, str).items()}
    with pytest.raises(CheckpointError, match="which is no dtype that a model computes in"):
        warm_start(Tied(), held)
    with torch.no_grad():
        source.head.weight.copy_(source.embed.weight)
    assert not any("other numbers" in note for note in warm_start(Tied(), under(source, str)).notes)


def test_ten_thousand_names_take_under_a_second():
    shapes = {
        f"blocks.{n}.{part}.{kind}": (4, n % 7 + 1)
        for n in range(1250)
        for part in ("a", "b", "c", "d")
        for kind in ("weight", "bias")
    }
    targets = [Target(names=(f"net.{name}",), shape=shape, dtype="float32") for name, shape in shapes.items()]

    class Empty(Held):
        def __init__(self, shape):
            object.__setattr__(self, "shape", shape)
            object.__setattr__(self, "dtype", "float32")

    tensors = {f"module.{name}": Empty(shape) for name, shape in shapes.items()}
    began = time.process_time()
    found = matched(targets, tensors, {})
    assert time.process_time() - began < 1
    assert len(found.by_path) == 10_000
    assert found.by_path["net.blocks.3.b.weight"].names == ("module.blocks.3.b.weight",)


def test_what_is_left_out_is_known_by_the_name_that_the_model_gives_it():
    held = {f"net.{name}": value for name, value in trained(net(), IMAGES).state_dict().items()}
    made = warm_start(net(), held, skip="4.*", rules={"0.bias": "zeros"}, example=IMAGES)
    assert {one.name: one.because for one in made.origin.left_out} == {
        "net.0.bias": "your rule decides that parameter",
        "net.4.weight": "left out by `skip`",
        "net.4.bias": "left out by `skip`",
    }
    made = warm_start(net(), held, rename={"net.*": "*"}, skip="4.bias", example=IMAGES)
    assert [one.because for one in made.origin.left_out] == ["left out by `skip`"]
