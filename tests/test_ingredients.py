"""Gathering: the table of sources, unpacking, preparing, and the folder, all without a network."""

from __future__ import annotations

import gzip
import io
import json
import struct
import tarfile
import zipfile
from pathlib import Path

import pytest

from training.ingredients import __main__ as command
from training.ingredients import fetch as fetching
from training.ingredients.fetch import FetchError, lacking, open_package
from training.ingredients.folder import Manifest, adopt, check, report, write_licences
from training.ingredients.prepare import (
    PreparationError,
    common_syllables,
    dictionary_names,
    face,
    picture,
    picture_name,
    unpack_msgpack,
    wordfreq_counts,
)
from training.ingredients.sources import PLACES, TABLE, Source, choose, expand, load_sources


# -- the table --------------------------------------------------------------------------------------------------
def test_the_table_names_packages_for_every_place() -> None:
    sources = load_sources()
    assert {s.to for s in sources} == set(PLACES)
    assert all(s.patterns() for s in sources)
    assert len({(s.registry, s.package, s.files, s.to) for s in sources}) == len(sources)
    assert "://" not in TABLE.read_text(encoding="utf-8")
    # All that training needs can be had from registries.
    packaged = {s.to for s in sources if s.registry != "public"}
    assert packaged >= {"fonts/hangul", "fonts/hangul_full", "fonts/latin", "text/words_ko.tsv", "text/words_en.tsv"}


def test_files_that_are_named_alike_do_not_overwrite_each_other() -> None:
    names: dict[tuple[str, str], str] = {}
    for s in load_sources():
        for name, slices in s.patterns():
            stem = name or slices[0].rpartition("/")[2].rpartition(".")[0]
            if s.kind == "fonts" and "*" not in stem:
                key = (s.to, stem)
                assert names.setdefault(key, s.package) == s.package, key
    assert len(names) > 300


@pytest.mark.parametrize(
    ("row", "message"),
    [
        ("npm\tx\ty\tfonts/latin", "5 columns"),
        ("npm\tx\t\tfonts/latin\tOFL", "none empty"),
        ("gem\tx\ty\tfonts/latin\tOFL", "'gem'"),
        ("npm\tx\ty\tfonts/greek\tOFL", "'fonts/greek'"),
        ("npm\tx\thttps://example.org/x\tfonts/latin\tOFL", "not addressed"),
    ],
)
def test_faulty_rows_are_refused_with_their_line(tmp_path: Path, row: str, message: str) -> None:
    path = tmp_path / "sources.tsv"
    path.write_text(f"# a comment\nregistry\tpackage\tfiles\tto\tlicence\n{row}\n", encoding="utf-8")
    with pytest.raises(ValueError, match=message) as caught:
        load_sources(path)
    assert "sources.tsv:3" in str(caught.value)


def test_patterns() -> None:
    assert expand("a{b,c}{1,2}") == ["ab1", "ab2", "ac1", "ac2"]
    assert expand("a{,_b}") == ["a", "a_b"]
    files = "files/{name}-{korean&latin}-{400,700}-normal.woff2 N=x.ttf"
    source = Source("npm", "@scope/face", files, "fonts/hangul", "?")
    assert source.patterns() == [
        ("face-400", ["files/face-korean-400-normal.woff2", "files/face-latin-400-normal.woff2"]),
        ("face-700", ["files/face-korean-700-normal.woff2", "files/face-latin-700-normal.woff2"]),
        ("N", ["x.ttf"]),
    ]
    names = ["a/x10.ttf", "a/x2.ttf", "a/b/x1.ttf", "a/x2.ttf.txt", "xa/x2.ttf", "a/y[1].ttf"]
    assert choose(names, "a/x*.ttf") == ["a/x2.ttf", "a/x10.ttf"]
    assert choose(names, "a/**/x*.ttf") == ["a/b/x1.ttf", "a/x2.ttf", "a/x10.ttf"]
    assert choose(names, "a/x[0-9].ttf") == ["a/x2.ttf"]
    assert choose(names, "a.x2.ttf") == []


# -- packages ---------------------------------------------------------------------------------------------------
def tgz(path: Path, files: dict[str, bytes]) -> Path:
    with tarfile.open(path, "w:gz") as t:
        for name, data in files.items():
            info = tarfile.TarInfo(name)
            info.size = len(data)
            t.addfile(info, io.BytesIO(data))
        link = tarfile.TarInfo("package/link")
        link.type, link.linkname = tarfile.SYMTYPE, "/etc/passwd"
        t.addfile(link)
    return path


def npm(path: Path, **files: bytes) -> Path:
    about = json.dumps({"name": "x", "version": "1.2.3", "license": "OFL-1.1"}).encode()
    own = {f"package/{name.replace('__', '/').replace('_', '.')}": data for name, data in files.items()}
    return tgz(path, {"package/package.json": about, "package/LICENSE": b"be kind", **own})


def test_an_npm_package_is_opened(tmp_path: Path) -> None:
    found = open_package(npm(tmp_path / "x.tgz", files__a_txt=b"hello"), tmp_path / "out")
    assert (found.version, found.licence) == ("1.2.3", "OFL-1.1")
    assert found.files == ("LICENSE", "files/a.txt", "package.json")
    assert (found.folder / "files/a.txt").read_bytes() == b"hello"
    assert "be kind" in found.licence_text
    assert len(found.sha256) == 64


def test_a_wheel_and_a_source_archive_are_opened(tmp_path: Path) -> None:
    wheel = tmp_path / "w-2.0-py3-none-any.whl"
    with zipfile.ZipFile(wheel, "w") as z:
        z.writestr("w/data.gz", b"1")
        z.writestr("w-2.0.dist-info/METADATA", "Name: w\nVersion: 2.0\nLicense: MIT\n\nLicense: none of this\n")
    found = open_package(wheel, tmp_path / "out")
    assert (found.version, found.licence, found.files[1]) == ("2.0", "MIT", "w/data.gz")
    source = tgz(
        tmp_path / "s-3.tar.gz",
        {"s-3/PKG-INFO": b"Name: s\nVersion: 3\nLicense-Expression: Apache-2.0\n", "s-3/s/a.dict": b"x"},
    )
    found = open_package(source, tmp_path / "out")
    assert (found.version, found.licence) == ("3", "Apache-2.0")
    assert "s/a.dict" in found.files


def test_a_debian_package_is_opened(tmp_path: Path) -> None:
    if lacking("debian"):
        pytest.skip("no dpkg-deb here")
    root = tmp_path / "build"
    (root / "DEBIAN").mkdir(parents=True)
    about = "Package: fonts-x\nVersion: 1.0-2\nArchitecture: all\nMaintainer: a <a@example.org>\nDescription: x\n"
    (root / "DEBIAN" / "control").write_text(about)
    (root / "usr/share/doc/fonts-x").mkdir(parents=True)
    copyright_ = "Files: *\nLicense: GPL-2+\n text\n\nFiles: b\nLicense: OFL-1.1\n\nLicense: GPL-2+\n"
    (root / "usr/share/doc/fonts-x/copyright").write_text(copyright_)
    (root / "usr/share/fonts").mkdir()
    (root / "usr/share/fonts/x.ttf").write_bytes(b"x")
    deb = tmp_path / "fonts-x_1.0-2_all.deb"
    fetching._call(["dpkg-deb", "--root-owner-group", "-b", str(root), str(deb)], tmp_path)
    found = open_package(deb, tmp_path / "out")
    assert (found.version, found.licence) == ("1.0-2", "GPL-2+, OFL-1.1")
    assert choose(found.files, "usr/share/fonts/**/*.ttf") == ["usr/share/fonts/x.ttf"]


def test_nothing_is_written_outside_the_folder(tmp_path: Path) -> None:
    bad = tgz(tmp_path / "bad.tgz", {"package/package.json": b"{}", "../evil": b"x", "/tmp/evil-absolute": b"x"})
    found = open_package(bad, tmp_path / "deep" / "out")
    assert found.files == ("package.json",)
    assert not list(tmp_path.rglob("evil*"))


@pytest.mark.parametrize("name", ["x.tgz", "x.whl"])
def test_a_broken_archive_is_named(tmp_path: Path, name: str) -> None:
    (tmp_path / name).write_bytes(b"\x1f\x8bnothing")
    with pytest.raises(FetchError, match=name):
        open_package(tmp_path / name, tmp_path / "out")


def test_what_a_client_says_is_passed_on(tmp_path: Path) -> None:
    with pytest.raises(FetchError, match=r"sh: E: no such package"):
        fetching._call(["sh", "-c", "echo warning >&2; echo 'E: no such package' >&2; exit 3"], tmp_path)


# -- what is made of them ---------------------------------------------------------------------------------------
def msgpack(value: object) -> bytes:
    if isinstance(value, dict):
        return bytes([0x80 | len(value)]) + b"".join(msgpack(x) for kv in value.items() for x in kv)
    if isinstance(value, list):
        head = bytes([0x90 | len(value)]) if len(value) < 16 else b"\xdc" + struct.pack(">H", len(value))
        return head + b"".join(map(msgpack, value))
    if isinstance(value, str):
        data = value.encode()
        return (bytes([0xA0 | len(data)]) if len(data) < 32 else b"\xd9" + bytes([len(data)])) + data
    assert isinstance(value, int)
    return bytes([value])


def test_msgpack() -> None:
    value = {"a": [1, "나무" * 9, {"b": []}], "c": list(range(40))}
    assert unpack_msgpack(msgpack(value)) == value
    assert unpack_msgpack(b"\xff") == -1
    assert unpack_msgpack(b"\xcd\x01\x00") == 256
    assert unpack_msgpack(b"\x93\xc0\xc2\xc3") == [None, False, True]
    with pytest.raises(PreparationError):
        unpack_msgpack(b"\x01\x01")
    with pytest.raises(PreparationError):
        unpack_msgpack(b"\xc1")


def test_word_frequencies() -> None:
    nothing: list[list[str]] = [[]]
    data = [{"format": "cB", "version": 1}, *nothing * 100, ["the"], *nothing * 99, ["이", "a b", "of"]]
    assert wordfreq_counts(gzip.compress(msgpack(data))) == "the\t0.1\n이\t0.01\nof\t0.01\n"
    for broken in (b"no gzip", gzip.compress(b""), gzip.compress(msgpack([{"format": "xB", "version": 1}]))):
        with pytest.raises(PreparationError):
            wordfreq_counts(broken)


def test_names_out_of_a_dictionary() -> None:
    text = "# 주석 하나\n반지의 제왕\tNNP\t-3\nC++++ 언어\tNNP\t-3\nABC\tNNP\t-1\n반지의 제왕\tNNP\t-9\n가 나\tNNP\t0\n"
    assert dictionary_names(text).splitlines() == ["C++ 언어", "가 나", "반지의 제왕"]
    assert dictionary_names(text, most=2).splitlines() == ["C++ 언어", "가 나"]
    assert dictionary_names("") == ""


def test_wallpapers_are_named_after_themselves() -> None:
    assert picture_name("p", "usr/share/wallpapers/Kite/contents/images/5120x2880.png") == "p__Kite"
    assert picture_name("p", "usr/share/wallpapers/Kite/contents/screenshot.png") is None
    assert picture_name("p", "usr/share/wallpapers/Kite/contents/images_dark/5120x2880.png") is None
    assert picture_name("p", "a/Blue sky (1).jpg") == "p__Blue_sky_1_"


def test_pictures_become_small_webp(tmp_path: Path) -> None:
    image = pytest.importorskip("PIL.Image")
    image.new("RGBA", (2000, 1000), (200, 30, 30, 255)).save(tmp_path / "big.png")
    made = picture(tmp_path / "big.png", tmp_path / "v1.0_sky")
    assert made.name == "v1.0_sky.webp"
    with image.open(made) as opened:
        assert (opened.format, opened.size, opened.mode) == ("WEBP", (1280, 640), "RGB")
    (tmp_path / "bad.png").write_bytes(b"\x89PNG no")
    with pytest.raises(PreparationError, match=r"bad\.png"):
        picture(tmp_path / "bad.png", tmp_path / "bad")
    assert not list(tmp_path.glob("*.part"))


def make_font(path: Path, points: list[int], empty: list[int] | None = None) -> Path:
    builder = pytest.importorskip("fontTools.fontBuilder")
    pens = pytest.importorskip("fontTools.pens.ttGlyphPen")
    pen = pens.TTGlyphPen(None)
    pen.moveTo((0, 0))
    pen.lineTo((0, 700))
    pen.lineTo((700, 700))
    pen.closePath()
    block = pen.glyph()
    fb = builder.FontBuilder(1000, isTTF=True)
    own = f"block{path.stem}"
    fb.setupGlyphOrder([".notdef", "blank", own])
    fb.setupCharacterMap({**dict.fromkeys(points, own), **dict.fromkeys(empty or [], "blank")})
    fb.setupGlyf({".notdef": block, "blank": pens.TTGlyphPen(None).glyph(), own: block})
    fb.setupHorizontalMetrics(dict.fromkeys((".notdef", "blank", own), (800, 0)))
    fb.setupHorizontalHeader(ascent=800, descent=-200)
    fb.setupNameTable({"familyName": "x", "styleName": "Regular"})
    fb.setupOS2()
    fb.setupPost()
    fb.save(path)
    return path


def characters(path: Path) -> set[int]:
    tt = pytest.importorskip("fontTools.ttLib")
    with tt.TTFont(path) as font:
        return set(font.getBestCmap())


def test_hangul_faces_are_joined_and_thinned(tmp_path: Path) -> None:
    korean = make_font(tmp_path / "korean.ttf", [*common_syllables(), 0xAC02, 0x4E00])
    latin = make_font(tmp_path / "latin.ttf", [0x41, 0x42])
    (tmp_path / "out").mkdir()
    made = face([korean, latin], tmp_path / "out" / "v1.2-400", "fonts/hangul", keep=[0x41])
    assert made.name == "v1.2-400.ttf"
    assert characters(made) - {0x20} == common_syllables() | {0x41}
    assert len(common_syllables()) == 2350


def test_faces_that_lack_hangul_are_refused(tmp_path: Path) -> None:
    common = sorted(common_syllables())
    few = make_font(tmp_path / "few.ttf", [*common[:2000]], empty=common[2000:])  # mapped, but with nothing to see
    with pytest.raises(PreparationError, match="only 2000 of the 2,350"):
        face([few], tmp_path / "out", "fonts/hangul")
    with pytest.raises(PreparationError, match="11,172"):
        face([few], tmp_path / "out", "fonts/hangul_full")
    whole = make_font(tmp_path / "whole.ttf", list(range(0xAC00, 0xD7A4)))
    assert face([whole], tmp_path / "out", "fonts/hangul_full").read_bytes() == whole.read_bytes()
    (tmp_path / "text.ttf").write_text("no font")
    with pytest.raises(PreparationError, match=r"text\.ttf"):
        face([tmp_path / "text.ttf"], tmp_path / "out", "fonts/latin")


# -- the folder -------------------------------------------------------------------------------------------------
@pytest.fixture
def ready(tmp_path: Path) -> Path:
    """A folder with what is needed, and some faults."""
    root = tmp_path / "ready"
    for name, data in {
        "fonts/hangul/a.ttf": b"\0\1\0\0rest",
        "fonts/hangul/b.ttf": b"<html>",
        "fonts/latin/c.woff2": b"wOF2rest",
        "text/words_ko.tsv": "나무\t0.5\nfault\n".encode(),
        "text/words_en.tsv": b"tree\t0.5\n",
        "backgrounds/x.webp": b"",
        "backgrounds_road/plates.jsonl": b"{}\n",
    }.items():
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_bytes(data)
    return root


def test_a_folder_is_looked_through(ready: Path) -> None:
    found = {f.place: f for f in check(ready)}
    assert set(found) == set(PLACES)
    assert found["fonts/hangul"].count == 1
    assert found["fonts/hangul"].faults == ("fonts/hangul/b.ttf: not a font",)
    assert found["text/words_ko.tsv"].count == 1
    assert "1 lines" in found["text/words_ko.tsv"].faults[0]
    assert found["backgrounds"].faults == ("backgrounds/x.webp: empty",)
    assert [f.place for f in found.values() if f.needed and f.missing] == []
    (ready / "text/words_en.tsv").unlink()
    assert [f.place for f in check(ready) if f.needed and f.missing] == ["text/words_en.tsv"]


def test_the_report_says_where_missing_things_are(ready: Path) -> None:
    text = report(check(ready), load_sources())
    assert "hermitdave/FrequencyWords" in text
    assert "kiwipiepy_model (pypi" in text
    assert "wordfreq" not in text  # there already
    assert "not a font" in text


def test_another_folder_is_taken(ready: Path, tmp_path: Path) -> None:
    out = tmp_path / "deep" / "out"
    assert adopt(ready, out, kinds=["texts"]) == 2
    assert (out / "text/words_en.tsv").is_symlink()
    assert (out / "text/words_en.tsv").read_bytes() == b"tree\t0.5\n"
    assert adopt(ready, out, copy=True) == 5
    assert not (out / "fonts/hangul/a.ttf").is_symlink()
    assert (out / "backgrounds_road/plates.jsonl").exists()
    assert adopt(ready, out) == 0
    assert adopt(ready, ready) == 0
    with pytest.raises(NotADirectoryError):
        adopt(tmp_path / "nowhere", out)


def test_the_command_adopts_and_judges(ready: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert command.main(["--out", str(tmp_path / "a"), "--from", str(ready)]) == 0
    assert "7 files" in capsys.readouterr().out
    assert command.main(["--out", str(tmp_path / "b"), "--from", str(ready), "--only", "texts"]) == 1
    assert "fonts/hangul" in capsys.readouterr().err
    for wrong in (["--only", "music"], ["--from", str(tmp_path / "nowhere")]):
        with pytest.raises(SystemExit):
            command.main(wrong)
    assert command.main(["--list", "--only", "texts", "--packages", "word*"]) == 0


def test_gathering_goes_on_where_it_stopped(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    pytest.importorskip("fontTools")
    asked: list[str] = []

    def stand_in(registry: str, package: str, folder: Path) -> Path:
        asked.append(package)
        folder.mkdir(parents=True, exist_ok=True)
        if package == "gone":
            raise FetchError("npm: error code E404")
        data = make_font(tmp_path / "latin.ttf", [0x41]).read_bytes()
        return npm(folder / f"{package}.tgz", files__a_ttf=data, files__spoilt_ttf=b"no")

    monkeypatch.setattr(command, "fetch", stand_in)
    monkeypatch.setattr(command, "lacking", lambda registry: "apt-get missing" if registry == "debian" else None)
    sources = [
        Source("npm", "good", "files/{a,b,spoilt}.ttf", "fonts/latin", "OFL-1.1"),
        Source("npm", "gone", "files/a.ttf", "fonts/latin", "OFL-1.1"),
        Source("debian", "fonts-x", "**/*.ttf", "fonts/latin", "OFL-1.1"),
        Source("public", "someone/else", "*", "backgrounds", "MIT"),
    ]
    out = tmp_path / "out"
    left = command.gather(sources, out)
    assert asked == ["good", "gone"]
    assert len(left) == 4
    assert left[0] == "debian: apt-get missing; without it: fonts-x"
    assert any("no files/b.ttf" in x for x in left)
    assert any("spoilt.ttf: not a font" in x for x in left)
    assert "npm gone: npm: error code E404" in left
    entry = json.loads((out / "manifest.json").read_text())["packages"]["npm:good"]
    assert (entry["version"], entry["licence"]) == ("1.2.3", "OFL-1.1")
    assert list(entry["files"]) == ["fonts/latin/a.ttf"]
    assert "| npm | good | 1.2.3 | OFL-1.1 |" in (out / "LICENCES.md").read_text()
    assert "be kind" in (out / "licences" / "npm-good.txt").read_text()
    assert not (out / ".unpacked").exists()

    asked.clear()
    command.gather(sources[:1], out)
    assert asked == []  # there already
    (out / "fonts/latin/a.ttf").unlink()
    command.gather(sources[:1], out)
    assert asked == ["good"]
    asked.clear()
    command.gather([Source("npm", "good", "files/a.ttf", "fonts/latin", "OFL-1.1")], out)
    assert asked == ["good"]  # the row was changed


def test_a_broken_manifest_is_named(tmp_path: Path) -> None:
    (tmp_path / "manifest.json").write_text("{")
    with pytest.raises(ValueError, match=r"manifest\.json"):
        Manifest.load(tmp_path)


def test_licences_are_listed(tmp_path: Path) -> None:
    manifest = Manifest(tmp_path / "manifest.json")
    source = Source("pypi", "w", "a", "text/words_ko.tsv", "CC-BY-SA-4.0")
    (tmp_path / "a.txt").write_text("x")
    manifest.add([source], {"version": "1", "licence": "MIT | other", "sha256": "0"}, [tmp_path / "a.txt"], [])
    assert "| pypi | w | 1 | MIT / other | CC-BY-SA-4.0 | 1 |" in write_licences(manifest, [source]).read_text()
    assert Manifest.load(tmp_path).has([source])
