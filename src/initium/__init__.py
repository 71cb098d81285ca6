"""Initium: a neural network's weights before the first training step."""

from . import _ctrl_c as _ctrl_c  # first of all
from . import init as init
from ._array import array as array
from ._attribute import attribute as __getattr__  # noqa: F401  Python asks it for `__version__`
from ._compare import Comparison as Comparison
from ._compare import Grid as Grid
from ._compare import compare as compare
from ._coordinate_check import coordinate_check as coordinate_check
from ._coordinates import CoordinateCheck as CoordinateCheck
from ._diagnose import diagnose as diagnose
from ._diagnosis import Diagnosis as Diagnosis
from ._errors import CheckpointError as CheckpointError
from ._errors import DataError as DataError
from ._errors import InitiumError as InitiumError
from ._errors import MissingExtraError as MissingExtraError
from ._errors import ModelError as ModelError
from ._errors import OutputError as OutputError
from ._errors import PlanError as PlanError
from ._errors import RuleError as RuleError
from ._errors import SettingError as SettingError
from ._errors import ShapeError as ShapeError
from ._errors import SpecError as SpecError
from ._errors import TrainingError as TrainingError
from ._errors import UnknownNameError as UnknownNameError
from ._guide import cite as cite
from ._guide import explain as explain
from ._initialize import initialize as initialize
from ._initialize import plan as plan
from ._plan import Plan as Plan
from ._rule import Rule as Rule
from ._study import Study as Study
from ._warm import warm_start as warm_start
from .init import fans as fans
from .init import gain as gain
from .init import parse as parse
