"""shortened: a spec for reading."""

import re

_DECIMAL = re.compile(r"(?<![\w.])\d+\.\d+(?:e[+-]?\d+)?(?![\w.])")
_TABLE = re.compile(r"'([\w+/=]{8})[\w+/=]{32,}'")  # numbers in a text that nobody reads


def shortened(spec: str) -> str:
    """A spec with its decimals to three digits and its tables left out, for reading."""
    return _DECIMAL.sub(lambda found: f"{float(found[0]):.3g}", _TABLE.sub(r"'\1...'", spec))
