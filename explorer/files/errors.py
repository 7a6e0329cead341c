"""What went wrong, in one sentence: the same words on the pages and on the command line."""

import errno
import os
import re

from explorer.language.saying import again, on_one_line, say

OS_ERROR = re.compile(r"\(os error (\d+)\)")  # as libraries written in Rust put it


def sentence(error: BaseException) -> str:
    """What went wrong, on one line, with the fix where the disk is full."""
    error = as_os_error(error)
    if isinstance(error, OSError) and error.strerror:
        reason = say(error.strerror)
        where = f": {error.filename}" if error.filename else ""
        if error.errno in (errno.ENOSPC, errno.EDQUOT):
            return say("{reason}{where}; free some space on the disk", reason=reason, where=where)
        return say("{reason}{where}", reason=reason, where=where)
    return on_one_line(again(str(error))) or type(error).__name__


def as_os_error(error: BaseException, path: object = None) -> BaseException:
    """The OSError that a library tells of in an error of its own; any other error is returned as it is."""
    found = None if isinstance(error, (OSError, ValueError)) else OS_ERROR.search(str(error))
    return OSError(int(found[1]), os.strerror(int(found[1])), path and str(path)) if found else error
