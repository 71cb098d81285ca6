"""Format 1 of a saved plan, which had its facts in the texts: the one place where those are read."""

import re
from typing import Any

_LENGTH = "follows its direction"
# How a length and its direction are called under PyTorch's new weight norm and its old one.
_DIRECTIONS = {"original0": "original1", "_g": "_v"}
_RECIPE = re.compile(r"(.*?)(?: \(version (\d{1,9})\))?$", re.DOTALL)
# What muP's reasons told besides, and a table tells now.
_RATE = re.compile(r", learning rate times \S+$")


def upgraded(data: dict[str, Any]) -> dict[str, Any]:
    """The JSON of a plan in format 1 as one of format 2; what is no plan stays as it is, to be refused."""
    recipe, entries = data.get("recipe"), data.get("parameters")
    if not isinstance(recipe, str) or not isinstance(entries, list):
        return data
    spec, version = _RECIPE.fullmatch(recipe).groups()  # pyright: ignore[reportOptionalMemberAccess]
    facts = {"recipe": spec, "parameters": [_entry(entry) if isinstance(entry, dict) else entry for entry in entries]}
    facts |= {"version": int(version)} if version else {}
    return data | facts | ({"remakes": True} if spec == "author" else {})


def _entry(entry: dict[str, Any]) -> dict[str, Any]:
    rule, known, path = (str(entry.get(key, "")) for key in ("rule", "known by", "path"))
    who = next((by for start, by in (("your rule", "you"), ("author", "author")) if rule.startswith(start)), "")
    end = next((end for end in _DIRECTIONS if known.endswith(_LENGTH) and path.endswith(end)), "")
    length = {"length_of": path.removesuffix(end) + _DIRECTIONS[end]} if end else {}
    because = _RATE.sub("", str(entry["because"])) if "because" in entry else None
    return entry | ({"by": who} if who else {}) | length | ({"because": because} if because else {})
