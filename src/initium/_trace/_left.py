"""is_left: whether a matrix stays as it was built, since what is done to it first leaves no start that would fit."""

from ._axes import path_to
from ._value import Value

# A matrix that went through one of these is no longer free to start as it likes.
BENDS = {"exp", "softplus", "tanh", "sigmoid", "log", "softmax", "_softmax", "sin", "cos", "square", "abs", "relu"}


def is_left(operand: Value) -> bool:
    """Whether each parameter that a matrix is made of was bent by a function, or spread by a product with another."""
    params = parameters_of(operand)
    return not operand.is_signal and bool(params) and all(_is_left(param, operand) for param in params)


def _is_left(param: Value, operand: Value) -> bool:
    chain = path_to(param, operand)
    is_spread = operand.tensor.numel() > param.tensor.numel()
    return any(step.operation in BENDS or (is_spread and _is_product(step)) for step in chain)


def _is_product(step: Value) -> bool:
    return step.operation == "mul" and sum(bool(v.params) for v in step.inputs) > 1


def parameters_of(operand: Value) -> list[Value]:
    """The parameters that a value is made of."""
    found, queue = {}, [operand]
    while queue:
        value = queue.pop()
        if value not in found and value.params:
            found[value] = None
            queue += value.inputs
    return [value for value in found if value.operation == "parameter"]
