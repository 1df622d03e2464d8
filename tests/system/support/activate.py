"""Opens listening sockets and becomes a command that finds them, as a service manager does:

    activate.py ADDRESS[=NAME]... -- COMMAND...

An address is HOST:PORT or a path. (Not imported by tests: they run a daemon behind it.)
"""
import os
import socket
import stat
import sys


def listen(address):
    if "/" in address:
        s = socket.socket(socket.AF_UNIX)
        s.bind(address)
        os.chmod(address, stat.S_IRUSR | stat.S_IWUSR)
    else:
        host, _, port = address.rpartition(":")
        s = socket.socket()
        s.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)  # the test keeps the port's number for itself
        s.bind((host, int(port)))
    s.listen()
    return s


def main():
    end = sys.argv.index("--")
    wanted = [a.partition("=") for a in sys.argv[1:end]]
    opened = [listen(address) for address, _, _ in wanted]
    high = [os.dup2(s.fileno(), 100 + i) for i, s in enumerate(opened)]  # so that none is in another's way
    for number, fd in enumerate(high, 3):
        os.dup2(fd, number, inheritable=True)
    os.environ.update(LISTEN_PID=str(os.getpid()), LISTEN_FDS=str(len(high)),
                      LISTEN_FDNAMES=":".join(name for _, _, name in wanted))
    for fd in high:
        os.set_inheritable(fd, False)
    os.execv(sys.argv[end + 1], sys.argv[end + 1:])


if __name__ == "__main__":
    main()
