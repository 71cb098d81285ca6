import pytest

import initium


def test_inputs_in_the_place_of_the_seed_are_told_where_they_belong():
    with pytest.raises(initium.SettingError) as error:
        initium.initialize(None, [[0.5, 1.0]])
    assert str(error.value) == "A seed is a whole number, not a list. Inputs are passed as example=."


def test_a_recipe_in_the_place_of_the_seed_is_told():
    with pytest.raises(initium.SettingError) as error:
        initium.initialize(None, "he_normal")
    assert str(error.value) == "A seed is a whole number, not a str. Write recipe='he_normal'."


def test_a_model_that_is_not_built_yet_is_told_to_be_called():
    def build():
        return None

    with pytest.raises(initium.ModelError) as error:
        initium.plan(build)
    assert str(error.value) == "A model is a torch.nn.Module, built; got a function. Call it: build()."
    with pytest.raises(initium.ModelError) as error:
        initium.plan(dict)
    assert str(error.value) == "A model is a torch.nn.Module, built; got the class dict. Call it: dict()."
    with pytest.raises(initium.ModelError) as error:
        initium.plan(3)
    assert str(error.value) == "A model is a torch.nn.Module, built; got an int."
