"""One batch, forward and backward, through a PyTorch model at step zero.

What a batch is and what one pass over it does is for others too, which train a model or look at its first batch.
"""

from ._batch import batch as batch
from ._batch import example as example
from ._diagnose import diagnose as diagnose
from ._losses import Judged as Judged
from ._pass import Gradients as Gradients
from ._pass import Job as Job
from ._pass import Tensors as Tensors
from ._pass import passed as passed
