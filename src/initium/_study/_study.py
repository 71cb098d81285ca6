"""The Study: all that settles a comparison's numbers before anything is trained."""

import itertools
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field, fields, replace
from functools import cached_property
from typing import Any

from .._errors import InitiumError, SettingError, counted
from .._printable import printable
from .._store._shown import shown
from ._data import load_data
from ._enough import runs_needed
from ._prepared import Data
from ._settings import check_setting, check_whole
from ._start import names_of, read_starts
from ._stored import stored

# What a list of makes a grid, beside the arguments of a model function, in the order of a cell's name.
AXES = (
    *("depth", "width", "activation", "lr", "batch_size", "optimizer"),
    *("momentum", "weight_decay", "schedule", "warmup", "clip"),
)
SPLITS = 5  # folds, where nobody says how many
EPOCHS = 20  # where nobody says how long
SHAPE = ("depth", "width", "activation")  # what the model is built with, if it takes such an argument


@dataclass(frozen=True)
class Study:
    """Which starts are compared, on what, and how they are trained; a list in the place of a setting makes a grid.

    Run r of all starts shares its draws and its order. The settings are as `compare` has them.

    Attributes:
        model: a built-in model's name, `file.py:function`, a function that builds a new one, or several of these
            functions, which are then what is compared.
        data: whatever `compare` takes.
        inits: the starts.
        arguments: further arguments of a model function; of a list each is one of a grid.
        place: where in a grid this study stands, as name and value; empty for a whole one.

    Example:
        >>> grid = Study("mlp", "iris", ["he_normal", "zeros"], lr=[0.1, 0.01], depth=[1, 2], seeds=2)
        >>> [cell.name for cell in grid.cells]
        ['depth=1, lr=0.1', 'depth=1, lr=0.01', 'depth=2, lr=0.1', 'depth=2, lr=0.01']
    """

    model: Any
    data: Any
    inits: Any = ()
    rules: Any = ()
    seeds: int = 20
    epochs: int | None = None
    steps: int | None = None
    batch_size: Any = 32
    lr: Any = 0.1
    optimizer: Any = "sgd"
    momentum: Any = 0.0
    weight_decay: Any = 0.0
    schedule: Any = "constant"
    warmup: Any = 0
    clip: Any = None
    loss: str | Callable[..., Any] | None = None
    metric: str | Callable[..., Any] | None = None
    depth: Any = None
    width: Any = None
    activation: Any = None
    arguments: Mapping[str, Any] = field(default_factory=dict)
    target: str | None = None
    splits: int | None = None
    standardise: bool = True
    seed: int = 0
    order_seed: int = 0
    split_seed: int = 0
    place: tuple[tuple[str, Any], ...] = ()

    def __post_init__(self) -> None:
        """Read what was given as text, and refuse what cannot be trained."""
        for name in AXES:
            self._set(name, _listed(getattr(self, name)))
        if self.epochs is None and self.steps is None:
            self._set("epochs", EPOCHS)
        self._set("arguments", {name: _plain(value) for name, value in self.arguments.items()})
        self._check()
        models = tuple(self.model) if isinstance(self.model, list | tuple) else ()
        self._set("inits", read_starts(self.inits, () if self.place else self.rules, models))
        if models:
            self._set("model", models[0] if len(models) == 1 else models)
        self._set("data", self._load())

    def __repr__(self) -> str:
        at = f" at {self.name}" if self.place else ""
        return printable(f"<Study: {self.outline} on {self.data.name}{at}>")

    def _set(self, name: str, value: Any) -> None:
        object.__setattr__(self, name, value)

    def _load(self) -> Data:
        how = {"split_seed": self.split_seed, "standardise": self.standardise, "target": self.target}
        if self.place:
            return load_data(self.data, **how)
        data = load_data(self.data, folds=(self.seeds, self.splits or SPLITS), is_usual=self.splits is None, **how)
        self._set("splits", data.num_folds)
        return data

    def _check(self) -> None:
        if self.seeds == 1:
            raise SettingError(
                "seeds=1 gives one run's anecdote: no interval, no test, no winner. Ask for 2 or more; 20 "
                "is the default."
            )
        if self.epochs is not None and self.steps is not None:
            raise SettingError(
                f"epochs={self.epochs!r} and steps={self.steps!r} both say how long is trained; leave one of them out."
            )
        wholes = {"seeds": 2, "seed": 0, "order_seed": 0, "split_seed": 0}
        wholes |= {name: 1 for name in ("epochs", "steps", "splits") if getattr(self, name) is not None}
        for name, least in wholes.items():
            check_whole(name, getattr(self, name), least)
        if not isinstance(self.standardise, bool):
            raise SettingError(f"standardise is True or False, not {self.standardise!r}.")
        for name in AXES:
            values = getattr(self, name)
            for value in values if isinstance(values, tuple) else (values,):
                check_setting(name, value)
        if self.momentum and self.optimizer in ("adam", "adamw"):
            raise SettingError(f"momentum is of sgd, and {self.optimizer} has its own; leave it out.")
        if self.optimizer == "nesterov" and not self.momentum:
            raise SettingError("nesterov looks ahead along the momentum, which is 0; say momentum=0.9, or take sgd.")
        for name, values in self.axes.items():
            if not values:
                raise SettingError(f"{name} lists nothing; give it a value or several.")
            kept = list(map(stored, values))
            if twice := [one for index, one in enumerate(kept) if _json(one) in map(_json, kept[:index])]:
                raise SettingError(f"{name} lists {shown(twice[0])} twice.")

    @cached_property
    def axes(self) -> dict[str, tuple[Any, ...]]:
        """What varies over the grid, and its values."""
        own = {name: getattr(self, name) for name in AXES if isinstance(getattr(self, name), tuple)}
        more = {name: tuple(value) for name, value in self.arguments.items() if isinstance(value, list)}
        return own | more

    @cached_property
    def cells(self) -> "tuple[Study, ...]":
        """One study for each place in the grid; this one if it is none."""
        return tuple(self._at(values) for values in itertools.product(*self.axes.values())) if self.axes else (self,)

    def _at(self, values: tuple[Any, ...]) -> "Study":
        place = tuple(zip(self.axes, values, strict=True))
        own = {name: value for name, value in place if name in AXES}
        more = {name: value for name, value in place if name not in AXES}
        try:
            return replace(self, **own, arguments={**self.arguments, **more}, place=place)
        except InitiumError as error:
            raise type(error)(f"At {cell_name(dict(place), self.axes)}: {error}") from None

    @property
    def name(self) -> str:
        """Its place in the grid."""
        return cell_name(self.settings, dict(self.place))

    @cached_property
    def settings(self) -> dict[str, Any]:
        """What a cell is trained with, as a store knows it from others by."""
        given = {name: value for name in AXES if (value := getattr(self, name)) is not None} | dict(self.arguments)
        return {name: stored(value) for name, value in sorted(given.items())}

    @cached_property
    def key(self) -> str:
        """The settings as text."""
        return _json(self.settings)

    @cached_property
    def shape(self) -> str:
        """What the model is built with, as text: models of one shape are built alike."""
        return _json({name: stored(value) for name, value in self.asked.items()})

    @cached_property
    def sources(self) -> dict[str, str]:
        """What its functions are made from, as they are before one is called."""
        from ._sources import source_digest  # which a study that nobody keeps need not wait for

        return {name: source_digest(getattr(self, name)) for name in ("model", "loss", "metric")}

    @property
    def asked(self) -> dict[str, Any]:
        """The arguments that the model is built with."""
        given = {name: getattr(self, name) for name in SHAPE if getattr(self, name) is not None}
        return given | dict(self.arguments)

    def data_of(self, index: int) -> Data:
        """What a run trains and is tested on."""
        if not self.has_splits or self.data.source is None:
            return self.data
        return self.data.source.fold(index, self.splits or 1, self.split_seed)

    def num_rows(self, index: int) -> int:
        """How many samples a run trains on."""
        if not self.has_splits or self.data.source is None:
            return len(self.data.x_train)
        return self.data.source.num_rows(index, self.splits or 1, self.split_seed)

    @property
    def bytes_of_data(self) -> int:
        """That a run has for itself: none where all share one split."""
        if not self.has_splits or self.data.source is None:
            return 0
        parts = (self.data.x_train, self.data.y_train, self.data.x_test, self.data.y_test)
        return sum(part.nbytes for part in parts)

    @property
    def length(self) -> str:
        """How long is trained, in words."""
        return counted(self._epochs, "epoch") if self.steps is None else counted(self.steps, "step")

    @property
    def _epochs(self) -> int:
        return self.epochs or EPOCHS

    def num_epochs(self, num_samples: int) -> int:
        """The passes over so many samples that training takes, the last perhaps not whole."""
        return self._epochs if self.steps is None else -(-self.steps // -(-num_samples // self.batch_size))

    def num_steps(self, num_samples: int) -> int:
        """The steps that training takes."""
        return self.steps or self._epochs * -(-num_samples // self.batch_size)

    @property
    def model_name(self) -> str:
        """The model as it is reported."""
        if isinstance(self.model, str):
            return self.model
        if isinstance(self.model, tuple):
            return " and ".join(names_of(self.model))
        name = getattr(self.model, "__name__", "")
        return name if name.isidentifier() else "the model"  # a lambda has no name of its own

    @property
    def outline(self) -> str:
        """What will be trained, in a line."""
        grid = "".join(f" x {len(values)} {name}" for name, values in self.axes.items())
        runs = len(self.inits) * len(self.cells) * self.seeds
        return printable(f"{len(self.inits)} starts{grid} x {self.seeds} runs = {runs:,} runs of {self.model_name}")

    @property
    def notes(self) -> tuple[str, ...]:
        """What to know before it is trained."""
        splits, starts = self.splits or 1, len(self.inits)
        told = []
        if self._is_cut_short:
            told.append(
                f"{self.data.name} has samples for {splits} splits of the usual {SPLITS}: each is tested on two or "
                "more, and on some of each class"
            )
        if (missed := splits - self.seeds) > 0:
            what = counted(missed, "fold")
            told.append(f"{self.seeds} runs for {splits} splits: {what} of them will not be tested")
        if self.seeds < (enough := runs_needed(starts, has_splits=self.has_splits)):
            told.append(
                f"{self.seeds} runs of each start cannot show any difference among {starts} starts, however large; "
                f"{enough} or more can"
            )
        return tuple(told)

    @property
    def _is_cut_short(self) -> bool:
        source, splits = self.data.source, self.splits or 1
        return bool(source and 1 < splits < SPLITS and source.most_folds(SPLITS, self.split_seed) == splits)

    @property
    def has_splits(self) -> bool:
        """Whether runs have splits of their own."""
        return (self.splits or 1) > 1


SETTINGS = tuple(one.name for one in fields(Study) if one.name not in ("arguments", "place"))


def cell_name(settings: Mapping[str, Any], axes: Iterable[str]) -> str:
    """What a cell is called among others, by its settings as they are stored: no two are written alike."""
    missing = {axis: None if axis in AXES else {"name": "its own default"} for axis in axes}
    return ", ".join(f"{axis}={shown(settings.get(axis, missing[axis]))}" for axis in missing)


def _json(value: Any) -> str:
    import json  # which `import initium` need not wait for

    return json.dumps(value, sort_keys=True)


def _listed(value: Any) -> Any:
    """A tuple of what is listed, whatever holds it; one value as it is."""
    value = _unwrapped(value)
    return tuple(value) if isinstance(value, list | tuple | range) else value


def _plain(value: Any) -> Any:
    """A list is an axis; a tuple is one value."""
    value = _unwrapped(value)
    return list(value) if isinstance(value, range) else value


def _unwrapped(value: Any) -> Any:
    """What an array or a tensor holds; a class of these is a value like another."""
    return value.tolist() if hasattr(type(value), "tolist") else value
