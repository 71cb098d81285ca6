"""The Study: all that settles a comparison's numbers before anything is trained."""

from collections.abc import Callable
from dataclasses import dataclass
from numbers import Integral, Real
from typing import Any

from .._errors import SettingError
from .._recipes import Recipe
from ._data import Data


@dataclass(frozen=True)
class Study:
    """Which starts are compared, all different, on what, and how they are trained; the rest is as `compare` has it.

    Run r of all starts shares its draws and its order.
    """

    model: str | Callable[[], Any]
    data: Data
    recipes: tuple[Recipe, ...]
    seeds: int = 20
    epochs: int = 20
    batch_size: int = 32
    lr: float = 0.1
    optimizer: str = "sgd"
    activation: str = "relu"
    seed: int = 0
    order_seed: int = 0

    def __post_init__(self) -> None:
        if self.seeds == 1:
            raise SettingError(
                "seeds=1 gives one run's anecdote: no interval, no test, no winner. Ask for 2 or more; 20 "
                "is the default."
            )
        for name, least in (("seeds", 2), ("epochs", 1), ("batch_size", 1), ("seed", 0), ("order_seed", 0)):
            check_whole(name, getattr(self, name), least)
        if not isinstance(self.lr, Real) or not 0 < self.lr < float("inf"):
            raise SettingError(f"lr is a number above 0, not {self.lr!r}.")
        if self.optimizer not in ("sgd", "adam"):
            raise SettingError(f"optimizer is sgd or adam, not {self.optimizer!r}.")
        self._check_recipes()

    def _check_recipes(self) -> None:
        specs = [str(recipe) for recipe in self.recipes]
        twice = sorted({spec for spec in specs if specs.count(spec) > 1})
        if twice:
            raise SettingError(f"`{twice[0]}` is asked for more than once (Xavier is Glorot, Kaiming is He).")
        if len(specs) < 2:
            raise SettingError(
                f"A comparison needs at least 2 initialisers; got {len(specs)}. Name another, or `framework`."
            )

    @property
    def model_name(self) -> str:
        """The model as it is reported."""
        if isinstance(self.model, str):
            return self.model
        name = getattr(self.model, "__name__", "")
        return name if name.isidentifier() else "the model"  # a lambda has no name of its own


def check_whole(name: str, value: Any, least: int) -> None:
    if isinstance(value, bool) or not isinstance(value, Integral) or not least <= int(value) < 2**64:
        raise SettingError(f"{name} is a whole number of {least} or more, not {value!r}.")
