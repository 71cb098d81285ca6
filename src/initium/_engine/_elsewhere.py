"""What a process of Ray does: lay out somebody's own code once, and train a chunk of runs."""

import faulthandler
import pickle
import sys
from typing import Any

from ._jobs import Job
from ._worker import Task, settle, told

_serving: dict[str, Task] = {}  # the study of which this process has the data, by the name of what was sent
_path = list(sys.path)


def work(sent: list[Any], contenders: list[tuple[int, Any]], job: Job, limit: float) -> bytes:
    """Train some runs together, and say what came of it.

    Args:
        sent: a reference to the code and the data of the study.
        contenders: references to those of the runs, and the place of each.
        job: the runs.
        limit: seconds after which the process is ended, whatever it is at.
    """
    import ray

    where = f", on the node {ray.util.get_node_ip_address()}"
    try:
        if (name := sent[0].hex()) not in _serving:
            settle()
            _serving.clear()
            _serving[name] = _begun(*pickle.loads(ray.get(sent[0])))
        task = _serving[name]
        for which, one in contenders:
            if not task.knows(which):
                task.contender(which, ray.get(one))
        faulthandler.dump_traceback_later(limit, exit=True)
        *_, answer = task.runs(job)
        kind, value = pickle.loads(answer)
        return answer if kind == "runs" else pickle.dumps((kind, value + where))
    except Exception as error:  # of what was sent: what the runs themselves raise is an answer
        return pickle.dumps(("failed", told(error) + where))
    finally:
        faulthandler.cancel_dump_traceback_later()


def _begun(code: Any, data: bytes) -> Task:
    path, folder = code.lay_out()
    task = Task()
    task.study([*path, *_path], folder, data)
    return task
