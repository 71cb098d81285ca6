"""What a Keras model does with each of its weights."""

import os

os.environ.setdefault("KERAS_BACKEND", "torch")

import keras
import pytest
from keras_zoo import MODELS, TRACES

from initium._edge import edge_of

STEPS = keras.backend.backend() != "torch"
traced = pytest.mark.skipif(not TRACES, reason="this backend has no tracer")


@pytest.fixture(scope="module")
def graphs():
    keras.utils.clear_session()
    return {name: edge_of(built := model.built()).trace(built, model.batch()) for name, model in MODELS.items()}


def weights(graph):
    return {param.path: param for param in graph.params if param.role in ("weight", "embedding")}


@pytest.mark.parametrize("name", MODELS)
def test_every_weight_and_no_other_is_found(graphs, name):
    assert set(weights(graphs[name])) == set(MODELS[name].facts)


@pytest.mark.parametrize("name", MODELS)
def test_operations_and_fans_are_those_of_the_model(graphs, name):
    found = weights(graphs[name])
    for path, fact in MODELS[name].facts.items():
        param = found[path]
        assert (param.use.operation, *param.fans) == (fact.operation, fact.fan_in, fact.fan_out), path


@traced
@pytest.mark.parametrize("name", MODELS)
def test_what_feeds_a_weight_is_told_and_how_large_it_is(graphs, name):
    for path, fact in MODELS[name].facts.items():
        use = weights(graphs[name])[path].use
        # Where each step of a recurrence is followed, what comes out is the product of a gate that it is.
        known = (fact.fed_by, "gate") if fact.fed_by == "recurrent" and STEPS else (fact.fed_by,)
        assert use.fed_by in known, path
        if fact.moment is not None:
            assert use.moment == pytest.approx(fact.moment, rel=1e-6), path


@traced
@pytest.mark.parametrize("name", MODELS)
def test_residual_branches_are_counted_and_heads_are_known(graphs, name):
    for path, fact in MODELS[name].facts.items():
        param = weights(graphs[name])[path]
        branch = param.use.branch
        assert (branch and (branch.number, branch.depth, branch.is_last)) == fact.branch, path
        ends = [use.output.kind for use in param.uses if use.output]
        assert ends == ([fact.head] if fact.head else ["open"] if name == "TiedEmbedding" else []), path


@traced
@pytest.mark.parametrize("name", MODELS)
def test_a_model_is_traced_without_an_example_as_with_one(graphs, name):
    model = MODELS[name].built()
    alone, given = weights(edge_of(model).trace(model)), weights(graphs[name])
    for path, param in alone.items():
        one, other = param.use, given[path].use
        assert (one.operation, one.fed_by, one.branch) == (other.operation, other.fed_by, other.branch), path


@traced
def test_a_tied_embedding_has_both_its_uses(graphs):
    table = graphs["TiedEmbedding"].by_path["table/embeddings"]
    assert [use.operation for use in table.uses] == ["embedding", "dense"]


@traced
def test_scales_shifts_and_biases_have_their_roles(graphs):
    roles = {"gamma": "scale", "beta": "shift", "bias": "bias", "token": "token", "places": "position"}
    for graph in graphs.values():
        for param in graph.params:
            name = param.path.rpartition("/")[2]
            assert name not in roles or param.role == roles[name], param.path


@traced
def test_a_bias_goes_with_its_kernel(graphs):
    for graph in graphs.values():
        for param in graph.params:
            if param.role == "bias":
                weight = graph.weight_of(param)
                assert weight, param.path
                assert weight.path.rpartition("/")[0] == param.path.rpartition("/")[0]


def test_recurrent_kernels_name_their_gates(graphs):
    by_path = graphs["recurrent"].by_path
    for name in ("kernel", "recurrent_kernel", "bias"):
        assert by_path[f"lstm/lstm_cell/{name}"].packs == ("input", "forget", "cell", "output")
    assert by_path["gru/gru_cell/kernel"].packs == ("update", "reset", "new")
