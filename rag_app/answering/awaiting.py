"""Reads a generator in a thread of its own, for who awaits what it yields. This module knows nothing of what that is."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Generator
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

T = TypeVar("T")


async def in_thread(stream: Generator[T], thread: ThreadPoolExecutor) -> AsyncGenerator[T]:
    """Yield what a generator does, read in the one thread given; closing, or cancelling who awaits, closes it there.

    The thread ends with it. Control comes back once the generator yields again, so that it has to, now and then.
    """
    loop = asyncio.get_running_loop()
    try:
        while (item := await loop.run_in_executor(thread, next, stream, None)) is not None:
            yield item
    finally:
        await loop.run_in_executor(thread, stream.close)
        thread.shutdown(wait=False)
