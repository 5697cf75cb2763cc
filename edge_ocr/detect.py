"""Pictures of any size to regions: the views that the network sees, what it finds in each, and one set of it all.

What its maps say is ``edge_ocr.east``'s matter.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from edge_ocr import geometry as g
from edge_ocr.east import (
    DecodeOptions,
    Targets,
    components,
    continued,
    decode,
    encode,
    join,
    join_pieces,
    suppress,
    upright_rectangles,
)
from edge_ocr.engine import Engine
from edge_ocr.errors import ModelError
from edge_ocr.manifest import DetectManifest
from edge_ocr.preprocess import letterbox
from edge_ocr.types import Quad, Region
from edge_ocr.views import View, plan

__all__ = [
    "DecodeOptions",
    "Detector",
    "Sighting",
    "Targets",
    "components",
    "decode",
    "encode",
    "merge_sightings",
    "suppress",
    "upright_rectangles",
]


@dataclass(frozen=True, eq=False)
class Sighting:
    """What one view found, in picture pixels: ``quads`` ``[N, 4, 2]``, ``scores`` ``[N]``, ``trust`` ``[N]`` (score,
    less where the text is smaller or larger than this view sees well), ``cut`` bool ``[N]``: it reaches an edge of the
    view beyond which the picture goes on; ``level`` is the view's."""

    quads: g.Array
    scores: g.Array
    trust: g.Array
    cut: NDArray[np.bool_]
    level: int = 0


def merge_sightings(seen: Sequence[Sighting], *, iou: float, contained: float) -> tuple[g.Array, g.Array]:
    """One set of regions from several views -> quads ``[M, 4, 2]``, scores ``[M]``.

    Words that a seam cut are joined when both halves are there, lie on one line and overlap; then the usual
    suppression, where whole ones come before cut ones and of the others that of the view which sees text of this size
    best.
    """
    if not seen:
        return np.zeros((0, 4, 2)), np.zeros(0)
    quads = np.concatenate([s.quads for s in seen])
    scores = np.concatenate([s.scores for s in seen])
    trust = np.concatenate([s.trust for s in seen])
    cut = np.concatenate([s.cut for s in seen])
    view = np.repeat(np.arange(len(seen)), [len(s.scores) for s in seen])
    level = np.array([s.level for s in seen])[view]
    real = ~_is_group(quads, level)
    quads, scores, trust, cut = _join_cut(quads[real], scores[real], trust[real], cut[real], view[real])
    kept = suppress(quads, np.where(cut, 0.5, 1.0) * trust, iou=iou, contained=contained, partial=cut)
    return join_pieces(quads[kept], scores[kept])


def _is_group(quads: g.Array, level: NDArray[np.intp]) -> NDArray[np.bool_]:
    """Which quads of a coarse level hold several words of half their height or less that a finer one found."""
    found = np.zeros(len(quads), bool)
    if level.any():
        first, second = g.meeting_pairs(g.bounding_boxes(quads))
        first, second = np.concatenate([first, second]), np.concatenate([second, first])
        high, size = g.heights(quads), np.maximum(g.area(quads), 1e-9)
        some = (level[first] > level[second]) & (high[first] >= 2 * high[second])
        first, second = first[some], second[some]
        shared = g.intersection_area(quads[first], quads[second])
        inside = shared >= 0.8 * size[second]
        first, shared = first[inside], shared[inside]
        covered, count = np.bincount(first, shared, len(quads)) / size, np.bincount(first, minlength=len(quads))
        found = ((count >= 3) & (covered >= 0.05)) | (count >= 8)  # fewer may be specks on a letter
    return found


def _join_cut(
    quads: g.Array, scores: g.Array, trust: g.Array, cut: NDArray[np.bool_], view: NDArray[np.intp]
) -> tuple[g.Array, g.Array, g.Array, NDArray[np.bool_]]:
    """Cut quads of different views that continue one another become one whole quad."""
    some = np.nonzero(cut)[0]
    first, second = g.meeting_pairs(g.bounding_boxes(quads[some]))
    first, second = some[first], some[second]
    fits = (view[first] != view[second]) & (continued(quads, first, second) > 0.3)
    if not fits.any():
        return quads, scores, trust, cut
    alone, joined, whole = join(quads, first[fits], second[fits])
    return (
        np.concatenate([quads[alone], whole]),
        np.concatenate([scores[alone], [scores[p].max() for p in joined]]),
        np.concatenate([trust[alone], [trust[p].max() for p in joined]]),
        np.concatenate([cut[alone], np.zeros(len(joined), bool)]),
    )


class Detector:
    """Finds words in pictures of any size.

    ``manifest`` is the detector's model.json, ``engine`` runs its network. The usual camera frame is one run of the
    network in a bucket of fixed shape; larger pictures are read in tiles, one at a time, so memory does not grow with
    them; where text may be larger than the network sees, the picture is looked at again, shrunk (``plan``).
    """

    def __init__(self, manifest: DetectManifest, engine: Engine) -> None:
        self.manifest = manifest
        self.engine = engine
        self.options = DecodeOptions(
            score_threshold=manifest.decode.score_threshold,
            merge_iou=manifest.decode.merge_iou,
            edge_reach=manifest.decode.edge_reach,
            nms_iou=manifest.decode.nms_iou,
            contained=manifest.decode.contained,
            min_height=manifest.decode.min_height,
            max_regions=manifest.decode.max_regions,
            stride=manifest.output.stride,
        )

    def warm_up(self) -> None:
        """Runs the network once in each of its shapes, so that no later picture pays for it."""
        for bucket in self.manifest.input.buckets:
            self.maps(np.full((*bucket, 3), self.manifest.input.padding, np.uint8))

    def maps(self, canvas: NDArray[np.uint8]) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
        """Score map f32 ``[h, w]`` and geometry map f32 ``[h, w, 5]`` of a canvas uint8 ``[H, W, 3]`` in one of
        the buckets."""
        given, names = self.manifest.input, self.manifest.output
        out = self.engine.run({given.name: canvas[None]})
        try:
            return out[names.score][0], out[names.geometry][0]
        except KeyError as e:
            raise ModelError(
                f"the detector {self.manifest.name!r} gives {', '.join(out)} where its model.json says "
                f"{names.score}, {names.geometry}: export it again"
            ) from e

    def detect(self, image: NDArray[np.uint8]) -> list[Region]:
        """The words of a picture uint8 ``[H, W, 3]`` RGB, quads in its pixels, the surest first."""
        tiling, buckets = self.manifest.tiling, self.manifest.input.buckets
        size = (image.shape[0], image.shape[1])
        if min(size) < self.options.min_height:
            return []
        seen: list[Sighting] = []
        level = 0
        while views := plan(size, buckets, tiling, level=level):
            seen.extend(self.look(image, view, skip_blank=len(views) > 1) for view in views)
            # A single view that found text, none of it near the size where it goes blind, has found it all.
            highest = g.heights(seen[0].quads).max(initial=np.inf if not len(seen[0].scores) else 0)
            if level == 0 and len(views) == 1 and highest * views[0].scale < tiling.large:
                break
            level += 1
        if len(seen) == 1:
            quads, scores = seen[0].quads, seen[0].scores
        else:
            quads, scores = merge_sightings(seen, iou=self.options.nms_iou, contained=self.options.contained)
        best = np.argsort(-scores, kind="stable")
        return [Region(_quad(quads[i]), float(scores[i])) for i in best]

    def look(self, image: NDArray[np.uint8], view: View, *, skip_blank: bool = False) -> Sighting:
        """What one view shows; with ``skip_blank`` the network is not asked about an even surface."""
        x0, y0, x1, y1 = view.box
        part = image[y0:y1, x0:x1]
        if skip_blank and int(np.ptp(part[::2, ::2])) < _BLANK:
            return _nothing()
        box = letterbox(part, view.bucket, self.manifest.input.padding, border=view.border, max_scale=view.scale)
        quads, scores = decode(*self.maps(box.image), self.options)
        size = np.array([x1 - x0, y1 - y0], np.float64)
        inside = box.to_image(quads)
        middle = inside.mean(1)
        real = ((middle >= 0) & (middle <= size)).all(1)  # nothing in the padding
        quads, scores, inside = quads[real], scores[real], inside[real]
        high = g.heights(quads)
        if view.level:  # the level before sees smaller text better
            tall = high >= 0.5 * self.manifest.tiling.large / self.manifest.tiling.coarse_shrink
            quads, scores, inside, high = quads[tall], scores[tall], inside[tall], high[tall]
        good, large = 3.0 * self.options.stride, self.manifest.tiling.large
        trust = scores * np.minimum(1.0, np.minimum(high / good, large / np.maximum(high, 1e-9)))
        reach = self.options.stride / view.scale
        bounds = g.bounding_boxes(inside)
        seams = np.array([x0 > 0, y0 > 0, x1 < image.shape[1], y1 < image.shape[0]])
        over = np.concatenate([bounds[:, :2] < reach, bounds[:, 2:] > size - reach], axis=1)
        return Sighting(g.translate(inside, (x0, y0)), scores, trust, (over & seams).any(1), view.level)


_BLANK = 16  # grey levels: no text that anyone could read has less contrast


def _nothing() -> Sighting:
    return Sighting(np.zeros((0, 4, 2)), np.zeros(0), np.zeros(0), np.zeros(0, bool))


def _quad(points: g.Array) -> Quad:
    a, b, c, d = ((float(x), float(y)) for x, y in points)
    return (a, b, c, d)
