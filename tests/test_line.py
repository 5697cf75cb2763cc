"""Drawn lines: ink where it is said to be, and samples that are what their text says."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("PIL")
pytest.importorskip("cv2")
from PIL import ImageFont

from tests.faces import make_face
from training.synth.fonts import Face, Faces
from training.synth.line import Ink, LineSynth, Recipe, draw_text
from training.synth.texts import Texts

CHARSETS = Path(__file__).resolve().parents[1] / "training" / "charsets"


@dataclass(frozen=True)
class PlainFace:
    """Pillow's own face: all that a bare checkout has."""

    name: str = "default"
    path: str = "default"
    script: str = "latin"

    def can_write(self, text: str) -> bool:
        return all(" " <= c <= "~" for c in text)

    def font(self, size: int) -> ImageFont.FreeTypeFont:
        font = ImageFont.load_default(size)
        assert isinstance(font, ImageFont.FreeTypeFont)
        return font


class PlainFaces:
    hangul: tuple[PlainFace, ...] = ()
    latin = (PlainFace(),)
    named = {"default": PlainFace()}  # noqa: RUF012

    def pick(self, rng: np.random.Generator, text: str, *, script: str | None = None) -> PlainFace | None:
        return PlainFace() if PlainFace().can_write(text) else None


def charset(lang: str) -> str:
    return (CHARSETS / f"{lang}.txt").read_text(encoding="utf-8").rstrip("\n")


def ink(text: str, **how: float) -> Ink:
    drawn = draw_text(text, PlainFace(), 40, **how)
    assert drawn is not None
    return drawn


# -- draw_text --------------------------------------------------------------------------------------------------
@pytest.mark.parametrize("how", [{}, {"spacing": 0.3}, {"space": 2.0}, {"spacing": -0.05, "space": 0.7}])
@pytest.mark.parametrize("text", ["Hamburg", "a b", "-", "l", "jgq|"])
def test_the_mask_is_tight_to_the_ink(text: str, how: dict[str, float]) -> None:
    drawn = ink(text, **how)
    mask = drawn.mask
    assert mask.dtype == np.float32
    assert mask.min() >= 0
    assert 0.5 < mask.max() <= 1
    for edge in (mask[0], mask[-1], mask[:, 0], mask[:, -1]):
        assert edge.max() > 40 / 255
    assert drawn.em == 40


@pytest.mark.parametrize("how", [{}, {"spacing": 0.3}, {"spacing": 0.1, "space": 1.7}])
def test_spans_say_where_each_character_stands(how: dict[str, float]) -> None:
    text = "i W m. l"
    drawn = ink(text, **how)
    assert drawn.spans.shape == (len(text), 2)
    assert (np.diff(drawn.spans[:, 0]) > 0).all()
    columns = drawn.mask.max(0)
    for c, (a, b) in zip(text, drawn.spans, strict=True):
        inside = columns[max(0, round(a)) : round(b)]
        if c == " ":
            assert inside.max() < 0.2
        else:
            assert inside.max() > 0.5
    # Nothing is drawn outside of all spans, side bearings aside.
    assert drawn.spans[0, 0] < 3
    assert drawn.spans[-1, 1] > drawn.mask.shape[1] - 4


def test_letter_by_letter_is_the_same_as_at_once() -> None:
    once, apart = ink("Hnumb oil"), ink("Hnumb oil", spacing=1e-9)
    assert abs(once.mask.shape[1] - apart.mask.shape[1]) <= 2
    np.testing.assert_allclose(once.spans, apart.spans, atol=2)


def test_spacing_and_spaces_widen() -> None:
    plain = ink("ab cd")
    wide = ink("ab cd", spacing=0.25)
    assert wide.mask.shape[1] - plain.mask.shape[1] == pytest.approx(4 * 0.25 * 40, abs=3)
    gap, double = np.diff(plain.spans[2])[0], np.diff(ink("ab cd", space=2.0).spans[2])[0]
    assert double == pytest.approx(2 * gap, abs=0.5)


@pytest.mark.parametrize("text", ["", " ", "   "])
@pytest.mark.parametrize("space", [1.0, 2.0])
def test_nothing_visible_is_none(text: str, space: float) -> None:
    assert draw_text(text, PlainFace(), 30, space=space) is None


# -- samples ----------------------------------------------------------------------------------------------------
@pytest.fixture
def texts(tmp_path: Path) -> Texts:
    (tmp_path / "text").mkdir()
    words = "river table sum glass no quick total harbour window candle".split()  # noqa: SIM905
    lines = [f"{w}\t{1 / (i + 1):.3f}" for i, w in enumerate(words)]
    (tmp_path / "text" / "words_en.tsv").write_text("\n".join(lines), encoding="utf-8")
    (tmp_path / "text" / "words_ko.tsv").write_text("바다\t1\n나무\t0.5\n", encoding="utf-8")
    return Texts.load(tmp_path)


def synth(texts: Texts, lang: str = "en", max_width: int = 480, difficulty: float = 1.0) -> LineSynth:
    rng = np.random.default_rng(9)
    grounds = [rng.integers(0, 256, (90, 160), dtype=np.uint8), np.full((40, 300), 200, np.uint8)]
    return LineSynth(
        PlainFaces(), texts, grounds, lang=lang, charset=charset(lang), max_width=max_width, difficulty=difficulty
    )


def test_samples_are_seeded(texts: Texts) -> None:
    def take(seed: int) -> list[tuple[str, bytes]]:
        rng, lines = np.random.default_rng(seed), synth(texts)
        return [(s.text, s.image.tobytes()) for s in (lines.sample(rng) for _ in range(15))]

    assert take(4) == take(4)
    assert take(4) != take(5)


@pytest.mark.parametrize("max_width", [96, 480])
@pytest.mark.parametrize("difficulty", [0.0, 1.0])
def test_samples_are_of_the_asked_size_and_charset(texts: Texts, max_width: int, difficulty: float) -> None:
    rng, lines = np.random.default_rng(0), synth(texts, max_width=max_width, difficulty=difficulty)
    allowed = set(charset("en"))
    widths = []
    for _ in range(50):
        sample = lines.sample(rng)
        assert sample.image.dtype == np.uint8
        assert sample.image.shape[0] == 32
        assert 1 <= sample.image.shape[1] <= max_width
        assert sample.text == sample.text.strip() != ""
        assert set(sample.text) <= allowed
        widths.append(sample.image.shape[1])
    assert max(widths) > 0.6 * max_width
    assert len(set(widths)) > 15


def test_easy_samples_show_their_text(texts: Texts) -> None:
    """Ink stands out from its ground in nearly all of them, and longer words are wider."""
    rng, lines = np.random.default_rng(1), synth(texts, difficulty=0.0)
    contrasts, long, short = [], [], []
    for _ in range(80):
        sample = lines.sample(rng)
        low, high = np.percentile(sample.image, [3, 97])
        contrasts.append(high - low)
        (long if len(sample.text) > 8 else short).append(sample.image.shape[1])
    assert np.mean(np.array(contrasts) > 40) > 0.9
    assert np.median(long) > 1.5 * np.median(short)


def test_what_was_drawn_can_be_drawn_again(texts: Texts) -> None:
    rng, lines = np.random.default_rng(3), synth(texts)
    for _ in range(20):
        first = lines.sample(rng)
        assert first.recipe is not None and first.recipe.lines == (first.text,)
        second = lines.again(rng, first.recipe)
        if second is None:  # too wide, now that it was stretched
            assert first.image.shape[1] > 200
            continue
        assert second.text == first.text and second.recipe == first.recipe
        assert second.image.shape != first.image.shape or (second.image != first.image).any()
    assert lines.again(rng, Recipe(("word",), "a face that is not there")) is None


def test_phrases_can_be_turned_off(texts: Texts) -> None:
    lines, rng = synth(texts), np.random.default_rng(2)
    lines.phrases = 0.0
    drawn = [lines.text(rng) for _ in range(400)]
    # Only words whose letters are spaced out have spaces then.
    assert all(set(t[1::2]) == {" "} for t in drawn if " " in t)
    lines.phrases = 1.0
    assert sum(" " in lines.text(rng) for _ in range(400)) > 300


def test_only_the_charset_is_written(texts: Texts) -> None:
    lines = LineSynth(PlainFaces(), texts, [], lang="en", charset=" abcdefghijklmnopqrstuvwxyz0123")
    rng = np.random.default_rng(3)
    drawn = "".join(lines.text(rng) for _ in range(300))
    assert set(drawn) <= set(lines.charset)
    assert len(set(drawn)) > 20


def test_every_syllable_may_be_written_in_korean_and_none_in_english(texts: Texts) -> None:
    syllables = [chr(c) for c in range(0xAC00, 0xD7A4)]
    assert all(map(synth(texts, "ko").writable, syllables))
    assert not any(map(synth(texts, "en").writable, syllables))
    assert not synth(texts, "ko").writable("漢字")


# -- from a folder ----------------------------------------------------------------------------------------------
def test_a_folder_with_only_what_is_needed_is_enough(
    tmp_path: Path, texts: Texts, monkeypatch: pytest.MonkeyPatch
) -> None:

    monkeypatch.setenv("EDGE_OCR_CACHE", str(tmp_path / "cache"))
    ascii_points = list(range(0x21, 0x7F))
    make_face(tmp_path / "fonts" / "hangul" / "some.ttf", [*ascii_points, *range(0xAC00, 0xD7A4)])
    make_face(tmp_path / "fonts" / "hangul" / "hahmlet-400.ttf", [*ascii_points, 0xAC00])
    make_face(tmp_path / "fonts" / "latin" / "plain.ttf", ascii_points)
    assert [f.name for f in Faces.load(tmp_path).all] == ["some.ttf", "plain.ttf"]
    assert [f.name for f in Faces.load(tmp_path, reserved=True).all] == ["hahmlet-400.ttf"]
    for lang in ("ko", "en"):
        lines = LineSynth.load(tmp_path, lang=lang, charset=charset(lang), max_width=200)
        rng = np.random.default_rng(0)
        samples = [lines.sample(rng) for _ in range(25)]
        assert all(s.image.shape[1] <= 200 for s in samples)
        assert any("가" <= c <= "힣" for s in samples for c in s.text) == (lang == "ko")
    assert list((tmp_path / "cache").rglob("*.json"))


def test_faces_are_only_picked_for_what_they_can_write(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:

    monkeypatch.setenv("EDGE_OCR_CACHE", str(tmp_path / "cache"))
    make_face(tmp_path / "fonts" / "hangul" / "a.ttf", [0xAC00, 0x41])
    make_face(tmp_path / "fonts" / "hangul" / "b.ttf", [0xB098])
    make_face(tmp_path / "fonts" / "latin" / "c.ttf", [0x41, 0x42])
    faces, rng = Faces.load(tmp_path), np.random.default_rng(0)

    def picked(text: str) -> set[str]:
        found = [faces.pick(rng, text) for _ in range(60)]
        return {f.name if f else "" for f in found}

    assert picked("가") == {"a.ttf"}
    assert picked("나 나") == {"b.ttf"}
    assert picked("A") == {"a.ttf", "c.ttf"}
    assert picked("AB") == {"c.ttf"}
    assert picked("가나") == {""}


def test_a_folder_without_fonts_is_an_error(tmp_path: Path) -> None:

    with pytest.raises(FileNotFoundError, match=r"training\.ingredients"):
        Faces.load(tmp_path)


def test_faces_of_one_width_are_told_by_their_names() -> None:
    names = ["roboto-mono-latin-400.woff2", "monoton-latin-400.woff2", "OCRB.otf", "lato-latin-400.woff2"]
    faces = Faces([Face(n, n, frozenset(map(ord, "AB")), "latin", 1.0) for n in names])
    rng = np.random.default_rng(0)
    picked = {face.name for _ in range(60) if (face := faces.pick(rng, "AB", script="mono"))}
    assert picked == {names[0], names[2]}
