"""What a parameter is, by where its value goes."""

import math

import pytest
import torch
import torch.nn.functional as F  # noqa: N812  its usual name
from torch import nn
from torch_edge.traced import X, of

from initium import plan
from initium.torch._trace import trace


@pytest.mark.parametrize(
    ("function", "role", "because"),
    [
        (lambda m, x: m.b(x) * torch.exp(m.p), "kept", "used through exp"),
        (lambda m, x: m.b(x) * torch.tanh(m.p), "kept", "used through tanh"),
        (lambda m, x: F.prelu(m.b(x), m.p[:1]), "kept", "slope of an activation"),
        (lambda m, x: m.b(x) + m.p, "bias", "bias"),
        (lambda m, x: m.b(x) @ m.p, "kept", "a vector that is summed over, without an output axis"),
        (lambda m, x: torch.relu(m.b(x)) + m.p, "shift", "added to a signal"),
        (lambda m, x: torch.where(x.sum(-1, True) > 0, m.b(x), m.p), "token", "put beside the signal"),
    ],
)
def test_a_vector_is_what_is_done_with_it(function, role, because):
    found = trace(of(function, b=nn.Linear(8, 8, bias=False), p=torch.ones(8)), X).by_path["p"]
    assert (found.role, found.because) == (role, because)


def modulated(m, x):
    kernel = m.w[None] * m.b(x.mean(1))[:, None, :, None]
    kernel = kernel * torch.rsqrt(kernel.pow(2).sum([2, 3], keepdim=True) + 1e-8)
    return F.conv1d(x.mT.reshape(1, -1, 5), kernel.reshape(-1, 8, 3), groups=len(x))


@pytest.mark.parametrize(
    ("function", "shape", "facts"),
    [
        (lambda m, x: (x[..., None, :] * m.w).sum(-1), (6, 8), ("weight", "oi", (8, 6))),
        (lambda m, x: (m.b(x)[..., None] * m.w).sum(-2), (8, 6), ("weight", "io", (8, 6))),
        (modulated, (4, 8, 3), ("weight", "oiw", (24, 12))),
        (lambda m, x: (x * m.w).sum((-2, -1)), (5, 8), ("kept", "oo", (1, 40))),
        (lambda m, x: m.b(x * m.w), (5, 8), ("kept", "oo", (1, 40))),
        (lambda m, x: m.b(x) * m.w, (1, 8), ("scale", "oo", (1, 8))),
    ],
)
def test_a_matrix_that_multiplies_element_by_element_is_a_weight_only_if_it_is_summed(function, shape, facts):
    found = trace(of(function, b=nn.Linear(8, 8), w=torch.zeros(shape)), X).by_path["w"]
    assert (found.role, found.axes) == facts[:2]
    assert found.role != "weight" or found.fans == facts[2]


def test_what_a_product_summed_by_hand_gives_is_dense():
    model = of(lambda m, x: m.b((x[..., None, :] * m.w).sum(-1)), b=nn.Linear(64, 3), w=torch.zeros(64, 8))
    found = trace(model, X).by_path
    assert found["w"].use.followed_by == ("dense",)
    assert (found["b.weight"].use.fed_by, found["b.weight"].use.moment) == ("dense", 1.0)


@pytest.mark.parametrize(
    ("function", "shapes", "axes"),
    [
        (lambda m, x: torch.relu(m.b(x)) @ (m.near @ m.far), [(8, 2), (2, 6)], "io"),
        (lambda m, x: F.linear(torch.relu(m.b(x)), m.far @ m.near), [(2, 8), (6, 2)], "oi"),
    ],
)
def test_two_parameters_multiplied_with_each_other_are_two_weights_in_a_row(function, shapes, axes):
    parts = {"near": torch.zeros(shapes[0]), "far": torch.zeros(shapes[1]), "b": nn.Linear(8, 8)}
    found = trace(of(function, **parts), X).by_path
    near, far = found["near"], found["far"]
    assert (near.role, near.axes, near.fans, near.use.moment, near.use.followed_by) == (
        "weight",
        axes,
        (8, 2),
        0.5,
        ("dense",),
    )
    assert (far.role, far.axes, far.fans, far.use.moment, far.use.followed_by) == (
        "weight",
        axes,
        (2, 6),
        1.0,
        ("output",),
    )
    assert near.because == far.because == "dense, one of two that are multiplied with each other first"


def test_a_bias_under_vmap_is_a_bias():
    found = trace(of(lambda m, x: torch.func.vmap(m.b)(x), b=nn.Linear(8, 8)), X).by_path
    assert [p.role for p in found.values()] == ["weight", "bias"]


def test_a_codebook_is_an_embedding_though_it_is_compared_first():
    def forward(m, x):
        z = m.a(x)
        return m.b(m.codes((z[:, :, None] - m.codes.weight).pow(2).sum(-1).argmin(-1)))

    found = trace(of(forward, a=nn.Linear(8, 8), b=nn.Linear(8, 8), codes=nn.Embedding(9, 8)), X).by_path
    codes = found["codes.weight"]
    assert (codes.role, codes.axes, codes.use.followed_by) == ("embedding", "vo", ("dense",))
    centres = of(lambda m, x: (m.a(x)[:, :, None] - m.c).pow(2).sum(-1), a=nn.Linear(8, 8), c=torch.zeros(9, 8))
    kept = trace(centres, X).by_path["c"]
    assert (kept.role, kept.because) == ("kept", "subtracted from the signal along an axis of its own")


# Where a value goes says what it is.

E, IDS, ROWS = 4, torch.zeros(2, 5, dtype=torch.long), torch.zeros(2, dtype=torch.long)


def by_expert(m, x):
    """As einsum does it for all experts at once: one product, whose outputs are then given axes of their own."""
    return m.o((torch.einsum("btd,edh->bteh", x, m.w) + m.p).relu().sum(2))


@pytest.mark.parametrize(
    ("function", "shape", "role"),
    [
        (
            lambda m, x: m.o((torch.bmm(x.reshape(1, 10, 8).expand(E, 10, 8), m.w) + m.p[:, None]).relu()),
            (E, 6),
            "bias",
        ),
        (lambda m, x: m.o((x[:, None] @ m.w + m.p).relu()), (E, 1, 6), "bias"),
        (lambda m, x: m.o((x[:, None] @ m.w + m.p.expand(E, 5, 6)).relu()), (E, 1, 6), "bias"),
        (
            lambda m, x: m.o(torch.baddbmm(m.p[:, None], x.reshape(1, 10, 8).repeat(E, 1, 1), m.w).relu()),
            (E, 6),
            "bias",
        ),
        (by_expert, (E, 6), "bias"),
        (lambda m, x: m.o((F.linear(x, m.w.mT.flatten(0, 1)).view(2, 5, E, 6) + m.p).relu()), (E, 6), "bias"),
        (lambda m, x: m.o((x[:, None] @ m.w + m.p).relu()), (5, 6), "position"),
        (lambda m, x: m.o((x @ m.w[0] + m.p).relu()), (5, 6), "position"),
        (lambda m, x: m.o((x @ m.w[0] + m.p[0]).relu()), (E, 6), "bias"),
    ],
)
def test_what_has_a_number_for_each_output_of_stacked_weights_is_a_bias(function, shape, role):
    parts = {"w": torch.zeros(E, 8, 6), "p": torch.zeros(shape), "o": nn.Linear(6, 3)}
    found = trace(of(function, **parts), X).by_path["p"]
    assert (found.role, found.bias_of) == (role, "w" if role == "bias" else None)


@pytest.mark.parametrize(
    ("function", "axes"),
    [
        (lambda m, x, i: torch.einsum("btd,btdh->bth", x, m.w[i]), "bio"),
        (lambda m, x, i: x @ m.w.index_select(0, i[:, 0]), "bio"),
        (lambda m, x, i: x @ m.w[m.a(x).argmax(-1)[:, 0]], "bio"),
        (lambda m, x, i: (x[..., None, None, :] @ m.w[m.a(x).topk(2).indices]).squeeze(-2).sum(2), "bio"),
        (lambda m, x, i: (x[..., None] * m.w[i]).sum(-2), "bio"),
        (lambda m, x, i: x @ m.w[torch.tensor([1, 0])], "bio"),
        (
            lambda m, x, i: (
                F.conv1d(x.mT.reshape(1, -1, 5), m.w[i[:, 0]].mT.reshape(-1, 8, 1), groups=2).view(2, 6, 5).mT
            ),
            "bio",
        ),
    ],
)
def test_a_weight_that_is_picked_for_each_input_has_the_fans_of_one(function, axes):
    parts = {"w": torch.zeros(E, 8, 6), "a": nn.Linear(8, E), "o": nn.Linear(6, 3)}
    found = trace(of(lambda m, x, i: m.o(function(m, x, i).relu()), **parts), (X, IDS)).by_path
    assert (found["w"].role, found["w"].axes, found["w"].fans) == ("weight", axes, (8, 6))
    assert (found["w"].use.fed_by, found["w"].use.moment) == ("data", 1)


def test_the_bias_that_is_picked_beside_a_weight_is_a_bias():
    model = of(
        lambda m, x, i: m.o(torch.einsum("btd,btdh->bth", x, m.w[i]) + m.b[i]),
        w=torch.zeros(E, 8, 6),
        b=torch.zeros(E, 6),
        o=nn.Linear(6, 3),
    )
    found = trace(model, (X, IDS)).by_path
    assert (found["w"].role, found["b"].role, found["b"].bias_of) == ("weight", "bias", "w")
    assert (found["o.weight"].use.fed_by, found["o.weight"].use.moment) == ("dense", 1)


@pytest.mark.parametrize(
    ("function", "shape"),
    [
        (lambda m, x, i: m.o(torch.cat([m.p[i[:, 0]], x], 1)), (9, 3, 8)),
        (lambda m, x, i: m.o(m.p[i[:, 0]]), (9, 3, 8)),
        (lambda m, x, i: x @ m.p[i].mT, (9, 8)),
        (lambda m, x, i: (m.o(x) * m.p[i]).sum(-1), (9, 8)),
        (lambda m, x, i: m.o(x * m.p[i]), (9, 8)),
    ],
)
def test_rows_that_are_no_matrices_stay_embeddings(function, shape):
    found = trace(of(function, p=torch.zeros(shape), o=nn.Linear(8, 8)), (X, IDS)).by_path["p"]
    assert found.role == "embedding"


def test_what_holds_matrices_in_axes_that_are_not_its_own_is_no_weight():
    model = of(lambda m, x, i: x @ m.e(i[:, 0]).view(-1, 8, 6), e=nn.Embedding(E, 48))
    found = trace(model, (X, IDS)).by_path["e.weight"]
    assert (found.role, found.axes, found.use.given) == ("embedding", "vo", 1 / 8)
    assert found.because == "one row is picked for each input, and used as a matrix"
    flat = trace(of(lambda m, x: F.linear(x, m.w.view(6, 8)), w=torch.zeros(48)), X).by_path["w"]
    assert (flat.role, flat.because) == ("kept", "a vector that is used as a matrix")


@pytest.mark.parametrize(
    ("function", "role"),
    [
        (lambda m, i: (m.u(i) * m.v(i)).sum(-1) + m.b(i)[..., 0] + m.c(i)[..., 0] + m.mu, "bias"),
        (lambda m, i: (m.u(i) * m.v(i)).sum(-1) + (m.b.weight[i] + m.c.weight[i]).squeeze(-1), "bias"),
        (lambda m, i: torch.sigmoid(m.b(i) - m.c(i)), "bias"),
        (lambda m, i: m.o(m.u(i).flatten(1)) + m.b(i).sum(1) + m.c(i).mean(1), "bias"),
        (lambda m, i: m.p(m.b(i) + m.c(i)), "embedding"),
        (lambda m, i: m.b(i) * m.c(i), "embedding"),
        (lambda m, i: torch.cat([m.b(i), m.c(i)], -1), "embedding"),
    ],
)
def test_one_number_that_is_picked_and_added_to_a_score_is_a_bias(function, role):
    layers = {"u": nn.Embedding(9, 8), "v": nn.Embedding(9, 8), "b": nn.Embedding(9, 1), "c": nn.Embedding(9, 1)}
    model = of(function, **layers, mu=torch.zeros(1), o=nn.Linear(40, 1), p=nn.Linear(1, 3))
    found = trace(model, (IDS,)).by_path
    assert (found["b.weight"].role, found["c.weight"].role) == (role, role)


def distances(z, codes):
    return z.pow(2).sum(1, keepdim=True) + codes.pow(2).sum(1) - 2 * z @ codes.T


def placed(nearest):
    return torch.zeros(len(nearest), 9).scatter_(1, nearest[:, None], 1)


@pytest.mark.parametrize(
    "function",
    [
        lambda z, codes: F.embedding(distances(z, codes).argmin(1), codes),
        lambda z, codes: codes[torch.cdist(z, codes).argmin(1)],
        lambda z, codes: codes.index_select(0, (z @ codes.T).argmax(1)),
        lambda z, codes: placed(distances(z, codes).argmin(1)) @ codes,
        lambda z, codes: F.one_hot(torch.cdist(z, codes).argmin(1), 9).float() @ codes,
    ],
)
@pytest.mark.parametrize("is_across", [False, True])
def test_a_codebook_is_an_embedding_however_its_nearest_row_is_found(function, is_across):
    def forward(m, x):
        z = m.a(x).view(-1, 8)
        found = function(z, m.c.T if is_across else m.c)
        return m.b(z + (found - z).detach())

    codes = torch.zeros(8, 9) if is_across else torch.zeros(9, 8)
    found = trace(of(forward, a=nn.Linear(8, 8), b=nn.Linear(8, 8), c=codes), X).by_path["c"]
    assert (found.role, [use.operation for use in found.uses]) == ("embedding", ["embedding"])


@pytest.mark.parametrize(
    "function",
    [
        lambda m, x: x @ (m.mix @ m.bases.view(3, -1)).view(5, 8, 6)[1],
        lambda m, x: torch.bmm(x, torch.einsum("rb,bio->rio", m.mix, m.bases)[:2]),
        lambda m, x: torch.einsum("btd,rdh->btrh", x, (m.mix @ m.bases.view(3, -1)).view(5, 8, 6)).sum(2),
        lambda m, x: x @ (m.mix @ m.bases.flatten(1))[2].view(8, 6),
    ],
)
def test_what_mixes_matrices_sums_over_them_and_they_have_the_fans_of_one(function):
    parts = {"mix": torch.zeros(5, 3), "bases": torch.zeros(3, 8, 6), "o": nn.Linear(6, 3)}
    found = trace(of(lambda m, x: m.o(function(m, x).relu()), **parts), X).by_path
    assert (found["bases"].role, found["bases"].axes, found["bases"].fans) == ("weight", "bio", (8, 6))
    mix = found["mix"]
    assert (mix.role, mix.axes, mix.fans, mix.use.moment, mix.use.followed_by) == (
        "weight",
        "oi",
        (3, 5),
        1,
        ("dense",),
    )


def stepped(m, x):
    h = m.h0.expand(len(x), 8)
    for t in range(x.shape[1]):
        h = torch.tanh(x[:, t] @ m.w + h @ m.u + m.b)
    return m.o(h)


def by_layers(m, x):
    h = m.h0
    for one in x.unbind(1):
        h = torch.tanh(m.i(one) + m.r(h))
    return m.o(h)


def gated(m, x):
    h, c = m.h0.expand(len(x), 8), m.c0.expand(len(x), 8)
    for t in range(x.shape[1]):
        i, f, g, o = (m.i(x[:, t]) + m.r(h)).chunk(4, -1)
        c = f.sigmoid() * c + i.sigmoid() * g.tanh()
        h = o.sigmoid() * c.tanh()
    return m.o(h)


def beside(m, x):
    h = m.h0.expand(len(x), 8)
    for t in range(x.shape[1]):
        z = torch.sigmoid(m.z(torch.cat([x[:, t], h], -1)))
        h = (1 - z) * h + z * torch.tanh(m.g(torch.cat([x[:, t], h], -1)))
    return m.o(h)


def summed(m, x, decay=1.0):
    state, given = m.h0, []
    for t in range(x.shape[1]):
        state = decay * state + m.i(x)[:, t, :, None] * m.r(x)[:, t, None]
        given.append(torch.einsum("bi,bij->bj", x[:, t], state))
    return m.o(torch.stack(given, 1))


def settled(m, x):
    h = m.h0
    for _ in range(4):
        h = torch.tanh(m.r(h) + m.i(x[:, 0]))
    return m.o(h)


def averaged(m, x):
    h = m.h0
    for t in range(x.shape[1]):
        h = torch.sigmoid(m.b) * h + (1 - torch.sigmoid(m.b)) * x[:, t]
    return m.o(h)


def with_places(m, x):
    for _ in range(3):
        q = x + m.h0
        x = m.n(x + m.r(torch.tanh(m.i(q))))
    return m.o(x)


def shared_layers(m, x):
    x = m.i(x) + m.h0
    for _ in range(3):
        x = x + m.r(m.n(x))
    return m.o(x)


def token_first(m, x):
    x = torch.cat([m.h0[:, None].expand(len(x), 1, 8), m.i(x)], 1)
    for _ in range(3):
        x = x + m.r(m.n(x))
    return m.o(x[:, 0])


def test_coefficients_of_one_mixture_have_as_many_inputs_as_it_has_bases():
    parts = {"mix": torch.zeros(1, 3), "bases": torch.zeros(3, 8, 6), "o": nn.Linear(6, 3)}
    found = trace(of(lambda m, x: m.o(x @ (m.mix @ m.bases.view(3, -1)).view(8, 6)), **parts), X).by_path
    assert (found["mix"].axes, found["mix"].fans.fan_in) == ("oi", 3)
    assert (found["bases"].axes, found["bases"].fans) == ("bio", (8, 6))


@pytest.mark.parametrize(
    ("function", "shape", "role"),
    [
        (stepped, (1, 8), "kept"),
        (by_layers, (1, 8), "kept"),
        (by_layers, (8,), "kept"),
        (gated, (1, 8), "kept"),
        (beside, (1, 8), "kept"),
        (summed, (1, 8, 8), "kept"),
        (lambda m, x: summed(m, x, 0.9), (8, 8), "kept"),
        (settled, (1, 8), "kept"),
        (averaged, (8,), "kept"),
        (with_places, (1, 5, 8), "position"),
        (shared_layers, (1, 5, 8), "position"),
        (token_first, (1, 8), "token"),
    ],
)
def test_what_a_written_out_recurrence_starts_from_is_a_state(function, shape, role):
    width = 32 if function is gated else 8
    parts = {"h0": torch.zeros(shape), "c0": torch.zeros(1, 8), "w": torch.zeros(8, 8), "u": torch.zeros(8, 8)}
    layers = {"i": nn.Linear(8, width), "r": nn.Linear(8, width), "o": nn.Linear(8, 3), "n": nn.LayerNorm(8)}
    model = of(function, **parts, b=torch.zeros(8), z=nn.Linear(16, 8), g=nn.Linear(16, 8), **layers)
    found = trace(model, X).by_path
    assert found["h0"].role == role
    if role == "kept":
        assert found["h0"].because == "a state that a recurrence starts from"
    if function is gated:
        assert (found["c0"].role, found["c0"].because) == ("kept", "a state that a recurrence starts from")


def test_what_multiplies_a_learned_state_is_a_weight_by_what_it_multiplies_later():
    parts = {"h0": torch.zeros(1, 8), "w": torch.zeros(8, 8), "u": torch.zeros(8, 8), "b": torch.zeros(8)}
    found = trace(of(stepped, **parts, o=nn.Linear(8, 3)), torch.zeros(2, 2, 8)).by_path
    assert (found["u"].role, found["u"].axes, found["u"].use.fed_by) == ("weight", "io", "tanh")


MIXED = {
    "einsum": (lambda p, w, x: torch.einsum("boi,bi->bo", torch.einsum("be,eoi->boi", p, w), x), (E, 6, 8), "boi"),
    "across": (lambda p, w, x: torch.einsum("bio,bi->bo", torch.einsum("be,eio->bio", p, w), x), (E, 8, 6), "bio"),
    "views": (lambda p, w, x: ((p @ w.view(E, -1)).view(-1, 6, 8) @ x[..., None])[..., 0], (E, 6, 8), "boi"),
    "by hand": (lambda p, w, x: ((p[..., None, None] * w).sum(1) @ x[..., None])[..., 0], (E, 6, 8), "boi"),
    "kernels": (
        lambda p, w, x: F.conv1d(x.reshape(1, -1, 1), (p @ w.flatten(1)).view(-1, 8, 1), groups=len(x)).view(-1, 6),
        (E, 6, 8, 1),
        "boib",
    ),
}


@pytest.mark.parametrize("case", MIXED)
@pytest.mark.parametrize("share", [lambda z: z.softmax(-1), torch.sigmoid])
def test_of_matrices_that_signals_mix_each_has_its_own_fans(case, share):
    function, shape, axes = MIXED[case]
    model = of(
        lambda m, x: m.o(function(share(m.r(x)), m.w, x).relu()),
        w=torch.zeros(shape),
        r=nn.Linear(8, E),
        o=nn.Linear(6, 3),
    )
    found = trace(model, torch.zeros(5, 8)).by_path
    assert (found["w"].role, found["w"].axes, found["w"].fans) == ("weight", axes, (8, 6))
    assert (found["w"].because.split(",")[1], found["w"].use.fed_by) == (" of which several are mixed", "data")
    assert (found["r.weight"].role, found["r.weight"].use.is_head) == ("weight", False)
    assert (found["o.weight"].use.fed_by, found["o.weight"].use.moment) == ("relu", 0.5)


def test_kernels_that_are_packed_in_rows_and_mixed_are_kept():
    model = of(
        lambda m, x: m.o(((m.r(x).softmax(-1) @ m.w).view(-1, 6, 8) @ x[..., None])[..., 0]),
        w=torch.zeros(E, 48),
        r=nn.Linear(8, E),
        o=nn.Linear(6, 3),
    )
    found = trace(model, torch.zeros(5, 8)).by_path["w"]
    assert (found.role, found.because) == ("kept", "its rows are used as matrices, of which its own axes say nothing")


@pytest.mark.parametrize(
    "function",
    [
        lambda m, x, i: x @ (m.mix[i[:, 0]][..., None, None] * m.bases).sum(1),
        lambda m, x, i: x @ torch.einsum("rb,bio->rio", m.mix, m.bases)[i[:, 0]],
        lambda m, x, i: x @ torch.einsum("rb,bio->rio", m.mix[i[:, 0]], m.bases),
        lambda m, x, i: x @ (m.mix[i[:, 0]] @ m.bases.flatten(1)).view(-1, 8, 6),
        lambda m, x, i: x @ (F.embedding(i[:, 0], m.mix)[..., None, None] * m.bases).sum(1),
        lambda m, x, i: x @ (m.mix[3][:, None, None] * m.bases).sum(0),
    ],
)
def test_bases_that_coefficients_of_a_relation_mix_have_the_fans_of_one(function):
    parts = {"mix": torch.zeros(5, 3), "bases": torch.zeros(3, 8, 6), "o": nn.Linear(6, 3)}
    found = trace(of(lambda m, x, i: m.o(function(m, x, i).relu()), **parts), (X, IDS)).by_path
    assert (found["bases"].role, found["bases"].axes, found["bases"].fans) == ("weight", "bio", (8, 6))
    assert found["bases"].use.fed_by == "data"
    mix = found["mix"]
    assert (mix.role, mix.axes, mix.fans, mix.use.followed_by) == ("weight", "oi", (3, 5), ("dense",))


@pytest.mark.parametrize(
    ("function", "shape", "axes", "fans"),
    [
        (lambda w: w.flatten(1), (8, 2, 3), "ioo", (8, 6)),
        (lambda w: w.transpose(0, 1).flatten(1), (2, 8, 3), "oio", (8, 6)),
        (lambda w: w.T, (6, 8), "oi", (8, 6)),
        (lambda w: w.squeeze(-1).T, (6, 8, 1), "oib", (8, 6)),
        (lambda w: w.view(8, 6), (2, 4, 6), "iio", (8, 6)),
    ],
)
def test_a_weight_is_known_through_its_views(function, shape, axes, fans):
    found = trace(of(lambda m, x: m.o((x @ function(m.w)).relu()), w=torch.zeros(shape), o=nn.Linear(6, 3)), X)
    assert (found.by_path["w"].role, found.by_path["w"].axes, found.by_path["w"].fans) == ("weight", axes, fans)


@pytest.mark.parametrize(
    "function",
    [
        lambda x, y, m: x + m * (y - x),
        lambda x, y, m: x - (x - y) * m,
        lambda x, y, m: torch.addcmul(x, y - x, m),
        lambda x, y, m: torch.lerp(x, y, m),
    ],
)
def test_what_mixes_two_signals_is_no_scale(function):
    model = of(lambda m, x: m.o(function(x, x.roll(1, 1), m.mix)), mix=torch.full((8,), 0.5), o=nn.Linear(8, 3))
    found = trace(model, X).by_path["mix"]
    assert (found.role, found.because) in [("kept", "mixes two signals"), ("kept", "taken in by lerp")]


# Attention and packs.


def attention(m, x, *, heads=2, packed=None):
    q, k, v = packed(m.qkv(x)) if packed else (m.q(x), m.k(x), m.v(x))
    q, k, v = (t.unflatten(-1, (heads, -1)).transpose(1, 2) for t in (q, k, v))
    scores = (q @ k.transpose(-1, -2) / math.sqrt(q.shape[-1])).softmax(-1)
    return m.o((scores @ v).transpose(1, 2).flatten(2))


def test_queries_keys_and_values_are_told_apart():
    layers = {name: nn.Linear(8, 8) for name in "qkvo"}
    found = trace(of(attention, **layers), X).by_path
    assert [found[f"{name}.weight"].use.followed_by for name in "qkv"] == [("query",), ("key",), ("value",)]
    assert found["o.weight"].use.fed_by == "attention"
    assert {found[f"{name}.weight"].use.head_size for name in "qkvo"} == {4}


@pytest.mark.parametrize(
    ("packed", "width", "blocks"),
    [
        (lambda t: t.chunk(3, -1), 24, 3),
        (lambda t: t.unflatten(-1, (3, 8)).unbind(-2), 24, 3),
        (
            lambda t: [p.repeat_interleave(n, -1) for p, n in zip(t.split([8, 4, 4], -1), (1, 2, 2), strict=True)],
            16,
            (8, 4, 4),
        ),
    ],
)
def test_packed_blocks_are_found_by_where_they_go(packed, width, blocks):
    model = of(lambda m, x: attention(m, x, packed=packed), qkv=nn.Linear(8, width), o=nn.Linear(8, 8))
    found = trace(model, X).by_path
    for path in ("qkv.weight", "qkv.bias"):
        assert (found[path].packs, found[path].blocks) == (("query", "key", "value"), blocks)


def test_interleaved_heads_are_no_blocks():
    def packed(t):
        return (p.flatten(-2) for p in t.unflatten(-1, (2, 12)).split(4, -1))

    model = of(lambda m, x: attention(m, x, packed=packed), qkv=nn.Linear(8, 24), o=nn.Linear(8, 8))
    found = trace(model, X).by_path["qkv.weight"]
    assert (found.packs, found.blocks, set(found.use.followed_by)) == ((), 1, {"query", "key", "value"})


@pytest.mark.parametrize(
    ("forward", "packs"),
    [
        (lambda m, x: m.b((lambda t: F.silu(t[..., :8]) * t[..., 8:])(m.a(x))), ("gate", "up")),
        (lambda m, x: m.b((lambda up, gate: up * F.gelu(gate))(*m.a(x).chunk(2, -1))), ("up", "gate")),
        (lambda m, x: m.b(F.glu(m.a(x))), ("up", "gate")),
    ],
)
def test_a_packed_gate_is_found(forward, packs):
    found = trace(of(forward, a=nn.Linear(8, 16), b=nn.Linear(8, 8)), X).by_path["a.weight"]
    assert (found.packs, found.blocks) == (packs, 2)


def test_attention_of_one_module_over_another_signal_reads_its_rows():
    model = of(lambda m, x, y: m.a(x, y, y)[0], a=nn.MultiheadAttention(8, 2, batch_first=True))
    found = trace(model, (X, torch.zeros(2, 3, 8))).by_path["a.in_proj_weight"]
    assert (found.packs, found.blocks, found.axes) == (("query", "key", "value"), 3, "oi")
    assert found.use.followed_by == ("query", "key", "value")


def test_a_bias_of_queries_keys_and_values_goes_where_they_go():
    model = of(lambda m, x, y, z: m.a(x, y, z)[0], a=nn.MultiheadAttention(8, 2, kdim=4, vdim=6, batch_first=True))
    found = trace(model, (X, torch.zeros(2, 3, 4), torch.zeros(2, 3, 6))).by_path
    assert found["a.in_proj_bias"].use.followed_by == ("query", "key", "value")


def test_a_table_added_to_scores_is_a_position():
    def forward(m, x):
        bias = m.table[torch.arange(5)[:, None] - torch.arange(5)[None] + 4]
        return m.v(x).transpose(1, 2).matmul((x @ x.transpose(1, 2) + bias).softmax(-1).transpose(1, 2))

    found = trace(of(forward, table=torch.zeros(9), v=nn.Linear(8, 8)), X).by_path["table"]
    assert (found.role, found.because) == ("position", "added to the scores of attention")


# Embeddings, positions, tokens.


def test_embeddings_know_what_they_are_added_to():
    def forward(m, ids):
        return m.head(m.words(ids) + m.places(torch.arange(ids.shape[1])) + m.extra)

    model = of(
        forward,
        words=nn.Embedding(9, 8, padding_idx=0),
        places=nn.Embedding(20, 8),
        extra=torch.zeros(8, 8),
        head=nn.Linear(8, 9),
    )
    found = trace(model, torch.zeros(2, 8, dtype=torch.long)).by_path
    assert (found["words.weight"].role, found["words.weight"].axes, found["words.weight"].padding) == (
        "embedding",
        "vo",
        0,
    )
    assert found["words.weight"].use.sums_with == ("extra", "places.weight")
    assert found["places.weight"].role == "embedding"
    assert (found["extra"].role, found["extra"].use.sums_with) == ("position", ("words.weight", "places.weight"))
    assert found["head.weight"].use.moment == 1


def test_a_token_is_put_beside_the_signal():
    model = of(
        lambda m, x: m.a(torch.cat([m.token.expand(len(x), 1, 8), x], 1)), token=torch.zeros(1, 1, 8), a=nn.Linear(8, 8)
    )
    found = trace(model, X).by_path
    assert (found["token"].role, found["token"].use.operation) == ("token", "concatenation")
    assert found["a.weight"].use.fed_by == "data"


def test_learned_queries_are_a_signal():
    model = of(
        lambda m, x: m.a(m.queries.expand(len(x), 3, 8), x, x)[0],
        queries=torch.zeros(3, 8),
        a=nn.MultiheadAttention(8, 2, batch_first=True),
    )
    found = trace(model, X).by_path
    assert found["queries"].role == "token"
    assert found["a.in_proj_weight"].packs == ("query", "key", "value")


def test_heads_of_attention_are_no_matrices():
    layers = {name: nn.Linear(8, 8) for name in "qkvo"}
    found = trace(of(attention, **layers), X).by_path
    assert {found[f"{name}.weight"].use.given for name in "qkvo"} == {1}


LEARNED = {
    "queries": (lambda m, x: m.a(m.q.expand(2, 3, 8), x, x)[0], "std 1", 1.0),
    "multiplied": (lambda m, x: m.a((m.q * 8**0.5).expand(2, 3, 8), x, x)[0], "std 1", 8**-0.5),
    "added to zeros": (lambda m, x: m.a(torch.zeros(2, 3, 8) + m.q, x, x)[0], "std 1", 1.0),
    "with positions": (lambda m, x: m.a((m.q + m.p).expand(2, 3, 8), x, x)[0], "2 sum to second moment 1", 0.5**0.5),
    "a constant": (lambda m, x: m.a(m.i(m.q.expand(2, 3, 8)), x, x)[0], "std 1", 1.0),
    "beside a signal": (lambda m, x: m.a(*[torch.cat([m.q.expand(2, 3, 8), x], 1)] * 3)[0], None, 0.02),
}


@pytest.mark.parametrize("case", LEARNED)
def test_a_signal_that_is_learned_starts_as_large_as_one(case):
    function, because, std = LEARNED[case]
    layers = {"a": nn.MultiheadAttention(8, 2, batch_first=True), "i": nn.Linear(8, 8), "o": nn.Linear(8, 3)}
    model = of(lambda m, x: m.o(function(m, x)), q=torch.randn(3, 8), p=torch.randn(3, 8), **layers)
    choice = next(one for one in plan(model, example=X).choices if one.path == "q")
    assert float(str(choice.init).partition("std=")[2][:-1] or 1) == pytest.approx(std)
    assert choice.because.startswith(f"a signal that is learned: {because}" if because else "put beside a signal")
