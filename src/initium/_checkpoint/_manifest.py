"""The Manifest: what beside a plan says every bit of a checkpoint, and the digests of which it consists."""

import json
import platform
import re
import sys
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from os import PathLike
from typing import Any

from .._decisions import Choice, Decisions, _store
from .._errors import PlanError, ShapeError, listed
from .._graph import Param
from .._require import versions
from .._stream import VERSION
from ._digest import digest as digest_of
from ._digest import sums
from ._tensors import tensors_of

MARK = f'"{_store.MANIFEST}":'  # by which such a file is known

_SHA256 = re.compile(r"[0-9a-f]{64}")
_KEYS = {"seed": int, "stream": int, "digest": str, "versions": dict, "tensors": dict}
# What a start may follow from, where it was there.
_LIBRARIES = ("torch", "transformers", "timm")


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

    def text(self, plan: Decisions) -> str:
        """The plan and the manifest as JSON, a line for each tensor."""
        fans = {choice.path: _fans(choice.param) for choice in plan.choices}
        tensors = {path: {"fans": fans.get(path), "sha256": found} for path, found in self.sha256.items()}
        head = {"seed": self.seed, "stream": VERSION, "digest": self.digest, "versions": dict(self.versions)}
        lines = [f"    {_json(key)}: {_json(value)}" for key, value in head.items()]
        rows = ",\n".join(f"      {_json(path)}: {_json(said)}" for path, said in tensors.items())
        return _store.text(plan, "{\n" + ",\n".join([*lines, f'    "tensors": {{\n{rows}\n    }}']) + "\n  }")


def digest(plan: Decisions, *, seed: int = 0) -> str:
    """One hash of all that a plan draws. See `Plan.digest`."""
    tensors, _ = tensors_of(plan, seed)
    return digest_of(tensors, sums(tensors))


def manifest(plan: Decisions, *, seed: int = 0, sha256: Mapping[str, str] | None = None) -> str:
    """A plan with its seed and its digests, as JSON. See `Plan.manifest`."""
    tensors, _ = tensors_of(plan, seed)
    sha256 = sums(tensors) if sha256 is None else sha256
    _check(sha256, {tensor.path for tensor in tensors})
    return manifest_of(seed, digest_of(tensors, sha256), sha256).text(plan)


def manifest_of(seed: int, digest: str, sha256: Mapping[str, str]) -> Manifest:
    """What was found of the numbers of a plan, with the versions of what found it."""
    return Manifest(seed=int(seed), digest=digest, versions=_versions(), sha256=sha256)


def read(path: str | PathLike[str]) -> tuple[Decisions, Manifest | None]:
    """A saved plan, and its manifest if it has one.

    Raises:
        PlanError: naming every place that cannot be read.
    """
    data = _store.parsed(path)
    _check_stream(path, data.get(_store.MANIFEST) if isinstance(data, dict) else None)
    plan = _store.decisions_of(path, data)
    return plan, _read_manifest(path, data[_store.MANIFEST], plan.choices) if _store.MANIFEST in data else None


def read_for(path: str | PathLike[str], seed: int) -> Manifest:
    """The manifest in a file, which must be of a seed.

    Raises:
        PlanError: if it holds none or is of another seed; naming every place that cannot be read.
    """
    _, manifest = read(path)
    if manifest is None:
        raise PlanError(f"'{path}' is a saved plan and no manifest: it has no digests to compare with.")
    if manifest.seed != seed:
        raise PlanError(f"'{path}' is the manifest of seed {manifest.seed}, not {seed!r}. Pass seed={manifest.seed}.")
    return manifest


def _check(sha256: Any, paths: set[str]) -> None:
    is_whole = isinstance(sha256, Mapping) and sha256.keys() == paths
    if not is_whole or not all(isinstance(one, str) and _SHA256.fullmatch(one) for one in sha256.values()):
        raise PlanError("`sha256` is that of each tensor, as `write` returns it: a mapping from its path to 64 digits.")


def _versions() -> dict[str, str]:
    loaded = {name: str(sys.modules[name].__version__) for name in _LIBRARIES if name in sys.modules}
    return {"initium": "unknown", "python": platform.python_version()} | versions(["initium", "numpy"]) | loaded


def _read_manifest(path: object, data: Any, choices: Iterable[Choice]) -> Manifest:
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


def _check_stream(path: object, said: Any) -> None:
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
        elif not isinstance(said["sha256"], str) or not _SHA256.fullmatch(said["sha256"]):
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
