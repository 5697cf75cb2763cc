from __future__ import annotations

import cv2
import numpy as np
import pytest

pytest.importorskip("tqdm")
from benchmarks.twins import Count, compare, pictures_of
from edge_ocr import OCR


def crop(text: str) -> np.ndarray:
    picture = np.full((44, 26 * len(text) + 20, 3), 235, np.uint8)
    cv2.putText(picture, text, (8, 34), cv2.FONT_HERSHEY_SIMPLEX, 1.1, (20, 20, 20), 2, cv2.LINE_AA)
    return picture


def test_a_reader_agrees_with_itself_and_not_with_one_of_plates():
    english, plates = OCR(("en",), threads=1), OCR(("plate-kr",), threads=1)
    crops = [crop("STATION"), crop("MUSEUM")]
    same, other, both = Count(), Count(), Count()
    assert compare([english, english], crops, 0.9, same, both) == []
    differ = compare([english, plates], crops, 0.9, other, both)
    assert [a for a, _ in differ] == ["STATION", "MUSEUM"]
    assert same.shares()["same_text"] == 1 and same.shares()["cer_between"] == 0
    assert other.shares()["same_text"] == 0 and other.shares()["cer_between"] > 0.5
    assert (both.crops, both.sure, both.alike, both.letters) == (4, 4, 2, 26)


def test_pictures_of_a_folder_and_of_its_images(tmp_path):
    for name in ("b.png", "a.jpg", "note.txt"):
        (tmp_path / name).write_bytes(b"")
    assert [p.name for p in pictures_of(tmp_path)] == ["a.jpg", "b.png"]
    (tmp_path / "images").mkdir()
    (tmp_path / "images" / "c.webp").write_bytes(b"")
    assert [p.name for p in pictures_of(tmp_path)] == ["c.webp"]
