"""own_code: which code of somebody's own a study runs."""

from ._sources import own_digest
from ._study import Study


def own_code(study: Study) -> str:
    """A digest of it; empty if all that runs is of packages."""
    functions = [study.model, *(start.model for start in study.inits), study.loss, study.metric]
    recipes = [(start.recipe, start.rules) for start in study.inits if start.plan is None]
    return own_digest([*functions, *study.arguments.values(), study.activation, *recipes])
