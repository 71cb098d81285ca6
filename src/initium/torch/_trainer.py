"""What a study's engine asks of this edge."""

from ._together import train_together as train_together
from ._train import build as build
from ._train import checked as checked
from ._train import first_step as first_step
from ._train import settle_process as settle_process
from ._train import train as train
from ._way import way as way
