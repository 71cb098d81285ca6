"""What each adapter promises, and what it reports of itself."""

import math
import re

import numpy as np
import pytest
import torch
from torch import nn
from torch.nn import functional
from warm import IMAGES, TOKENS, net, saved, trained

import initium
from initium import CheckpointError, Plan, RuleError, init, warm_start
from initium.init._resize import resize_matrix


def started(model, source, seed=0, **options):
    plan = warm_start(model, source, **options)
    plan.apply(model, seed=seed)
    return plan


# Heads


def test_a_head_of_other_classes_starts_from_the_recipe_and_both_shapes_are_told():
    source, model, fresh = trained(net(3), IMAGES), net(5), net(5)
    plan = started(model, source, example=IMAGES)
    initium.initialize(fresh, seed=0, example=IMAGES)
    assert torch.equal(model[4].weight, fresh[4].weight)
    assert torch.equal(model[0].weight, source[0].weight)
    assert plan["4.weight"].because.startswith("a new head: 3 outputs there, 5 here; ")
    assert [(one.name, one.because) for one in plan.origin.left_out] == [
        ("4.weight", "a new head: 3 outputs there, 5 here"),
        ("4.bias", "a new head: 3 outputs there, 5 here"),
    ]
    with pytest.raises(CheckpointError, match="2 of 9 tensors"):
        warm_start(net(5), source, adapt=False, example=IMAGES)


def test_no_adapters_of_ones_own_leave_those_that_are_meant():
    plan = warm_start(net(5), trained(net(3), IMAGES), adapt={}, example=IMAGES)
    assert plan["4.weight"].because.startswith("a new head: 3 outputs there, 5 here; ")


def test_rows_of_a_head_are_picked_by_class_names():
    source, model = trained(net(3), IMAGES), net(2)
    plan = started(model, source, adapt={"4.*": (["cat", "dog", "cow"], ["cow", "cat"])}, example=IMAGES)
    assert torch.equal(model[4].weight, source[4].weight[[2, 0]])
    assert torch.equal(model[4].bias, source[4].bias[[2, 0]])
    assert plan["4.weight"].because == "its own name, 2 of 3 rows by their names"
    assert plan["4.weight"].how == "adapted"


def test_a_class_without_a_row_gets_one_like_the_mean():
    source, model = trained(net(3), IMAGES), net(2)
    names = (["cat", "dog", "cow"], ["cow", "bee"])
    plan = started(model, source, adapt={"4.*": names}, example=IMAGES)
    assert torch.equal(model[4].weight[0], source[4].weight[2])
    mean = source[4].weight.mean(0)
    torch.testing.assert_close(model[4].weight[1], mean, atol=0.02, rtol=0)
    assert plan["4.bias"].because == "its own name, 1 of 3 rows by their names, and 1 new ones like the mean"


def test_names_that_do_not_fit_the_rows_are_refused():
    source = trained(net(3), IMAGES)

    def why(there, here):
        with pytest.raises(RuleError) as caught:
            warm_start(net(2), source, adapt={"4.*": (there, here)}, example=IMAGES)
        return str(caught.value)

    assert "the names say 2 and 2. Give each row its own name" in why(["a", "b"], ["a", "b"])
    assert "Give each row its own name" in why(["a", "b", "b"], ["a", "b"])
    assert "None of the names here is one of those there, such as 'a'; see `4.weight`" in why(
        ["a", "b", "c"], ["d", "e"]
    )


# Channels


def stem(channels, width=8):
    return nn.Sequential(nn.Conv2d(channels, width, 3), nn.ReLU(), nn.Flatten(), nn.Linear(width * 16, 2))


def test_a_kernel_of_colours_gives_the_same_of_a_grey_image():
    source, model = trained(stem(3)), stem(1)
    plan = started(model, source, example=torch.zeros(2, 1, 6, 6))
    grey = torch.rand(50, 1, 6, 6)
    out, wanted = model[0](grey), source[0](grey.expand(-1, 3, -1, -1))
    assert (out - wanted).abs().max() <= 1e-6 * wanted.abs().max()
    reported = float(re.fullmatch(r".* to within (\S+)", plan["0.weight"].because)[1])
    assert reported <= 1e-6
    assert plan["0.weight"].because.startswith("its own name, 3 input channels there, 1 here: their sum, ")


def test_from_one_channel_to_three_is_the_way_back():
    source, model = trained(stem(1)), stem(3)
    plan = started(model, source, example=torch.zeros(2, 3, 6, 6))
    grey = torch.rand(50, 1, 6, 6)
    torch.testing.assert_close(model[0](grey.expand(-1, 3, -1, -1)), source[0](grey))
    assert plan["0.weight"].because == (
        "its own name, 1 input channels there, 3 here: repeated times 0.333, which keeps 1 of its output's second "
        "moment under channels that are alike"
    )


@pytest.mark.parametrize(("have", "wanted"), [(3, 4), (3, 13), (3, 2), (5, 3)])
def test_other_channels_keep_the_outputs_second_moment_under_those_of_the_example(have, wanted):
    generator = torch.Generator().manual_seed(0)
    mix = torch.randn(wanted, wanted, generator=generator)
    example = torch.einsum("ij,njhw->nihw", mix, torch.randn(64, wanted, 12, 12, generator=generator))
    source, model = trained(nn.Conv2d(have, 16, 3, bias=False)), nn.Conv2d(wanted, 16, 3, bias=False)
    plan = started(model, source, example=example)
    # Source channels that are on the mean as the example's are.
    moments = torch.einsum("nihw,njhw->ij", example, example) / (64 * 144)
    here = moments.diagonal().mean()
    beside = max((moments.sum() - moments.trace()) / (wanted * (wanted - 1)), -here / (have - 1))
    cov = torch.full((have, have), float(beside)) + torch.eye(have) * (here - beside)
    values, vectors = torch.linalg.eigh(cov)
    root = vectors * values.clamp(min=0).sqrt()
    images = torch.einsum("ij,njhw->nihw", root, torch.randn(2000, have, 12, 12, generator=generator))
    wanted_moment = source(images).square().mean()
    assert abs(model(example).square().mean() / wanted_moment - 1) < 0.1
    assert plan["weight"].because.endswith("second moment under the example's channels")


def test_where_nobody_could_run_the_model_the_error_says_that_inputs_would_help():
    with pytest.raises(CheckpointError, match="Pass example=inputs first: the model is run on them"):
        warm_start(stem(3), trained(stem(1)))


def test_channels_of_a_later_layer_or_of_groups_are_not_guessed():
    source = trained(nn.Sequential(nn.Conv2d(3, 4, 1), nn.Conv2d(4, 4, 1)))
    model = nn.Sequential(nn.Conv2d(3, 5, 1), nn.Conv2d(5, 4, 1))
    with pytest.raises(CheckpointError) as caught:
        warm_start(model, source, example=torch.zeros(1, 3, 2, 2))
    assert "1.weight  checkpoint (4, 4, 1, 1)   model (4, 5, 1, 1)" in str(caught.value)


# Positions and patches


class Vision(nn.Module):
    """The beginning of a vision transformer."""

    def __init__(self, grid, patch=2, prefix=1, width=6):
        super().__init__()
        self.patch = nn.Conv2d(3, width, patch, patch)
        self.token = nn.Parameter(torch.zeros(1, prefix, width))
        self.positions = nn.Parameter(torch.zeros(1, prefix + math.prod(grid), width))
        self.head = nn.Linear(width, 2)

    def forward(self, x):
        x = self.patch(x).flatten(2).transpose(1, 2)
        return self.head((torch.cat([self.token.expand(len(x), -1, -1), x], 1) + self.positions).mean(1))


@pytest.mark.parametrize(("old", "new"), [(4, 6), (6, 3), (5, 5)])
@pytest.mark.parametrize("prefix", [1, 2])
def test_positions_on_a_square_grid_are_resampled_as_pytorch_does(old, new, prefix):
    source, model = trained(Vision((old, old), prefix=prefix)), Vision((new, new), prefix=prefix)
    plan = started(model, source, example=torch.zeros(1, 3, 2 * new, 2 * new))
    assert torch.equal(model.positions[:, :prefix], source.positions[:, :prefix])
    grid = source.positions[:, prefix:].reshape(1, old, old, -1).permute(0, 3, 1, 2)
    wanted = functional.interpolate(grid, size=(new, new), mode="bicubic", antialias=True, align_corners=False)
    torch.testing.assert_close(model.positions[:, prefix:], wanted.flatten(2).transpose(1, 2), atol=1e-6, rtol=1e-5)
    if old != new:
        told = (
            f"its own name, {old} x {old} positions there, {new} x {new} here, {prefix} before them kept; their size "
        )
        assert plan["positions"].because.startswith(told)
        share = float(plan["positions"].because.removeprefix(told).split()[0]) / 100
        sizes = [one.positions[:, prefix:].detach().square().mean().sqrt() for one in (model, source)]
        assert abs(share - sizes[0] / sizes[1]) < 1e-3


def test_a_grid_that_is_not_square_is_told_by_the_user():
    source, model = trained(Vision((4, 4))), Vision((2, 7))
    with pytest.raises(CheckpointError, match=r"positions  checkpoint \(1, 17, 6\)   model \(1, 15, 6\)"):
        warm_start(model, source, example=torch.zeros(1, 3, 4, 14))
    how = "resampled((4, 4), (2, 7), prefix=1)"
    plan = started(model, source, adapt={"positions": how}, example=torch.zeros(1, 3, 4, 14))
    grid = source.positions[:, 1:].reshape(1, 4, 4, -1).permute(0, 3, 1, 2)
    wanted = functional.interpolate(grid, size=(2, 7), mode="bicubic", antialias=True)
    torch.testing.assert_close(model.positions[:, 1:], wanted.flatten(2).transpose(1, 2), atol=1e-6, rtol=1e-5)
    assert plan["positions"].because == f"its own name, (1, 17, 6) there, by your adapter {how}"


def test_what_is_constant_stays_so_and_the_same_grid_is_left_alone():
    for old, new in [(3, 8), (14, 5), (1, 4), (7, 7)]:
        np.testing.assert_allclose(resize_matrix(old, new).sum(1), 1, atol=1e-12)
    np.testing.assert_array_equal(resize_matrix(6, 6), np.eye(6))


def test_larger_patches_give_of_an_enlarged_image_what_the_smaller_gave():
    source, model = trained(Vision((4, 4), patch=4)), Vision((4, 4), patch=6)
    plan = started(model, source, example=torch.zeros(1, 3, 24, 24))
    small = torch.randn(7, 3, 4, 4)
    enlarge = torch.from_numpy(resize_matrix(4, 6)).float()
    large = enlarge @ small @ enlarge.T
    torch.testing.assert_close(model.patch(large), source.patch(small), atol=1e-5, rtol=1e-4)
    told = plan["patch.weight"].because
    assert told.startswith("its own name, patches of 4 x 4 there, 6 x 6 here; of an enlarged image the same to within ")
    assert float(told.rpartition(" ")[2]) < 1e-6


def test_smaller_patches_are_the_nearest_and_say_how_near():
    source, model = trained(Vision((4, 4), patch=6)), Vision((4, 4), patch=4)
    plan = started(model, source, example=torch.zeros(1, 3, 16, 16))
    back = torch.from_numpy(resize_matrix(6, 4)).float()
    told = float(plan["patch.weight"].because.rpartition(" ")[2])
    wide = back.T @ model.patch.weight.detach() @ back
    off = (wide - source.patch.weight).norm() / source.patch.weight.norm()
    assert abs(told / off - 1) < 0.06  # one digit
    assert told > 0.01


# Vocabularies


class Words(nn.Module):
    def __init__(self, vocabulary, *, tied, width=16):
        super().__init__()
        self.embed, self.fc = nn.Embedding(vocabulary, width), nn.Linear(width, width)
        self.head = nn.Linear(width, vocabulary, bias=not tied)
        if tied:
            self.head.weight = self.embed.weight

    def forward(self, tokens):
        return self.head(torch.tanh(self.fc(self.embed(tokens))))


@pytest.mark.parametrize("tied", [True, False])
@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16, torch.float16])
def test_a_vocabulary_grows_and_old_words_are_bit_for_bit_what_they_were(tied, dtype, tmp_path):
    source, model = trained(Words(50, tied=tied)).to(dtype), Words(57, tied=tied).to(dtype)
    file = saved(tmp_path / "w.safetensors", source)
    plan = started(model, file, example=TOKENS)
    old = torch.arange(50)
    assert torch.equal(model.embed(old), source.embed(old))
    assert torch.equal(model.head.weight[:50], source.head.weight)
    assert torch.equal(model.fc(model.embed(old)), source.fc(source.embed(old)))
    assert plan["embed.weight"].because.startswith("its own name, 50 rows there, and 7 new ones like their mean: ")
    assert (model.head.weight is model.embed.weight) == tied
    if not tied:
        assert torch.equal(model.head.bias[:50], source.head.bias)
        torch.testing.assert_close(
            model.head.bias[50:].float(), source.head.bias.float().mean().expand(7), atol=5e-3, rtol=0
        )
    plan.save(tmp_path / "plan.json")
    again = Words(57, tied=tied).to(dtype)
    Plan.load(tmp_path / "plan.json").apply(again)
    assert torch.equal(again.embed.weight, model.embed.weight)


def test_what_new_words_take_from_old_ones_is_bounded_as_reported():
    source, model = trained(Words(200, tied=True, width=24)), Words(230, tied=True, width=24)
    plan = started(model, source, example=TOKENS)
    lost, bound = map(
        float, re.search(r"falls by (\S+) at most, (\S+) by theory", plan["embed.weight"].because).groups()
    )
    hidden = source.embed.weight
    before = functional.log_softmax(hidden @ source.embed.weight.T, -1)
    after = functional.log_softmax(hidden @ model.embed.weight.T, -1)[:, :200]
    fallen = (before - after).max().item()
    assert 0.8 * lost < fallen <= lost
    assert lost <= bound
    assert bound >= math.log1p(30 / 200) * 0.9


def test_new_rows_have_the_mean_and_the_share_of_the_covariance_that_is_asked_for():
    rng = np.random.default_rng(0)
    rows = (rng.normal(size=(500, 4)) @ np.array([[2, 1, 0, 0], [0, 1, 0, 0], [0, 0, 0.5, 1], [0, 0, 0, 3]])).astype(
        "f4"
    )
    num = 100_000
    model = nn.Embedding(500 + num, 4)
    started(model, {"weight": torch.from_numpy(rows)}, adapt={"weight": "grown(share=0.25)"}, example=TOKENS)
    new = model.weight[500:].detach().numpy().astype(float)
    cov = np.cov(rows.T.astype(float), bias=True)
    error = np.sqrt(np.diag(cov) * 0.25 / num)
    assert (np.abs(new.mean(0) - rows.mean(0)) < 5 * error).all()
    found = np.cov(new.T, bias=True) / 0.25
    scale = np.sqrt(np.outer(np.diag(cov), np.diag(cov)))
    assert (np.abs(found - cov) / scale < 5 * np.sqrt(2 / num)).all()


def test_a_smaller_vocabulary_keeps_its_first_rows():
    source, model = trained(Words(50, tied=True)), Words(48, tied=True)
    plan = started(model, source, example=TOKENS)
    assert torch.equal(model.embed.weight, source.embed.weight[:48])
    assert plan["embed.weight"].because == "its own name, the first 48 of 50 rows"


def test_a_longer_table_of_positions_is_no_vocabulary():
    class Placed(nn.Module):
        def __init__(self, length):
            super().__init__()
            self.words, self.places, self.head = nn.Embedding(50, 8), nn.Embedding(length, 8), nn.Linear(8, 2)

        def forward(self, tokens):
            return self.head(self.words(tokens) + self.places(torch.arange(tokens.shape[1])))

    source = trained(Placed(6))
    with pytest.raises(CheckpointError, match=r"places.weight  checkpoint \(6, 8\)   model \(9, 8\)"):
        warm_start(Placed(9), source, example=TOKENS)
    model = Placed(9)
    started(model, source, adapt={"places.*": "resampled((6,), (9,))"}, example=TOKENS)
    wanted = torch.from_numpy(resize_matrix(6, 9)).float() @ source.places.weight
    torch.testing.assert_close(model.places.weight, wanted)
    shorter = Placed(5)
    started(shorter, source, example=TOKENS)
    assert torch.equal(shorter.places.weight, source.places.weight[:5])


class Text(nn.Module):
    """Words and learned positions, looked up or added."""

    def __init__(self, length, words=20, *, looked_up, head=20, tied=False):
        super().__init__()
        self.words, self.looked_up = nn.Embedding(words, 8), looked_up
        self.places = nn.Embedding(length, 8) if looked_up else nn.Parameter(torch.zeros(1, length, 8))
        self.head = nn.Linear(8, head)
        if tied:
            self.head.weight = self.words.weight

    def forward(self, tokens):
        num = tokens.shape[1]
        return self.head(
            self.words(tokens) + (self.places(torch.arange(num)) if self.looked_up else self.places[:, :num])
        )


@pytest.mark.parametrize(("have", "wanted"), [(16, 64), (16, 20), (25, 36)])
@pytest.mark.parametrize("head", [20, 2])
@pytest.mark.parametrize("looked_up", [True, False])
def test_positions_of_words_are_neither_a_picture_nor_words(have, wanted, head, looked_up):
    source = trained(Text(have, looked_up=looked_up, head=head))
    name = "places.weight" if looked_up else "places"
    with pytest.raises(CheckpointError, match=rf"{name} .*say by adapt={{'{name}': 'HOW'}}: ") as caught:
        warm_start(Text(wanted, looked_up=looked_up, head=head), source, example=TOKENS)
    assert f"`resampled(({have},), ({wanted},))`" in str(caught.value)
    model = Text(wanted, looked_up=looked_up, head=head)
    started(model, source, adapt={f"{name}": f"resampled(({have},), ({wanted},))"}, example=TOKENS)


@pytest.mark.parametrize("tied", [True, False])
def test_a_vocabulary_that_is_shorter_than_the_positions_beside_it_grows(tied):
    source = trained(Text(64, looked_up=True, tied=tied))
    model = Text(64, words=23, looked_up=True, head=23, tied=tied)
    started(model, source, example=TOKENS)
    assert torch.equal(model.words.weight[:20], source.words.weight)
    assert torch.equal(model.head.bias[:20], source.head.bias)


def test_a_bias_beside_the_head_grows_with_the_vocabulary():
    class Beside(nn.Module):
        def __init__(self, words):
            super().__init__()
            self.words, self.head = nn.Embedding(words, 8), nn.Module()
            self.head.bias = nn.Parameter(torch.zeros(words))

        def forward(self, tokens):
            return functional.linear(self.words(tokens).tanh(), self.words.weight, self.head.bias)

    source, model = trained(Beside(20)), Beside(23)
    started(model, source, example=TOKENS)
    assert torch.equal(model.head.bias[:20], source.head.bias)


# What users write


def test_adapters_that_are_none_are_refused():
    source = trained(net(3), IMAGES)

    def why(adapt, error=RuleError):
        with pytest.raises(error) as caught:
            warm_start(net(2), source, adapt=adapt, example=IMAGES)
        return str(caught.value)

    assert why({"fc.*": "new"}) == "`adapt` matches nothing of the model by 'fc.*'. Print a plan to see its names."
    assert "adapt is True, False, or adapters by globs" in why("new")
    assert "An adapter is the text 'new'" in why({"4.*": 3})
    assert "No adapter is called 'grow'; the closest is 'grown'" in why({"4.*": "grow"}, initium.UnknownNameError)
    assert "The adapter `resampled((4, 4))` cannot be read" in why({"4.*": "resampled((4, 4))"})
    for much in ("patches(3)", "grown(0.1, 5)", "grown(0.1, share=0.2)", "channels(how=1)"):
        assert f"The adapter `{much}` cannot be read" in why({"4.*": much})


def test_an_adapter_that_cannot_make_the_shape_is_one_error_and_the_model_untouched():
    source, model = trained(net(3), IMAGES), trained(net(2), seed=1)
    before = {name: value.clone() for name, value in model.state_dict().items()}
    plan = warm_start(model, source, adapt={"4.weight": "patches"}, example=IMAGES)
    with pytest.raises(CheckpointError, match=r"a tensor of shape \(3, 64\) cannot be patches to \(2, 64\)"):
        plan.apply(model)
    assert all(torch.equal(value, before[name]) for name, value in model.state_dict().items())


@pytest.mark.parametrize(
    "spec",
    [
        "copied('w.safetensors', 'a')",
        "copied('w.safetensors', ('q', 'k', 'v'), views=('transposed', 'rows 0 to 3'))",
        "grown('w.safetensors', 'a')",
        "picked('w.safetensors', 'a', (2, -1, 0))",
        "channels('w.safetensors', 'a', scale=0.75)",
        "resampled('w.safetensors', 'a', (14, 14), (8, 20), prefix=1)",
        "patches('w.safetensors', 'a')",
    ],
)
def test_a_start_from_a_file_reads_back_from_its_spec(spec):
    start = initium.parse(spec)
    assert str(start) == spec
    assert initium.parse(str(start)) == start


def test_a_rule_may_name_a_tensor_of_a_file(tmp_path):
    source, model = trained(net(3), IMAGES), net(3)
    file = saved(tmp_path / "w.safetensors", source)
    initium.initialize(model, rules={"4.weight": init.copied(str(file), "4.weight")}, example=IMAGES)
    assert torch.equal(model[4].weight, source[4].weight)
    assert not torch.equal(model[0].weight, source[0].weight)
