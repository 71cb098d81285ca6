"""A plan as JSON that a person can read and edit."""

import json
from collections import Counter
from collections.abc import Collection, Iterable
from dataclasses import MISSING, fields
from os import PathLike
from typing import Any

from .. import _files
from .._errors import InitiumError, PlanError, listed
from .._graph import Buffer, Param
from .._json import parsed as read_json
from .._printable import printable
from .._reading import contents, path_of
from .._rule import shown
from ..init import Initialiser
from ..init._parse import reads_back
from ._choice import Choice
from ._decisions import Decisions
from ._format1 import upgraded
from ._from_json import JsonError, at, values
from ._from_json import shown as in_json
from ._origin import Origin
from ._relocated import as_found_from, as_seen_from
from ._sums import with_sums

# The first key of the file: by it a plan is known, and its value says how to read the rest.
_KEY = "initium plan"
MARK = f'"{_KEY}":'
_SCHEMA = 2
# Bytes. A parameter takes some 600, with a manifest 750: 300,000 of them. Reading takes up to 25 times the memory.
_MOST = 250_000_000
MANIFEST = "manifest"  # a key that a plan may lack; see `_checkpoint/_manifest.py`
_OPTIONAL = ("version", "remakes", "origin")
_MEND = "Mend the file, or save the plan again."


def write(plan: Decisions, path: str | PathLike[str]) -> None:
    """Save a plan whole or not at all, and never over what Initium did not write.

    Raises:
        PlanError: if a start has no spec that a file could hold.
        OutputError: if it cannot be written there.
    """
    _check_specs(plan)
    _files.write_text(path, text(as_seen_from(with_sums(plan), path_of(path))), mark=MARK)


def text(plan: Decisions, manifest: str = "") -> str:
    """A plan, with or without the text of a manifest, as it stands in a file.

    Raises:
        PlanError: if a start has no spec that a file could hold.
    """
    _check_specs(plan)
    # Near the beginning, where a file is known by it.
    lines = f"  {MARK} {_SCHEMA},\n" + (f'  "{MANIFEST}": {manifest},\n' if manifest else "")
    head = _facts(plan, without=("choices", "buffers")) | {"recipe": plan.recipe, "notes": plan.notes}
    lines += "".join(f"  {_json(key)}: {_json(value)},\n" for key, value in head.items())
    buffers = ",".join(f"\n    {_json(buffer)}" for buffer in plan.buffers)
    lines += f'  "buffers": [{buffers}],\n'
    entries = ",\n".join(_entry(choice) for choice in plan.choices)
    return f'{{\n{lines}  "parameters": [\n{entries}\n  ]\n}}\n'


def _check_specs(plan: Decisions) -> None:
    wrong = [choice for choice in plan.choices if not reads_back(choice.init)]
    lines = [f"  {choice.path}  {choice.init}" for choice in wrong]
    if plan.origin and any(choice.by == "checkpoint" for choice in wrong):
        raise PlanError(
            f"No file can hold these starts, since {plan.origin.source} is none that it could name:\n{listed(lines)}\n"
            "Save its numbers, as by `safetensors.torch.save_file(state_dict, 'w.safetensors')`, and begin from that."
        )
    if wrong:
        raise PlanError(
            f"No file can hold these starts, since no spec names them:\n{listed(lines)}\n"
            "Take starts of the catalogue, which `initium list` shows."
        )


def _entry(choice: Choice) -> str:
    """One parameter: a line for each fact, what is as usual left out."""
    spec = str(choice.init)
    said = {"path": choice.path, "start": spec, "decided": spec, "because": choice.because}
    said |= _facts(choice, without=("param", "init", "because"))
    said |= _facts(choice.param, without=("path", "because")) | {"known by": choice.param.because}
    lines = ",\n".join(f"      {_json(key)}: {_json(value)}" for key, value in said.items())
    return f"    {{\n{lines}\n    }}"


def _facts(thing: Any, without: Collection[str] = ()) -> dict[str, Any]:
    """The fields of a dataclass that differ from their defaults."""
    kept = [field for field in fields(thing) if field.name not in without and field.compare]
    said = {field.name: getattr(thing, field.name) for field in kept}
    return {
        field.name: said[field.name] for field in kept if field.default is MISSING or said[field.name] != field.default
    }


def _json(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False, default=_plain)


def _plain(thing: Any) -> Any:
    return str(thing) if isinstance(thing, Initialiser) else _facts(thing)


def decisions_of(path: str | PathLike[str], data: Any) -> Decisions:
    """The plan that the JSON of a file holds.

    Raises:
        PlanError: naming every place that cannot be read.
    """
    data = _checked(path, data)
    kinds = {"recipe": str, "notes": tuple[str, ...], "buffers": tuple[Buffer, ...], "version": int, "remakes": bool}
    kinds["origin"] = Origin
    try:
        said = {key: at(f'"{key}"', kind, data[key]) for key, kind in kinds.items() if key in data}
    except JsonError as error:
        raise PlanError(f"'{path}': {str(error).removesuffix('.')}. {_MEND}") from None
    return as_found_from(Decisions(choices=_choices(path, data["parameters"], said["buffers"]), **said), path)


def parsed(path: str | PathLike[str]) -> Any:
    """The JSON that a file holds.

    Raises:
        PlanError: where it breaks.
    """
    if not isinstance(path, str | PathLike):
        raise PlanError(f"A plan is loaded from the path of a file, not from {shown(path)}.")
    data = contents(path_of(path), refuse=PlanError, most=_MOST)
    try:
        return read_json(data, encoding="utf-8-sig")
    except json.JSONDecodeError as error:
        raise PlanError(f"'{path}' breaks at line {error.lineno}, column {error.colno}: {error.msg}. {_MEND}") from None
    except (UnicodeDecodeError, RecursionError):
        raise PlanError(f"'{path}' is no plan: it holds no JSON text.") from None
    except ValueError as error:  # a key that is there twice, or a number of thousands of digits
        raise PlanError(f"'{path}' cannot be read: {error}. {_MEND}") from None


def _checked(path: str | PathLike[str], data: Any) -> dict[str, Any]:
    """The file's content, if it is a plan that this version can read."""
    if not isinstance(data, dict) or _KEY not in data:
        raise PlanError(f"""'{path}' is no plan: it has no "{_KEY}", which `plan.save` writes.""")
    if type(data[_KEY]) is not int or not 1 <= data[_KEY] <= _SCHEMA:
        raise PlanError(
            f"'{path}' is written in format {_json(data[_KEY])}, but this Initium reads formats 1 to {_SCHEMA}. "
            "Make the plan again, or read it with the Initium that wrote it."
        )
    data = upgraded(data) if data[_KEY] == 1 else data
    keys = (_KEY, "recipe", "notes", "buffers", "parameters")
    more = [key for key in data if key not in (*keys, *_OPTIONAL, MANIFEST)]
    wrong = [f'lacks "{key}"' for key in keys if key not in data] + [f'has "{key}"' for key in more]
    if wrong:
        raise PlanError(f"'{path}' {wrong[0]}; a plan holds {', '.join(keys[1:])}. {_MEND}")
    return data


def _choices(path: str | PathLike[str], entries: Any, buffers: Iterable[Buffer]) -> tuple[Choice, ...]:
    if not isinstance(entries, list):
        what = in_json(entries)
        raise PlanError(f"""'{path}': "parameters" is a list of objects, not {what}. {_MEND}""")
    made, flaws = [], []
    for number, entry in enumerate(entries, start=1):
        name = entry.get("path", f"parameter {number}") if isinstance(entry, dict) else f"parameter {number}"
        try:
            made.append(_choice(entry))
        except (JsonError, InitiumError) as error:
            flaws.append(f"  {printable(str(name))}: {error}")
    flaws += [f"  {printable(name)}: is there {count} times" for name, count in repeated(made, buffers).items()]
    if flaws:
        raise PlanError(f"'{path}' cannot be read as a plan:\n{listed(flaws)}\n{_MEND}")
    return tuple(made)


def repeated(choices: Iterable[Choice], buffers: Iterable[Buffer]) -> dict[str, int]:
    """The names of a plan that more than one tensor has, ties among them, and how often."""
    held = [*(choice.param for choice in choices), *buffers]
    names = Counter(name for one in held for name in (one.path, *one.tied))
    return {name: count for name, count in names.items() if count > 1}


def _choice(entry: Any) -> Choice:
    """One parameter's facts, and a start that can use its axes."""
    besides = {"start": Initialiser, "decided": Initialiser, "because": str, "known by": str}
    said = values(entry, Param, Choice, without=("param", "init"), besides=besides)
    if said["start"] != (decided := said.pop("decided")):
        said |= {"because": f"edited, was {decided}", "rule": "edited in the file", "by": "you"}
    own = {field.name: said.pop(field.name) for field in fields(Choice) if field.name in said}
    init, because = said.pop("start"), said.pop("known by")
    param = Param(because=because, **said)
    _check(param)
    choice = Choice(param=param, init=init, **own)
    _ = choice.law
    return choice


def _check(param: Param) -> None:
    """Facts that must fit each other."""
    rows = param.size("v") if "v" in param.axes else param.shape[0] if param.shape else 0
    if param.padding is not None and not 0 <= param.padding < rows:
        raise PlanError(f'"padding" is a row from 0 to {rows - 1}, not {param.padding}')
    if param.packs and len(param.packs) != len(param.sizes):
        raise PlanError(f'"packs" names {len(param.packs)} blocks, but "blocks" makes {len(param.sizes)}')
