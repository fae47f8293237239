"""Sets a process that serves requests to a search for garbage and a keeping of memory of its pace.

It frees no object itself.
"""

import ctypes
import gc

_M_TRIM_THRESHOLD, _M_MMAP_THRESHOLD = -1, -3
"""Source: malloc.h of the GNU C library."""

_KEPT_BYTES, _MAPPED_BYTES = 4 * 1024 * 1024, 768 * 1024
"""A block past the second number is mapped and faulted in page by page: with 1 MiB and 128 KiB a
download of 1 MiB took the server 5.7 ms, with these 2.6, and with 2 MiB 2.2. But then what small
blocks lie between would keep the blocks of whole messages."""


def collect_seldom() -> None:
    """Search for garbage less often, and not among what is here to stay; call it once, when loaded.

    By the usual numbers the search took a fourteenth of the server's time, since each request in
    flight is many objects that are neither garbage nor old.
    """
    gc.freeze()
    gc.set_threshold(10_000, 20, 20)


def give_memory_back(kept_bytes: int = _KEPT_BYTES, mapped_bytes: int = _MAPPED_BYTES) -> None:
    """Let what is freed go back to the system at once, but for `kept_bytes`; call it at the start.

    Blocks of `mapped_bytes` and more are mapped anew each time.

    The GNU C library raises its bounds each time a large block is freed, up to 64 MiB: after 40
    answers of 3 MB that nobody read, a server kept 150 MB where 63 would do. Other libraries are
    left as they are.
    """
    tune = getattr(ctypes.CDLL(None), "mallopt", None)
    if tune is not None:
        tune(_M_TRIM_THRESHOLD, kept_bytes)
        tune(_M_MMAP_THRESHOLD, mapped_bytes)


def trim() -> None:
    """Give the system every page that holds nothing now, also those between others.

    Other libraries than the GNU C library are left as they are.
    """
    trim_heap = getattr(ctypes.CDLL(None), "malloc_trim", None)
    if trim_heap is not None:
        trim_heap(0)


def return_freed() -> None:
    """As `trim`, behind a search for garbage.

    Half of the 60 MB that 15,000 connections held stays without this when they have left. The
    search for garbage is for Python's lists of free tuples, each of which keeps an arena of 1 MiB:
    call it when few objects are left, among which it takes some 5 ms.
    """
    gc.collect()
    trim()
