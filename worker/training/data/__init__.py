"""Prepared tensors, the order in which an epoch visits them, augmentation, and synthetic sets."""

from .augment import Augmentation
from .dataset import Batch, Dataset, Part, load
from .order import Epoch, OneStep, batches_per_epoch

__all__ = ["Augmentation", "Batch", "Dataset", "Epoch", "OneStep", "Part", "batches_per_epoch", "load"]
