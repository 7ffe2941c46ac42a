"""Augmentation of training batches, on their device, in the order given."""

from collections.abc import Iterator, Sequence
from typing import Annotated, Literal

from pydantic import Field

from app.jobs.spec.base import Complaint, Component, Index, NonNegative, Number, Positive, Probability, Table
from app.jobs.spec.preprocess import SizeOrPair


class Augmentation(Component):
    """A random change of a training batch; validation and test are never changed."""


class RandomCrop(Augmentation):
    """A window of the images' own size at a random place of the zero-padded images."""

    type: Literal["RandomCrop"] = "RandomCrop"
    size: SizeOrPair
    padding: Annotated[Index, Field(le=4096)] = 0


class RandomHorizontalFlip(Augmentation):
    type: Literal["RandomHorizontalFlip"] = "RandomHorizontalFlip"
    p: Probability = 0.5


class RandomRotation(Augmentation):
    """By a uniform angle in [-degrees, degrees], bilinear."""

    type: Literal["RandomRotation"] = "RandomRotation"
    degrees: Annotated[Number, Field(ge=0, le=360)]


class GaussianNoise(Augmentation):
    type: Literal["GaussianNoise"] = "GaussianNoise"
    std: NonNegative


class MixUp(Augmentation):
    """Batches mixed with a permutation of themselves, by a share from Beta(alpha, alpha)."""

    type: Literal["MixUp"] = "MixUp"
    alpha: Positive = 0.2


class CutMix(Augmentation):
    """A box of a permuted batch pasted in."""

    type: Literal["CutMix"] = "CutMix"
    alpha: Positive = 1.0


AUGMENTATIONS = Table("augmentation")
AUGMENTATIONS.add(RandomCrop, RandomHorizontalFlip, RandomRotation, GaussianNoise, MixUp, CutMix)
ON_IMAGES = (RandomCrop, RandomHorizontalFlip, RandomRotation, CutMix)


def augment_complaints(steps: Sequence[Augmentation], shape: tuple[int, ...], dtype: str) -> Iterator[Complaint]:
    """What does not fit samples of this shape."""
    for index, step in enumerate(steps):
        path = ("data", "augment", index)
        if dtype == "int64":
            yield Complaint(path, "tokens cannot be augmented")
        elif isinstance(step, ON_IMAGES) and len(shape) != 3:
            yield Complaint(path, f"{step.type} takes images [C, H, W], a sample here is {list(shape)}")
        elif isinstance(step, RandomCrop):
            size = step.size if isinstance(step.size, tuple) else (step.size, step.size)
            if size != shape[1:]:
                yield Complaint((*path, "size"), f"is {list(size)}, but validation has images of {list(shape[1:])}")
        if isinstance(step, MixUp | CutMix) and index != len(steps) - 1:
            yield Complaint(path, f"{step.type} comes last, and once")
