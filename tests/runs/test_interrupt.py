import signal
import threading

import pytest

from paramjax.runs._interrupt import Interrupts


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
