"""The locked jars: fetched once, resumable, and refused when they are not the locked ones."""

import hashlib
import os
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from deploy.lab.broker.jars import (
    FETCH_ATTEMPTS,
    KAFKA_VERSION,
    FetchProgress,
    Jar,
    JarError,
    download_with_jgo,
    fetch_jars,
    library_directory,
    locked_jars,
)
from deploy.lab.broker.process import Broker

CONTENTS = {f"part-{number}": bytes([number]) * (number + 1) for number in range(5)}


def jar_of(artifact: str, content: bytes) -> Jar:
    return Jar(
        group="org.example",
        artifact=artifact,
        version="1",
        size_bytes=len(content),
        sha256=hashlib.sha256(content).hexdigest(),
    )


JARS = tuple(jar_of(artifact, content) for artifact, content in CONTENTS.items())


class Source:
    """Hands out files as a repository would, and remembers what was asked for."""

    def __init__(self, contents: dict[str, bytes]) -> None:
        self.contents = contents
        self.asked: list[str] = []

    def __call__(self, jar: Jar, directory: Path) -> Path:
        self.asked.append(jar.artifact)
        if jar.artifact not in self.contents:
            raise ConnectionError("no answer")
        directory.mkdir(parents=True)
        path = directory / "download"
        path.write_bytes(self.contents[jar.artifact])
        return path


def files_in(directory: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in directory.iterdir()}


def test_the_lock_names_every_jar_once_with_a_whole_checksum() -> None:
    jars = locked_jars()
    assert len(jars) == len({jar.name for jar in jars}) == 45
    assert all(len(bytes.fromhex(jar.sha256)) == 32 for jar in jars)
    assert {jar.version for jar in jars if jar.artifact in {"kafka_2.13", "kafka-clients"}} == {KAFKA_VERSION}


def test_the_cache_lies_where_the_user_says(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    assert library_directory() == tmp_path / "mailshadow" / f"kafka-{KAFKA_VERSION}"
    monkeypatch.delenv("XDG_CACHE_HOME")
    assert library_directory().is_relative_to(Path.home() / ".cache")


def test_a_fetch_leaves_exactly_the_jars(tmp_path: Path) -> None:
    fetch_jars(tmp_path / "libs", jars=JARS, download=Source(CONTENTS))
    assert files_in(tmp_path / "libs") == {f"{name}-1.jar": content for name, content in CONTENTS.items()}


def test_a_fetch_that_failed_goes_on_with_what_is_missing(tmp_path: Path) -> None:
    without_last = {name: content for name, content in CONTENTS.items() if name != "part-4"}
    with pytest.raises(JarError, match=r"org\.example:part-4:1 could not be fetched.*kept"):
        fetch_jars(tmp_path, jars=JARS, download=Source(without_last))
    kept = set(files_in(tmp_path))
    second = Source(CONTENTS)
    fetch_jars(tmp_path, jars=JARS, download=second)
    assert {f"{name}-1.jar" for name in second.asked} == {jar.name for jar in JARS} - kept
    assert len(files_in(tmp_path)) == len(JARS)


def test_a_download_is_tried_again_before_it_fails(tmp_path: Path) -> None:
    source = Source({})
    with pytest.raises(JarError):
        fetch_jars(tmp_path, jars=JARS[:1], download=source)
    assert source.asked == ["part-0"] * FETCH_ATTEMPTS


def test_a_complete_cache_asks_for_nothing(tmp_path: Path) -> None:
    fetch_jars(tmp_path, jars=JARS, download=Source(CONTENTS))
    second = Source({})
    fetch_jars(tmp_path, jars=JARS, download=second)
    assert second.asked == []


def test_a_download_with_a_wrong_checksum_is_refused_and_not_kept(tmp_path: Path) -> None:
    altered = CONTENTS | {"part-2": b"something else"}
    with pytest.raises(JarError, match=r"part-2-1\.jar: what was fetched .* is not the locked file"):
        fetch_jars(tmp_path, jars=JARS, download=Source(altered))
    assert "part-2-1.jar" not in files_in(tmp_path)


def test_a_cached_jar_with_a_wrong_checksum_is_refused_by_name(tmp_path: Path) -> None:
    fetch_jars(tmp_path, jars=JARS, download=Source(CONTENTS))
    (tmp_path / "part-3-1.jar").write_bytes(b"something else")
    with pytest.raises(JarError, match=r"part-3-1\.jar: wrong checksum.*delete it"):
        fetch_jars(tmp_path, jars=JARS, download=Source(CONTENTS))


def test_progress_ends_with_everything_and_never_goes_back(tmp_path: Path) -> None:
    seen: list[FetchProgress] = []
    fetch_jars(tmp_path, jars=JARS, download=Source(CONTENTS), on_progress=seen.append)
    assert [progress.jars_done for progress in seen] == list(range(len(JARS) + 1))
    assert seen[-1].bytes_done == seen[-1].bytes_total == sum(map(len, CONTENTS.values()))


@pytest.mark.slow
def test_one_real_artifact_is_fetched_without_its_dependencies(tmp_path: Path) -> None:
    smallest = min(locked_jars(), key=lambda jar: jar.size_bytes)
    fetch_jars(tmp_path, jars=(smallest,), download=download_with_jgo)
    assert list(files_in(tmp_path)) == [smallest.name]


@pytest.mark.slow
def test_one_altered_byte_in_the_real_cache_keeps_the_broker_from_starting(
    tmp_path: Path, new_broker: Callable[..., Broker]
) -> None:
    fetch_jars(library_directory())
    copy = tmp_path / "libs"
    shutil.copytree(library_directory(), copy, copy_function=os.link, ignore=shutil.ignore_patterns(".*"))
    victim = copy / next(jar.name for jar in locked_jars() if jar.artifact == "kafka-clients")
    content = bytearray(victim.read_bytes())
    content[len(content) // 2] ^= 1
    victim.unlink()  # it is a link: the cache itself must stay whole
    victim.write_bytes(content)
    broker = new_broker(tmp_path / "data", libraries=copy)
    with pytest.raises(JarError, match=victim.name):
        broker.start()
    assert not (tmp_path / "data").exists()
