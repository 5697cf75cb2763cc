"""What the synthesiser writes: seeded, varied, and content with fewer word lists."""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np
import pytest

from edge_ocr.ctc import decompose
from training.synth.texts import Texts

LISTS = {
    "words_ko.tsv": "바다\t0.01\n나무\t0.005\n하늘\t0.0001\n",
    "words_en.tsv": "river\t0.01\ntable\t0.005\nglass\t0.0001\n",
    "subtitles_ko.tsv": "그랬어\t900\n아니야\t300\n",
    "names_ko.txt": "잭 바우어\n\n반지의 제왕\n",
    "addresses_ko.txt": '"강원 춘천시 남면\n경기 수원시 권선구\n',
}
CHARSET = " !%()+,-./0123456789:;ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz※☆"


def folder(root: Path, *names: str) -> Path:
    (root / "text").mkdir(parents=True)
    for name in names:
        (root / "text" / name).write_text(LISTS[name], encoding="utf-8")
    return root


@pytest.fixture(scope="module")
def texts(tmp_path_factory: pytest.TempPathFactory) -> Texts:
    return Texts.load(folder(tmp_path_factory.mktemp("lists"), *LISTS))


@pytest.fixture(scope="module")
def many(texts: Texts) -> list[str]:
    return draw(texts, "ko", 20000)


def draw(texts: Texts, lang: str, count: int, seed: int = 0) -> list[str]:
    rng = np.random.default_rng(seed)
    return [texts.word(rng, lang, CHARSET) for _ in range(count)]


@pytest.mark.parametrize("lang", ["ko", "en"])
def test_words_are_seeded_and_have_no_spaces(texts: Texts, lang: str) -> None:
    first = draw(texts, lang, 3000)
    assert first == draw(texts, lang, 3000)
    assert first != draw(texts, lang, 3000, seed=1)
    assert all(first)
    assert max(map(len, first)) <= 26
    assert [w for w in first if re.search(r"\s", w)] == []


def test_each_language_writes_its_own_script(texts: Texts) -> None:
    hangul = re.compile("[가-힣]")
    assert sum(bool(hangul.search(w)) for w in draw(texts, "ko", 2000)) > 1000
    assert not any(hangul.search(w) for w in draw(texts, "en", 2000))


def test_all_lists_are_drawn_from(texts: Texts, many: list[str]) -> None:
    drawn = " ".join(many + draw(texts, "en", 2000))
    for word in ("바다", "그랬어", "제왕", "춘천시", "합계", "table"):
        assert word in drawn


@pytest.mark.parametrize(
    "form",
    [
        r"\d{1,3}(,\d{3})+원",
        r"\d{4}-\d\d-\d\d",
        r"\d\d:\d\d",
        r"0\d{1,2}-\d{3,4}-\d{4}",
        r"\d{6}-[1-4]\d{6}",
        r"\d{3}-\d\d-\d{5}",
        r"\d+kg",
        r"[A-Z0-9]{3,10}",
        r"www\.[a-z]+\.[a-z.]+",
        r"[A-Za-z]+\([가-힣]+\)",
    ],
)
def test_the_strings_of_receipts_and_cards_come_up(many: list[str], form: str) -> None:
    assert any(re.fullmatch(form, w) for w in many), form


def test_numbers_fit_their_language(texts: Texts) -> None:
    rng = np.random.default_rng(0)
    korean = [texts.number(rng, "ko") for _ in range(2000)]
    english = [texts.number(rng, "en") for _ in range(2000)]
    assert any("년" in n for n in korean)
    assert not any(re.search("[가-힣₩]", n) for n in english)
    assert any(re.fullmatch(r"RM\d+\.\d\d", n) for n in english)


def test_every_syllable_can_be_drawn(texts: Texts) -> None:
    class Fixed(np.random.Generator):
        """Draws what it is told."""

        asked: list[int] = []  # noqa: RUF012
        number = 0

        def random(self) -> float:  # type: ignore[override]
            return 0.0  # the branch of all syllables, not only the common ones

        def integers(self, high: int) -> int:  # type: ignore[override]
            self.asked.append(high)
            return self.number

    rng = Fixed(np.random.PCG64(0))
    drawn = set()
    for i in range(11172):
        rng.number = i
        drawn.add(texts.syllable(rng))
    assert set(rng.asked) == {11172}
    assert drawn == {chr(c) for c in range(0xAC00, 0xD7A4)}


def test_look_alikes_differ_in_one_letter(texts: Texts) -> None:
    rng = np.random.default_rng(0)
    for c in "합출물제화가":
        for _ in range(30):
            other = texts.look_alike(rng, c)
            same = sum(a == b for a, b in zip(decompose(c), decompose(other), strict=True))
            assert other != c and len(other.encode("euc-kr")) == 2
            assert same == 2, (c, other)
    assert "압" in {texts.look_alike(rng, "합") for _ in range(100)}
    assert all(len(texts.look_alike(rng, c)) == 1 for c in "A뷁")


def test_names_use_common_syllables(texts: Texts) -> None:
    rng = np.random.default_rng(3)
    common = sum(len(c.encode("euc-kr", "ignore")) == 2 for c in (texts.syllable(rng) for _ in range(5000)))
    assert 4600 < common < 4900  # 6 % from all 11,172, of which 2,350 are common


def test_latin1_is_written_whole(texts: Texts) -> None:
    rng = np.random.default_rng(0)
    seen = {c for _ in range(4000) for c in texts.latin1(rng)}
    assert {chr(c) for c in range(0xA1, 0x100)} - {"\xad"} <= seen
    assert "\xad" not in seen


@pytest.mark.parametrize("lang", ["ko", "en"])
@pytest.mark.parametrize("n", [2, 3, 4])
def test_phrases_have_single_spaces(texts: Texts, lang: str, n: int) -> None:
    rng = np.random.default_rng(n)
    phrases = [texts.phrase(rng, lang, n, CHARSET) for _ in range(300)]
    assert all(p == " ".join(p.split()) and 1 <= len(p.split()) <= n for p in phrases)
    assert any(len(p.split()) == n for p in phrases)


@pytest.mark.parametrize(
    "names",
    [
        ("words_ko.tsv", "words_en.tsv"),
        ("words_ko.tsv", "words_en.tsv", "names_ko.txt"),
        ("subtitles_ko.tsv", "words_en.tsv"),
        ("words_en.tsv",),
        ("words_ko.tsv",),
    ],
)
def test_lists_that_are_not_there_are_done_without(tmp_path: Path, names: tuple[str, ...]) -> None:
    texts = Texts.load(folder(tmp_path, *names))
    for lang in ("ko", "en"):
        assert all(draw(texts, lang, 800))
        rng = np.random.default_rng(0)
        assert all(texts.phrase(rng, lang, 3, CHARSET) for _ in range(200))


def test_no_lists_at_all_are_an_error(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match=r"training\.ingredients"):
        Texts.load(folder(tmp_path))


def test_decomposed_words_are_composed(tmp_path: Path) -> None:
    root = folder(tmp_path)
    (root / "text" / "words_ko.tsv").write_text("\u1112\u1161\u11ab\u1100\u1173\u11af\t1.0\n", encoding="utf-8")
    assert "한글" in " ".join(draw(Texts.load(root), "ko", 300))


def test_card_lines_are_what_cards_say(texts: Texts) -> None:
    rng = np.random.default_rng(3)
    lines = [texts.card(rng) for _ in range(400)]
    assert all(line == line.strip() and "\n" not in line and line for line in lines)
    assert any(re.fullmatch(r"\d{6}-\d{7}", x) for x in lines)
    assert any(re.fullmatch(r"[0-9A-Z]{5,6}", x) for x in lines)
    assert any(re.search(r"\(\S+동, \S+아파트\)", x) for x in lines)
    assert any(re.fullmatch(r"\d{4}\. \d{1,2}\. \d{1,2}\.", x) for x in lines)
