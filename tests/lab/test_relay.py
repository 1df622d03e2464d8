"""The relay between two sites: delay, jitter, rate, cuts, half-cuts, healing, ends and resets.

Times are tested in the direction that cannot fail by a busy machine: nothing arrives early, a rate
is never passed. What must happen is waited for, with a deadline; what must not happen is given a
moment to.
"""
import json
import os
import socket
import struct
import subprocess
import sys
import threading
import time

import pytest

from cheops_lab.errors import LabError
from cheops_lab.lab import TOP
from cheops_lab.relay import client as relay
from cheops_lab.wait import until

DEADLINE_S = 20
AB, BA = ("A", "B"), ("B", "A")


def unused_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


class Far:
    """A listener that stands for B's Cheops; hands over what it accepts."""

    def __init__(self):
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.listener.settimeout(DEADLINE_S)
        self.port = self.listener.getsockname()[1]

    def accept(self):
        sock, _ = self.listener.accept()
        sock.settimeout(DEADLINE_S)
        return sock


class Wire:
    """A relay between A and B, with a door each way that leads to the same far listener."""

    def __init__(self, folder, far, delay=0.0, jitter=0.0, rate=None):
        self.control = os.path.join(folder, "relay.sock")
        self.ports = {AB: unused_port(), BA: unused_port()}
        config = {
            "control": self.control,
            "links": [{"source": s, "target": t, "delay": delay, "jitter": jitter, "rate": rate}
                      for s, t in (AB, BA)],
            "doors": [{"source": s, "target": t, "listen": ["127.0.0.1", self.ports[s, t]],
                       "connect": ["127.0.0.1", far.port]} for s, t in (AB, BA)]}
        path = os.path.join(folder, "relay.json")
        with open(path, "w", encoding="utf-8") as out:
            json.dump(config, out)
        self.process = subprocess.Popen([sys.executable, "-m", "cheops_lab.relay", path],
                                        env={**os.environ, "PYTHONPATH": os.path.join(TOP, "lab")})
        until(lambda: relay.is_ready(self.control), "the relay", DEADLINE_S)

    def dial(self, pair=AB, timeout=DEADLINE_S):
        return socket.create_connection(("127.0.0.1", self.ports[pair]), timeout=timeout)

    def ask(self, do, *links, **arguments):
        return relay.ask(self.control, do, links, **arguments)

    def link(self, pair=AB):
        return self.ask("status", pair)["links"][0]

    def close(self):
        self.process.terminate()
        assert self.process.wait(DEADLINE_S) == 0


@pytest.fixture
def wire(tmp_path, request):
    far = Far()
    made = Wire(str(tmp_path), far, **getattr(request, "param", {}))
    made.far = far
    yield made
    made.close()
    far.listener.close()


def pair_of(wire, door=AB):
    near = wire.dial(door)
    return near, wire.far.accept()


def exactly(sock, size):
    data = b""
    while len(data) < size:
        more = sock.recv(size - len(data))
        assert more, f"ended after {len(data)} of {size} bytes"
        data += more
    return data


def connects(wire, door, timeout):
    try:
        wire.dial(door, timeout).close()
        return True
    except socket.timeout:
        return False


def reset(sock):
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    sock.close()


def test_bytes_pass_both_ways(wire):
    near, far = pair_of(wire)
    near.sendall(b"question")
    assert exactly(far, 8) == b"question"
    far.sendall(b"answer")
    assert exactly(near, 6) == b"answer"


@pytest.mark.parametrize("wire", [{"delay": 0.08}], indirect=True)
def test_each_way_takes_at_least_the_delay(wire):
    near, far = pair_of(wire)
    near.sendall(b"x")
    exactly(far, 1)  # the first bytes also wait for the handshake
    start = time.monotonic()
    near.sendall(b"y")
    exactly(far, 1)
    there = time.monotonic()
    far.sendall(b"z")
    exactly(near, 1)
    assert there - start >= 0.08
    assert time.monotonic() - there >= 0.08


@pytest.mark.parametrize("wire", [{"delay": 0.05}], indirect=True)
def test_the_first_bytes_wait_for_a_handshake(wire):
    start = time.monotonic()
    near, far = pair_of(wire)
    near.sendall(b"x")
    exactly(far, 1)
    assert time.monotonic() - start >= 0.15


@pytest.mark.parametrize("wire", [{"delay": 0.01, "jitter": 0.03}], indirect=True)
def test_jitter_keeps_the_order(wire):
    near, far = pair_of(wire)
    sent = b"".join(struct.pack("!H", i) for i in range(200))
    for at in range(0, len(sent), 2):
        near.sendall(sent[at:at + 2])
    assert exactly(far, len(sent)) == sent


@pytest.mark.parametrize("wire", [{"rate": 1000000}], indirect=True)
def test_a_rate_is_shared_and_never_passed(wire):
    pairs = [pair_of(wire), pair_of(wire)]
    size = 250000
    start = time.monotonic()
    senders = [threading.Thread(target=near.sendall, args=(b"x" * size,)) for near, _ in pairs]
    for sender in senders:
        sender.start()
    for _, far in pairs:
        exactly(far, size)
    assert time.monotonic() - start >= 2 * size / 1000000 * 0.95
    for sender in senders:
        sender.join()


def test_nobody_reads_so_the_sender_is_held_back(wire):
    near, _far = pair_of(wire)
    near.settimeout(1)
    sent = 0
    with pytest.raises(socket.timeout):
        while sent < 200000000:
            sent += near.send(b"x" * 65536)


@pytest.mark.parametrize("wire", [{"rate": 20000000, "delay": 0.002}], indirect=True)
def test_bytes_are_all_there_and_unchanged(wire):
    near, far = pair_of(wire)
    data = os.urandom(3000000)
    sender = threading.Thread(target=lambda: (near.sendall(data), near.shutdown(socket.SHUT_WR)))
    sender.start()
    assert exactly(far, len(data)) == data
    assert far.recv(1) == b""
    sender.join()


def test_one_side_ends_and_the_other_goes_on(wire):
    near, far = pair_of(wire)
    near.sendall(b"all")
    near.shutdown(socket.SHUT_WR)
    assert exactly(far, 3) == b"all"
    assert far.recv(1) == b""
    far.sendall(b"late")
    far.close()
    assert exactly(near, 4) == b"late"
    assert near.recv(1) == b""
    until(lambda: wire.link()["connections"] == 0, "the relay to forget the connection", DEADLINE_S)


def test_a_reset_arrives_as_a_reset(wire):
    near, far = pair_of(wire)
    reset(near)
    with pytest.raises(ConnectionResetError):
        far.recv(1)


def test_nobody_listens_behind_the_door(wire):
    wire.far.listener.close()
    with pytest.raises(ConnectionResetError):
        wire.dial().recv(1)


def test_a_cut_stalls_and_heal_delivers(wire):
    near, far = pair_of(wire)
    wire.ask("cut", AB, BA)
    near.sendall(b"held")
    far.sendall(b"back")
    far.settimeout(0.3)
    with pytest.raises(socket.timeout):
        far.recv(1)
    wire.ask("heal", AB, BA)
    far.settimeout(DEADLINE_S)
    assert exactly(far, 4) == b"held"
    assert exactly(near, 4) == b"back"


def test_an_end_does_not_pass_a_cut(wire):
    near, far = pair_of(wire)
    wire.ask("cut", AB, BA)
    near.close()
    far.settimeout(0.3)
    with pytest.raises(socket.timeout):
        far.recv(1)
    wire.ask("heal", AB, BA)
    far.settimeout(DEADLINE_S)
    assert far.recv(1) == b""


def test_a_half_cut_holds_one_direction_only(wire):
    near, far = pair_of(wire)
    wire.ask("cut", AB)
    near.sendall(b"held")
    for _ in range(3):
        far.sendall(b"passes")
        assert exactly(near, 6) == b"passes"
    far.settimeout(0.3)
    with pytest.raises(socket.timeout):
        far.recv(1)
    wire.ask("heal", AB)
    far.settimeout(DEADLINE_S)
    assert exactly(far, 4) == b"held"


@pytest.mark.parametrize("links", [(AB, BA), (AB,), (BA,)])
def test_a_new_connection_hangs_while_a_direction_is_cut(wire, links):
    wire.ask("cut", *links)
    assert not connects(wire, AB, 0.5)
    assert not connects(wire, BA, 0.5)
    wire.ask("heal", *links)
    near, far = pair_of(wire)
    near.sendall(b"x")
    assert exactly(far, 1) == b"x"


def test_a_connect_that_hangs_gets_through_after_healing(wire):
    wire.ask("cut", AB, BA)
    done = []
    dialling = threading.Thread(target=lambda: done.append(wire.dial()))
    dialling.start()
    assert not connects(wire, AB, 0.5) and not done
    wire.ask("heal", AB, BA)
    dialling.join(DEADLINE_S)
    done[0].sendall(b"x")
    assert exactly(wire.far.accept(), 1) == b"x"


def test_a_cut_can_refuse(wire):
    wire.ask("cut", AB, BA, refuse=True)
    for door in (AB, BA):
        with pytest.raises(ConnectionRefusedError):
            wire.dial(door)
    wire.ask("heal", AB, BA)
    pair_of(wire)


def test_a_cut_can_change_its_manner(wire):
    wire.ask("cut", AB, BA)
    wire.ask("cut", AB, BA, refuse=True)
    with pytest.raises(ConnectionRefusedError):
        wire.dial()
    wire.ask("cut", AB, BA)
    assert not connects(wire, AB, 0.5)
    wire.ask("heal", AB, BA)
    pair_of(wire)


def test_healing_one_direction_of_two_does_not_open_the_door(wire):
    wire.ask("cut", AB, BA)
    wire.ask("heal", AB)
    assert not connects(wire, AB, 0.5)
    wire.ask("heal", BA)
    pair_of(wire)


def test_healing_can_reset_what_was_there(wire):
    near, far = pair_of(wire)
    wire.ask("cut", AB, BA)
    near.sendall(b"lost")
    wire.ask("heal", AB, BA, reset_connections=True)
    for sock in (near, far):
        with pytest.raises(ConnectionResetError):
            sock.recv(1)


def test_a_healed_door_shows_no_connection_of_the_relays_own(wire):
    wire.ask("cut", AB, BA)
    wire.ask("heal", AB, BA)
    near = wire.dial()
    far = wire.far.accept()  # the first one to come through must be ours
    near.sendall(b"x")
    assert exactly(far, 1) == b"x"
    assert wire.link()["connections"] == 1


def test_a_link_changes_while_it_runs(wire):
    near, far = pair_of(wire)
    near.sendall(b"x")
    exactly(far, 1)
    wire.ask("set", AB, delay=0.1)
    start = time.monotonic()
    near.sendall(b"y")
    exactly(far, 1)
    assert time.monotonic() - start >= 0.1
    assert wire.link(AB)["delay"] == 0.1
    assert wire.link(BA)["delay"] == 0.0


def test_what_arrived_is_counted(wire):
    near, far = pair_of(wire)
    near.sendall(b"12345")
    exactly(far, 5)
    until(lambda: wire.link(AB)["bytes"] == 5, "five bytes to be counted", DEADLINE_S)
    assert wire.link(BA)["bytes"] == 0


def test_what_makes_no_sense_is_refused(wire):
    with pytest.raises(LabError, match="no link from A to C"):
        wire.ask("cut", ("A", "C"))
    with pytest.raises(LabError, match="unknown request 'break'"):
        wire.ask("break", AB)
    with pytest.raises(LabError, match="refused to heal"):
        wire.ask("heal", AB, gently=True)
    pair_of(wire)
