"""Memory in place: what a tensor keeps, what forbids it, where it lies; and a part of it that is cut in stretches."""

import weakref

import pytest
import torch
from torch import nn
from torch.distributed.device_mesh import DeviceMesh
from torch.distributed.tensor import DTensor, Shard
from torch.distributed.tensor._dtensor_spec import DTensorSpec, TensorMeta

import initium
from initium import ModelError, PlanError, SettingError
from initium.torch import deferred
from initium.torch._materialise import check_device, materialised, place_beside
from initium.torch._parameters import parameters
from initium.torch._shards import Part
from initium.torch._writable import check_apart


def on_meta(*shape):
    return nn.Parameter(torch.empty(*shape, device="meta"))


def sharded(kind="cpu"):
    """A DTensor on meta, over one process of a kind of device that need not be there."""
    mesh = DeviceMesh(kind, torch.tensor([0]), _init_backend=False, _rank=0)
    value = torch.empty(4, 2, device="meta")
    meta = TensorMeta(value.shape, value.stride(), value.dtype)
    return nn.Parameter(DTensor(value, DTensorSpec(mesh, (Shard(0),), tensor_meta=meta), requires_grad=False))


def hooked(value):
    """What its hooks say, in order."""
    fired = []
    handles = [
        value.register_hook(lambda grad: fired.append("gradient")),
        value.register_post_accumulate_grad_hook(lambda value: fired.append("sum")),
    ]
    return fired, handles


# Hooks


def test_hooks_stay_and_can_be_taken_off():
    value = on_meta(3)
    fired, handles = hooked(value)
    with materialised({"value": value}, "cpu"):
        value.data.zero_()
    value.sum().backward()
    assert fired == ["gradient", "sum"]
    for handle in handles:
        handle.remove()
    value.sum().backward()
    assert fired == ["gradient", "sum"]


def test_hooks_stay_on_the_way_back_too():
    value = on_meta(3)
    fired, _ = hooked(value)
    with pytest.raises(KeyboardInterrupt), materialised({"value": value}, "cpu"):
        raise KeyboardInterrupt
    assert value.is_meta
    value.sum().backward()
    assert fired == ["gradient", "sum"]
    with materialised({"value": value}, "cpu"):
        value.data.zero_()
    value.sum().backward()
    assert fired == ["gradient", "sum"] * 2


def test_a_model_that_learns_in_its_hooks_is_deferred_and_applied():
    model = deferred(lambda: nn.Sequential(nn.Linear(5, 4), nn.Linear(4, 3)))
    fired, _ = hooked(model[0].weight)
    initium.plan(model, "author").apply(model)
    model(torch.ones(2, 5)).sum().backward()
    assert fired == ["gradient", "sum"]


# What holds a tensor


def test_what_holds_a_tensor_may_be_a_weak_reference_and_torch_says_why():
    value = on_meta(3)
    held = weakref.ref(value)
    with pytest.raises(ModelError) as found, materialised({"a.weight": value}, "cpu"):
        pass
    assert str(found.value) == (
        "`a.weight` cannot get memory in place, since something else holds it, such as a result of a forward pass on "
        "meta, a weak reference, or an optimiser in backward. Delete that, and set it up after apply; or build the "
        "model anew."
    )
    assert str(found.value.__cause__) == "Cannot swap t1 because it has weakref associated with it"
    assert held() is value


def test_one_that_cannot_go_back_hides_neither_the_error_nor_the_others():
    values = {name: on_meta(3) for name in ("first", "second", "third")}
    held = []

    def fails():
        held.append(weakref.ref(values["second"]))
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt), materialised(values, "cpu"):
        fails()
    assert {name: value.is_meta for name, value in values.items()} == {"first": True, "second": False, "third": True}


# Where memory lies


def test_plain_tensors_lie_beside_what_is_sharded():
    cpu, cuda, plain = sharded(), sharded("cuda"), on_meta(3)
    assert place_beside({"a": plain, "b": cuda}, None) == torch.device("cuda")
    assert place_beside({"a": plain, "b": cuda}, "cpu") == torch.device("cpu")
    with torch.device("meta"):  # stands for whichever is the default
        assert place_beside({"a": plain}, None) == torch.device("meta")
        assert place_beside({"a": plain, "b": cpu}, None) == torch.device("cpu")
        assert place_beside({"a": plain, "b": cpu, "c": cuda}, None) == torch.device("meta")


def test_a_mesh_gives_the_place_whatever_the_default_is():
    values = {"sharded": sharded(), "plain": on_meta(3)}
    with torch.device("meta"):
        check_device(None, values)
        with materialised(values, None):
            pass
    assert {value.device.type for value in values.values()} == {"cpu"}
    assert values["sharded"].to_local().device.type == "cpu"


@pytest.mark.parametrize("device", ["gpu", 1.5, "cuda:999"])
def test_a_device_that_is_not_there_is_refused(device):
    for value in (on_meta(3), torch.ones(3)):
        with pytest.raises(SettingError) as found:
            check_device(device, {"value": value})
        assert str(found.value) == (
            f"There is no device '{device}' here. Say where the weights are to lie, such as device='cpu'."
        )


def test_meta_is_a_device_where_nothing_needs_memory():
    check_device("meta", {"value": torch.ones(3)})
    with pytest.raises(SettingError, match="On meta nothing has memory"):
        check_device("meta", {"value": on_meta(3)})


# Shared memory


@pytest.mark.parametrize("cut", [lambda whole: whole[:2], lambda whole: whole[2:], lambda whole: whole.t()])
def test_views_of_one_storage_on_meta_are_refused(cut):
    whole = torch.empty(4, 3, device="meta")
    values = {"a": whole[:2], "b": cut(whole), "c": torch.empty(4, 3, device="meta"), "d": torch.empty(0).to("meta")}
    with pytest.raises(ModelError) as found:
        check_apart(values)
    assert str(found.value) == (
        "These parameters are two and share memory:\n  b  lies in the memory of a\n"
        "Tie them as one parameter, `b.weight = a.weight`, or copy one."
    )


def test_rows_of_one_memory_are_apart():
    whole = torch.empty(4, 3)
    check_apart({"a": whole[:2], "b": whole[2:]})


# Parts


def test_a_part_is_cut_along_an_axis_that_is_longer_than_one():
    held = torch.arange(24.0).view(1, 6, 4)
    stretches = list(Part(held).stretches(8))
    assert [stretch.box for stretch in stretches] == [
        (slice(0, 1), slice(first, first + 2), slice(0, 4)) for first in (0, 2, 4)
    ]
    assert torch.equal(torch.cat([stretch.held for stretch in stretches], 1), held)


# Ties


class Tied(nn.Module):
    def __init__(self):
        super().__init__()
        self.words, self.head = nn.Embedding(4, 2), nn.Linear(2, 4, bias=False)
        self.head.weight = self.words.weight

    def forward(self, tokens):
        return self.head(self.words(tokens))


def test_a_tie_that_was_sharded_in_two_is_told_how_to_stay_one():
    plan = initium.plan(Tied(), "he_normal", example=torch.arange(3))
    model = Tied()
    model.words.weight, model.head.weight = sharded(), sharded()
    with pytest.raises(PlanError) as found:
        parameters(plan, model)
    assert str(found.value) == (
        "This plan was made for another model, which differs in one parameter:\n"
        "  head.weight  tied to words.weight in the plan, its own in the model\n"
        "Put all names of a tied weight in one fully_shard unit, so that it stays one; sharded by other means, tie it "
        "again: `b.weight = a.weight`."
    )
