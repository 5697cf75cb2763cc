"""Lines of a zone that were found askew are brought to their ink."""

from __future__ import annotations

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray

from edge_ocr.geometry import apply_matrix, warp_matrix
from edge_ocr.scanners.zone_fit import fit_lines

TEXT = ("P<UTOERIKSSON<<ANNA<MARIA<<<<<<<<<<<<<<<<<<<", "L898902C36UTO7408122F1204159ZE184226B<<<<<10")


def zone() -> tuple[NDArray[np.uint8], NDArray[np.float64]]:
    """A page with two lines of 44 characters, and the quads of their ink."""
    image = np.full((260, 900, 3), 225, np.uint8)
    quads = []
    for k, line in enumerate(TEXT):
        y = 130 + 44 * k
        for i, c in enumerate(line):
            cv2.putText(image, c, (60 + 17 * i, y), cv2.FONT_HERSHEY_PLAIN, 1.7, (30, 30, 30), 2)
        quads.append([[60, y - 19], [60 + 17 * 44, y - 19], [60 + 17 * 44, y], [60, y]])
    return image, np.array(quads, np.float64)


@pytest.mark.parametrize("tilt", [0.0, 0.2])
def test_lines_are_found_again(tilt: float) -> None:
    image, truth = zone()
    corners = np.array([[0, 0], [900, 0], [900, 260], [0, 260]], np.float64)
    turn = np.array([[np.cos(tilt), np.sin(tilt)], [-np.sin(tilt), np.cos(tilt)]])
    matrix = warp_matrix(corners, corners @ turn + (120, 20))
    turned = np.asarray(cv2.warpPerspective(image, matrix, (1100, 520), borderValue=(225, 225, 225)), np.uint8)
    right = apply_matrix(matrix, truth.reshape(-1, 2)).reshape(-1, 4, 2)
    # As a detector gives them: too high, ends at the wrong level, and farther than the ink.
    rough = apply_matrix(matrix, (truth + [[-20, -14], [25, 2], [25, 16], [-20, 4]]).reshape(-1, 2)).reshape(-1, 4, 2)
    better = fit_lines(turned, rough)
    assert better is not None and better.shape == (2, 4, 2)
    down = np.array([-np.sin(tilt), np.cos(tilt)])
    for end in ((0, 3), (1, 2)):
        ours, theirs, before = (q[:, end].mean(1) for q in (better, right, rough))
        assert np.abs((ours - theirs) @ down).max() < 4  # of 19 pixels of height
        assert np.hypot(*(ours - theirs).T).max() < 12 < np.hypot(*(before - theirs).T).max()


def test_an_even_surface_has_no_lines() -> None:
    image, truth = zone()
    assert fit_lines(np.full_like(image, 128), truth) is None
    assert fit_lines(image, truth - 5000) is None
