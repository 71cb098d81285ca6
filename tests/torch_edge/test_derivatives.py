"""A forward that differentiates."""

import itertools
from dataclasses import replace

import pytest
import torch
from torch import nn
from torch_edge.traced import of

from initium import ModelError
from initium.torch._trace import trace

DATA = "; data are taken to have second moment 1"  # said of made-up inputs


def net():
    return nn.Sequential(nn.Linear(2, 16), nn.Tanh(), nn.Linear(16, 16), nn.Tanh(), nn.Linear(16, 1))


def gradient(y, x, **settings):
    return torch.autograd.grad(y.sum(), x, create_graph=True, **settings)[0]


def with_its_gradient(m, x):
    u = m.net(x.requires_grad_())
    return u, gradient(u, x)


def by_an_input_that_needs_one(m, x):
    return gradient(m.net(x), x)


def force(m, x):
    return -gradient(m.net(x.requires_grad_()), x)


def force_and_energy(m, x):
    energy = m.net(x.requires_grad_()).sum(1)
    return energy.sum(), gradient(energy, x)


def twice(m, x):
    u = m.net(x.requires_grad_())
    first = gradient(u, x)
    return u, gradient(first[:, 0], x)


def within(m, x):
    with torch.enable_grad():
        return with_its_gradient(m, x.detach())


def backwards(m, x):
    x = x.detach().requires_grad_()
    energy = m.net(x).sum()
    energy.backward()
    return energy, x.grad


def at_once(m, x):
    u = m.net(x.requires_grad_())
    torch.autograd.backward([u], [torch.ones_like(u)], inputs=[x])
    return x.grad


def row_by_row(m, x):
    return torch.func.vmap(torch.func.grad(lambda row: m.net(row)[0]))(x)


def jacobian(m, x):
    return torch.func.vmap(torch.func.jacrev(m.net))(x)


def pulled_back(m, x):
    u, back = torch.func.vjp(m.net, x)
    return u, back(torch.ones_like(u))[0]


def asserting(m, x):
    assert torch.is_grad_enabled()
    return with_its_gradient(m, x)


def refusing(m, x):
    if not m.net(x).requires_grad:
        raise ValueError("a leaf, please")
    return with_its_gradient(m, x)


def keeping_a_slope(m, x):
    hidden = m.net[:2](x)
    hidden.retain_grad()
    energy = m.net[2:](hidden)
    energy.sum().backward()
    return energy, hidden.grad


def written_before(m, x):
    x[:, 0].clamp_(-9, 9)
    return with_its_gradient(m, x.mul_(1))


def looking_at_numbers(m, x):
    u, slope = with_its_gradient(m, x)
    return u, slope * (2.0 if u.sum().item() > 0 else 1.0)


DIFFERENTIATING = [
    with_its_gradient,
    by_an_input_that_needs_one,
    force,
    force_and_energy,
    twice,
    within,
    backwards,
    at_once,
    row_by_row,
    jacobian,
    pulled_back,
    asserting,
    refusing,
    keeping_a_slope,
    looking_at_numbers,
]


@pytest.mark.parametrize(("forward", "requires_grad"), [*itertools.product(DIFFERENTIATING, (False, True))])
def test_a_model_that_differentiates_is_what_it_differentiates(forward, requires_grad):
    torch.manual_seed(0)
    model = of(forward, net=net())
    found, plain = trace(model, torch.randn(4, 2).requires_grad_(requires_grad)), trace(model.net, torch.randn(4, 2))
    assert found.is_traced
    alike = {path.removeprefix("net."): param for path, param in found.by_path.items()}
    assert {path: param.uses for path, param in alike.items()} == {
        path: tuple(
            replace(
                use,
                after=tuple(f"net.{name}" for name in use.after),
                output=use.output and replace(use.output, kind="output"),  # what is differentiated is no logits
            )
            for use in param.uses
        )
        for path, param in plain.by_path.items()
    }


def test_a_model_that_writes_into_its_input_before_it_differentiates_is_traced():
    found = trace(of(written_before, net=net()), torch.randn(4, 2)).weights
    assert [(p.use.fed_by, p.use.followed_by) for p in found] == [
        ("data", ("tanh",)),
        ("tanh", ("tanh",)),
        ("tanh", ("output",)),
    ]
    assert found[0].use.moment == pytest.approx(1.0, rel=0.02)


def residual_alone(m, x):
    u = m.net(x.requires_grad_())
    slope = gradient(u, x)
    bend = gradient(slope[:, :1], x)
    return slope[:, 1:] + u * slope[:, :1] - 0.01 * bend[:, :1]


def residual_of_two(m, x):
    both = m.net(x.requires_grad_())
    return gradient(both, x) * torch.exp(both) - both**2


@pytest.mark.parametrize("forward", [residual_alone, residual_of_two])
def test_what_a_derivative_multiplies_is_an_output(forward):
    found = trace(of(forward, net=net()), torch.randn(4, 2)).by_path
    assert [path for path, param in found.items() if param.use.is_head and param.role == "weight"] == ["net.4.weight"]
    assert found["net.4.weight"].use.output.kind == "output"


def test_a_model_that_differentiates_is_traced_where_nothing_can_be():
    with torch.inference_mode():
        assert trace(of(looking_at_numbers, net=net()), torch.randn(4, 2)).is_traced


def test_gradients_are_on_only_where_they_must_be_and_that_is_noted():
    why = "RuntimeError: element 0 of tensors does not require grad and does not have a grad_fn"
    noted = f"traced with gradients on, because without them it raises {why}"
    assert trace(of(force, net=net()), torch.randn(4, 2)).notes == (noted,)
    assert trace(of(within, net=net()), torch.randn(4, 2)).notes == ()
    assert trace(of(looking_at_numbers, net=net()), torch.randn(4, 2)).notes == (
        "traced by running it on real numbers, because without numbers it raises DataDependentOutputException: "
        "aten._local_scalar_dense.default",
        noted,
    )
    assert trace(of(force, net=net())).notes == (
        "the input was made up: `x` float32 (2, 2)" + DATA,
        noted,
    )
    with torch.device("meta"):
        empty = of(looking_at_numbers, net=net())
    assert trace(empty, torch.randn(4, 2)).notes == (
        "the layers' types speak alone, because without numbers it raises DataDependentOutputException: "
        "aten._local_scalar_dense.default",
    )


def too_narrow(m, x):
    return force(m, x) @ torch.ones(3, 3)


def written_into(m, x):
    return x.mul_(2) @ torch.ones(3, 3)


@pytest.mark.parametrize(
    ("forward", "why"),
    [
        (too_narrow, "RuntimeError: mat1 and mat2 shapes cannot be multiplied (4x2 and 3x3)"),
        (written_into, "RuntimeError: mat1 and mat2 shapes cannot be multiplied (4x2 and 3x3)"),
        (lambda m, x: m.net(x).retain_grad() or x.who(), "AttributeError: 'Tensor' object has no attribute 'who'"),
    ],
)
def test_of_a_model_that_fails_with_gradients_and_without_the_error_that_came_farthest_is_told(forward, why):
    with pytest.raises(ModelError) as told:
        trace(of(forward, net=net()), torch.randn(4, 2))
    assert str(told.value) == (f"Made raises {why}.\nIt was given `x` float32 (4, 2). Pass inputs that it runs on.")


def test_what_a_derivative_feeds_is_of_unknown_size():
    model = of(lambda m, x: m.post(force(m, x)), net=net(), post=nn.Linear(2, 3))
    found = trace(model, torch.randn(4, 2)).by_path
    assert (found["post.weight"].use.fed_by, found["post.weight"].use.moment) == ("unknown", None)
    assert (found["post.weight"].use.followed_by, found["net.4.weight"].use.followed_by) == (("output",), ("output",))


def inner_step(m, x):
    weights = dict(m.net.named_parameters())
    slopes = torch.autograd.grad(m.net(x).square().mean(), tuple(weights.values()), create_graph=True)
    moved = {name: value - 0.1 * slope for (name, value), slope in zip(weights.items(), slopes, strict=True)}
    return torch.func.functional_call(m.net, moved, (x,))


def inner_step_of_a_function(m, x):
    weights = dict(m.net.named_parameters())
    slopes = torch.func.grad(lambda own: torch.func.functional_call(m.net, own, (x,)).square().mean())(weights)
    return torch.func.functional_call(m.net, {name: weights[name] - 0.1 * slopes[name] for name in weights}, (x,))


@pytest.mark.parametrize("forward", [inner_step, inner_step_of_a_function])
def test_a_weight_that_an_inner_step_moved_is_that_weight(forward):
    found = trace(of(forward, net=net()), torch.randn(4, 2)).by_path
    assert [param.role for param in found.values()] == ["weight", "bias"] * 3
    assert [(use.fed_by, use.followed_by) for use in found["net.2.weight"].uses] == [("tanh", ("tanh",))] * 2
