"""identity: what makes a study this one and no other, so that its runs can be told from another's."""

import hashlib
import platform
from pathlib import Path
from typing import Any

import numpy as np

from .._require import versions
from .._store._store import ADDED
from .._stream import VERSION
from ._prepared import Data
from ._sources import own_digest
from ._start import Start
from ._study import Study


def identity(study: Study) -> dict[str, Any]:
    """Facts by name that no two runs of one study may differ in. Cells, starts and seeds can be added later."""
    return {
        "model": _model(study),
        "source of the model": study.sources["model"],
        "data": _digest(study.data),  # whatever file holds it
        "splits": study.splits if study.has_splits else 0,
        "split seed": study.split_seed if study.data.source else 0,
        "length": study.length,
        **{name: _named(getattr(study, name), study.sources[name]) for name in ("loss", "metric")},
        "seed": study.seed,
        "order seed": study.order_seed,
        "stream": VERSION,
        "python": platform.python_version().rpartition(".")[0],  # whose code a digest of functions is of
        "torch": versions(["torch"]).get("torch", "none"),
        "kind of processor": _processor(),
        **{f"{ADDED}{start.name}": _defined(start) for start in study.inits},
    }


def file_name(study: Study) -> str:
    """What the file of a study without a name begins with: one study, one name, whatever is added to it."""
    found = {name: value for name, value in identity(study).items() if not name.startswith(ADDED)}
    digest = hashlib.sha256(repr(sorted(found.items())).encode()).hexdigest()[:12]
    data = "".join(letter if letter.isalnum() else "-" for letter in Path(study.data.name).name)[:30]
    return f"{data}-{digest}"


def _model(study: Study) -> str:
    """A built-in model, or the name of a function, wherever it lies: its digest says which."""
    name = study.model_name
    return name.rpartition(":")[2] if ":" in name else name


def _defined(start: Start) -> str:
    """What a start decides, with the source of what is somebody's own in it."""
    own = own_digest([start.recipe, *start.rules]) if start.plan is None else ""
    return f"{start.definition}; {own}" if own else start.definition


def _named(function: Any, source: str) -> str:
    if function is None or isinstance(function, str):
        return function or "usual"
    return f"{getattr(function, '__name__', 'function')} {source}"


def _digest(data: Data) -> str:
    found = hashlib.sha256(f"{data.task} {data.num_outputs}".encode())
    for part in (data.x_train, data.y_train, data.x_test, data.y_test):
        found.update(f"{part.dtype} {part.shape}".encode())
        found.update(np.ascontiguousarray(part).data)
    return found.hexdigest()[:16]


def _processor() -> str:
    """Its model where the system tells it: another one may round otherwise."""
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        lines = []
    models = (line.partition(":")[2].strip() for line in lines if line.startswith("model name"))
    return next(models, "") or platform.processor() or platform.machine()
