"""The Manifest: what beside a plan says every bit of a checkpoint."""

import json
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from .._errors import PlanError, ShapeError, listed
from .._graph import Param
from .._stream import VERSION
from ._choice import Choice

SHA256 = re.compile(r"[0-9a-f]{64}")
_KEYS = {"seed": int, "stream": int, "digest": str, "versions": dict, "tensors": dict}


@dataclass(frozen=True, kw_only=True)
class Manifest:
    """What beside a plan says every bit of a checkpoint, and by which to know it.

    Attributes:
        seed: that the plan is drawn with.
        digest: of the whole checkpoint, see `Plan.digest`.
        versions: of what wrote it.
        sha256: of each tensor's bytes, by its path.
    """

    seed: int
    digest: str
    versions: Mapping[str, str]
    sha256: Mapping[str, str]

    def text(self, choices: Iterable[Choice]) -> str:
        """As JSON, a line for each tensor."""
        fans = {choice.path: _fans(choice.param) for choice in choices}
        tensors = {path: {"fans": fans.get(path), "sha256": found} for path, found in self.sha256.items()}
        head = {"seed": self.seed, "stream": VERSION, "digest": self.digest, "versions": dict(self.versions)}
        lines = [f"    {_json(key)}: {_json(value)}" for key, value in head.items()]
        rows = ",\n".join(f"      {_json(path)}: {_json(said)}" for path, said in tensors.items())
        return "{\n" + ",\n".join([*lines, f'    "tensors": {{\n{rows}\n    }}']) + "\n  }"


def read_manifest(path: object, data: Any, choices: Iterable[Choice]) -> Manifest:
    """A manifest from JSON, checked against the plan that it stands beside.

    Raises:
        PlanError: if it cannot be read, or tells of another plan.
    """
    if not isinstance(data, dict) or data.keys() != _KEYS.keys():
        raise PlanError(f"""'{path}': "manifest" holds {", ".join(_KEYS)}, and nothing else. Write it again.""")
    wrong = [key for key, kind in _KEYS.items() if type(data[key]) is not kind]
    wrong += [] if wrong or 0 <= data["seed"] < 1 << 64 else ["seed"]
    if wrong:
        raise PlanError(f"""'{path}': "{wrong[0]}" of the manifest is {_json(data[wrong[0]])}. Write it again.""")
    flaws = [*_flaws(data["tensors"], {choice.path: choice.param for choice in choices})]
    if flaws:
        raise PlanError(f"'{path}' cannot be read as a manifest:\n{listed(flaws)}\nWrite it again.")
    sha256 = {name: said["sha256"] for name, said in data["tensors"].items()}
    return Manifest(seed=data["seed"], digest=data["digest"], versions=data["versions"], sha256=sha256)


def check_stream(path: object, said: Any) -> None:
    """Refuse what was drawn otherwise than this Initium draws, whatever else it says.

    Raises:
        PlanError: saying by which Initium.
    """
    stream = said.get("stream", VERSION) if isinstance(said, dict) else VERSION
    if type(stream) is int and stream != VERSION:
        versions = said.get("versions")
        by = f", by Initium {versions['initium']}" if isinstance(versions, dict) and "initium" in versions else ""
        raise PlanError(
            f"'{path}' was drawn from stream {stream}{by}, and this one draws stream {VERSION}: "
            f"the same seed gives other numbers. Take an Initium of stream {stream}."
        )


def _flaws(tensors: dict[str, Any], params: Mapping[str, Param]) -> Iterable[str]:
    """What does not fit the parameters; buffers need no entry."""
    yield from (f"  {path}: is missing" for path in params if path not in tensors)
    for path, said in tensors.items():
        if not isinstance(said, dict) or said.keys() != {"fans", "sha256"}:
            yield f"  {path}: holds fans and sha256, and nothing else"
        elif not isinstance(said["sha256"], str) or not SHA256.fullmatch(said["sha256"]):
            yield f"  {path}: a SHA-256 has 64 digits from 0 to f"
        elif said["fans"] != (fans := _fans(params[path]) if path in params else None):
            yield f"  {path}: its axes give the fans {_json(fans)}, not {_json(said['fans'])}"


def _fans(param: Param) -> list[float] | None:
    try:
        return list(param.fans)
    except ShapeError:
        return None


def _json(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False)
