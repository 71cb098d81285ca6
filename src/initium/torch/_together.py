"""Train several networks at once, as replicas: what `train` does for each."""

import time
from collections.abc import Iterator, Sequence

import torch
from torch import nn

from .._graph import Graph
from .._study._prepared import Data
from .._study._run import Run
from .._study._study import Study
from .._study._way import Way
from ._stack import Stack
from ._train import Course, batches, draw_seed
from ._updates import Updates

Asked = tuple[Study, nn.Module, Graph, str, int]  # what `train` is given


def train_together(asked: Sequence[Asked], way: Way) -> list[Run]:
    """The runs of models at step zero, alike but for their numbers, learning rates and the like, and their data.

    A run that diverges is over, and its neighbours do not notice.
    """
    began = time.perf_counter()
    data = {index: asked[0][0].data_of(index) for *_, index in asked}
    courses = [Course(*one, data=data[one[-1]]) for one in asked]
    generators = [torch.Generator().manual_seed(draw_seed(study, index)) for study, *_, index in asked]
    stack = Stack([model for _, model, *_ in asked], way, generators)
    study, num_samples = asked[0][0], len(data[asked[0][-1]].x_train)
    num_steps = study.num_steps(num_samples)
    updates = Updates([study for study, *_ in asked], stack.values, num_steps)
    runs: dict[int, Run] = {}
    for epoch in range(study.num_epochs(num_samples)):
        stack.train()
        left = num_steps - epoch * -(-num_samples // study.batch_size)
        for (x, y), _ in zip(_batches(study, data, [index for *_, index in asked], epoch), range(left), strict=False):
            _, gradients = stack.gradients(courses[0].judge, x, y)
            updates.step(gradients)
        for place, course in enumerate(courses):
            if place not in runs and not course.note():
                runs[place] = course.run()
        if len(runs) == len(courses):
            break
    seconds = (time.perf_counter() - began) / len(courses)
    return [(runs.get(place) or course.run()).lasting(seconds) for place, course in enumerate(courses)]


def _batches(
    study: Study, data: dict[int, Data], indices: Sequence[int], epoch: int
) -> Iterator[tuple[torch.Tensor, torch.Tensor]]:
    """Inputs and targets of each step of all replicas; those of one index share theirs."""
    places = {index: place for place, index in enumerate(data)}
    which = torch.tensor([places[index] for index in indices])
    for step in zip(*(batches(study, index, epoch, data[index]) for index in data), strict=True):
        x, y = (torch.stack(part) for part in zip(*step, strict=True))  # (index, sample, *feature)
        yield (x, y) if len(data) == len(indices) else (x[which], y[which])
