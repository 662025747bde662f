"""Files of an exchange: written once and whole, read only if they are what they should be."""

import os
import stat
import uuid
from pathlib import Path

#: Larger files are refused before they are read.
LARGEST_FILE = 256 * 2**20


class LedgerMismatch(RuntimeError):  # noqa: N818 (names what was found)
    """The exchange folder holds something else than it should, or has been changed."""

    def _render_traceback_(self) -> list[str]:  # a notebook shows the sentence, not thirty lines of our code
        return [f"LedgerMismatch: {self}"]


def write_once(path: Path, content: bytes) -> None:
    """Write beside, flush to disk, then link: atomic, and an existing file is never replaced.

    Raises
    ------
    FileExistsError
        Somebody has written it already.
    """
    _require_folder(path.parent)
    part = path.with_name(f".{path.stem}-{uuid.uuid4().hex}.part")
    try:
        with part.open("xb") as file:  # readable for others as the umask says: an exchange is shared
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        os.link(part, path)
    finally:
        part.unlink(missing_ok=True)


def _require_folder(folder: Path) -> None:
    """Make a folder; what lies in its place, or leads elsewhere, is no folder of ours."""
    if folder.is_symlink() or (os.path.lexists(folder) and not folder.is_dir()):
        raise LedgerMismatch(
            f"{folder.name} should be a folder and is a link or a file; nothing was written."
        )
    folder.mkdir(parents=True, exist_ok=True)


def write_private(path: Path, content: bytes) -> None:
    """As :func:`write_once`, for the eyes of this user alone."""
    path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    before = os.umask(0o077)
    try:
        write_once(path, content)
    finally:
        os.umask(before)


def read_whole(path: Path, limit: int | None = None) -> bytes:
    """The bytes of a regular file of at most ``limit`` bytes, or :data:`LARGEST_FILE`.

    Raises
    ------
    LedgerMismatch
        A link, a folder, a device, or a larger file; it has not been read.
    """
    kind = path.lstat()
    if not stat.S_ISREG(kind.st_mode) or kind.st_size > (limit or LARGEST_FILE):
        raise LedgerMismatch(
            f"{path.name} is a link or larger than an exchange file may be, or no file at all; it was not read."
        )
    return path.read_bytes()
