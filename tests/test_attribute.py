"""What `initium` itself answers to."""

import pytest

import initium


@pytest.mark.parametrize(
    ("name", "message"),
    [
        (
            "he_normal",
            "module 'initium' has no attribute 'he_normal'; it is `initium.init.he_normal`, and on tensors "
            "`initium.torch.he_normal` after `import initium.torch`",
        ),
        (
            "kaiming_normal_",
            "module 'initium' has no attribute 'kaiming_normal_'; it is `initium.torch.init.kaiming_normal_`, "
            "after `import initium.torch`",
        ),
        ("initialise", "module 'initium' has no attribute 'initialise'"),
    ],
)
def test_a_name_that_is_elsewhere_is_pointed_to(name, message):
    with pytest.raises(AttributeError) as error:
        getattr(initium, name)
    assert str(error.value) == message
    assert (error.value.name, error.value.obj) == (name, initium)  # from which Python tells the nearest


def test_an_edge_that_is_not_imported_is_told(monkeypatch):
    monkeypatch.delattr(initium, "torch", raising=False)
    with pytest.raises(AttributeError) as error:
        initium.torch  # noqa: B018
    assert str(error.value) == "module 'initium' has no attribute 'torch'; write `import initium.torch` first"
