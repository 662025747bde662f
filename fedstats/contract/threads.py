"""One BLAS thread, so that the same machine gives the same bits whoever calls."""

from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache

from threadpoolctl import ThreadpoolController


@cache
def _controller() -> ThreadpoolController:
    # Finding the loaded BLAS libraries takes milliseconds, limiting them microseconds: find once.
    return ThreadpoolController()


@contextmanager
def one_blas_thread() -> Iterator[None]:
    """Run the body with a single BLAS thread.

    A multi-threaded product adds in an order that depends on the load of the machine; a study
    promises the same sha256 of its results whatever the carrier.
    """
    with _controller().limit(limits=1, user_api="blas"):
        yield
