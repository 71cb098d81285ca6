"""stream_path: one name for what every framework calls otherwise, so that the same names draw the same numbers."""

import re

# How frameworks call what PyTorch calls so, by the end of a path.
_WORDS = (
    (r"lstm/lstm_cell/kernel", "lstm/weight_ih_l0"),
    (r"lstm/lstm_cell/recurrent_kernel", "lstm/weight_hh_l0"),
    (r"kernel|embeddings?|gamma|scale|w", "weight"),
    (r"beta|offset|b", "bias"),
)


def stream_path(path: str) -> str:
    """The path under which a parameter's numbers are drawn, from its path in Keras or JAX.

    Args:
        path: with a slash between names.

    Example:
        >>> stream_path("encoder/fc1/kernel"), stream_path("norm/gamma"), stream_path("fc1/bias")
        ('encoder.fc1.weight', 'norm.weight', 'fc1.bias')
    """
    for end, word in _WORDS:
        path, number = re.subn(rf"(^|/)(?:{end})$", rf"\g<1>{word}", path)
        if number:
            break
    return path.replace("/", ".")
