import os
import shutil
import subprocess
import tarfile
from pathlib import Path

import pytest

from calque.data.corpora.debian import archive
from calque.data.errors import UserError
from tests.debian_packages import ar_of, deb, member, tar_of


def everything(path: Path) -> dict[str, bytes]:
    return dict(archive.read_files(path, lambda name: True))


@pytest.mark.parametrize("suffix", ["", ".gz", ".xz", ".zst"])
def test_reads_name_and_files(tmp_path: Path, suffix: str) -> None:
    path = deb(tmp_path / "one_2.deb", {"usr/a.txt": "text", "usr/b.txt": b"\xff"}, version="1:2-3", suffix=suffix)
    assert archive.read_name(path) == archive.PackageName(name="one", version="1:2-3", architecture="all")
    assert everything(path) == {"usr/a.txt": b"text", "usr/b.txt": b"\xff"}
    assert dict(archive.read_files(path, lambda name: name.endswith("b.txt"))) == {"usr/b.txt": b"\xff"}


@pytest.mark.skipif(shutil.which("dpkg-deb") is None, reason="needs dpkg-deb")
def test_reads_what_dpkg_makes(tmp_path: Path) -> None:
    tree = tmp_path / "tree"
    (tree / "DEBIAN").mkdir(parents=True)
    (tree / "DEBIAN" / "control").write_text(
        "Package: made\nVersion: 3\nArchitecture: all\nMaintainer: a <a@b.c>\nDescription: d\n"
    )
    (tree / "usr" / ("long" * 40)).mkdir(parents=True)
    (tree / "usr" / ("long" * 40) / "page.html").write_text("<p>text</p>")
    path = tmp_path / "made_3_all.deb"
    subprocess.run(["dpkg-deb", "--root-owner-group", "-b", str(tree), str(path)], check=True, capture_output=True)
    assert archive.read_name(path).name == "made"
    assert everything(path) == {f"usr/{'long' * 40}/page.html": b"<p>text</p>"}


@pytest.mark.parametrize("name", ["../../etc/passwd", "/etc/passwd", "./usr/../../x", "usr/.."])
def test_a_file_outside_its_tree_is_refused(tmp_path: Path, name: str) -> None:
    path = deb(tmp_path / "bad_1.deb", tar=tar_of([member("./ok.txt", b"ok"), member(name, b"bad")]))
    with pytest.raises(UserError, match="outside its own tree; remove the package"):
        everything(path)
    assert not list(tmp_path.parent.glob("**/passwd")) and os.listdir(tmp_path) == ["bad_1.deb"]


def test_links_are_not_followed(tmp_path: Path) -> None:
    secret = tmp_path / "secret"
    secret.write_text("secret")
    tar = tar_of(
        [
            member("./usr/link.txt", type=tarfile.SYMTYPE, linkname=str(secret)),
            member("./usr/hard.txt", type=tarfile.LNKTYPE, linkname="../../secret"),
            member("./usr/pipe.txt", type=tarfile.FIFOTYPE),
            member("./usr/real.txt", b"real"),
        ]
    )
    assert everything(deb(tmp_path / "links_1.deb", tar=tar)) == {"usr/real.txt": b"real"}


def test_bombs_are_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    big = deb(tmp_path / "big_1.deb", {"usr/a.txt": bytes(archive.LONGEST_FILE + 1)}, suffix=".gz")
    assert big.stat().st_size < 100_000
    with pytest.raises(UserError, match=r"usr/a\.txt of 33554433 bytes, expected at most"):
        everything(big)
    monkeypatch.setattr(archive, "LARGEST_PACKAGE", 1 << 20)
    many = deb(tmp_path / "many_1.deb", {f"usr/{n}.bin": bytes(100_000) for n in range(20)})
    with pytest.raises(UserError, match="unpacks to more than 1048576 bytes"):
        list(archive.read_files(many, lambda name: False))
    monkeypatch.setattr(archive, "MOST_MEMBERS", 10)
    with pytest.raises(UserError, match="holds more than 10 files"):
        list(archive.read_files(deb(tmp_path / "n_1.deb", {f"{n}": b"" for n in range(20)}), lambda name: False))


def test_an_overlong_header_is_not_read(tmp_path: Path) -> None:
    tar = tar_of([member("././@LongLink", bytes(2 << 20), type=tarfile.GNUTYPE_LONGNAME), member("x", b"")])
    with pytest.raises(UserError, match="a header of 2097152 bytes"):
        everything(deb(tmp_path / "long_1.deb", tar=tar))


@pytest.mark.parametrize(
    ("kind", "content"),
    [
        (tarfile.XHDTYPE, b"9" * 900_000),
        (tarfile.XGLTYPE, b"9" * 900_000 + b" a=b\n"),
        (tarfile.SOLARIS_XHDTYPE, b"22 GNU.sparse.major=1\n22 GNU.sparse.minor=0\n"),
        (tarfile.GNUTYPE_SPARSE, b""),
    ],
    ids=["digits", "a global number", "sparse in words", "sparse"],
)
def test_headers_that_no_package_has_are_refused_before_they_are_read(
    tmp_path: Path, kind: bytes, content: bytes
) -> None:
    path = deb(tmp_path / "odd_1.deb", tar=tar_of([member("x", content, type=kind), member("usr/a.txt", b"a")]))
    assert path.stat().st_size < 800, "digits of a megabyte, which tarfile would read for hours"
    with pytest.raises(UserError, match="a header of the kind '.', which no Debian package has"):
        everything(path)


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"no package",
        b"!<arch>\n",
        b"!<thin>\n" + bytes(100),
        ar_of({"debian-binary": b"2.0\n", "data.tar.xz": b"not xz", "control.tar.xz": b"not xz"}),
        ar_of({"debian-binary": b"2.0\n", "data.tar.7z": b"", "control.tar.7z": b""}),
        ar_of({"debian-binary": b"2.0\n", "data.tar": b"x" * 1024, "control.tar": b"x" * 1024}),
        ar_of({"debian-binary": b"2.0\n"})[:-30] + b"!" * 30,
    ],
)
def test_what_is_no_package_is_one_line(tmp_path: Path, data: bytes) -> None:
    path = tmp_path / "odd_1.deb"
    path.write_bytes(data)
    for read in (archive.read_name, everything):
        with pytest.raises(UserError, match=r"odd_1\.deb.*; |odd_1\.deb is compressed as") as raised:
            read(path)
        assert "\n" not in str(raised.value)


@pytest.mark.parametrize("suffix", ["", ".gz", ".xz", ".zst"])
def test_a_cut_off_package_is_refused(tmp_path: Path, suffix: str) -> None:
    files = {"usr/a.txt": os.urandom(50_000), "usr/b.txt": os.urandom(50_000)}
    path = deb(tmp_path / "cut_1.deb", files, suffix=suffix)
    path.write_bytes(path.read_bytes()[:-60_000])
    with pytest.raises(UserError, match="cannot be read as a Debian package"):
        everything(path)
