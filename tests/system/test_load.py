"""Clients of all kinds against services of all kinds while the configuration is reloaded every second, or another
site is killed: each answer is the right one, none hangs, nothing is left, and who is told to stop ends what has begun.

A failing run prints its seed; CHEOPS_SEED runs it again, as far as a busy machine lets it."""
import asyncio
import collections
import contextlib
import os
import shutil
import signal
import time

import pytest
from support import DEADLINE_S, Authority, until
from support.load import RIGHT, WRONG, Door, Load, LoadService, seed_of_run
from support.peer import start_again
from support.ports import reserve_port
from test_metrics import metrics
from test_stream import is_sanitized

pytestmark = pytest.mark.threads

#: What a daemon may keep of any number of requests: warm buffers, and what malloc holds on to.
SPARE_KB = 6 << 10
#: What Cheops may answer for a service that breaks, hangs and restarts.
BROKEN = ["service-broken", "service-unreachable", "service-timeout"]
#: What it may answer for a site that is killed.
GONE = ["site-down", "site-unreachable", "site-refused", "site-timeout", "service-broken", "maybe-run"]
#: A safe request with two alternatives is answered by either of them.
SCOPES = [None, "{b: Paris}", "{b: Paris ; Nantes}", "{b: Nantes ; Paris}"]
TIMEOUTS = {"service_head": "15s", "service_body": "20s", "client_write": "20s", "client_body": "20s", "drain": "60s",
            "otherwise": "15s"}


def seconds(plain, sanitized=10):
    return sanitized if is_sanitized() else plain


# -- what is left

def resident_kb(site):
    with open(f"/proc/{site.process.pid}/statm", encoding="ascii") as f:
        return int(f.read().split()[1]) * 4


def descriptors(site):
    """How many of each kind or path."""
    found = collections.Counter()
    for fd in os.listdir(f"/proc/{site.process.pid}/fd"):
        with contextlib.suppress(FileNotFoundError):  # it was closed since
            found[os.readlink(f"/proc/{site.process.pid}/fd/{fd}").split(":")[0]] += 1
    return found


def steady_descriptors(site):
    """Once they have been the same in 50 looks: the last connections of others are gone."""
    seen = []

    def look():
        seen.append(descriptors(site))
        return seen[-1] if seen[-50:].count(seen[-1]) == 50 else None
    return until(look, f"the descriptors of {site.name} to stay the same", 2 * DEADLINE_S)


def settle(site):
    """No client is there, and the pools of idle connections are those of a new configuration."""
    status, body = site.admin("/v1/reload", "POST")
    assert status == 200, body

    def look():
        m = metrics(site)
        return all(m.of(name) == n for name, n in [("cheops_transactions", 0), ("cheops_configurations", 1)]) \
            and m.of("cheops_client_connections") <= 2 * (len(site.daemon.states()) - 1)
    until(look, f"{site.name} to get quiet", 2 * DEADLINE_S)
    assert site.admin("/v1/transactions")[1]["live"] == 0


class Before:
    """What sites had before the load; `check` waits until they have it again."""

    def __init__(self, *sites):
        for site in sites:
            settle(site)
        self.had = {site: (steady_descriptors(site), resident_kb(site)) for site in sites}

    def check(self, *sites):
        for site in sites:
            settle(site)
            fds, kb = self.had[site]
            until(lambda site=site, fds=fds: descriptors(site) <= fds,
                  lambda site=site, fds=fds: f"{descriptors(site)} to become {fds}", 2 * DEADLINE_S)
            grown = resident_kb(site) - kb
            print(f"{site.name}: {kb} KiB before, {grown} KiB more")
            assert is_sanitized() or grown < SPARE_KB, f"{site.name} has {grown} KiB more"


# -- what happens meanwhile

async def every(period_s, load, act):
    """Acts again and again until the load is over, each time with the number of the time."""
    number = 0
    while not load.is_over and not load.wrong:
        await asyncio.sleep(period_s)
        await act(number)
        number += 1


async def pass_time(load, duration_s):
    end = time.monotonic() + duration_s
    while time.monotonic() < end and not load.wrong:
        await asyncio.sleep(0.1)


def check(load, *services):
    wrong = [*load.wrong, *(w for s in services for w in s.wrong)]
    print(f"seed {load.seed}: {sum(load.counts.values())} requests: {dict(sorted(load.counts.items()))}")
    assert not wrong, f"CHEOPS_SEED={load.seed}: {len(wrong)} faults: {wrong[:5]}"


class Doors:
    """The doors of a site: one that stays, one over TLS whose certificate changes, one that comes and goes."""

    def __init__(self, site, folder):
        self.site = site
        self.held = [reserve_port(), reserve_port()]
        secure, fleeting = (s.getsockname()[1] for s in self.held)
        authority = Authority(folder)
        self.pairs = [authority.issue("first"), authority.issue("second")]
        self.files = [folder / "door.crt", folder / "door.key"]
        self.plain = Door(site.port)
        self.secure = Door(secure, tls=authority.client_context())
        self.fleeting = Door(fleeting, comes_and_goes=True)

    def configure(self, number, services):
        """The configuration of the number-th reload."""
        for source, to in zip(self.pairs[number % 2], self.files):
            shutil.copy(source, to)
        tls = {"certificate": str(self.files[0]), "key": str(self.files[1])}
        listeners = [{"address": f"127.0.0.1:{self.plain.port}"},
                     {"address": f"127.0.0.1:{self.secure.port}", "tls": tls},
                     *([{"address": f"127.0.0.1:{self.fleeting.port}"}] if number % 2 else [])]
        self.site.config = {"listeners": listeners, "services": {k: {"url": s.url} for k, s in services.items()},
                            "timeouts": TIMEOUTS, "limits": {"body": (8 << 20) + number}}
        self.site.daemon.configure(self.site.configuration([]))

    def close(self):
        for s in self.held:
            s.close()


def add_clients(load, doors):
    for _ in range(6):
        load.add(load.keep_alive, doors.plain, "b")
        load.add(load.keep_alive, doors.plain, "a", tuple(RIGHT + WRONG))
        load.add(load.aborted, doors.plain, "b")
    for _ in range(3):
        load.add(load.pipelined, doors.plain, "b")
        load.add(load.slow, doors.plain, "b")
        load.add(load.large, doors.plain, "b")
        load.add(load.keep_alive, doors.secure, "b")
        load.add(load.keep_alive, doors.fleeting, "b")
        load.add(load.pipelined, doors.fleeting, "b")
    load.add(load.large, doors.secure, "b")
    load.add(load.large, doors.plain, "a")
    load.add(load.aborted, doors.secure, "b")
    load.add(load.aborted, doors.plain, "a", tuple(RIGHT + WRONG))


async def bother(site, doors, load, services):
    """Reloads every second, now and then with a bad file, and has the wild service move and restart."""
    steady, wild, other = services

    async def reload(number):
        if number % 7 == 6:
            await asyncio.to_thread(site.daemon.configure, {"site": site.name, "nonsense": number})
            status, body = await asyncio.to_thread(site.admin, "/v1/reload", "POST")
            if status != 409:
                load.fault(f"a bad configuration: {status} {body}")
            return
        await asyncio.to_thread(doors.configure, number, {"a": (wild, other)[number % 3 == 2], "b": steady})
        status, body = await asyncio.to_thread(site.admin, "/v1/reload", "POST")
        if status != 200:
            load.fault(f"a reload: {status} {body}")

    async def restart(_):
        await wild.halt()
        await asyncio.sleep(0.2)
        await wild.start()

    await asyncio.gather(every(1, load, reload), every(3, load, restart))


async def run_one_site(site, doors, seed, duration_s, services):
    for s in services:
        await s.start()
    doors.configure(0, {"a": services[1], "b": services[0]})
    await asyncio.to_thread(settle, site)
    before = None
    for part_s in (3, duration_s):  # the first warms it up
        load = Load(f"{seed} {part_s}", {"a": BROKEN, "b": []})
        add_clients(load, doors)
        bothering = asyncio.create_task(bother(site, doors, load, services))
        await pass_time(load, part_s)
        load.is_over = True
        await bothering
        await services[1].halt()  # who waits for what hangs
        await load.end()
        await services[1].start()
        doors.configure(0, {"a": services[1], "b": services[0]})
        check(load, *services)
        if before:
            await asyncio.to_thread(before.check, site)
        else:
            before = await asyncio.to_thread(Before, site)
    load = Load(f"{seed} drain", {"a": BROKEN, "b": []})
    add_clients(load, doors)
    await pass_time(load, 2)
    load.told_to_stop_at = time.monotonic()
    site.process.send_signal(signal.SIGTERM)
    ended = asyncio.create_task(asyncio.to_thread(site.wait_for_end))
    await services[1].halt()
    await load.end()
    assert await ended == 0
    check(load, *services)
    for s in services:
        if s.server.is_serving():
            await s.halt()


@pytest.mark.parametrize("duration_s", [40, pytest.param(600, marks=pytest.mark.long)])
def test_one_site(make_sites, tmp_path, duration_s):
    services = LoadService(), LoadService(), LoadService()
    site, = make_sites("Nantes", services=lambda _: {"a": services[1], "b": services[0]},
                       config={"timeouts": TIMEOUTS})
    with contextlib.closing(Doors(site, tmp_path / "doors")) as doors:
        asyncio.run(run_one_site(site, doors, seed_of_run(), seconds(duration_s), services))
    services[2].stop()


# -- two sites

async def kill_and_start(site, other, load):
    """Kills a site, has it start again, and waits until the other one knows. One time in three it has known that the
    site was down."""
    async def once(number):
        site.is_reaped = True
        site.process.send_signal(signal.SIGKILL)
        await asyncio.to_thread(site.process.wait, DEADLINE_S)
        if number % 3 == 0:
            await asyncio.to_thread(until, lambda: other.sees(site, "down"), f"{site.name} to be down")
        await asyncio.to_thread(start_again, site)
        await asyncio.to_thread(until, lambda: other.sees(site, "up"), f"{site.name} to be up again")
    await every(1, load, once)


def add_clients_of_two(load, nantes):
    door = Door(nantes.port)
    for _ in range(4):
        load.add(load.keep_alive, door, "b", tuple(RIGHT), SCOPES)
        load.add(load.keep_alive, door, "b")
        load.add(load.aborted, door, "b", tuple(RIGHT), SCOPES)
    for _ in range(2):
        load.add(load.large, door, "b", SCOPES)
        load.add(load.pipelined, door, "b")


async def run_two_sites(nantes, paris, seed, duration_s, service):
    await service.start()
    before = None
    for part_s in (3, duration_s, 2):  # the first warms them up, in the last nothing is killed
        load = Load(f"{seed} {part_s}", {"b": []}, GONE if part_s == duration_s else [])
        add_clients_of_two(load, nantes)
        killing = asyncio.create_task(kill_and_start(paris, nantes, load)) if part_s == duration_s else None
        await pass_time(load, part_s)
        load.is_over = True
        if killing:
            await killing
        await load.end()
        check(load, service)
        if before:
            await asyncio.to_thread(before.check, nantes)
        else:
            before = await asyncio.to_thread(Before, nantes)
    await service.halt()


@pytest.mark.parametrize("duration_s", [12, pytest.param(120, marks=pytest.mark.long)])
def test_a_site_that_is_killed(make_sites, duration_s):
    service = LoadService()
    # A busy machine takes no site for down that is not.
    config = {"timeouts": TIMEOUTS, "peers": {"heartbeat": "100ms", "suspect": "3s", "down": "5s"}}
    nantes, paris = make_sites("Nantes", "Paris", services=lambda _: {"b": service}, config=config)
    asyncio.run(run_two_sites(nantes, paris, seed_of_run(), seconds(duration_s), service))
