"""How the threads of a computation wait for one another: asleep.

torch and faiss share an operation among threads by OpenMP, whose threads wait by spinning. Where another program wants the
processor too, a spinning thread takes the time of the one that it waits for, and what takes milliseconds takes a second
(`benchmarks/waiting_threads.py`). This module knows nothing of what is computed.
"""

from __future__ import annotations

import os


def let_threads_sleep() -> None:
    """Have OpenMP's threads sleep while they wait, unless the environment says otherwise.

    The library reads it when it is loaded: this is to be called before torch is imported.
    """
    os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
