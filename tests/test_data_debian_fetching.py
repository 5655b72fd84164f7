import hashlib
import json
import os
import stat
import subprocess
import sys
from pathlib import Path

import pytest

from calque.data.corpora.debian.fetching import choose, fetch
from calque.data.errors import UserError
from tests.debian_packages import deb

WANTED = ("alpha", "beta-2|beta-3", "gamma", "absent")
# A mirror in a folder. MIRROR/count limits how many packages one call gives before it dies half way through the next.
APT_GET = """#!/bin/sh
while [ "$1" = -o ] || [ "$1" = -q ]; do if [ "$1" = -o ]; then shift; fi; shift; done
echo "$@" >> "$MIRROR/calls"
shift
if [ "$1" = --print-uris ]; then
  shift
  for name; do
    for file in "$MIRROR/$name"_*.deb; do
      [ -e "${file##*/}" ] && continue # apt-get says nothing of a file that is there
      echo "'http://mirror/${file##*/}' ${file##*/} $(stat -c %s "$file") SHA256:$(sha256sum "$file" | cut -d' ' -f1)"
    done
  done
  exit
fi
left=$(cat "$MIRROR/count" 2>/dev/null || echo 99)
for asked; do
  file=$(echo "$MIRROR/${asked%%=*}"_*.deb)
  [ -e "$file" ] || { echo "E: Can't find a source to download version" >&2; exit 100; }
  if [ "$left" = 0 ]; then
    rm "$MIRROR/count"
    head -c 100 "$file" > "${file##*/}"
    kill -9 "$PPID"
    exit 9
  fi
  cp "$file" .
  left=$((left - 1))
done
"""
APT_CACHE = """#!/bin/sh
cd "$MIRROR" && ls | sed -n 's/_.*deb$//p'
"""


def silent(what: str, done: int, of: int) -> None:
    pass


@pytest.fixture
def mirror(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    folder, programs = tmp_path / "mirror", tmp_path / "bin"
    folder.mkdir()
    programs.mkdir()
    for name, text in (("apt-get", APT_GET), ("apt-cache", APT_CACHE)):
        (programs / name).write_text(text)
        (programs / name).chmod(stat.S_IRWXU)
    for name in ("alpha", "beta-3", "gamma"):
        deb(folder / f"{name}_1%3a2-3_all.deb", {"usr/share/text": name * 1000}, version="1:2-3")
    monkeypatch.setenv("PATH", f"{programs}:{os.environ['PATH']}")
    monkeypatch.setenv("MIRROR", str(folder))
    monkeypatch.delenv("CALQUE_DEBS", raising=False)
    (tmp_path / "packages").mkdir()
    return folder


def calls(mirror: Path) -> list[str]:
    return (mirror / "calls").read_text().splitlines()


def test_fetches_once_what_there_is(tmp_path: Path, mirror: Path) -> None:
    folder, told = tmp_path / "packages", []
    chosen = choose(WANTED, folder, lambda *said: told.append(said))
    assert [package.name for package in chosen.packages.values()] == ["alpha", "beta-3", "gamma"]
    assert chosen.packages["beta-2|beta-3"].version == "1:2-3"
    fetch(chosen, folder, lambda *said: told.append(said))
    for package in chosen.packages.values():
        assert hashlib.sha256(Path(package.file).read_bytes()).hexdigest() == package.sha256
    assert sorted(path.suffix for path in folder.iterdir()) == [".deb", ".deb", ".deb", ".json"]
    assert told[-1] == ("fetching alpha and others", 0, 3)
    before = calls(mirror)
    assert choose(WANTED, folder, silent) == chosen
    fetch(chosen, folder, silent)
    assert calls(mirror) == before


def test_an_interrupted_fetch_goes_on(tmp_path: Path, mirror: Path) -> None:
    folder = tmp_path / "packages"
    (mirror / "count").write_text("2")
    call = f"""from pathlib import Path
from calque.data.corpora.debian.fetching import choose, fetch
folder, silent = Path({str(folder)!r}), lambda what, done, of: None
fetch(choose({WANTED!r}, folder, silent), folder, silent)"""
    killed = subprocess.run([sys.executable, "-c", call], cwd=Path(__file__).parent.parent, check=False)
    assert killed.returncode == -9
    (partial,) = folder.glob("*.partial")
    assert sorted(path.name.partition("_")[0] for path in partial.iterdir()) == ["alpha", "beta-3", "gamma"]
    chosen = choose(WANTED, folder, silent)
    fetch(chosen, folder, silent)
    assert calls(mirror)[-1] == "download gamma=1:2-3"
    for package in chosen.packages.values():
        assert hashlib.sha256(Path(package.file).read_bytes()).hexdigest() == package.sha256
    assert not list(folder.glob("*.partial"))


def test_another_file_than_promised_is_refused(tmp_path: Path, mirror: Path) -> None:
    folder = tmp_path / "packages"
    chosen = choose(WANTED, folder, silent)
    deb(mirror / "beta-3_1%3a2-3_all.deb", {"usr/share/text": "changed"}, version="1:2-3")
    with pytest.raises(UserError, match=r"beta-3 1:2-3 did not arrive with SHA-256 [0-9a-f]{12}; try again, or name"):
        fetch(chosen, folder, silent)
    assert not (folder / "beta-3_1%3a2-3_all.deb").exists() and (folder / "alpha_1%3a2-3_all.deb").exists()
    fetch(choose(WANTED, folder, silent), folder, silent)  # chosen anew, as the mirror has it now


def test_what_the_mirror_no_longer_has_is_chosen_anew(tmp_path: Path, mirror: Path) -> None:
    folder = tmp_path / "packages"
    chosen = choose(WANTED, folder, silent)
    (mirror / "gamma_1%3a2-3_all.deb").unlink()
    with pytest.raises(UserError, match="apt-get failed: E: Can't find a source.*; run 'apt-get update'.*CALQUE_DEBS"):
        fetch(chosen, folder, silent)
    deb(mirror / "gamma_4_all.deb", {"usr/share/text": "new"}, version="4")
    chosen = choose(WANTED, folder, silent)
    assert chosen.packages["gamma"].version == "4"
    fetch(chosen, folder, silent)


def test_new_wishes_are_chosen(tmp_path: Path, mirror: Path) -> None:
    folder = tmp_path / "packages"
    choose(WANTED[:1], folder, silent)
    assert list(choose(WANTED, folder, silent).packages) == list(WANTED[:3])


def test_without_apt_or_lists_there_is_one_line(tmp_path: Path, mirror: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = tmp_path / "packages"
    with pytest.raises(UserError, match="apt-get knows none of the 1 packages; run 'apt-get update' as root"):
        choose(("absent",), folder, silent)
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(UserError, match="there is no apt-get on this machine; use a Debian machine, or name a folder"):
        choose(WANTED, folder, silent)


def test_a_folder_of_packages(tmp_path: Path, mirror: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = tmp_path / "packages"
    monkeypatch.setenv("CALQUE_DEBS", str(mirror))
    (mirror / "other_1_all.deb").write_bytes(b"of no concern")
    chosen = choose(WANTED, folder, silent)
    assert list(chosen.packages) == list(WANTED[:3]) and not chosen.fetched
    fetch(chosen, folder, silent)
    assert [path.name for path in folder.iterdir()] == ["known.json"] and not (mirror / "calls").exists()
    # Hashes are remembered until a file changes.
    known = folder / "known.json"
    entries = {mark: [name, version, "0" * 64] for mark, (name, version, _) in json.loads(known.read_text()).items()}
    known.write_text(json.dumps(entries))
    assert {package.sha256 for package in choose(WANTED, folder, silent).packages.values()} == {"0" * 64}
    deb(mirror / "gamma_1%3a2-3_all.deb", {"usr/share/text": "changed, and longer"}, version="1:2-3")
    assert choose(WANTED, folder, silent).packages["gamma"].sha256 != "0" * 64


def test_an_odd_folder_is_one_line(tmp_path: Path, mirror: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = tmp_path / "packages"
    for given, message in (
        (tmp_path / "none", "no folder; expected a folder of .deb files"),
        (tmp_path / "bin", r"holds none of the 4 packages; expected files such as alpha_VERSION_all\.deb"),
    ):
        monkeypatch.setenv("CALQUE_DEBS", str(given))
        with pytest.raises(UserError, match=message):
            choose(WANTED, folder, silent)
    monkeypatch.setenv("CALQUE_DEBS", str(mirror))
    deb(mirror / "alpha_9_all.deb", {"a": "b"}, version="9")
    with pytest.raises(
        UserError, match=r"two versions of alpha: alpha_1%3a2-3_all\.deb and alpha_9_all\.deb; keep one"
    ):
        choose(WANTED, folder, silent)
    (mirror / "alpha_9_all.deb").write_bytes(b"!<arch>\nno")
    with pytest.raises(UserError, match=r"alpha_9_all\.deb cannot be read as a Debian package"):
        choose(WANTED, folder, silent)


def test_other_packages_can_be_wanted_later(tmp_path: Path, mirror: Path) -> None:
    folder = tmp_path / "packages"
    fetch(choose(["alpha"], folder, silent), folder, silent)
    chosen = choose(["alpha", "gamma"], folder, silent)
    fetch(chosen, folder, silent)
    assert all(Path(package.file).exists() for package in chosen.packages.values()) and len(chosen.packages) == 2
