"""Threads of other processes: their names, and how one alone is stopped."""
import contextlib
import ctypes
import os
import platform

PTRACE_ATTACH, PTRACE_DETACH = 16, 17
SYS_TGKILL = {"x86_64": 234, "aarch64": 131}
WALL = 0x40000000  # waitpid(2): threads, too


def thread_of(pid, name):
    """The identifier of the thread of that name."""
    for tid in os.listdir(f"/proc/{pid}/task"):
        with open(f"/proc/{pid}/task/{tid}/comm", encoding="ascii") as comm:
            if comm.read().strip() == name:
                return int(tid)
    raise AssertionError(f"{pid} has no thread {name}")


@contextlib.contextmanager
def stopped(tid):
    """The thread does nothing while the block runs; the others go on."""
    libc = ctypes.CDLL(None, use_errno=True)
    libc.ptrace.argtypes = [ctypes.c_long, ctypes.c_long, ctypes.c_void_p, ctypes.c_void_p]
    assert libc.ptrace(PTRACE_ATTACH, tid, None, None) == 0, os.strerror(ctypes.get_errno())
    try:
        os.waitpid(tid, WALL)
        yield
    finally:
        assert libc.ptrace(PTRACE_DETACH, tid, None, None) == 0, os.strerror(ctypes.get_errno())


def send_signal(pid, tid, number):
    """To one thread."""
    libc = ctypes.CDLL(None, use_errno=True)
    assert libc.syscall(SYS_TGKILL[platform.machine()], pid, tid, number) == 0, os.strerror(ctypes.get_errno())
