"""Signals are as from a terminal, for the tests and what they start: what a shell runs in its background, or
under nohup, ignores some, and so would its children."""
import signal

for number in (signal.SIGINT, signal.SIGHUP):
    if signal.getsignal(number) == signal.SIG_IGN:
        signal.signal(number, signal.default_int_handler if number == signal.SIGINT else signal.SIG_DFL)
