"""Fixtures of the system tests. The build directory comes from CHEOPS_BUILD (default build/)."""
import pytest
from support import Authority, Origin, Site, ports, until


@pytest.fixture
def make_sites(tmp_path):
    """Starts sites that know each other, and waits until they do.

        nantes, paris = make_sites("Nantes", "Paris", config={"limits": {"head": 2048}})

    `services` is given each site's name and gives its Origins by name; `config` is laid over the
    configuration of each site; with an `authority` the sites speak TLS with each other.
    """
    made = []

    def make(*names, services=None, config=None, application="example", authority=None):
        sites = [Site(n, tmp_path, services and services(n), config, application, authority) for n in names]
        made.extend(sites)
        for s in sites:
            s.start([o for o in sites if o is not s])
        for s in sites:
            for o in sites:
                until(lambda s=s, o=o: s.sees(o, "up"), f"{s.name} to see {o.name}")
        return sites

    yield make
    stop_all(made)


@pytest.fixture
def make_site(make_sites):
    """Starts one site, Nantes, whose service `a` does on each connection what a script says.

        site = make_site([read_request, send(b"HTTP/1.1 200 OK\\r\\n"), reset])

    Several scripts are for the first, the second … connection, and the last also for those after it.
    """
    def make(*scripts, then=None, config=None, application="example"):
        services = (lambda _: {"a": Origin(*scripts, then=then)}) if scripts or then else None
        return make_sites("Nantes", services=services, config=config, application=application)[0]
    return make


@pytest.fixture
def make_tls_site(make_site, tmp_path):
    """make_site with a listener that speaks TLS; `site.authority` has signed its certificate, and
    site.client() connects in plain. `listener` is given the authority and gives more for the listener's
    `tls`."""
    reserved = ports.reserve_port()
    authority = Authority(tmp_path / "authority")

    def make(*scripts, config=None, listener=None, **options):
        certificate, key = authority.issue("door")
        tls = {"certificate": str(certificate), "key": str(key), **(listener(authority) if listener else {})}
        port = reserved.getsockname()[1]
        site = make_site(*scripts, **options, config={
            **(config or {}), "listeners": [{"address": f"127.0.0.1:{port}", "tls": tls}]})
        site.port, site.authority = port, authority
        return site

    yield make
    reserved.close()


def stop_all(sites):
    """Stops every one, also when one of them fails."""
    for s in sites:
        s.terminate()
    wrong = []
    for s in sites:
        try:
            s.stop()
        except Exception as why:  # noqa: B902 - the first one is raised when all are stopped
            wrong.append(why)
    if wrong:
        raise wrong[0]
