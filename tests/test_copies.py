"""Every noun that a user meets is pickled and copied, and says the same afterwards."""

import copy
import pickle

import pytest

import initium
from initium import Rule, _errors
from initium._recipes import parse_recipe
from initium.init import Initialiser
from initium.init._law import Constant

torch = pytest.importorskip("torch")
import initium.torch  # noqa: E402

from cases import CASES  # noqa: E402

WAYS = {
    "pickle": lambda thing: pickle.loads(pickle.dumps(thing)),
    "copy": copy.copy,
    "deepcopy": copy.deepcopy,
}


@pytest.fixture(scope="module")
def nouns(tmp_path_factory):
    nn = torch.nn
    model = nn.Sequential(nn.Linear(6, 5), nn.GELU(), nn.Linear(5, 4), nn.GELU(), nn.Linear(4, 2))
    file = tmp_path_factory.mktemp("copies") / "w.safetensors"
    plan = initium.plan(model, rules={"4.weight": "orthogonal(gain=2)", "2.*": "ones"})
    plan["0.weight"].law  # noqa: B018  found once, and kept
    return {
        "plan": plan,
        "choice": plan["0.weight"],
        "rule": Rule("head.*", "he_normal", because="so"),
        "ledger": plan.apply(model),
        "calibration": initium.plan(model).calibrate(model, torch.randn(20, 6)),
        "written": plan.write(file),
        "verification": plan.verify(file),
        "diff": plan.diff(initium.plan(model)),
        "report": plan.report(),
        "start": initium.torch.he_normal(0.1),
        "recipe": parse_recipe("gpt2(std=0.1)"),
        "recipe of a start": parse_recipe("he_normal bias=0.1"),
    }


@pytest.mark.parametrize("way", WAYS.values(), ids=WAYS)
def test_a_noun_equals_its_copy(nouns, way):
    for noun in nouns.values():
        assert way(noun) == noun


@pytest.mark.parametrize("spec", CASES)
def test_a_start_is_pickled_as_its_spec(spec):
    start = initium.parse(spec)
    again = pickle.loads(pickle.dumps(start))
    assert again == start
    assert again.law_of


def test_a_start_of_ones_own_is_copied_as_it_is():
    mine = Initialiser(lambda weight: Constant(0.5), "mine")
    assert copy.deepcopy(mine).law_of is mine.law_of
    with pytest.raises((AttributeError, pickle.PicklingError)):
        pickle.dumps(mine)  # of which nothing but this function knows how it starts


@pytest.mark.parametrize("way", WAYS.values(), ids=WAYS)
def test_a_comparison_says_the_same_as_its_copy(way):
    result = initium.compare("mlp(4, 3, 3)", "iris", inits=["he_normal", "zeros"], seeds=2, epochs=1, jobs=1)
    assert str(way(result)) == str(result)
    assert result == result


ERRORS = [kind for kind in vars(_errors).values() if isinstance(kind, type) and issubclass(kind, Exception)]


@pytest.mark.parametrize("kind", ERRORS)
@pytest.mark.parametrize("way", WAYS.values(), ids=WAYS)
def test_an_error_says_the_same_as_its_copy(kind, way):
    error = kind("what is wrong")
    again = way(error)
    assert (type(again), str(again), vars(again)) == (kind, "what is wrong", vars(error))


def test_an_error_keeps_what_it_knows():
    assert pickle.loads(pickle.dumps(_errors.ModelError("no input", needs_example=True))).needs_example
