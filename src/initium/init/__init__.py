"""The catalogue: what a weight can start as."""

from ._elementary import constant as constant
from ._elementary import framework as framework
from ._elementary import normal as normal
from ._elementary import ones as ones
from ._elementary import truncated_normal as truncated_normal
from ._elementary import uniform as uniform
from ._elementary import zeros as zeros
from ._initialiser import Initialiser as Initialiser
from ._orthogonal import orthogonal as orthogonal
from ._parse import parse as parse
from ._variance_scaling import glorot_normal as glorot_normal
from ._variance_scaling import glorot_uniform as glorot_uniform
from ._variance_scaling import he_normal as he_normal
from ._variance_scaling import he_uniform as he_uniform
from ._variance_scaling import kaiming_normal as kaiming_normal
from ._variance_scaling import kaiming_uniform as kaiming_uniform
from ._variance_scaling import lecun_normal as lecun_normal
from ._variance_scaling import lecun_uniform as lecun_uniform
from ._variance_scaling import variance_scaling as variance_scaling
from ._variance_scaling import xavier_normal as xavier_normal
from ._variance_scaling import xavier_uniform as xavier_uniform
from ._weight import Fans as Fans
from ._weight import fans as fans
from ._weight import layout as layout
