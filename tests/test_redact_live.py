"""What a stream tells is masked before all of a number is known, and no longer than need be."""

from __future__ import annotations

import json
import pathlib
from typing import Any

import cv2
import numpy as np
import pytest

from edge_ocr.cli import main
from edge_ocr.events import Event, Seen, Track
from edge_ocr.redact_live import LiveMask
from edge_ocr.sensitive import Policy
from edge_ocr.types import Quad

coded = pytest.importorskip("coded")
pytest.importorskip("onnxruntime")

HEIGHT, WIDTH = 480, 640
CHARSET = "0123456789-,.:원호출구"


class Film:
    """A stream by hand: in each frame, texts by their numbers, as (text, x, y, stable); what is told is told once."""

    def __init__(self, mask: LiveMask, *, fps: float = 10.0) -> None:
        self.mask, self.fps, self.frame = mask, fps, -1
        self.told: dict[int, tuple[str, bool]] = {}

    def show(self, **texts: tuple[Any, ...]) -> list[tuple[str, int, str]]:
        """The masked events of one more frame."""
        self.frame += 1
        tracks, events = [], []
        for name, (text, x, y, *stable) in texts.items():
            number, firm = int(name[1:]), bool(stable and stable[0])
            track = Track(number, quad(x, y, text), text, 0.9, firm, None, ())
            tracks.append(track)
            before, was_firm = self.told.get(number, ("", False))
            if text and text != before:
                events.append(self._event("updated" if before else "appeared", track))
            if firm and not was_firm:
                events.append(self._event("stable", track))
            if text:
                self.told[number] = text, firm
        for number in [n for n in self.told if f"t{n}" not in texts]:
            text, _ = self.told.pop(number)
            track = Track(number, quad(0, 0, text), text, 0.9, True, None, ())
            events.append(self._event("lost", track))
        image = np.zeros((HEIGHT, WIDTH, 3), np.uint8)
        seen = Seen(image=image, frame=self.frame, seconds=self.frame / self.fps, events=tuple(events),
                    tracks=tuple(tracks), hints=(), detected=True, reads=0, ms={}, dropped=0)
        return [(e.event, e.track, e.text) for e in self.mask.events(seen)]

    def _event(self, kind: str, track: Track) -> Event:
        return Event(kind, track.track, self.frame, 100.0 * self.frame, track.text, 0.9, track.quad)


def quad(x: float, y: float, text: str) -> Quad:
    wide = 12.0 * max(len(text), 4)
    return ((x, y), (x + wide, y), (x + wide, y + 20), (x, y + 20))


def texts(events: list[tuple[str, int, str]]) -> list[str]:
    return [text for _, _, text in events]


# -- numbers in pieces ---------------------------------------------------------------------------------------------
def test_both_halves_of_a_number_are_read_together() -> None:
    film = Film(LiveMask())
    assert texts(film.show(t1=("870123-", 200, 200), t2=("1234567", 290, 200))) == ["●●●●●●-", "●●●●●●●"]
    assert texts(film.show(t1=("870123-", 200, 200, True), t2=("1234567", 290, 200, True))) == ["870123-", "1●●●●●●"]
    assert film.show() == [("lost", 1, "870123-"), ("lost", 2, "1●●●●●●")]


def test_the_second_line_of_a_broken_number() -> None:
    film = Film(LiveMask())
    film.show(t1=("870123-", 200, 200), t2=("1234567", 200, 230))
    assert texts(film.show(t1=("870123-", 200, 200, True), t2=("1234567", 200, 230, True))) == ["870123-", "1●●●●●●"]


@pytest.mark.parametrize(
    "piece",
    ["1234567", "870123-", "870123-12", "234567", "12345", "-1234567", "0123-1234", "11-22-12", "123456-01", "4567",
     "87O123-12", "M123456", "M1234567", "L898902C36UTO", "112212345601"],
)  # fmt: skip
def test_a_piece_is_held_back_until_it_has_settled(piece: str) -> None:
    film = Film(LiveMask())
    (told,) = texts(film.show(t1=(piece, 200, 200)))
    assert not any(c.isalnum() for c in told), told
    settled = texts(film.show(t1=(piece, 200, 200, True)))
    assert settled == (["1122●●●●●●01"] if len(piece) == 12 else [piece])


@pytest.mark.parametrize(("x", "y"), [(2, 200), (WIDTH - 90, 200), (200, 1), (200, HEIGHT - 21)])
def test_a_piece_at_the_edge_is_held_back_though_it_has_settled(x: float, y: float) -> None:
    film = Film(LiveMask())
    assert texts(film.show(t1=("1234567", x, y, True))) == ["●●●●●●●", "●●●●●●●"]
    # and told when it has come in
    assert film.show(t1=("1234567", 200, 200, True)) == [("updated", 1, "1234567")]
    assert film.show(t1=("1234567", 200, 200, True)) == []
    assert film.show() == [("lost", 1, "1234567")]


def test_a_year_at_the_edge_is_one() -> None:
    assert texts(Film(LiveMask()).show(t1=("2026.", 2, 200), t2=("1998년", 2, 300))) == ["2026.", "1998년"]
    assert texts(Film(LiveMask()).show(t1=("2026", 2, 200), t2=("1998-", 2, 300))) == ["●●●●", "●●●●-"]


def test_half_a_digit_at_the_edge_is_no_letter() -> None:
    assert texts(Film(LiveMask()).show(t1=("8701L", WIDTH - 62, 200))) == ["●●●●L"]


def test_the_edge_is_that_of_the_region_of_interest() -> None:
    film = Film(LiveMask(roi=(190, 100, 600, 400)))
    assert texts(film.show(t1=("1234567", 200, 200, True)))[0] == "●●●●●●●"
    assert texts(Film(LiveMask(roi=(100, 100, 600, 400))).show(t1=("1234567", 200, 200, True)))[0] == "1234567"


def test_a_piece_beside_something_that_is_not_read_yet() -> None:
    film = Film(LiveMask())
    assert texts(film.show(t1=("", 200, 200), t2=("1234567", 260, 200, True))) == ["●●●●●●●"] * 2
    assert texts(film.show(t1=("870123-", 200, 200, True), t2=("1234567", 290, 200, True))) == [
        "870123-", "870123-", "1●●●●●●",
    ]  # fmt: skip


def test_a_number_that_grows() -> None:
    """What a first reading found of it is never told, whatever that was."""
    film = Film(LiveMask())
    told: list[str] = []
    for text in ("0123-12", "870123-12", "870123-1234", "870123-123456", "870123-1234567"):
        told += texts(film.show(t1=(text, 200, 200)))
    told += texts(film.show(t1=("870123-1234567", 200, 200, True)))
    assert told[:3] == ["●●●●-●●", "●●●●●●-●●", "●●●●●●-●●●●"]
    assert told[-1] == "870123-1●●●●●●" and not any("12" in text[7:] for text in told)


def test_a_pan_over_a_number() -> None:
    """The first half has left the view when the second one settles, and nothing stands beside it."""
    film = Film(LiveMask())
    film.show(t1=("870123-", 20, 200, True), t3=("서울", 300, 100, True))
    film.show(t1=("870123-", 2, 200, True), t2=("", 92, 200), t3=("서울", 282, 100, True))
    told = texts(film.show(t2=("1234567", 52, 200), t3=("서울", 242, 100, True)))
    told += texts(film.show(t2=("1234567", 40, 200, True), t3=("서울", 230, 100, True)))
    for _ in range(40):
        told += texts(film.show(t2=("1234567", 40, 200, True), t3=("서울", 230, 100, True)))
    assert told[-1] == "1●●●●●●" and not any("234567" in text for text in told)
    # and under another number, long after
    film.show(t3=("서울", 230, 100, True))
    assert texts(film.show(t4=("1234567", 300, 300, True))) == ["1●●●●●●", "1●●●●●●", "서울"]
    assert texts(film.show(t5=("34567", 100, 300, True))) == ["●●●●●", "●●●●●", "1●●●●●●"]


def test_a_first_half_between_other_words() -> None:
    film = Film(LiveMask())
    row = (("주민번호", 60, 200), ("870123-", 160, 200), ("1234567", 250, 200), ("홍길동", 360, 200))
    film.show(**{f"t{k}": x for k, x in enumerate(row)})
    told = film.show(**{f"t{k}": (*x, True) for k, x in enumerate(row)})
    assert texts(told) == ["주민번호", "870123-", "1●●●●●●", "홍길동"]


def test_licences_in_pieces() -> None:
    film = Film(LiveMask())
    assert texts(film.show(t1=("11-22-", 200, 200), t2=("123456-01", 280, 200)))[1] == "●●●●●●-●●"
    assert texts(film.show(t1=("11-22-", 200, 200, True), t2=("123456-01", 280, 200, True)))[1] == "●●●●●●-01"


@pytest.mark.parametrize(
    ("parts", "want"),
    [
        (("900101", "1", "234567"), ["900101", "1", "●●●●●●"]),
        (("9001011", "234567"), ["9001011", "●●●●●●"]),
        (("112212", "345601"), ["1122●●", "●●●●01"]),
        (("850505", "/", "2345678"), ["850505", "/", "2●●●●●●"]),
        (("850505/234567",), ["850505/2●●●●●"]),
        (("850505", "234567"), ["850505", "2●●●●●"]),
        (("MI2345678",), ["MI234●●●●"]),
    ],
)
def test_numbers_without_their_dash(parts: tuple[str, ...], want: list[str]) -> None:
    """No digit that is masked in the end is told before."""
    film, x = Film(LiveMask()), 100
    row = {}
    for k, part in enumerate(parts, 1):
        row[f"t{k}"] = (part, x, 200)
        x += 12 * max(len(part), 4) + 10
    first = film.show(**row)
    assert texts(film.show(**{k: (*part, True) for k, part in row.items()})) == want
    for (_, number, text), last in zip(first, want, strict=True):
        assert all(c == "●" for c, end in zip(text, last, strict=True) if end == "●"), (number, text)


def test_a_number_that_grows_behind_another_sign() -> None:
    for sign in "/■X":
        film = Film(LiveMask())
        for text in ("850505", f"850505{sign}23", f"850505{sign}2345"):
            (told,) = texts(film.show(t1=(text, 200, 200)))
            assert not any(c.isdecimal() for c in told), told


# -- ordinary signs ------------------------------------------------------------------------------------------------
@pytest.mark.parametrize(
    "text",
    ["12,000원", "₩15,000", "15000원", "15000", "8,900", "301", "301호", "1204호", "Room 1204", "B1", "2F", "10:30",
     "2026.01.05", "2026-01-05", "2026/01/05", "26-01-05", "2026-01", "010-1234-5678", "02-584-0011", "12가3456", "30%",
     "3.5km", "1200m", "A12345", "서울 2026년", "KB123", "100-7"],
)  # fmt: skip
def test_ordinary_numbers_are_told_at_once(text: str) -> None:
    film = Film(LiveMask())
    assert texts(film.show(t1=(text, 200, 200))) == [text]
    assert texts(film.show(t1=(text, 200, 200, True))) == [text]


@pytest.mark.parametrize("text", ["1204", "2026", "20260105", "1588-1234", "12345", "A123456789"])
def test_others_are_told_when_they_have_settled(text: str) -> None:
    film = Film(LiveMask())
    film.show(t1=(text, 200, 200))
    assert film.show(t1=(text, 200, 200, True)) == [("stable", 1, text)]


def test_a_wall_of_rooms_and_prices() -> None:
    film = Film(LiveMask())
    rooms = {f"t{k}": (f"{300 + k}", 60 * k, 100) for k in range(1, 8)}
    prices = {f"t{10 + k}": (f"{k},500", 200, 160 + 30 * k) for k in range(1, 5)}
    names = {f"t{20 + k}": ("김밥", 100, 160 + 30 * k) for k in range(1, 5)}
    told = film.show(**rooms, **prices, **names)
    assert len(told) == 15 and not any("●" in text for text in texts(told))


def test_what_waited_for_a_neighbour_is_told_again() -> None:
    """Of two pieces of a telephone number the first settles before the second, which might make it something else."""
    film = Film(LiveMask())
    film.show(t1=("1588", 200, 200), t2=("-1234", 250, 200))
    assert film.show(t1=("1588", 200, 200, True), t2=("-1234", 250, 200)) == [("stable", 1, "●●●●")]
    later = film.show(t1=("1588", 200, 200, True), t2=("-1234", 250, 200, True))
    assert sorted(later) == [("stable", 2, "-1234"), ("updated", 1, "1588")]


def test_a_policy_and_scanners() -> None:
    none = Policy(resident=0, licence=False, passport=0, personal=False)
    assert texts(Film(LiveMask(none)).show(t1=("870123-12", 200, 200))) == ["870123-12"]
    assert texts(Film(LiveMask(pieces=False)).show(t1=("number: 1234567", 200, 200))) == ["number: 1234567"]
    assert texts(Film(LiveMask(pieces=False)).show(t1=("rrn: 870123-1234567", 2, 2))) == ["rrn: 870123-1●●●●●●"]
    (unknown,) = LiveMask().close([Event("lost", 7, 0, 0.0, "870123-1234567", 0.9, quad(0, 0, "x"))])
    assert unknown.text == "870123-1●●●●●●"


# -- the command ---------------------------------------------------------------------------------------------------
def film_of(folder: pathlib.Path, words: list[tuple[str, int, int]], *, count: int = 20) -> list[str]:
    """Frames with these words, the models that find and read them, and the arguments for both."""
    size = (256, 640)
    image = np.full((*size, 3), coded.WHITE, np.uint8)
    boxes = []
    for text, x, y in words:
        full = np.full((256, 1280, 3), coded.WHITE, np.uint8)
        coded.put(full, x, y, text, CHARSET)
        image = np.minimum(image, full[:, : size[1]])
        (x0, y0), (x1, _), (_, y1), _ = coded.box(x, y, text)
        boxes.append(((x0, y0), (min(x1, 640), y0), (min(x1, 640), y1), (x0, y1)))
    (folder / "frames").mkdir(parents=True)
    for k in range(count):
        cv2.imwrite(str(folder / "frames" / f"{k:02d}.png"), image)
    models = coded.make_models(folder / "models", name="ko", charset=CHARSET, size=size, words=boxes)
    return ["live", str(folder / "frames"), "--fps", "10", "--models", str(models), "--lang", "ko"]


@pytest.mark.parametrize("as_json", [True, False])
def test_the_command_masks_a_number_in_two_boxes(
    tmp_path: pathlib.Path, capsys: pytest.CaptureFixture[str], as_json: bool
) -> None:
    use = film_of(tmp_path, [("870123-", 60, 60), ("1234567", 216, 60), ("12,000원", 60, 160)])
    assert main([*use, "--json"] if as_json else use) == 0
    assert "1234567" in capsys.readouterr().out, "the film should say what is to be masked"
    assert main([*use, "--mask", *(["--json"] if as_json else [])]) == 0
    out = capsys.readouterr().out
    assert "234567" not in out and "1●●●●●●" in out
    assert "12,000원" in out and "●●,●●●" not in out
    if as_json:
        kinds = [json.loads(line)["event"] for line in out.splitlines()]
        assert kinds.count("appeared") == kinds.count("stable") == kinds.count("lost") == 3


@pytest.mark.parametrize("as_json", [True, False])
def test_the_command_masks_what_the_frame_cuts(
    tmp_path: pathlib.Path, capsys: pytest.CaptureFixture[str], as_json: bool
) -> None:
    use = film_of(tmp_path, [("870123-1234567", 440, 60), ("301호", 60, 160)])
    more = ["--json"] if as_json else []
    assert main([*use, *more]) == 0
    assert "870123-12" in capsys.readouterr().out, "the film should say what is to be masked"
    assert main([*use, *more, "--mask"]) == 0
    out = capsys.readouterr().out
    assert "301호" in out and "870123" not in out and "●●●●●●-●●" in out


@pytest.mark.parametrize("as_json", [True, False])
def test_a_pan_over_a_board_with_the_weights_of_the_package(
    tmp_path: pathlib.Path, capsys: pytest.CaptureFixture[str], as_json: bool
) -> None:
    board = np.full((480, 2200, 3), 235, np.uint8)
    for text, x, y, size in (
        ("870123-", 820, 200, 2.0), ("1234567", 1110, 200, 2.0), ("Room", 820, 320, 1.5), ("12,000", 1200, 320, 1.5),
        ("2026-01-05", 820, 420, 1.5),
    ):
        cv2.putText(board, text, (x, y), cv2.FONT_HERSHEY_DUPLEX, size, (20, 20, 20), 3, cv2.LINE_AA)
    for k, x in enumerate(range(300, 1050, 25)):
        cv2.imwrite(str(tmp_path / f"{k:02d}.png"), board[:, x : x + 640])
    use = ["live", str(tmp_path), "--fps", "10", "--threads", "1", *(["--json"] if as_json else [])]
    assert main(use) == 0
    assert "1234567" in capsys.readouterr().out, "the film should say what is to be masked"
    assert main([*use, "--mask"]) == 0
    out = capsys.readouterr().out
    told = [json.loads(line)["text"] if as_json else line[20:].split("  (")[0] for line in out.splitlines()]
    assert not any("234567"[k : k + 4] in text for text in told for k in range(3)), told
    assert all(word in out for word in ("Room", "12,000", "2026-01-05", "●●●●"))
