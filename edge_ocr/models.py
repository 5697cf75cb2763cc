"""Which models there are, where they lie, and which task or language wants which.

A models folder holds one folder a model, each with its ``model.json``. It is, in this order: the ``models_dir`` that
the caller gives, the folder that the environment variable ``EDGE_OCR_MODELS`` names, or the weights in the package.
Exactly one of the three is searched: a model that is missing there is an error, never taken silently from elsewhere.
"""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

from edge_ocr.errors import ManifestError, ModelError, ModelNotFound
from edge_ocr.manifest import (
    FILE_NAME,
    DetectManifest,
    Manifest,
    RecognizeManifest,
    load_manifest,
    read_model_file,
)

__all__ = [
    "DetectorModel",
    "Model",
    "RecognizerModel",
    "find_detector",
    "find_recognizer",
    "list_models",
    "models_folder",
]

ENVIRONMENT = "EDGE_OCR_MODELS"
_HINT = f"Give models_dir=, set {ENVIRONMENT}, or reinstall edge-ocr (pip install --force-reinstall edge-ocr)."


@dataclass(frozen=True)
class Model:
    """A model on disk: its folder and its manifest."""

    folder: Path
    manifest: Manifest

    def read(self, kind: str = "onnx") -> bytes:
        """The verified bytes of its file of that kind, for an engine. Raises IntegrityError, ManifestError."""
        return read_model_file(self.folder, self.manifest, kind)


@dataclass(frozen=True)
class DetectorModel(Model):
    """A model whose task is to detect."""

    manifest: DetectManifest


@dataclass(frozen=True)
class RecognizerModel(Model):
    """A model whose task is to recognize."""

    manifest: RecognizeManifest


_AnyModel = TypeVar("_AnyModel", bound=Model)


def models_folder(models_dir: str | os.PathLike[str] | None = None) -> Path:
    """The folder that is searched. Raises ModelNotFound where there is no such folder."""
    given = models_dir if models_dir is not None else os.environ.get(ENVIRONMENT) or None
    folder = Path(given) if given is not None else Path(__file__).parent / "weights"
    if not folder.is_dir():
        raise ModelNotFound(f"{folder}: there is no such models folder. {_HINT}")
    return folder


def list_models(models_dir: str | os.PathLike[str] | None = None, *, verify: bool = False) -> tuple[Model, ...]:
    """All models of the folder, by name. ``verify`` reads every model file and checks size and sha256.

    Raises ModelNotFound, ManifestError, IntegrityError: one bad model spoils the list, so that it cannot be overlooked.
    """
    found: list[Model] = []
    for path in sorted(models_folder(models_dir).glob(f"*/{FILE_NAME}")):
        manifest = load_manifest(path.parent, verify=verify)
        if manifest.name != path.parent.name:
            raise ManifestError(
                f"{path}: key 'name': {manifest.name!r} stands in the folder {path.parent.name!r}. "
                "Give both the same name."
            )
        if isinstance(manifest, DetectManifest):
            found.append(DetectorModel(path.parent, manifest))
        elif isinstance(manifest, RecognizeManifest):
            found.append(RecognizerModel(path.parent, manifest))
    return tuple(found)


def find_detector(models_dir: str | os.PathLike[str] | None = None) -> DetectorModel:
    """The folder's detector. Raises ModelNotFound without one, ModelError where several compete."""
    return _only([m for m in list_models(models_dir) if isinstance(m, DetectorModel)], "detector", models_dir)


def find_recognizer(language: str, models_dir: str | os.PathLike[str] | None = None) -> RecognizerModel:
    """The folder's recognizer of ``language``, such as "ko". Raises ModelNotFound, which names the languages that
    there are, and ModelError where several compete."""
    every = [m for m in list_models(models_dir) if isinstance(m, RecognizerModel)]
    fitting = [m for m in every if language in m.manifest.languages]
    if not fitting and every:
        known = sorted({code for m in every for code in m.manifest.languages})
        raise ModelNotFound(
            f"{models_folder(models_dir)}: no recognizer of language {language!r}; there are {', '.join(known)}."
        )
    return _only(fitting, f"recognizer of language {language!r}", models_dir)


def _only(models: list[_AnyModel], what: str, models_dir: str | os.PathLike[str] | None) -> _AnyModel:
    folder = models_folder(models_dir)
    if not models:
        raise ModelNotFound(f"{folder}: no {what} there. {_HINT}")
    if len(models) > 1:
        names = ", ".join(m.manifest.name for m in models)
        raise ModelError(f"{folder}: more than one {what}: {names}. Keep one of them in the folder.")
    return models[0]
