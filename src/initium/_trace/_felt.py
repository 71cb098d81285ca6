"""Felt: what a change would reach the output from, however small it is."""

from ._flow import Flow


def felt_of(flow: Flow) -> set[int]:
    """Indices of the live values that lead to an output, and not through whole numbers alone, as argmin gives."""
    by_index = {value.index: value for value in flow.live}
    felt, queue = set[int](), [by_index[index] for index in flow.outputs if index in by_index]
    while queue:
        value = queue.pop()
        if value.index in felt:
            continue
        felt.add(value.index)
        is_whole = not (value.tensor.is_floating_point() or value.tensor.is_complex())
        queue += value.inputs if value.index in flow.outputs or not is_whole else ()
    return felt
