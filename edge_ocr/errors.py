"""The one error tree of edge_ocr.

::

    EdgeOcrError
    ├── InputError            what the caller gave cannot be used (also a ValueError)
    │   ├── ImageError        an image that cannot be opened, decoded or is of a wrong shape or type
    │   └── CaptureError      a camera, video or stream that cannot be opened, or was lost
    ├── ModelError            a model that cannot be used
    │   ├── ModelNotFound     no model of that name or language is installed
    │   ├── ManifestError     model.json is missing, malformed, or has unknown or missing keys
    │   └── IntegrityError    a model file is cut off, altered or foreign (size or sha256 differ)
    └── EngineError           the inference engine is missing or refused the model

Every message says what is wrong, with what, and what to do about it.

What does not end the work is a ``CaptureWarning``, a ``UserWarning`` of Python's ``warnings``.
"""

from __future__ import annotations

__all__ = [
    "CaptureError",
    "CaptureWarning",
    "EdgeOcrError",
    "EngineError",
    "ImageError",
    "InputError",
    "IntegrityError",
    "ManifestError",
    "ModelError",
    "ModelNotFound",
]


class EdgeOcrError(Exception):
    """Root of every error that edge_ocr raises on purpose."""


class InputError(EdgeOcrError, ValueError):
    """An argument cannot be used as given."""


class ImageError(InputError):
    """An image cannot be opened, decoded, or has a shape or type that cannot be read."""


class CaptureError(InputError):
    """A camera, video or stream cannot be opened, or was lost."""


class CaptureWarning(UserWarning):
    """Pictures or frames of a source were left out because they cannot be decoded, or a video ended before its time."""


class ModelError(EdgeOcrError):
    """A model cannot be used."""


class ModelNotFound(ModelError):
    """No model of that name, or for that language, is installed."""


class ManifestError(ModelError):
    """A model.json is missing, malformed, or has unknown or missing keys."""


class IntegrityError(ModelError):
    """A model file's size or sha256 differs from its manifest's."""


class EngineError(EdgeOcrError):
    """The inference engine is missing, or refused the model."""
