"""Ray: the engine that trains on all machines of a Ray cluster, one run or some replicas at a time in each task."""

import contextlib
import math
import pickle
import time
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from types import ModuleType
from typing import Any, Self

from .._draw import num_threads
from .._errors import SettingError
from .._study._own_code import own_code
from .._study._run import Run
from .._study._study import Study
from ._cluster import by_value, check_nodes, check_versions, first_line, joined, on_each_node, own_versions, room
from ._code import Code, forget, portable
from ._contender import Contender
from ._jobs import Job, Jobs
from ._packed import check_packed, packed
from ._processes import Processes


@dataclass(frozen=True)
class Ray(Processes):
    """Tasks of one thread each; Ray says where each runs. A Ray of this machine is begun where no cluster is named.

    What was under way on a node or in a process that is lost is trained once more, as it was; what raises or takes
    longer than the limit once more run by run.

    Attributes:
        jobs: how many tasks at once; 0 is as many as the cluster has room for.
        address: of the cluster, as in `auto`, `host:6379` or `ray://host:10001`; empty is none.
        cpus: that a task has for itself.
    """

    jobs: int = 0
    address: str = ""
    cpus: float = 1.0

    def __post_init__(self) -> None:
        """Refuse what no task can have."""
        super().__post_init__()
        if not 0 < self.cpus < math.inf:
            raise SettingError(f"cpus is a number above 0, not {self.cpus!r}.")

    @property
    def told(self) -> str:
        """What runs are trained in, in words."""
        return "task"

    def prepare(self, study: Study) -> Self:
        """Join the cluster, and see whether its nodes train what this process decides.

        Raises:
            SettingError: if it cannot be joined, or trains otherwise, or nothing.
        """
        check_packed(study)
        ray = self._joined()
        most = room(ray, self.cpus)
        check_nodes(ray)
        return replace(self, jobs=self.jobs or most)

    def _joined(self) -> ModuleType:
        return joined(self.address, math.ceil(self.jobs * self.cpus) or num_threads())

    def __call__(self, study: Study, runs: Iterable[tuple[Contender, int]]) -> Iterator[Run]:
        """Each run as it finishes.

        Raises:
            TrainingError: if a run failed twice, with the cause.
        """
        ray, code = self._joined(), Code.of(study)
        jobs, begun = Jobs(portable(runs), study.data), dict[Any, tuple[Job, float]]()
        give = self._giving(ray, study, code, jobs)
        try:
            while True:
                while len(begun) < self.jobs and (job := jobs.next()):
                    begun[give(job)] = job, time.monotonic()
                if not begun:
                    return
                for one in ray.wait(list(begun))[0]:
                    job, since = begun.pop(one)
                    yield from self._taken(ray, one, jobs, job, time.monotonic() - since)
        finally:
            for one in begun:
                ray.cancel(one, force=True)
            if code.files:
                with contextlib.suppress(ray.exceptions.RayError):  # nodes that are lost have nothing any more
                    on_each_node(ray, forget, code.name)

    def _giving(self, ray: ModuleType, study: Study, code: Code, jobs: Jobs) -> Any:
        """What hands a job to Ray; code and data go to each node once, and a contender when it is first met."""
        sent, here = ray.put(pickle.dumps((code, packed(study.data)))), own_versions()
        how: dict[str, Any] = {"num_cpus": self.cpus, "max_retries": 0}
        if own := own_code(study):  # what runs other code is another process: Python keeps what it has imported
            how["runtime_env"] = {"env_vars": {"INITIUM_CODE": own}}
        task = ray.remote(**how)(by_value()[1])

        def give(job: Job) -> Any:
            contenders = [(which, jobs.sent(which, ray.put)) for which in dict.fromkeys(which for which, _ in job)]
            return task.remote(here, [sent], contenders, job, self.limit_of(*jobs.seconds(job)))

        return give

    def _taken(self, ray: ModuleType, one: Any, jobs: Jobs, job: Job, seconds: float) -> Iterator[Run]:
        """The runs that came of a job; those that failed are left to be done again."""
        kind: str
        value: Any
        try:
            kind, value = pickle.loads(ray.get(one))
        except ray.exceptions.RayTaskError as error:  # before anything was trained
            kind, value = "failed", first_line(error)
        except ray.exceptions.RayError as error:
            kind, value = "lost", f"its process was lost ({first_line(error)})"
            if seconds > (limit := self.limit_of(*jobs.seconds(job))):
                kind, value = "late", f"it took longer than {limit:g} s, which is its limit, and was ended"
        if kind == "runs":
            yield from value
        elif kind == "differs":
            check_versions({"one that joined": value})
        else:
            jobs.lose(job, value, whole=kind == "lost")
