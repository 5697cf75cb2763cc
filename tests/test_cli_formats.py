"""``edge-ocr read --format``: what is written, where, and what is refused."""

from __future__ import annotations

import io
import json
import pathlib
import subprocess
import sys

import lxml.etree
import numpy as np
import PIL.Image
import pypdf
import pypdfium2
import pytest
import tiny

from edge_ocr.cli import main
from edge_ocr.cli_formats import FORMATS
from edge_ocr.draw import _write  # our own lettering: a test needs no font

ALTO = "{http://www.loc.gov/standards/alto/ns-v4#}"


@pytest.fixture(scope="module")
def models(tmp_path_factory: pytest.TempPathFactory) -> str:
    return str(tiny.make_models(tmp_path_factory.mktemp("models")))


@pytest.fixture
def pictures(tmp_path: pathlib.Path) -> pathlib.Path:
    """a.png and below/a.jpg with a word; broken.png."""
    folder = tmp_path / "pictures"
    (folder / "below").mkdir(parents=True)
    PIL.Image.fromarray(tiny.picture()).save(folder / "a.png")
    PIL.Image.fromarray(tiny.picture()).save(folder / "below" / "a.jpg", quality=95)
    (folder / "broken.png").write_text("no picture")
    return folder


@pytest.fixture
def read(models: str, capsys: pytest.CaptureFixture[str]):
    def run(*arguments: object) -> tuple[int, str, str]:
        status = main(["read", *map(str, arguments), "--models", models, "--threads", "1"])
        return status, *capsys.readouterr()

    return run


def test_json_is_one_array(read, pictures: pathlib.Path) -> None:
    status, out, _ = read(pictures, "--format", "json")
    rows = json.loads(out)
    assert status == 1
    assert [("error" in r, pathlib.Path(r["image"]).name) for r in rows] == [
        (False, "a.png"), (False, "a.jpg"), (True, "broken.png")]
    status, out, _ = read(pictures / "a.png", "--format", "json")
    assert (status, len(json.loads(out))) == (0, 1)


def test_jsonl_is_what_json_always_was(read, pictures: pathlib.Path) -> None:
    def without_times(out: str) -> list[dict[str, object]]:
        return [{k: v for k, v in json.loads(line).items() if k != "ms"} for line in out.splitlines()]

    assert without_times(read(pictures, "--format", "jsonl")[1]) == without_times(read(pictures, "--json")[1])


def test_hocr_holds_all_pictures_that_could_be_read(read, pictures: pathlib.Path) -> None:
    status, out, err = read(pictures, "--format", "hocr")
    assert status == 1
    assert "broken.png" in err
    root = lxml.etree.fromstring(out.encode())
    assert len(root.findall(".//*[@class='ocr_page']")) == 2
    assert [w.text for w in root.findall(".//*[@class='ocrx_word']")] == ["한글", "A"] * 2


def test_alto_is_one_file_a_picture(read, pictures: pathlib.Path, tmp_path: pathlib.Path) -> None:
    status, out, err = read(pictures, "--format", "alto")
    assert (status, out) == (2, "")
    assert "--out FOLDER/" in err
    status, out, _ = read(pictures, "--format", "alto", "--out", f"{tmp_path / 'alto'}/")
    assert (status, out) == (1, "")
    assert sorted(p.name for p in (tmp_path / "alto").iterdir()) == ["a.2.xml", "a.xml"]
    for path in (tmp_path / "alto").iterdir():
        root = lxml.etree.fromstring(path.read_bytes())
        assert [s.get("CONTENT") for s in root.iter(f"{ALTO}String")] == ["한글", "A"]


def test_pdf_has_a_page_a_picture(read, pictures: pathlib.Path, tmp_path: pathlib.Path) -> None:
    out = tmp_path / "out.pdf"
    status, printed, _ = read(pictures, "--format", "pdf", "--out", out, "--dpi", 72)
    assert (status, printed) == (1, "")
    reader = pypdf.PdfReader(out)
    assert [p.extract_text().strip() for p in reader.pages] == ["한글 A"] * 2
    filters = [p["/Resources"]["/XObject"]["/Picture"]["/Filter"] for p in reader.pages]  # type: ignore[index]
    assert filters == ["/FlateDecode", "/DCTDecode"]  # the PNG as it was, the JPEG as JPEG
    assert [float(v) for v in reader.pages[0].mediabox[2:]] == [96, 64]
    assert sorted(p.name for p in tmp_path.iterdir()) == ["out.pdf", "pictures"]  # nothing half-made beside it


def test_pdf_goes_through_a_pipe(models: str, pictures: pathlib.Path) -> None:
    command = [sys.executable, "-m", "edge_ocr.cli", "read", "-", "--format", "pdf", "--models", models]
    done = subprocess.run(command, input=(pictures / "a.png").read_bytes(), capture_output=True, timeout=120)
    assert (done.returncode, done.stderr) == (0, b"")
    assert pypdf.PdfReader(io.BytesIO(done.stdout)).pages[0].extract_text().strip() == "한글 A"


def test_nothing_readable_leaves_no_file(read, pictures: pathlib.Path, tmp_path: pathlib.Path) -> None:
    for form in ("pdf", "alto", "text"):
        out = tmp_path / f"x.{form}"
        assert read(pictures / "broken.png", "--format", form, "--out", out)[0] == 1
        assert not out.exists()


@pytest.mark.parametrize("form", FORMATS)
def test_a_folder_gets_a_file_for_each(read, pictures: pathlib.Path, tmp_path: pathlib.Path, form: str) -> None:
    out = tmp_path / "out"
    out.mkdir()
    status, printed, _ = read(pictures / "a.png", pictures / "below" / "a.jpg", "--format", form, "--out", out)
    assert (status, printed) == (0, "")
    assert sorted(p.name for p in out.iterdir()) == sorted([f"a.{FORMATS[form]}", f"a.2.{FORMATS[form]}"])
    assert "한글".encode() in (out / f"a.{FORMATS[form]}").read_bytes() or form == "pdf"


def test_what_was_there_stays_until_the_new_is_whole(read, pictures: pathlib.Path, tmp_path: pathlib.Path) -> None:
    out = tmp_path / "out.txt"
    out.write_text("old")
    assert read(pictures / "broken.png", "--out", out)[0] == 1
    assert out.read_text() == "old"
    assert read(pictures / "a.png", "--out", out)[0] == 0
    assert out.read_text() == "한글 A\n"


def test_what_cannot_be_is_said(read, pictures: pathlib.Path, tmp_path: pathlib.Path) -> None:
    status, _, err = read(pictures, "--json", "--format", "hocr")
    assert status == 2
    assert "leave one out" in err
    status, _, err = read(pictures, "--out", tmp_path / "no" / "such" / "file.txt")
    assert status == 2
    assert "cannot be written" in err
    for bad in ("0", "nan", "x", "1e9"):
        with pytest.raises(SystemExit):
            read(pictures, "--format", "pdf", "--dpi", bad)


def test_a_masked_pdf_holds_neither_the_number_nor_its_pixels(tmp_path: pathlib.Path) -> None:
    """With the models of the wheel, on a card number drawn here."""
    page = np.full((220, 900, 3), 255, np.uint8)
    _write(page, "900101-1234568", np.array([[40, 60], [760, 60], [760, 130], [40, 130]], np.float32))
    PIL.Image.fromarray(page).save(tmp_path / "card.png")
    out = tmp_path / "card.pdf"
    plain = tmp_path / "plain.pdf"
    command = ["read", str(tmp_path / "card.png"), "--format", "pdf", "--threads", "1", "--out"]
    assert main([*command, str(plain)]) == 0
    if "1234568" not in pypdf.PdfReader(plain).pages[0].extract_text():
        pytest.fail("the drawn number is not read, so that masking it cannot be seen")
    assert main([*command, str(out), "--mask"]) == 0
    assert "234568" not in pypdf.PdfReader(out).pages[0].extract_text()
    shown = [pypdfium2.PdfDocument(p)[0].render(scale=300 / 72).to_numpy() for p in (plain, out)]
    assert np.abs(shown[0].astype(int) - shown[1]).max() > 100
