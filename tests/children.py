"""Work in a forked process that may end as it likes: killed, out of rights, at a limit."""

from __future__ import annotations

import os
import signal
import traceback
from collections.abc import Callable

FAILED = 70
NOBODY = 65534
_SECONDS = 300  # a child that hangs is ended


def in_a_child(work: Callable[[], object]) -> int:
    """Do something in a forked process and return its exit status: 0, `FAILED` where it raised, else how it ended itself."""
    child = os.fork()
    if child == 0:
        signal.alarm(_SECONDS)
        status = FAILED
        try:
            work()
            status = 0
        except BaseException:  # noqa: BLE001 - it must never come back to pytest
            traceback.print_exc()
        finally:
            os._exit(status)
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])


def as_nobody(work: Callable[[], object]) -> Callable[[], None]:
    """Return the work of someone without rights to what the tests wrote; for `in_a_child`. Root may write anything."""

    def done() -> None:
        if os.getuid() == 0:
            os.setgid(NOBODY)
            os.setuid(NOBODY)
        work()

    return done
