from __future__ import annotations

import numpy as np
import pytest

from edge_ocr import geometry as g
from edge_ocr.layout import arrange
from edge_ocr.types import TextWord


def put(text: str, x: float, y: float, h: float = 20.0, gap: float = 0.3) -> list[TextWord]:
    """The words of a line of text whose top left lies at (x, y), letters half as wide as high, Hangul 0.9."""
    words = []
    for word in text.split(" "):
        w = sum(0.9 if "가" <= c <= "힣" else 0.5 for c in word) * h
        words.append(TextWord(word, 0.9, quad=((x, y), (x + w, y), (x + w, y + h), (x, y + h))))
        x += w + gap * h
    return words


def right(text: str, x: float, y: float, h: float = 20.0) -> list[TextWord]:
    """The same, ending at x."""
    words = put(text, 0, y, h)
    return moved(words, lambda p: g.translate(p, (x - words[-1].quad[1][0], 0)))


def moved(words: list[TextWord], how) -> list[TextWord]:
    out = []
    for w in words:
        quad = how(np.array(w.quad))
        out.append(TextWord(w.text, w.confidence, quad=tuple(tuple(p) for p in quad.tolist())))
    return out


def read(words: list[TextWord], seed: int = 0, picture: np.ndarray | None = None) -> list[str]:
    """The lines' texts, whatever order the words come in."""
    mixed = [words[i] for i in np.random.default_rng(seed).permutation(len(words))]
    lines = arrange(mixed, picture)
    used = [i for line in lines for i in line.words]
    assert sorted(used) == list(range(len(words)))
    for line in lines:
        assert line.text.replace(" ", "") == "".join(mixed[i].text for i in line.words)
    return [line.text for line in lines]


RECEIPT = [
    ("스타벅스 강남점", None),
    ("TEL 02-555-1234", None),
    ("아메리카노", "4,500"),
    ("카페 라떼 그란데", "5,600"),
    ("물", "1,000"),
    ("치즈 케이크 조각", "6,500"),
    ("합 계", "17,600"),
    ("감사합니다", None),
]


def receipt() -> list[TextWord]:
    words = []
    for i, (item, price) in enumerate(RECEIPT):
        words += put(item, 50, 40 + 34 * i)
        if price:
            words += right(price, 560, 40 + 34 * i)
    return words


RECEIPT_LINES = [f"{a} {b}" if b else a for a, b in RECEIPT]

LEFT = [
    "The quick brown fox jumps over",
    "the lazy dog while the sleepy",
    "cat watches from a wooden wall",
    "and thinks about its dinner in",
    "the warm kitchen.",
]
RIGHT = [
    "Meanwhile the mouse has eaten",
    "all of the cheese that lay on",
    "the table and hides below the",
    "old cupboard where nobody can",
    "ever find it again today.",
]


def columns(top: float = 0, shift: float = 0, step: float = 28) -> list[TextWord]:
    words = []
    for i, (a, b) in enumerate(zip(LEFT, RIGHT, strict=True)):
        words += put(a, 40, top + step * i) + put(b, 420, top + shift + step * i)
    return words


def tilts():
    def turn(degrees):
        return lambda p: g.rotate(p, np.radians(degrees), (300, 300))

    m = g.warp_matrix([[0, 0], [600, 0], [600, 400], [0, 400]], [[60, 20], [620, 90], [560, 380], [20, 400]])
    return [
        pytest.param(lambda p: p, id="level"),
        pytest.param(turn(10), id="10 degrees"),
        pytest.param(turn(-10), id="-10 degrees"),
        pytest.param(turn(3), id="3 degrees"),
        pytest.param(turn(35), id="35 degrees"),
        pytest.param(turn(44), id="44 degrees"),
        pytest.param(turn(90), id="sideways"),
        pytest.param(turn(-90), id="sideways, upwards"),
        pytest.param(turn(180), id="upside down"),
        pytest.param(lambda p: g.apply_matrix(m, p), id="perspective"),
    ]


def test_nothing():
    assert arrange([]) == ()
    assert arrange([TextWord("no quad", 1.0), TextWord("", 1.0, quad=((0, 0), (1, 0), (1, 1), (0, 1)))]) == ()


def test_one_word():
    (line,) = arrange(put("안녕", 10, 20))
    assert line.text == "안녕"
    assert line.words == (0,)
    assert line.confidence == pytest.approx(0.9)
    assert np.allclose(line.quad, [(10, 20), (46, 20), (46, 40), (10, 40)])


@pytest.mark.parametrize("how", tilts())
def test_one_line(how):
    words = moved(put("one two three, four", 10, 20), how)
    assert read(words) == ["one two three, four"]


@pytest.mark.parametrize("how", tilts())
def test_receipt_rows_are_read_across(how):
    assert read(moved(receipt(), how)) == RECEIPT_LINES


def test_receipt_with_four_columns_and_narrow_rows():
    rows = [("Cola 500ml", "1,200", "2", "2,400"), ("Ice cream", "900", "1", "900"), ("Bread", "3,300", "10", "33,000")]
    words = []
    for i, row in enumerate(rows):
        words += put(row[0], 20, 24 * i)
        for x, cell in zip((260, 330, 460), row[1:], strict=True):
            words += right(cell, x, 24 * i)
    assert read(words) == [" ".join(r) for r in rows]


@pytest.mark.parametrize("how", tilts())
def test_columns_of_body_text_are_read_one_after_the_other(how):
    assert read(moved(columns(), how)) == LEFT + RIGHT


@pytest.mark.parametrize("shift", [0, 7, 14, 20])
def test_columns_whose_lines_do_not_stand_level(shift):
    assert read(columns(shift=shift)) == LEFT + RIGHT


def test_a_heading_and_a_footer_across_columns():
    words = put("A Tale of a Cat and a Mouse who met", 150, 0, 32) + columns(top=70) + put("Page 3 of 12", 350, 240)
    assert read(words) == ["A Tale of a Cat and a Mouse who met", *LEFT, *RIGHT, "Page 3 of 12"]


def test_a_heading_in_the_middle_parts_the_columns():
    heading = "Part Two: What the Dog had to say about it"
    words = columns() + put(heading, 60, 170, 26) + columns(top=230)
    assert read(words) == [*LEFT, *RIGHT, heading, *LEFT, *RIGHT]


def test_korean_columns():
    left = ["오늘은 날씨가 매우 맑아서", "친구들과 함께 공원에 가서", "즐거운 시간을 보내고 왔다"]
    right_ = ["내일은 비가 올 것이라는", "예보가 있어서 우산을 꼭", "챙겨서 나가야 하겠습니다"]
    words = []
    for i in range(3):
        words += put(left[i], 0, 30 * i) + put(right_[i], 320, 30 * i)
    assert read(words) == left + right_


@pytest.mark.parametrize("how", tilts())
def test_card_fields_are_read_across(how):
    words = put("주민등록증", 120, 10, 36)
    for i, (key, value) in enumerate([("성명", "홍길동"), ("번호", "900101-1234567"), ("주소", "서울특별시 강남구")]):
        words += put(key, 30, 80 + 50 * i) + put(value, 120, 80 + 50 * i)
    assert read(moved(words, how)) == ["주민등록증", "성명 홍길동", "번호 900101-1234567", "주소 서울특별시 강남구"]


def test_two_signs_side_by_side_are_two_lines():
    assert read(put("CAFE", 0, 0, 40) + put("BANK", 600, 8, 40)) == ["CAFE", "BANK"]


ONE = ["푸른호수 전망대", "Blue Lake Viewpoint", "해발 1,284 m", "주차장 300 m", "Parking P2"]
OTHER = ["안내 말씀", "쓰레기는 꼭 되가져가", "주시기 바랍니다.", "Please take your litter", "home with you."]


def boards(dx: float, dy: float) -> list[TextWord]:
    words = [w for i, t in enumerate(ONE) for w in put(t, 100, 100 + 53 * i, 28)]
    return words + [w for i, t in enumerate(OTHER) for w in put(t, 560 + dx, 90 + dy + 44 * i, 22)]


def scenery(edge: float | None = None, left=(20, 70, 50), right=(230, 226, 218)) -> np.ndarray:
    """A picture of one colour, or of another to the right of ``edge``."""
    picture = np.full((520, 1200, 3), left, np.uint8)
    if edge is not None:
        picture[:, int(edge) :] = right
    return picture


@pytest.mark.parametrize(("dx", "dy"), [(0, -40), (0, 0), (60, 0)])
def test_two_boards_side_by_side_are_read_one_after_the_other(dx, dy):
    assert read(boards(dx, dy), picture=scenery(530)) == ONE + OTHER


def test_on_one_ground_they_may_be_a_table():
    words = boards(0, -40)
    assert read(words, picture=scenery()) == read(words) != ONE + OTHER


def test_what_is_above_and_below_two_boards():
    words = boards(0, 0) + put("SUMMER OPENING HOURS OF THE NATIONAL PARK AND ITS PATHS", 90, 0, 24)
    words += put("all signs of this place were renewed by the park office", 200, 420, 20)
    got = read(words, picture=scenery(530))
    assert got[1:-1] == ONE + OTHER
    assert got[0].startswith("SUMMER") and got[-1].startswith("all signs")


def test_a_table_with_shaded_labels_is_read_across():
    """Labels of other heights than their values, tight to their ink, on a ground of their own: yet rows are level."""
    table = [("name", "Sue Moore"), ("size", "xxx one"), ("color", "green"), ("age", "seven"), ("gym", "yes please")]
    for high in (14, 22):
        words = []
        for i, (key, value) in enumerate(table):
            tail = 4 if set(key) & set("gpy") else 0
            words += put(key, 40, 60 + 44 * i, high + tail) + put(value, 400, 54 + 44 * i, 28)
        got = read(words, picture=scenery(300, left=(30, 60, 120)))
        assert " ".join(got) == " ".join(f"{key} {value}" for key, value in table)


def test_two_words_on_an_arc_are_read_from_left_to_right():
    """The right one lies a little higher, and is a line of its own."""
    assert read(put("COFFEE", 100, 107, 34) + put("ROASTERS", 330, 100, 34)) == ["COFFEE", "ROASTERS"]
    assert read(put("COFFEE", 100, 140, 34) + put("ROASTERS", 330, 100, 34)) == ["ROASTERS", "COFFEE"]


def test_labels_stand_beside_long_values():
    """A few labels left of a long text are its headings, line by line, not a board of their own."""
    values = [f"the value of this field goes on for a line, and this is line number {i}" for i in range(12)]
    words = [w for i, t in enumerate(values) for w in put(t, 300, 26 * i, 18)]
    labels = {0: "first label", 4: "second label", 9: "third label"}
    words += [w for i, t in labels.items() for w in put(t, 20, 26 * i, 18)]
    got = read(words)
    at = [next(k for k, line in enumerate(got) if label in line) for label in labels.values()]
    assert at[0] == 0 and at[1] > 3 and at[2] > 8


@pytest.mark.parametrize(("high", "lines"), [(30, 1), (34, 2), (60, 2)])
def test_a_word_much_higher_than_its_neighbour_is_a_line_of_its_own(high, lines):
    """Detectors give words without long letters two thirds of the height of those with them; signs beside smaller ones
    are nothing of the kind."""
    assert len(read(put("우리은행", 0, 0, high) + put("금융센터", 3.8 * high, high - 20))) == lines


def test_sizes_do_not_mix():
    assert read(put("50%", 0, 0, 100) + put("until Sunday", 170, 10, 20) + put("only here", 170, 60, 20)) == [
        "50%",
        "until Sunday",
        "only here",
    ]


@pytest.mark.parametrize(
    ("gap", "text"), [(0.3, "아메 리카노"), (0.0, "아메 리카노"), (-0.2, "아메 리카노"), (-0.5, "아메리카노")]
)
def test_a_word_that_was_found_in_two_pieces(gap, text):
    assert read(put("아메 리카노", 0, 0, gap=gap)) == [text]


@pytest.mark.parametrize(
    ("words", "gap", "text"),
    [
        ("20, 300", 0.2, "20,300"),
        ("20 ,300", 0.2, "20,300"),
        ("12: 30", 0.1, "12:30"),
        ("02 -777-5113", 0.1, "02-777-5113"),
        ("2024. 05. 01", 0.4, "2024. 05. 01"),  # a space is as wide as that
        ("Nr. 5", 0.2, "Nr. 5"),
        ("5, rue", 0.2, "5, rue"),
        ("1 2", 0.2, "1 2"),
        (". 5", 0.2, ". 5"),
    ],
)
def test_numbers_that_were_torn_at_their_marks(words, gap, text):
    assert read(put(words, 0, 0, gap=gap)) == [text]


def test_boxes_that_share_two_letters_are_one_line():
    words = [TextWord("(1.6인)떡볶이(오", 0.9, quad=((0, 0), (200, 0), (200, 20), (0, 20)))]
    words.append(TextWord("(오리지널)", 0.9, quad=((170, -2), (270, -2), (270, 18), (170, 18))))
    assert len(read(words)) == 1


def test_low_marks_stay_in_their_line():
    words = put("well", 0, 0) + put("known", 62, 0) + put("next line", 0, 26)
    words.append(TextWord("-", 0.9, quad=((46, 9), (56, 9), (56, 12), (46, 12))))
    words.append(TextWord(".", 0.9, quad=((116, 17), (120, 17), (120, 20), (116, 20))))
    assert read(words) == ["well - known.", "next line"]


def test_words_that_jitter():
    rng = np.random.default_rng(4)
    words = moved(receipt(), lambda p: p + rng.uniform(-2, 2, (1, 2)) + rng.uniform(-1.5, 1.5, (4, 2)))
    assert read(words) == RECEIPT_LINES


def test_rows_are_found_though_the_words_own_angles_are_wrong():
    m = g.warp_matrix([[0, 0], [600, 0], [600, 400], [0, 400]], [[60, 200], [560, 20], [640, 300], [120, 480]])

    def less_turned(p):
        """Where the page's perspective puts it, but turned less than it should be."""
        centre, size, angle = g.oriented_rectangles(g.apply_matrix(m, p)[None])
        return g.rectangle_quads(centre, size, angle * 0.75)[0]

    assert read(moved(receipt(), less_turned)) == RECEIPT_LINES


def test_sideways_text_is_read_after_the_rest():
    side = moved(put("margin note", 0, 0), lambda p: g.translate(g.rotate(p, -np.pi / 2), (700, 200)))
    assert read(receipt() + side) == [*RECEIPT_LINES, "margin note"]


def test_line_quad_and_confidence():
    words = moved(put("ab abcd", 0, 0), lambda p: g.rotate(p, 0.3))
    words[1] = TextWord("abcd", 0.6, quad=words[1].quad)
    (line,) = arrange(words)
    assert line.confidence == pytest.approx((2 * 0.9 + 4 * 0.6) / 6)
    assert np.allclose(line.quad, g.rotate([(0, 0), (66, 0), (66, 20), (0, 20)], 0.3), atol=1e-6)


def test_a_long_page_is_quick():
    words = [w for i in range(600) for w in put("some words that fill a line of a long page", 10, 30 * i)]
    assert len(read(words)) == 600
