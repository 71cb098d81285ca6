"""The recipes: a start for a whole model, under one name."""

from ._parse import by_name as by_name
from ._parse import parse_recipe as parse_recipe
from ._recipe import Recipe as Recipe
