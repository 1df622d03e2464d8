"""TCP ports of the tests' own, and what the kernel says of a connection."""
import socket

LOOPBACK = "127.0.0.1"


def reserve_port():
    """A socket that keeps a free port bound, without listening; its number is in getsockname().

    Nobody else is given the port while the socket is open. A daemon can listen there (with
    SO_REUSEPORT, as the same user); until it does, a connection is refused.
    """
    s = socket.socket()
    s.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
    s.bind((LOOPBACK, 0))
    return s


def unread_at(port, peer_port):
    """Bytes in the receive queue of the connection from peer_port to our port; None: there is none."""
    wanted = (f"0100007F:{port:04X}", f"0100007F:{peer_port:04X}")
    with open("/proc/net/tcp", encoding="ascii") as table:
        for line in table:
            row = line.split()
            if (row[1], row[2]) == wanted:
                return int(row[4].partition(":")[2], 16)
    return None


def probe_due_s(port, peer_port):
    """When TCP asks the other end of the connection from our port to peer_port next whether it is still
    there; None: it does not ask, or there is no such connection."""
    wanted = (f"0100007F:{port:04X}", f"0100007F:{peer_port:04X}")
    with open("/proc/net/tcp", encoding="ascii") as table:
        for line in table:
            row = line.split()
            if (row[1], row[2]) == wanted:
                timer, _, ticks = row[5].partition(":")
                return int(ticks, 16) / 100 if timer == "02" else None  # 02: keep-alive
    return None
