"""Names that one writer holds at a time, in whichever process: a lock on a file, which ends with its process."""

import contextlib
import hashlib
import tempfile
from collections.abc import Iterator
from pathlib import Path

from filelock import FileLock, Timeout

LOCKS = "pruning-explorer-locks"  # a folder of temporary files, so that nothing lies about beside the user's own
PATIENCE = 2.0  # seconds to wait for a change that takes a moment


@contextlib.contextmanager
def held(folder: Path, *names: str, wait: float = PATIENCE) -> Iterator[None]:
    """Nobody else holds these names in the folder meanwhile; ValueError where somebody does after `wait` seconds."""
    with contextlib.ExitStack() as stack:
        for name in sorted(set(names)):
            try:
                stack.enter_context(FileLock(_lock_file(folder, name), timeout=wait, mode=0o666, thread_local=False))
            except Timeout as error:
                words = f"{name!r} is being written by somebody else just now"
                raise ValueError(f"{words}; wait until that is done, or choose another name") from error
        yield


def _lock_file(folder: Path, name: str) -> Path:
    """Where the name's lock lies: the same for all users, who may share the folder."""
    place = Path(tempfile.gettempdir()) / LOCKS
    if not place.is_dir():
        place.mkdir(exist_ok=True)
        place.chmod(0o777)
    where = hashlib.sha256(str(folder.resolve()).encode()).hexdigest()[:16]
    return place / f"{where}-{name}.lock"
