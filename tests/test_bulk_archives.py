"""Archives, honest and hostile: what is found in them, what they may cost, and that nothing leaves them."""

from __future__ import annotations

import bz2
import contextlib
import gzip
import io
import lzma
import pathlib
import random
import struct
import tarfile
import tracemalloc
import zipfile

import pytest

from edge_ocr import ImageError
from edge_ocr.bulk import archives
from edge_ocr.bulk.archives import TarReader, ZipReader, is_archive
from edge_ocr.bulk.sources import find_tasks

LONG = "n" * 120 + "/" + "long" * 20 + ".png"
FILES = {"a.png": b"one" * 400, "below/나.jpg": b"two", LONG: b"", "big.bmp": bytes(70_000)}
TAR_FORMATS = {"ustar": tarfile.USTAR_FORMAT, "gnu": tarfile.GNU_FORMAT, "pax": tarfile.PAX_FORMAT}


def members_of(path: pathlib.Path) -> list[archives.Member]:
    with contextlib.closing(TarReader(str(path))) as reader:
        return list(reader.members())


def make_tar(form: int = tarfile.GNU_FORMAT, files: dict[str, bytes] = FILES) -> bytes:
    stream = io.BytesIO()
    with tarfile.open(fileobj=stream, mode="w", format=form) as tar:
        folder = tarfile.TarInfo("below")
        folder.type = tarfile.DIRTYPE
        tar.addfile(folder)
        for name, content in files.items():
            entry = tarfile.TarInfo(name)
            entry.size = len(content)
            tar.addfile(entry, io.BytesIO(content))
        for kind in (tarfile.SYMTYPE, tarfile.LNKTYPE, tarfile.FIFOTYPE):
            entry = tarfile.TarInfo("other.png")
            entry.type, entry.linkname = kind, "/etc/passwd"
            tar.addfile(entry)
    return stream.getvalue()


def contents(path: pathlib.Path) -> dict[str, bytes]:
    reader = TarReader(str(path))
    members = list(reader.members())
    assert not [m.error for m in members if m.error]
    found = {m.name: reader.read(m.where, m.size) for m in members}
    again = {m.name: reader.read(m.where, m.size) for m in reversed(members)}  # backwards: it begins anew
    reader.close()
    assert found == again
    return found


@pytest.mark.parametrize("form", TAR_FORMATS)
@pytest.mark.parametrize("pack", [lambda b: b, gzip.compress, bz2.compress, lzma.compress])
def test_tars_give_what_was_put_in(tmp_path: pathlib.Path, form: str, pack) -> None:
    path = tmp_path / "x.tar"
    path.write_bytes(pack(make_tar(TAR_FORMATS[form])))
    assert contents(path) == FILES


def test_packed_streams_may_follow_one_another(tmp_path: pathlib.Path) -> None:
    whole = make_tar()
    for pack in (gzip.compress, lzma.compress, bz2.compress):
        path = tmp_path / "x.tar.gz"
        path.write_bytes(pack(whole[:5000]) + pack(b"") + pack(whole[5000:]))
        assert contents(path) == FILES


def test_tar_numbers_in_binary(tmp_path: pathlib.Path) -> None:
    content = bytearray(make_tar(files={"a.png": b"x" * 5}))
    at = content.index(b"a.png")
    content[at + 124 : at + 136] = b"\x80" + (5).to_bytes(11, "big")
    (tmp_path / "x.tar").write_bytes(_summed(content, at))
    assert contents(tmp_path / "x.tar") == {"a.png": b"x" * 5}


def _summed(content: bytearray, at: int) -> bytes:
    content[at + 148 : at + 156] = b" " * 8
    content[at + 148 : at + 156] = b"%06o\0 " % sum(content[at : at + 512])
    return bytes(content)


@pytest.mark.parametrize("size", [b"\xff" * 12, b"\x80" + b"\xff" * 11, b"-0000000001\0", b"99999999999\0"])
def test_tars_with_impossible_sizes_end_there(tmp_path: pathlib.Path, size: bytes) -> None:
    content = bytearray(make_tar(files={"a.png": b"x" * 5, "b.png": b"y"}))
    at = content.index(b"b.png")
    content[at + 124 : at + 136] = size
    (tmp_path / "x.tar").write_bytes(_summed(content, at))
    members = members_of(tmp_path / "x.tar")
    assert [m.name for m in members] == ["a.png", ""]
    assert "impossible" in members[1].error or "damaged" in members[1].error


@pytest.mark.parametrize("kind", [b"x", b"L"])
def test_tar_headers_cannot_ask_for_memory(tmp_path: pathlib.Path, kind: bytes) -> None:
    header = bytearray(512)
    header[:5], header[156:157] = b"a.png", kind
    header[124:136] = b"%011o\0" % (1 << 32)
    path = tmp_path / "x.tar"
    path.write_bytes(_summed(header, 0))
    with open(path, "r+b") as stream:
        stream.truncate(1 << 33)  # sparse: takes no room
    tracemalloc.start()
    (member,) = members_of(path)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert "too long" in member.error
    assert peak < 1 << 20


@pytest.mark.parametrize("pack", [gzip.compress, bz2.compress, lzma.compress])
def test_a_tar_that_unpacks_to_too_much_is_given_up(
    tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch, pack
) -> None:
    path = tmp_path / "x.tar.gz"
    path.write_bytes(pack(make_tar(files={"a.png": b"x", "zeros.bin": bytes(30 << 20), "b.png": b"y"})))
    assert [m.name for m in members_of(path)] == ["a.png", "zeros.bin", "b.png"]
    monkeypatch.setattr(archives, "_FREE", 1 << 20)
    tracemalloc.start()
    first, second, third = members_of(path)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert (first.name, second.name, third.name) == ("a.png", "zeros.bin", "")
    assert "a trap" in third.error
    assert peak < 16 << 20  # never unpacked at once; xz keeps 8 MiB of what has passed


def test_cut_off_and_damaged_tars_say_so(tmp_path: pathlib.Path) -> None:
    whole = make_tar()
    path = tmp_path / "x.tar"
    none = (b"", b"no tar at all" * 100, b"\x1f\x8b" * 50)
    for content in (whole[:700], whole[:3000], gzip.compress(whole)[:200], *none):
        path.write_bytes(content)
        members = members_of(path)
        assert members
        assert members[-1].error
    random.seed(5)
    for _ in range(300):  # whatever stands in it, it ends with members or a sentence
        content = bytearray(whole[:20_000])
        for _ in range(20):
            content[random.randrange(len(content))] = random.randrange(256)
        path.write_bytes(content)
        reader = TarReader(str(path))
        for member in reader.members():
            if not member.error:
                with contextlib.suppress(ImageError):
                    assert len(reader.read(member.where, member.size)) == member.size
                break
        reader.close()


# --- zip -----------------------------------------------------------------------------------------------------------


def first_of(path: pathlib.Path) -> bytes:
    with contextlib.closing(ZipReader(str(path))) as reader:
        return reader.read(0)


def make_zip(path: pathlib.Path, method: int = zipfile.ZIP_DEFLATED, files: dict[str, bytes] = FILES) -> pathlib.Path:
    with zipfile.ZipFile(path, "w", method) as archive:
        for name, content in files.items():
            archive.writestr(name, content)
    return path


@pytest.mark.parametrize("method", [zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED, zipfile.ZIP_BZIP2])
def test_zips_give_what_was_put_in(tmp_path: pathlib.Path, method: int) -> None:
    reader = ZipReader(str(make_zip(tmp_path / "x.zip", method)))
    assert {m.name: reader.read(m.where) for m in reader.members()} == FILES
    reader.close()


def test_zip_links_are_not_followed(tmp_path: pathlib.Path) -> None:
    with zipfile.ZipFile(tmp_path / "x.zip", "w") as archive:
        link = zipfile.ZipInfo("link.png")
        link.external_attr = 0o120777 << 16
        archive.writestr(link, "/etc/passwd")
    with contextlib.closing(ZipReader(str(tmp_path / "x.zip"))) as reader:
        assert list(reader.members()) == []


def test_a_zip_cannot_unpack_to_more_than_its_share(tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = make_zip(tmp_path / "x.zip", files={f"{i}.png": bytes(1 << 20) for i in range(8)})
    reader = ZipReader(str(path))
    assert len(list(reader.members())) == 8
    monkeypatch.setattr(archives, "_FREE", 3 << 20)
    monkeypatch.setattr(archives, "_RATIO", 2)
    *good, bad = reader.members()
    assert len(good) == 3
    assert "a trap" in bad.error
    monkeypatch.setattr(archives, "MAX_MEMBER", 1000)
    with pytest.raises(ImageError, match="1048576"):
        reader.read(0)
    reader.close()


def test_what_a_zip_says_of_a_size_is_all_it_gets(tmp_path: pathlib.Path) -> None:
    path = make_zip(tmp_path / "x.zip", files={"a.png": bytes(1 << 20)})
    content = bytearray(path.read_bytes())
    for mark, offset in ((b"PK\1\2", 24), (b"PK\3\4", 22)):  # says 10 bytes, unpacks to a million
        struct.pack_into("<I", content, content.index(mark) + offset, 10)
    path.write_bytes(content)
    with pytest.raises(ImageError, match="damaged"):
        first_of(path)


def test_encrypted_and_strange_zips_say_so(tmp_path: pathlib.Path) -> None:
    path = make_zip(tmp_path / "x.zip", files={"a.png": b"x" * 100})
    plain = path.read_bytes()
    content = bytearray(plain)
    content[content.index(b"PK\1\2") + 8] |= 1
    path.write_bytes(content)
    with pytest.raises(ImageError, match="encrypted"):
        first_of(path)
    content = bytearray(plain)
    content[content.index(b"PK\1\2") + 10] = 14  # LZMA, whose header may ask for gigabytes
    path.write_bytes(content)
    with pytest.raises(ImageError, match="method 14"):
        first_of(path)
    for content in (b"", b"PK", plain[:40], plain[:-10], plain[30:]):
        path.write_bytes(content)
        with pytest.raises(ImageError):
            first_of(path)


def test_a_long_list_of_entries_is_refused_before_it_is_read(tmp_path: pathlib.Path) -> None:
    path = tmp_path / "x.zip"
    size = 200 << 20
    with open(path, "wb") as stream:
        stream.truncate(size)  # sparse
        stream.seek(size)
        stream.write(struct.pack("<4sHHHHIIH", b"PK\5\6", 0, 0, 65535, 65535, size, 0, 0))
    tracemalloc.start()
    with pytest.raises(ImageError, match="split it"):
        ZipReader(str(path))
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 1 << 20


# --- names ---------------------------------------------------------------------------------------------------------


def test_names_lead_nowhere(tmp_path: pathlib.Path) -> None:
    names = ["../../out.png", "/etc/out.png", "C:\\out.png", "a\nb.png", "same.png"]
    files = dict.fromkeys(names, b"x")
    (tmp_path / "x.tar").write_bytes(make_tar(files=files))
    with zipfile.ZipFile(tmp_path / "x.zip", "w") as archive:
        for name in names:
            archive.writestr(name, b"x")
        with pytest.warns(UserWarning, match="Duplicate"):
            archive.writestr("same.png", b"x")
    before = sorted(tmp_path.rglob("*"))
    for archive_name, count in (("x.tar", 5), ("x.zip", 6)):
        tasks = list(find_tasks([str(tmp_path / archive_name)]))
        assert len(tasks) == count
        assert len({task.id for task in tasks}) == count  # of one name, but not of one place
        assert {task.path for task in tasks} == {str(tmp_path / archive_name)}
    assert sorted(tmp_path.rglob("*")) == before


def test_what_counts_as_an_archive() -> None:
    assert is_archive("A.TAR.GZ")
    assert is_archive("x.cbz")
    assert not is_archive("x.gz")
    assert not is_archive("x.rar")
