"""Machine-readable zones: fields, check digits, and reading them in drawn pictures."""

from __future__ import annotations

import datetime
import json
import pathlib

import numpy as np
import pytest

from edge_ocr.errors import InputError, ModelNotFound
from edge_ocr.scanners.mrz import ALPHABET, LAYOUTS, Layout, Scanner, check_digit, parse
from edge_ocr.scanners.states import known_state

coded = pytest.importorskip("coded")
pytest.importorskip("onnxruntime")

TODAY = datetime.date(2026, 11, 22)
# The specimens of ICAO 9303 parts 4 to 7.
TD3 = ("P<UTOERIKSSON<<ANNA<MARIA<<<<<<<<<<<<<<<<<<<", "L898902C36UTO7408122F1204159ZE184226B<<<<<10")
TD2 = ("I<UTOERIKSSON<<ANNA<MARIA<<<<<<<<<<<", "D231458907UTO7408122F1204159<<<<<<<6")
TD1 = ("I<UTOD231458907<<<<<<<<<<<<<<<", "7408122F1204159UTO<<<<<<<<<<<6", "ERIKSSON<<ANNA<MARIA<<<<<<<<<<")
MRVA = ("V<UTOERIKSSON<<ANNA<MARIA<<<<<<<<<<<<<<<<<<<", "L8988901C4XXX4009078F96121096ZE184226B<<<<<<")
MRVB = ("V<UTOERIKSSON<<ANNA<MARIA<<<<<<<<<<<", "L8988901C4XXX4009078F9612109<<<<<<<<")
SPECIMENS = {"TD1": TD1, "TD2": TD2, "TD3": TD3, "MRVA": MRVA, "MRVB": MRVB}


# -- parse ---------------------------------------------------------------------------------------------------------
@pytest.mark.parametrize(
    ("field", "digit"), [("520727", "3"), ("AB2134<<<", "5"), ("L898902C3", "6"), ("740812", "2"), ("<<<<<<", "0")],
)
def test_check_digits_of_icao_9303(field: str, digit: str) -> None:
    assert check_digit(field) == digit


@pytest.mark.parametrize("name", SPECIMENS)
def test_the_specimens(name: str) -> None:
    found = parse(SPECIMENS[name], today=TODAY)
    assert found is not None
    assert found.layout == name
    assert found.accepted and all(found.checks.values())
    values = found.values
    assert (values["surname"], values["given_names"]) == ("ERIKSSON", "ANNA MARIA")
    numbers = {"TD1": "D23145890", "TD2": "D23145890", "TD3": "L898902C3"}
    assert values["number"] == numbers.get(name, "L8988901C")
    assert values["sex"] == "F"
    assert values["birth"] == ("1940-09-07" if name.startswith("MRV") else "1974-08-12")
    assert values["expiry"] == ("1996-12-10" if name.startswith("MRV") else "2012-04-15")
    assert values["state"] == "UTO"


@pytest.mark.parametrize("name", SPECIMENS)
def test_any_changed_figure_is_noticed(name: str) -> None:
    lines, layout = SPECIMENS[name], LAYOUTS[name]
    for field, (k, at) in layout.checks.items():
        row, a, b = layout.fields[field]
        for place in [*[(row, i) for i in range(a, b)], (k, at)]:
            old = lines[place[0]][place[1]]
            if not old.isdigit():
                continue
            new = str((int(old) + 1) % 10)
            changed = [
                x[: place[1]] + new + x[place[1] + 1 :] if i == place[0] else x for i, x in enumerate(lines)
            ]
            found = parse(changed, today=TODAY)
            assert found is not None and not found.accepted
            assert found.checks[field] is False, (field, place)


def test_long_numbers_go_on_in_the_optional_data() -> None:
    # As Belgian cards have it: twelve characters, the filler where the check digit would be, then rest and digit.
    number = "592345678901"
    first = f"IDBEL{number[:9]}<{number[9:]}{check_digit(number)}".ljust(30, "<")
    second = f"851009{check_digit('851009')}F240125{check_digit('240125')}BEL<<<<<<<<<<<"
    second += check_digit(first[5:30] + second[0:7] + second[8:15] + second[18:29])
    found = parse((first, second, "REINARTZ<<ULRIKE<KATIA<E<<<<<<"), today=TODAY)
    assert found is not None
    assert found.values["number"] == number
    assert found.values["optional"] == ""
    assert found.accepted


@pytest.mark.parametrize(
    ("birth", "want"),
    [
        ("260101", "2026-01-01"), ("270101", "1927-01-01"), ("85<<<<", "1985"), ("8512<<", "1985-12"), ("<<<<<<", ""),
        ("851301", ""), ("850231", ""),
    ],
)  # fmt: skip
def test_dates(birth: str, want: str) -> None:
    second = f"D231458907UTO{birth}{check_digit(birth)}F1204159<<<<<<<"
    second += check_digit(second[0:10] + second[13:20] + second[21:35])
    found = parse((TD2[0], second), today=TODAY)
    assert found is not None and found.accepted
    assert found.values["birth"] == want


@pytest.mark.parametrize(
    "lines",
    [
        (), TD3[:1], (TD3[1], TD3[0]), (TD3[0], TD3[1][:-1]), (TD3[0] + "<", TD3[1]), TD1[:2], ("HELLO", "WORLD"),
        (TD3[0].replace("P", "X", 1), TD3[1]), (TD3[0], TD3[1].replace("F", "Q", 1)),
        (TD3[0].replace("ANNA", "4NNA"), TD3[1]),
    ],
)  # fmt: skip
def test_what_is_no_zone(lines: tuple[str, ...]) -> None:
    assert parse(lines, today=TODAY) is None


def test_spaces_and_small_letters_are_forgiven() -> None:
    found = parse(tuple(" ".join(x).lower() for x in TD3), today=TODAY)
    assert found is not None and found.accepted and found.lines == TD3


def test_the_filler_may_stand_for_the_digit_of_nothing() -> None:
    base = "L898902C36UTO7408122F1204159<<<<<<<<<<<<<<"
    for digit in "<0":
        second = base + digit
        second += check_digit(second[0:10] + second[13:20] + second[21:43])
        found = parse((TD3[0], second), today=TODAY)
        assert found is not None and found.accepted


@pytest.mark.parametrize(
    ("names", "surname", "given", "form"),
    [
        ("ERIKSSON<<ANNA<MARIA", "ERIKSSON", "ANNA MARIA", True),
        ("ERIKSSON", "ERIKSSON", "", True),
        ("<<ANNA<MARIA", "", "ANNA MARIA", True),  # as India has it, where there is one name only
        ("NILAVADHANANANDA<<CHAYAPA<DEJTHAMRONG<K", "NILAVADHANANANDA", "CHAYAPA DEJTHAMRONG K", True),
        ("ERIKSSON<<ANNA<<<<<<<TTT", "ERIKSSON", "ANNA", False),
        ("ERIKSSON<<ANNA<<<T<<T", "ERIKSSON", "ANNA", False),
        ("ERIKSSON<<<<<<<<<<TTT", "ERIKSSON", "", False),
        ("ERIKSSON<<ANNA<<MARIA", "ERIKSSON", "ANNA MARIA", False),  # told, but this is not the form
        ("ERIKSSON<<<ANNA", "ERIKSSON", "", False),
        ("<ERIKSSON<<ANNA", "ERIKSSON", "ANNA", False),
        ("", "", "", True),
    ],
)  # fmt: skip
def test_names_end_where_only_fillers_may_follow(names: str, surname: str, given: str, form: bool) -> None:
    found = parse((f"P<UTO{names}".ljust(44, "<")[:44], TD3[1]), today=TODAY)
    assert found is not None and found.accepted
    assert (found.values["surname"], found.values["given_names"]) == (surname, given)
    assert found.well_formed is form


# -- scan ----------------------------------------------------------------------------------------------------------
def draw(
    tmp_path: pathlib.Path,
    lines: tuple[str, ...],
    *,
    pieces: int = 3,
    shade: dict[tuple[int, int], float] | None = None,
    missed: tuple[int, ...] = (),
) -> tuple[pathlib.Path, np.ndarray]:
    """A picture of the lines, found in several pieces each, and the models that read it. ``shade``: greys of single
    characters, to make them look like something between two; ``missed``: pieces that are not found."""
    size = (256, 32 * (-(-(coded.width(lines[0]) + 60) // 32)))
    image = np.full((*size, 3), coded.WHITE, np.uint8)
    words = []
    for k, line in enumerate(lines):
        y = 20 + 70 * k
        coded.put(image, 24, y, line, ALPHABET)
        cuts = [round(i * len(line) / pieces) for i in range(pieces + 1)]
        for a, b in zip(cuts, cuts[1:], strict=False):
            if cuts.index(a) not in missed:
                words.append(coded.box(24 + a * (coded.CELL + coded.GAP), y, line[a:b]))
        for (row, at), grey in (shade or {}).items():
            if row == k:
                x = 24 + at * (coded.CELL + coded.GAP)
                image[y : y + coded.HEIGHT, x : x + coded.CELL] = round(grey)
    return coded.make_models(tmp_path, name="mrz", charset=ALPHABET, size=size, words=words), image


@pytest.mark.parametrize("name", SPECIMENS)
def test_zones_are_found_read_and_accepted(tmp_path: pathlib.Path, name: str) -> None:
    folder, image = draw(tmp_path, SPECIMENS[name])
    (zone,) = Scanner(models_dir=folder).scan(image)
    assert zone.layout == name
    assert zone.lines == SPECIMENS[name]
    assert zone.accepted
    assert zone.fields["surname"].value == "ERIKSSON"
    assert zone.fields["birth"].raw.isdigit() and zone.fields["birth"].confidence > 0.9
    data = json.loads(json.dumps(zone.to_dict()))
    assert data["accepted"] is True
    assert data["fields"]["line1"]["raw"] == SPECIMENS[name][0]


@pytest.mark.parametrize("name", SPECIMENS)
def test_fillers_that_were_not_found_are_looked_for(tmp_path: pathlib.Path, name: str) -> None:
    folder, image = draw(tmp_path, SPECIMENS[name], pieces=4, missed=(3,))
    (zone,) = Scanner(models_dir=folder).scan(image)
    assert (zone.layout, zone.lines, zone.accepted) == (name, SPECIMENS[name], True)


def test_check_digits_choose_between_look_alikes(tmp_path: pathlib.Path) -> None:
    """The first figure of the birth date looks more like another one; only one of both agrees with the digits."""
    at = TD3[1].index("740812")
    between = coded.level(ALPHABET, "7") * 0.3 + coded.level(ALPHABET, "8") * 0.7
    folder, image = draw(tmp_path, TD3, shade={(1, at): between})
    (zone,) = Scanner(models_dir=folder).scan(image)
    assert zone.plain[1][at] == "8", "the picture is not as hard as it should be"
    assert zone.lines == TD3 and zone.accepted


@pytest.mark.parametrize("name", SPECIMENS)
def test_a_pattern_behind_the_names_is_no_name(tmp_path: pathlib.Path, name: str) -> None:
    """The last fillers look a little more like a letter than like fillers, as on a patterned ground."""
    k, _, width = LAYOUTS[name].fields["names"]
    between = coded.level(ALPHABET, "<") * 0.45 + coded.level(ALPHABET, "Z") * 0.55
    folder, image = draw(tmp_path, SPECIMENS[name], shade={(k, width - n): between for n in (1, 2, 3)})
    (zone,) = Scanner(models_dir=folder).scan(image)
    assert zone.plain[k].endswith("<ZZZ"), "the picture is not as hard as it should be"
    assert zone.lines == SPECIMENS[name] and zone.accepted
    assert (zone.fields["surname"].value, zone.fields["given_names"].value) == ("ERIKSSON", "ANNA MARIA")


@pytest.mark.parametrize("name", SPECIMENS)
def test_letters_that_surely_stand_behind_the_names_are_not_accepted(tmp_path: pathlib.Path, name: str) -> None:
    k = LAYOUTS[name].fields["names"][0]
    lines = tuple(x[:-3] + "TTT" if i == k else x for i, x in enumerate(SPECIMENS[name]))
    folder, image = draw(tmp_path, lines)
    (zone,) = Scanner(models_dir=folder).scan(image)
    assert zone.lines == lines and all(zone.checks.values())
    assert not zone.accepted
    assert zone.fields["given_names"].value == "ANNA MARIA"


def test_check_digits_never_invent(tmp_path: pathlib.Path) -> None:
    wrong = TD3[1].replace("740812", "740813")
    folder, image = draw(tmp_path, (TD3[0], wrong))
    (zone,) = Scanner(models_dir=folder).scan(image)
    assert zone.lines == (TD3[0], wrong), "what clearly stands there is what is told"
    assert not zone.accepted
    assert zone.checks == {"number": True, "birth": False, "expiry": True, "optional": True, "composite": False}


@pytest.mark.parametrize("name", SPECIMENS)
def test_a_state_that_there_is_not_is_read_but_not_accepted(tmp_path: pathlib.Path, name: str) -> None:
    """As where a line lost a letter, and those of the name moved into the state's place."""
    lines = tuple(x.replace("UTOERIKSSON", "UTEROIKSSON").replace("UTOD23", "UTED23") for x in SPECIMENS[name])
    assert lines != SPECIMENS[name]
    if name == "TD1":  # here the state stands under no check digit, either
        assert parse(lines, today=TODAY).accepted  # type: ignore[union-attr]
    folder, image = draw(tmp_path, lines)
    (zone,) = Scanner(models_dir=folder).scan(image)
    assert zone.lines == lines and all(zone.checks.values())
    assert not zone.accepted


@pytest.mark.parametrize("code", ["KOR", "USA", "D<<", "D", "UTO", "XXA", "XXX", "EUE", "GBN", "RKS", "UNO"])
def test_codes_of_states(code: str) -> None:
    assert known_state(code)


@pytest.mark.parametrize("code", ["", "<<<", "UTE", "KO<", "ORK", "D<K", "DDD", "kor", "KOREA"])
def test_codes_of_no_state(code: str) -> None:
    assert not known_state(code)


def test_other_text_is_no_zone(tmp_path: pathlib.Path) -> None:
    other = ("THIS<IS<A<LONG<LINE<OF<SOMETHING<ELSE<ENTIRELY", "AND<THIS<IS<ANOTHER<ONE<THAT<IS<AS<LONG<AS<IT<")
    folder, image = draw(tmp_path, other)
    assert Scanner(models_dir=folder).scan(image) == ()
    assert Scanner(models_dir=folder).scan(np.full_like(image, 255)) == ()


def test_zones_that_cannot_be_read_cost_a_bounded_time(tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch) -> None:
    size = (640, 960)
    image = np.full((*size, 3), coded.WHITE, np.uint8)
    rows = [("A1B2C3D4E5" * 5)[k : k + 44] for k in range(6)] * 2
    words = [coded.put(image, 24, 8 + 50 * k, row, ALPHABET) for k, row in enumerate(rows)]
    folder = coded.make_models(tmp_path, name="mrz", charset=ALPHABET, size=size, words=words)
    tried: list[str] = []

    def choose(layout: Layout, lps: object) -> None:
        tried.append(layout.name)

    monkeypatch.setattr("edge_ocr.scanners.mrz.choose", choose)
    assert Scanner(models_dir=folder).scan(image) == ()
    assert 0 < len(tried) <= 8


def test_errors(tmp_path: pathlib.Path) -> None:
    folder = coded.make_models(tmp_path, name="plate-kr", charset="0", size=(64, 64), words=[coded.box(8, 8, "00")])
    with pytest.raises(ModelNotFound, match="mrz, en, ko"):
        Scanner(models_dir=folder)
    with pytest.raises(InputError, match="min_confidence"):
        Scanner(models_dir=folder, min_confidence=-1)


@pytest.mark.parametrize(
    ("birth", "want"),
    [
        ("261122", "2026-11-22"), ("261123", "1926-11-23"), ("261231", "1926-12-31"), ("270101", "1927-01-01"),
        ("2612<<", "1926-12"), ("26<<<<", "2026"), ("000229", "2000-02-29"), ("261301", ""),
    ],
)  # fmt: skip
def test_nobody_is_born_in_the_future(birth: str, want: str) -> None:
    found = parse((TD3[0], f"{TD3[1][:13]}{birth}{check_digit(birth)}{TD3[1][20:]}"), today=TODAY)
    assert found is not None and found.values["birth"] == want
    assert found.values["expiry"] == "2012-04-15"
