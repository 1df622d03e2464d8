"""Waiting, always with a deadline, for something that can be observed."""
import http.client
import socket
import sys
import time

from .errors import LabError, tail

FIRST_PAUSE_S, LONGEST_PAUSE_S = 0.005, 0.1
TCP_LISTEN = "0A"


def until(condition, what, seconds, log=None, process=None):
    """Calls condition until it gives something true, and returns that.

    LabError after the seconds, or as soon as the process has ended; it says what was waited for
    and shows the end of the log.
    """
    start, pause = time.monotonic(), FIRST_PAUSE_S
    log = log or (process.log if process else None)
    while True:
        result = condition()
        if result:
            return result
        if process and not process.is_alive():
            raise LabError(f"{process.name} ended while the lab waited for {what}\n{tail(process.log)}")
        if time.monotonic() - start > seconds:
            shown = "\n" + tail(log) if log else ""
            raise LabError(f"waited {seconds:g} s in vain for {what}{shown}")
        time.sleep(pause)
        pause = min(pause * 1.5, LONGEST_PAUSE_S)


def listens(process, address, port):
    """Does something in the network of a process listen there? Asks the kernel, not the listener."""
    number = int.from_bytes(socket.inet_aton(address), sys.byteorder)
    wanted = f"{number:08X}:{port:04X}"
    try:
        with open(f"/proc/{process.pid}/net/tcp", encoding="ascii") as table:
            rows = [line.split() for line in table][1:]
    except OSError:
        return False
    return any(row[1] == wanted and row[3] == TCP_LISTEN for row in rows)


def answers(address, port, path, headers=None, expected=range(100, 500)):
    """Does an HTTP server there answer a GET with an expected status?"""
    connection = http.client.HTTPConnection(address, port, timeout=10)
    try:
        connection.request("GET", path, headers=headers or {})
        return connection.getresponse().status in expected
    except (OSError, http.client.HTTPException):
        return False
    finally:
        connection.close()
