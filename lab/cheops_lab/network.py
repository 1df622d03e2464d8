"""Where the sites of a lab are: on loopback addresses, or each in a network namespace of its own.

A lab that needs addresses gets a *block* of its own, so that labs do not collide: 127.0.BLOCK.0/24
for loopback, 198.18.BLOCK.0/24 (a range for tests, RFC 2544) for namespaces. Which run directory has
which block is noted in <base folder>/blocks; a note of a run directory that is gone counts no more.

A namespace is joined to the lab by a pair of interfaces, and has no other way out: no route leads
from one site to another, but through the doors of the relay at the lab's end of the pair.

    site N:  198.18.BLOCK.4N+2 (eth0)  ---  198.18.BLOCK.4N+1 (chBLOCK-N): doors of the relay
"""
import contextlib
import fcntl
import os
import shutil
import socket
import subprocess
import sys

from .errors import LabError
from .run import make_base_folder

FIRST_BLOCK, LAST_BLOCK = 2, 254  # 127.0.0.x and 127.0.1.1 have users
COMMAND_S = 30


class Loopback:
    """Processes like any others, at addresses in 127.0.0.0/8."""

    kind, most_sites = "loopback", 254
    is_shared = True  # others may listen at a site's address

    def __init__(self, topology, block):
        for site in topology.sites.values():
            site.address = site.address or self.site_address(block, site.index)

    @staticmethod
    def site_address(block, index):
        return f"127.0.{block}.{index}"

    @classmethod
    def is_free(cls, block):
        with open("/proc/net/tcp", encoding="ascii") as table:
            local = [line.split()[1][:8] for line in list(table)[1:]]
        network = socket.inet_aton(cls.site_address(block, 0))[:3]
        return not any(int(word, 16).to_bytes(4, sys.byteorder)[:3] == network for word in local)

    @staticmethod
    def check():
        """Loopback needs nothing."""

    @staticmethod
    def door_address(site):
        """Where the relay listens for what a site sends to others."""
        return site.address

    @staticmethod
    def prefix(_site):
        """What goes before a command that is to run at a site."""
        return []

    def create(self):
        """The kernel answers at all of 127.0.0.0/8."""

    def remove(self):
        """Nothing was made."""


class Namespaces:
    """A network namespace for each site; made and removed as root, by iproute2."""

    kind, most_sites = "namespaces", 63
    is_shared = False

    def __init__(self, topology, block):
        self.topology, self.block = topology, block
        for site in topology.sites.values():
            site.address = f"198.18.{block}.{4 * site.index + 2}"

    @classmethod
    def is_free(cls, block):
        return f" 198.18.{block}." not in ip("-o", "-4", "address", "show")

    @staticmethod
    def check():
        """LabError when this user, or this machine, cannot have namespaces."""
        if not shutil.which("ip"):
            raise LabError("`network: namespaces` needs the command ip; install the package iproute2, or "
                           "take `network: loopback`")
        if os.geteuid() != 0:
            raise LabError("`network: namespaces` is for root alone; run lab by sudo, or take "
                           "`network: loopback`")

    def namespace(self, site):
        return f"cheops-{self.block}-{site.name}"

    def interface(self, site):
        return f"ch{self.block}-{site.index}"

    def door_address(self, site):
        return f"198.18.{self.block}.{4 * site.index + 1}"

    def prefix(self, site):
        return ["ip", "netns", "exec", self.namespace(site)]

    def create(self):
        for site in self.topology.sites.values():
            name, here = self.namespace(site), self.interface(site)
            ip("netns", "add", name)
            ip("link", "add", here, "type", "veth", "peer", "name", "eth0", "netns", name)
            ip("address", "add", f"{self.door_address(site)}/30", "dev", here)
            ip("link", "set", here, "up")
            ip("-n", name, "address", "add", f"{site.address}/30", "dev", "eth0")
            ip("-n", name, "link", "set", "lo", "up")
            ip("-n", name, "link", "set", "eth0", "up")

    def remove(self):
        """Removes what there is of it, also of a lab that was killed half-way."""
        if not shutil.which("ip"):
            return
        there = {line.split()[0] for line in ip("netns", "list").splitlines() if line}
        for site in self.topology.sites.values():
            if os.path.exists(f"/sys/class/net/{self.interface(site)}"):
                ip("link", "delete", self.interface(site))  # and the other end of the pair
            if self.namespace(site) in there:
                ip("netns", "delete", self.namespace(site))


KINDS = {kind.kind: kind for kind in (Loopback, Namespaces)}


def ip(*arguments):
    """One command of iproute2; gives its output, LabError with what it said."""
    try:
        done = subprocess.run(["ip", *arguments], stdin=subprocess.DEVNULL, capture_output=True, text=True,
                              timeout=COMMAND_S, check=False)
    except (OSError, subprocess.TimeoutExpired) as why:
        raise LabError(f"ip {' '.join(arguments)}: {why}") from why
    if done.returncode != 0:
        raise LabError(f"ip {' '.join(arguments)}: {done.stderr.strip() or f'status {done.returncode}'}")
    return done.stdout


def of(topology, block):
    """The network of a lab, with the block that it was given."""
    return KINDS[topology.network](topology, block)


@contextlib.contextmanager
def claimed_block(topology, folder):
    """A block for a lab in this run directory, None when it needs none.

    The directory has to be there when the context is left: a note of one that is not counts no more.
    """
    kind = KINDS[topology.network]
    kind.check()
    if all(site.address for site in topology.sites.values()):
        yield None
        return
    if len(topology.sites) > kind.most_sites:
        raise LabError(f"{len(topology.sites)} sites are too many; {kind.most_sites} fit into one lab")
    notes = os.path.join(make_base_folder(), "blocks")
    os.makedirs(notes, exist_ok=True)
    with open(os.path.join(notes, "lock"), "w", encoding="utf-8") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        block = next((b for b in range(FIRST_BLOCK, LAST_BLOCK + 1)
                      if _is_unclaimed(notes, kind, b, folder) and kind.is_free(b)), None)
        if block is None:
            raise LabError(f"no block of addresses is left; {notes} says which labs have them")
        with open(os.path.join(notes, f"{kind.kind}-{block}"), "w", encoding="utf-8") as note:
            note.write(folder)
        yield block


def _is_unclaimed(notes, kind, block, folder):
    try:
        with open(os.path.join(notes, f"{kind.kind}-{block}"), encoding="utf-8") as note:
            owner = note.read()
    except OSError:
        return True
    return owner == folder or not os.path.isdir(owner)


def check_address(address, port):
    """LabError when nothing can listen there."""
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((address, port))
        except OSError as why:
            raise LabError(f"{address}:{port} is needed and cannot be had: {why.strerror}; "
                           "is another lab up? `lab status` lists them") from why
