import asyncio
import concurrent.futures
import contextlib
import io
import signal
import threading
import time

import pytest

from paramjax.runs._interrupt import Interrupts, InterruptWarning, Terminated, ending


@pytest.fixture(autouse=True)
def _handlers_stay():
    before = [signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)]
    signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    assert signal.getsignal(signal.SIGINT) == signal.default_int_handler
    assert signal.getsignal(signal.SIGTERM) == before[1]
    signal.signal(signal.SIGINT, before[0])


def test_the_first_signal_is_remembered_and_the_second_interrupts():
    with Interrupts() as interrupts:
        signal.raise_signal(signal.SIGINT)
        assert interrupts.received == signal.SIGINT
        with pytest.raises(KeyboardInterrupt):
            signal.raise_signal(signal.SIGINT)


def test_a_termination_is_held_back_only_where_it_is_asked_for():
    with Interrupts():
        assert signal.getsignal(signal.SIGTERM) == signal.SIG_DFL
    with Interrupts(terminations=True) as interrupts:
        signal.raise_signal(signal.SIGTERM)
    assert interrupts.received == signal.SIGTERM


def test_handlers_of_the_user_stay():
    seen = []
    signal.signal(signal.SIGINT, lambda number, frame: seen.append(number))
    with Interrupts() as interrupts:
        signal.raise_signal(signal.SIGINT)
    assert seen == [signal.SIGINT]
    assert interrupts.received is None
    signal.signal(signal.SIGINT, signal.default_int_handler)


def test_threads_leave_signals_alone():
    handlers = []

    def inside():
        with Interrupts():
            handlers.append(signal.getsignal(signal.SIGINT))

    thread = threading.Thread(target=inside)
    thread.start()
    thread.join()
    assert handlers == [signal.default_int_handler]


def test_a_run_within_a_run_ends_both():
    with Interrupts() as outer:
        with Interrupts() as inner:
            signal.raise_signal(signal.SIGINT)
        assert inner.received == outer.received == signal.SIGINT
        with pytest.raises(KeyboardInterrupt):
            signal.raise_signal(signal.SIGINT)


def test_asyncio_gives_its_handler_for_a_while():
    async def main():
        before = signal.getsignal(signal.SIGINT)
        with Interrupts() as interrupts:
            signal.raise_signal(signal.SIGINT)
        assert signal.getsignal(signal.SIGINT) is before
        return interrupts.received

    assert asyncio.run(main()) == signal.SIGINT


def test_a_thread_learns_that_the_task_of_asyncio_was_interrupted():
    seen, began = [], threading.Event()

    def work():
        with Interrupts() as interrupts:
            seen.append(interrupts.received)
            began.set()
            while interrupts.received is None and len(seen) < 2000:
                time.sleep(0.005)
                seen.append(None)
            seen.append(interrupts.received)

    async def main():
        task = asyncio.create_task(asyncio.to_thread(work))
        await asyncio.to_thread(began.wait, 10)
        signal.raise_signal(signal.SIGINT)
        await task

    with pytest.raises(KeyboardInterrupt):
        asyncio.run(main())
    assert seen[0] is None
    assert seen[-1] == signal.SIGINT


def test_a_thread_learns_that_the_main_thread_was_interrupted():
    seen, began = [], threading.Event()

    def work():
        with Interrupts() as interrupts:
            began.set()
            for _ in range(2000):
                if interrupts.received is not None:
                    break
                time.sleep(0.005)
            seen.append(interrupts.received)

    def main():
        with concurrent.futures.ThreadPoolExecutor(1) as pool:
            pool.submit(work)
            began.wait(10)
            signal.raise_signal(signal.SIGINT)

    with pytest.raises(KeyboardInterrupt):
        main()
    assert seen == [signal.SIGINT]


def terminated(closed):
    with ending("work", "all is kept"), contextlib.closing(closed):
        signal.raise_signal(signal.SIGTERM)


def test_a_termination_unwinds_and_says_what_is_kept():
    opened = io.StringIO()
    said = pytest.warns(InterruptWarning, match="work: SIGTERM ended it; all is kept")
    with said, pytest.raises(Terminated) as ended:
        terminated(opened)
    assert opened.closed
    assert ended.value.code == 143


def test_an_interrupt_says_what_is_kept():
    with pytest.raises(KeyboardInterrupt) as ended, ending("work", "all is kept"):
        signal.raise_signal(signal.SIGINT)
    assert ended.value.__notes__ == ["work: interrupted; all is kept"]
