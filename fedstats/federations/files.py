"""Files of an exchange: written once and whole, read only if they are what they should be."""

import errno
import os
import stat
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

#: Larger files are refused before they are read.
LARGEST_FILE = 256 * 2**20

#: A link is not followed, and a pipe that nobody writes to is not waited for.
_AS_IT_LIES = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC
_NO_FILE = {errno.ELOOP, errno.ENXIO, errno.EOPNOTSUPP}  # what the systems say of a link and of a socket

_FULL = "make room on its disk, then start again"
_NOT_ALLOWED = "give the account that runs this the right to do so, or name another folder"
_NO_FOLDER = "it is a file or lies below one, so name another folder"
_NO_LINKS = "files are finished by a hard link, which its disk may not know, so name a folder on another disk"
_REMEDIES = {
    errno.ENOSPC: _FULL,
    errno.EDQUOT: _FULL,
    errno.EACCES: _NOT_ALLOWED,
    errno.EROFS: _NOT_ALLOWED,
    errno.ENOTDIR: _NO_FOLDER,
    errno.EPERM: _NO_LINKS,
    errno.EOPNOTSUPP: _NO_LINKS,
}


class LedgerMismatch(RuntimeError):  # noqa: N818 (names what was found)
    """The exchange folder holds something else than it should, or has been changed."""

    def _render_traceback_(self) -> list[str]:  # a notebook shows the sentence, not thirty lines of our code
        return [f"LedgerMismatch: {self}"]


class FolderTrouble(OSError):  # noqa: N818 (names what was found)
    """A folder cannot be read or written; its text is one sentence that says which, why and what to do."""

    def __str__(self) -> str:
        return str(self.strerror)

    def _render_traceback_(self) -> list[str]:  # a notebook shows the sentence, not thirty lines of our code
        return [f"FolderTrouble: {self}"]


@contextmanager
def explained(what: str, path: Path, deed: str) -> Iterator[None]:
    """Turn what the operating system says of a file into one sentence.

    Parameters
    ----------
    what : str      the kind of folder that it lies in
    path : Path
    deed : str      ``written``, ``read`` or ``used``

    Raises
    ------
    FolderTrouble
        In place of an OSError of the system.
    FileExistsError
        As it is: of whoever writes the same file, one is the first.
    """
    try:
        yield
    except (FolderTrouble, FileExistsError):
        raise
    except OSError as problem:
        if problem.errno is None:  # a sentence of our own
            raise
        remedy = _REMEDIES.get(problem.errno, "see that it can be reached, then start again")
        sentence = f"{path.name} in the {what} {path.parent} cannot be {deed} ({os.strerror(problem.errno)}): {remedy}."
        raise FolderTrouble(problem.errno, sentence, str(path)) from problem


def write_once(path: Path, content: bytes) -> None:
    """Write beside, flush to disk, then link: atomic, and an existing file is never replaced.

    Raises
    ------
    FileExistsError
        Somebody has written it already.
    FolderTrouble
        It cannot be written, and is not there at all.
    """
    with explained("exchange folder", path, "written"):
        _require_folder(path.parent)
        _write_once(path, content)


def _write_once(path: Path, content: bytes, opener: Callable[[str, int], int] | None = None) -> None:
    part = path.with_name(f".{path.stem}-{uuid.uuid4().hex}.part")
    try:
        with open(
            part, "xb", opener=opener
        ) as file:  # without an opener readable for others as the umask says: an exchange is shared
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        os.link(part, path)
    finally:
        part.unlink(missing_ok=True)


def real_folder(exchange: Path, *parts: str) -> Path:
    """A folder of an exchange that leads nowhere else: neither it nor one above it is a link; it may not be there yet.

    Parameters
    ----------
    exchange : path     the exchange folder, which whoever runs this has named; it may be a link
    parts : str         names of the folders below it

    Raises
    ------
    LedgerMismatch
        A link or a file lies in the place of one of them; nothing has been read or written through it.
    FolderTrouble
        It cannot be told.
    """
    folder = exchange
    for part in parts:
        folder = folder / part
        with explained("folder", folder, "read"):
            try:
                kind = os.lstat(folder).st_mode
            except (FileNotFoundError, NotADirectoryError):
                break
        if not stat.S_ISDIR(kind):
            raise LedgerMismatch(
                f"{folder.relative_to(exchange)} in the exchange folder {exchange} should be a folder and is a link or a "
                "file, which may lead elsewhere: nothing was read or written there. Take it away and start again."
            )
    return exchange.joinpath(*parts)


def _require_folder(folder: Path) -> None:
    """Make a folder; what lies in its place, or leads elsewhere, is no folder of ours."""
    if folder.is_symlink() or (os.path.lexists(folder) and not folder.is_dir()):
        raise LedgerMismatch(
            f"{folder.name} should be a folder and is a link or a file; nothing was written."
        )
    folder.mkdir(parents=True, exist_ok=True)


def write_private(path: Path, content: bytes) -> None:
    """As :func:`write_once`, for the eyes of this user alone."""
    with explained("private folder", path, "written"):
        make_folder(path.parent, 0o700)
        _write_once(path, content, for_the_owner)  # a umask would be the whole process's


def make_folder(folder: Path, mode: int = 0o777) -> None:
    """Make a folder with those above it; a file in its place is an error like any other, and not a file written before."""
    try:
        for part in (*reversed(folder.parents), folder):
            part.mkdir(exist_ok=True, mode=mode)
    except FileExistsError:
        raise NotADirectoryError(errno.ENOTDIR, os.strerror(errno.ENOTDIR), str(folder)) from None


def present(path: Path) -> bool:
    """Whether anything lies there, a link to nothing too; a folder that may not be looked into is not an empty one.

    Raises
    ------
    FolderTrouble
        It cannot be told.
    """
    with explained("folder", path, "read"):
        try:
            os.lstat(path)
        except (FileNotFoundError, NotADirectoryError):
            return False
        return True


def read_whole(path: Path, limit: int | None = None) -> bytes:
    """The bytes of a regular file of at most ``limit`` bytes, or :data:`LARGEST_FILE`.

    Raises
    ------
    LedgerMismatch
        A link, a folder, a device, or a larger file; it has not been read.
    FolderTrouble
        It cannot be read.
    """
    with explained("folder", path, "read"):
        try:
            descriptor = os.open(path, _AS_IT_LIES)
        except OSError as problem:
            if problem.errno in _NO_FILE:
                raise _not_read(path) from None
            raise
        try:
            return _content(descriptor, path, limit or LARGEST_FILE)
        except MemoryError:
            raise too_large(path.name) from None
        finally:
            os.close(descriptor)


def _content(descriptor: int, path: Path, limit: int) -> bytes:
    """What is looked at is what is read, whatever somebody puts in its place in between."""
    found = os.fstat(descriptor)
    if not stat.S_ISREG(found.st_mode) or found.st_size > limit:
        raise _not_read(path)
    with open(descriptor, "rb", closefd=False) as file:
        content = file.read(found.st_size + 1)
    if len(content) != found.st_size:
        raise LedgerMismatch(f"{path.name} was changed while it was read; it was not used.")
    return content


def _not_read(path: Path) -> LedgerMismatch:
    return LedgerMismatch(
        f"{path.name} is a link or larger than an exchange file may be, or no file at all; it was not read."
    )


def too_large(name: str) -> LedgerMismatch:
    """What is said of a file for which there is no memory."""
    return LedgerMismatch(
        f"{name} takes more memory than this machine has left, so it was not used: look whether its size can be right, and "
        "start again on a larger machine if it is."
    )


def replace_private(path: Path, content: bytes) -> None:
    """Write a file whole or not at all, for the eyes of this user alone."""
    part = path.with_suffix(f".{os.getpid()}.part")
    with explained("private folder", path, "written"):
        try:
            with open(part, "wb", opener=for_the_owner) as file:
                file.write(content)
                file.flush()
                os.fsync(file.fileno())
            part.replace(path)
        finally:
            part.unlink(missing_ok=True)


def for_the_owner(path: str, flags: int) -> int:
    """An opener of files that this user alone may read."""
    return os.open(path, flags, 0o600)
