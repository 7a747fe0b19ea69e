"""Where the standard sets lie on disk, and how they get there: the data folder, Keras's own cache, a download."""

import gzip
import hashlib
import os
import shutil
import sys
import tarfile
import tempfile
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

from cvclassic.errors import DataError

CONNECT_SECONDS = 5.0
READ_SECONDS = 60.0
LARGEST_ARCHIVE = 1_000_000_000  # bytes, unpacked
LONGEST_READ = 2**20  # bytes
LONGEST_WHY = 300  # characters
LARGEST_FILE = 400_000_000  # bytes; CIFAR-100's training file, the largest one expected, has 155 million


class StandardFiles(NamedTuple):
    """The files of a standard set, where to look for them, and where to get them."""

    name: str
    files: tuple[str, ...]
    folders: tuple[str, ...]  # under the data folder or Keras's cache; downloads go to the first
    downloads: tuple[tuple[str, str], ...]  # (URL, "algorithm:hash") of each file, or of one archive of them
    archive: str | None = None  # name of the archive; inside, the files lie in a folder named as folders[0]


def find_data_dir(data_dir: str | Path | None = None) -> Path:
    """The data folder: as given, else `$CVCLASSIC_DATA`, else `data/` of the checkout or of the current folder."""
    given = data_dir or os.environ.get("CVCLASSIC_DATA")
    checkout = Path(__file__).resolve().parents[2]
    if given:
        folder = Path(given).expanduser()
    elif (checkout / "pyproject.toml").is_file() and (checkout / "data" / "README.md").is_file():
        folder = checkout / "data"
    else:
        folder = Path("data")
    if folder.exists() and not folder.is_dir():
        raise DataError(f"The data folder {folder} is a file; name a folder with --data-dir or CVCLASSIC_DATA.")
    return folder


def find(wanted: StandardFiles, data_dir: Path) -> Path | None:
    """The folder that holds all files of a set, or None.

    Raises
    ------
    DataError
        For a folder that holds some of them: filling or passing over it silently could mix two copies of a set.
    """
    for folder in _candidates(wanted, data_dir):
        missing = [name for name in wanted.files if not (folder / name).is_file()]
        if not missing:
            return folder
        if len(missing) < len(wanted.files):
            raise DataError(
                f"{wanted.name} in {folder} is incomplete: {', '.join(missing)} missing. "
                f"Add what is missing, or delete {folder} to have the set read from elsewhere or downloaded."
            )
    return None


def obtain(wanted: StandardFiles, data_dir: Path, *, offline: bool) -> Path:
    """The folder that holds all files of a set, unpacked or downloaded into `data_dir` where need be.

    Raises
    ------
    DataError
        Where it can't be had: with the places that were looked at, and what to do.
    """
    folder = find(wanted, data_dir)
    if folder is not None:
        return folder
    if wanted.archive and (data_dir / wanted.archive).is_file():
        with _staging(data_dir) as staging:
            unpack(data_dir / wanted.archive, wanted, staging)
            return _move_in(wanted, staging, data_dir)
    if offline:
        raise DataError(f"{_not_found(wanted, data_dir)} Without --offline it is downloaded.")
    if not all(reachable([url for url, _ in wanted.downloads])):
        raise DataError(f"{_not_found(wanted, data_dir)} {wanted.downloads[0][0]} can't be reached from here.")
    with _staging(data_dir) as staging:
        for url, known_hash in wanted.downloads:
            _download(url, known_hash, staging)
        if wanted.archive:
            unpack(staging / wanted.archive, wanted, staging)
        return _move_in(wanted, staging, data_dir)


def at_hand(wanted: StandardFiles, data_dir: Path) -> bool:
    """Whether a set can be had without a network. A damaged or incomplete copy counts: using it says what is wrong."""
    places = [folder / name for folder in _candidates(wanted, data_dir) for name in wanted.files]
    if wanted.archive:
        places.append(data_dir / wanted.archive)
    return any(place.is_file() for place in places)


def writable(data_dir: Path) -> bool:
    """Whether downloads can be kept in `data_dir`, or in the nearest folder above it that exists."""
    nearest = next(folder for folder in (data_dir.absolute(), *data_dir.absolute().parents) if folder.exists())
    return os.access(nearest, os.W_OK)


def reachable(urls: list[str]) -> list[bool]:
    """Whether each URL answers; all are asked at once, and all have `CONNECT_SECONDS` together."""
    import pooch

    answers = [False] * len(urls)

    def ask(position: int) -> None:
        head = pooch.HTTPDownloader(timeout=CONNECT_SECONDS)
        try:
            answers[position] = bool(head(urls[position], None, None, check_only=True))
        except OSError:  # every exception of requests is one
            answers[position] = False

    # Threads, because the time that a name server takes is not bounded by any time-out of the request.
    threads = [threading.Thread(target=ask, args=(position,), daemon=True) for position in range(len(urls))]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(CONNECT_SECONDS)
    return list(answers)


def md5(path: Path) -> str:
    """MD5 of a file, in hexadecimal."""
    with open(path, "rb") as file:
        return hashlib.file_digest(file, "md5").hexdigest()


def shown(path: Path) -> str:
    """A path as a report shows it: relative where it lies under the current folder."""
    try:
        return str(path.absolute().relative_to(Path.cwd()))
    except ValueError:
        return str(path)


def damaged(path: Path, why: str) -> DataError:
    """The error for a file that is not what it should be; `why` may hold what stands in it."""
    short = why if len(why) <= LONGEST_WHY else f"{why[:LONGEST_WHY]} …"
    return DataError(
        f"{path} can't be read: {short}. Delete it, and put a whole copy in its place or let it be downloaded again."
    )


def _keras_dir() -> Path:
    home = os.environ.get("KERAS_HOME")
    return (Path(home).expanduser() if home else Path.home() / ".keras") / "datasets"


def _candidates(wanted: StandardFiles, data_dir: Path) -> list[Path]:
    return [root / folder for root in (data_dir, _keras_dir()) for folder in wanted.folders]


def _not_found(wanted: StandardFiles, data_dir: Path) -> str:
    looked = ", ".join(str(folder) for folder in _candidates(wanted, data_dir))
    return (
        f"{wanted.name} was not found: looked for {', '.join(wanted.files)} in {looked}. "
        f"Put them into {data_dir / wanted.folders[0]}, or name another data folder with --data-dir or CVCLASSIC_DATA."
    )


@contextmanager
def _staging(data_dir: Path) -> Iterator[Path]:
    """A folder beside the final place, gone at the end: what comes in half never shows up in the data folder."""
    try:
        data_dir.mkdir(parents=True, exist_ok=True)
        staging = Path(tempfile.mkdtemp(prefix=".incoming-", dir=data_dir))
    except OSError as error:
        raise DataError(
            f"The data folder {data_dir} can't be written ({error.strerror}); name another with --data-dir."
        ) from error
    try:
        yield staging
    finally:
        shutil.rmtree(staging, ignore_errors=True)


def _move_in(wanted: StandardFiles, staging: Path, data_dir: Path) -> Path:
    folder = data_dir / wanted.folders[0]
    folder.mkdir(parents=True, exist_ok=True)
    for name in wanted.files:
        os.replace(staging / name, folder / name)
    return folder


def _download(url: str, known_hash: str, folder: Path) -> None:
    import pooch

    name = url.rsplit("/", 1)[-1]
    bar = _ProgressBar(name) if sys.stderr.isatty() else False
    downloader = pooch.HTTPDownloader(progressbar=bar, timeout=(CONNECT_SECONDS, READ_SECONDS), chunk_size=1 << 16)
    pooch.get_logger().setLevel("WARNING")
    print(f"Downloading {url}", file=sys.stderr)
    try:
        pooch.retrieve(url, known_hash, fname=name, path=folder, downloader=downloader)
    except ValueError as error:  # pooch's word for a hash that differs
        raise DataError(
            f"What {url} sent is not the published file (its hash differs), and was not kept. "
            "Try again later, or get the set elsewhere."
        ) from error
    except OSError as error:
        raise DataError(f"The download of {url} failed, and nothing was kept: {error}. Try again later.") from error


def unpack(archive: Path, wanted: StandardFiles, folder: Path) -> None:
    """Write the wanted files of a `.tar.gz`, and nothing else of it, into `folder`."""
    missing = {f"{wanted.folders[0]}/{name}": name for name in wanted.files}
    try:
        with _BoundedGzip(archive) as content, tarfile.open(fileobj=content, mode="r:") as tar:
            for member in tar:
                if member.size > LARGEST_FILE or member.offset_data > LARGEST_ARCHIVE:
                    raise damaged(archive, f"{member.name} ends behind byte {member.offset_data + member.size:,}")
                name = missing.get(member.name)
                if name is None or not member.isreg():
                    continue
                with tar.extractfile(member) as source, open(folder / name, "wb") as target:
                    shutil.copyfileobj(source, target)
                del missing[member.name]
    except DataError:
        raise
    except OSError as error:
        if not isinstance(error, gzip.BadGzipFile):
            raise  # the disk is full, or can't be written
        raise damaged(archive, f"it is damaged ({error})") from error
    except Exception as error:  # of many kinds, by tarfile and zlib
        raise damaged(archive, f"it is truncated or no tar archive ({error})") from error
    if missing:
        raise damaged(archive, f"it lacks {', '.join(missing)}")


class _BoundedGzip(gzip.GzipFile):
    """Reads little at a time, for tarfile takes the heads of members as long as they say that they are."""

    def read(self, size: int = -1) -> bytes:
        if not 0 <= size <= LONGEST_READ:
            raise tarfile.ReadError(f"{size:,} bytes are to be read at a time")
        return super().read(size)


class _ProgressBar:
    """One line on the terminal, in the form that pooch drives: `total`, `update`, `reset`, `close`."""

    def __init__(self, name: str):
        self.name = name
        self.total = 0
        self.done = 0

    def update(self, n_bytes: int) -> None:
        self.done += n_bytes
        share = min(self.done / self.total, 1.0) if self.total else 0.0
        bar = "#" * round(30 * share)
        sys.stderr.write(f"\r{self.name} [{bar:<30}] {share:4.0%} of {self.total / 1e6:.1f} MB")
        sys.stderr.flush()

    def reset(self) -> None:
        self.done = 0

    def close(self) -> None:
        sys.stderr.write("\n")
