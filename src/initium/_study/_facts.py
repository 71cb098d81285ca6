"""Facts: what a page says of a study, in the place of its model and its data."""

from dataclasses import asdict, dataclass, fields
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ._study import Study

_SCORES = {"regression": "R^2"}  # of all other tasks it is the accuracy


@dataclass(frozen=True)
class Facts:
    """One cell of a study, or one that has no grid, as plain data.

    Attributes:
        name: of the cell; empty without a grid.
        model: as it is reported.
        data: likewise.
        task: what is predicted.
        preparation: how the splits came about.
        num_train: samples of the training split.
        num_test: samples of the test split.
        chance: the score of the best constant answer; None where nobody knows it.
        score: what is called the score.
        starts: what is compared, in the order asked for.
        seeds: runs of each that were asked for.
        length: how long is trained, in words.
        settings: what the cell is trained with.
        seed: of the weights.
        order_seed: of the order of samples.
        splits: folds; 0 where there is one split.
        looks: with how many runs of each start somebody has looked at the study.
        precision: how precise it is to be, in points; None if nobody asked.
        num_steps: of a whole training; 0 where nobody noted it.
        num_answers: that a score counts, of a text one a token; 0 where nobody noted it.
    """

    name: str
    model: str
    data: str
    task: str
    preparation: str
    num_train: int
    num_test: int
    chance: float | None
    score: str
    starts: tuple[str, ...]
    seeds: int
    length: str
    settings: dict[str, Any]
    seed: int = 0
    order_seed: int = 0
    splits: int = 0
    looks: tuple[int, ...] = ()
    precision: float | None = None
    num_steps: int = 0
    num_answers: int = 0

    @property
    def is_share(self) -> bool:
        """Whether the score is a share of samples, shown in percent."""
        return self.score == "accuracy"

    @property
    def training(self) -> str:
        """How it is trained, in a line."""
        how = [self.length, f"lr {self.settings['lr']:g}", f"batches of {self.settings['batch_size']}"]
        usual = {"momentum": 0, "weight_decay": 0, "schedule": "constant", "warmup": 0}
        given = {name: self.settings.get(name, value) for name, value in usual.items()}
        how += [f"{name.replace('_', ' ')} {value}" for name, value in given.items() if value != usual[name]]
        return ", ".join([*how, *([f"clipped at {clip}"] if (clip := self.settings.get("clip")) else [])])

    def steps_at(self, num_points: int) -> NDArray[np.float64]:
        """The steps that are done at each point of a curve, one an epoch, from 0 on."""
        an_epoch = -(-self.num_train // self.settings["batch_size"])
        return np.minimum(np.arange(num_points) * float(an_epoch), self.num_steps or np.inf)

    @property
    def stored(self) -> dict[str, Any]:
        """As JSON keeps it."""
        return asdict(self)

    @classmethod
    def of(cls, stored: dict[str, Any]) -> "Facts":
        """What was kept."""
        known = {one.name for one in fields(cls)}
        given: dict[str, Any] = {name: value for name, value in stored.items() if name in known}
        given |= {"starts": tuple(stored["starts"]), "looks": tuple(stored.get("looks", ()))}
        return cls(**given)


def facts(study: Study) -> Facts:
    """What a page says of a study without a grid."""
    data = study.data
    metric = study.metric if isinstance(study.metric, str) else getattr(study.metric, "__name__", "metric")
    own = _SCORES.get(data.task, "accuracy")
    score = own if study.metric is None or metric == own.lower().replace("^", "") else metric
    return Facts(
        name=study.name,
        model=study.model_name,
        data=data.name,
        task=data.task,
        preparation=data.preparation,
        num_train=len(data.x_train),
        num_test=len(data.x_test),
        chance=data.chance if score == own else None,
        score=score,
        starts=tuple(start.name for start in study.inits),
        seeds=study.seeds,
        length=f"{study.length} of {study.optimizer}",
        settings=study.settings,
        seed=study.seed,
        order_seed=study.order_seed,
        splits=(study.splits or 0) if study.has_splits else 0,
        num_steps=study.num_steps(len(data.x_train)),
        num_answers=data.y_test.size,
    )
