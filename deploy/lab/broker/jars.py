"""The locked jars of Apache Kafka: fetched once into the user's cache, each checked by its sha256."""

import hashlib
import os
import tempfile
import tomllib
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor, as_completed
from dataclasses import dataclass
from importlib import resources
from pathlib import Path

KAFKA_VERSION = "4.4.0"
LOCK_NAME = f"kafka-{KAFKA_VERSION}.lock.toml"
FETCH_THREADS = 8
FETCH_ATTEMPTS = 3
FETCH_TIMEOUT_SECONDS = 60
HASH_BLOCK_BYTES = 1 << 20


class JarError(Exception):
    """A jar of Kafka is missing, cannot be fetched, or is not the one that is locked."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Jar:
    """One artifact of the lock file, named by its Maven coordinates."""

    group: str
    artifact: str
    version: str
    size_bytes: int
    sha256: str  # lower-case hexadecimal

    @property
    def name(self) -> str:
        """The file's name in the library directory."""
        return f"{self.artifact}-{self.version}.jar"


@dataclass(frozen=True, slots=True, kw_only=True)
class FetchProgress:
    """How far a fetch is: jars and bytes that are present and correct, of how many."""

    jars_done: int
    jars_total: int
    bytes_done: int
    bytes_total: int


Download = Callable[[Jar, Path], Path]
OnProgress = Callable[[FetchProgress], None]


def locked_jars() -> tuple[Jar, ...]:
    """Read the lock file that is shipped with this package."""
    text = resources.files(__package__).joinpath(LOCK_NAME).read_text(encoding="utf-8")
    return tuple(Jar(**entry) for entry in tomllib.loads(text)["jar"])


def library_directory() -> Path:
    """Name the directory of this Kafka's jars in the user's cache (`XDG_CACHE_HOME`, else `~/.cache`)."""
    base = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    return Path(base) / "mailshadow" / f"kafka-{KAFKA_VERSION}"


def download_with_jgo(jar: Jar, directory: Path) -> Path:
    """Download one artifact, without its dependencies, to somewhere below `directory`; return its path.

    Raises JarError where the `embedded` extra is not installed.
    """
    try:
        from jgo.maven import MavenContext  # noqa: PLC0415 - belongs to an optional extra
    except ImportError as error:
        raise JarError(
            "Fetching the embedded Kafka needs jgo, which is not installed: "
            "pip install 'mailshadow[embedded]', or name your own brokers."
        ) from error
    context = MavenContext(repo_cache=directory, timeout=FETCH_TIMEOUT_SECONDS)
    component = context.project(jar.group, jar.artifact).at_version(jar.version)
    return Path(component.artifact().resolve())


def fetch_jars(
    directory: Path,
    *,
    jars: tuple[Jar, ...] | None = None,
    download: Download = download_with_jgo,
    on_progress: OnProgress | None = None,
) -> Path:
    """Make `directory` hold every locked jar and return it; what is present and correct is kept.

    Interrupted at any point it goes on where it was. Raises JarError naming the jar that is not the
    locked one, or that could not be fetched.
    """
    wanted = locked_jars() if jars is None else jars
    directory.mkdir(parents=True, exist_ok=True)
    missing = [jar for jar in wanted if not _is_present(jar, directory)]
    present = set(wanted) - set(missing)
    report = _reporter(wanted, on_progress)
    report(present)
    if not missing:
        return directory
    with (
        tempfile.TemporaryDirectory(prefix=".fetching-", dir=directory) as scratch,
        ThreadPoolExecutor(FETCH_THREADS, thread_name_prefix="jar") as pool,
    ):
        futures = {
            pool.submit(_fetch_one, jar, directory, Path(scratch) / str(number), download): jar
            for number, jar in enumerate(missing)
        }
        try:
            for future in as_completed(futures):
                future.result()
                present.add(futures[future])
                report(present)
        except BaseException:
            pool.shutdown(cancel_futures=True)
            raise
    return directory


def _reporter(wanted: tuple[Jar, ...], on_progress: OnProgress | None) -> Callable[[set[Jar]], None]:
    bytes_total = sum(jar.size_bytes for jar in wanted)

    def report(present: set[Jar]) -> None:
        if on_progress is not None:
            on_progress(
                FetchProgress(
                    jars_done=len(present),
                    jars_total=len(wanted),
                    bytes_done=sum(jar.size_bytes for jar in present),
                    bytes_total=bytes_total,
                )
            )

    return report


def _is_present(jar: Jar, directory: Path) -> bool:
    """Tell whether the jar is there; one that is there and wrong is refused, for somebody put it there."""
    path = directory / jar.name
    if not path.exists():
        return False
    _check(jar, path)
    return True


def _check(jar: Jar, path: Path) -> None:
    digest = hashlib.sha256()
    with path.open("rb") as file:
        while block := file.read(HASH_BLOCK_BYTES):
            digest.update(block)
    if digest.hexdigest() != jar.sha256:
        raise JarError(
            f"{path}: wrong checksum: {LOCK_NAME} wants sha256 {jar.sha256}, the file has "
            f"{digest.hexdigest()}. It is damaged or was replaced: delete it and start again."
        )


def _fetch_one(jar: Jar, directory: Path, scratch: Path, download: Download) -> None:
    coordinates = f"{jar.group}:{jar.artifact}:{jar.version}"
    for attempt in range(1, FETCH_ATTEMPTS + 1):
        try:
            path = download(jar, scratch / str(attempt))
            break
        except JarError:
            raise
        except Exception as error:
            if attempt == FETCH_ATTEMPTS:
                raise JarError(
                    f"{coordinates} could not be fetched in {FETCH_ATTEMPTS} attempts: "
                    f"{type(error).__name__}: {error}. Jars already fetched are kept in {directory}: "
                    "start again when the network allows it."
                ) from error
    try:
        _check(jar, path)
    except JarError as error:
        raise JarError(
            f"{jar.name}: what was fetched for {coordinates} is not the locked file and was thrown away. "
            f"Something between here and the repository alters downloads, or {LOCK_NAME} is wrong. ({error})"
        ) from None
    path.replace(directory / jar.name)
