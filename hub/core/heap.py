"""The heap of the process: what a call leaves is kept for the next one, instead of being given back page by page."""

import ctypes

_TRIM_THRESHOLD, _TOP_PAD, _MMAP_THRESHOLD = -1, -2, -3  # of glibc's <malloc.h>
KEPT = 32 << 20  # bytes that may lie free at the end of the heap
LARGE = 4 << 20  # what is larger gets pages of its own, which are given back


def keep_heap() -> None:
    """Give back what is free now, and keep from now on what becomes free. Nothing where the C library is not glibc.

    By itself glibc keeps little: it gives back the memory of each long prompt, and the kernel clears a hundred pages for
    the next one, which takes longer than all that is done with it.
    """
    library = ctypes.CDLL(None)
    if not hasattr(library, "mallopt") or not hasattr(library, "malloc_trim"):
        return
    library.malloc_trim(0)
    library.mallopt(_MMAP_THRESHOLD, LARGE)
    library.mallopt(_TRIM_THRESHOLD, KEPT)
    library.mallopt(_TOP_PAD, LARGE)
