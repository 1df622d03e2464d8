"""Reading topologies: what they mean, and what is refused with its place."""
import pytest

from cheops_lab import topology, units
from cheops_lab.errors import LabError

TWO = """\
name: two
sites:
  A: {address: 127.0.0.31, application: openstack}
  B: {address: 127.0.0.32}
links:
  - {between: [A, B], rtt: 8ms, jitter: 500us, rate: 100mbit}
"""

SCRIPTED = """\
name: scripted
config: {workers: 1, timeouts: {connect: 1s, otherwise: 2s}}
sites:
  A:
    address: 127.0.0.31
    config: {timeouts: {otherwise: 100ms}}
    application:
      scripted:
        description: app.yaml
        services:
          one: {command: [echo, "{port}"], port: 8001}
          none: {port: 8002}
"""


@pytest.fixture
def load(tmp_path):
    def read(text):
        path = tmp_path / "t.yaml"
        path.write_text(text)
        return topology.load(str(path))
    return read


def test_sites_are_numbered_in_their_order(load):
    read = load(TWO)
    assert [(s.name, s.index, s.address, s.application) for s in read.sites.values()] == [
        ("A", 1, "127.0.0.31", "openstack"), ("B", 2, "127.0.0.32", "none")]


def test_half_of_the_round_trip_goes_each_way(load):
    links = load(TWO).links
    for pair in (("A", "B"), ("B", "A")):
        assert (links[pair].delay, links[pair].jitter, links[pair].rate) == (0.004, 0.0005, 12500000)


def test_a_pair_without_a_link_has_one_without_delay(load):
    links = load(TWO.replace("links:", "  C: {address: 127.0.0.33}\nlinks:")).links
    assert len(links) == 6
    assert (links["A", "C"].delay, links["A", "C"].rate) == (0.0, None)


def test_a_scripted_application(load, tmp_path):
    site = load(SCRIPTED).sites["A"]
    assert site.description == str(tmp_path / "app.yaml")
    assert (site.services["one"].command, site.services["one"].port) == (["echo", "{port}"], 8001)
    assert site.services["none"].command == []


def test_a_sites_configuration_is_laid_over_the_common_one(load):
    site = load(SCRIPTED).sites["A"]
    assert site.config == {"workers": 1, "timeouts": {"connect": "1s", "otherwise": "100ms"}}


@pytest.mark.parametrize("change, to, place, message", [
    ("name: two", "nmae: two", "1:1", "unknown key 'nmae' in a topology; did you mean 'name'?"),
    ("name: two\n", "", "1:1", "'name' is missing"),
    ("name: two", "name: a/b", "1:7", "'a/b' is no name for a topology"),
    ("sites:\n", "network: tokens\nsites:\n", "2:10", "no network 'tokens'"),
    ("127.0.0.32", "10.0.0.1", "4:16", "10.0.0.1 is no loopback address"),
    ("127.0.0.32", "127.0.0.31", "4:16", "127.0.0.31 is the address of A already"),
    ("openstack", "openstuck", "3:41", "no application 'openstuck'"),
    ("  B: ", "  A: ", "4:3", "'A' stands twice"),
    ("[A, B]", "[A, C]", "6:15", "no site 'C'"),
    ("[A, B]", "[A, A]", "6:15", "between two different sites"),
    ("rtt: 8ms", "rtt: 8", "6:28", "'8' is no duration"),
    ("rate: 100mbit", "rate: fast", "6:54", "'fast' is no rate"),
    ("  - {between", "  - {between: [B, A]}\n  - {between", "7:5", "a second link between A and B"),
    ("links:\n  -", "links:", "5:8", "a list of links is expected here"),
    ("sites:\n", "config: 5\nsites:\n", "2:9", "config is expected here, as a mapping"),
    ("B: {address", "B: {config: [], address", "4:15", "config is expected here, as a mapping"),
    ("links:", "links: ]", "5:8", "expected the node content"),
    ("sites:", "\tsites:", "2:1", "found character '\\t'"),
])
def test_what_is_refused(load, change, to, place, message):
    with pytest.raises(LabError) as why:
        load(TWO.replace(change, to))
    assert f"t.yaml:{place}: " in str(why.value)
    assert message in str(why.value)


@pytest.mark.parametrize("change, to, place, message", [
    ("port: 8002", "port: 0", "12:24", "'0' is no port below 55536; the one 10000 above it is used too"),
    ("port: 8002", "port: 55536", "12:24", "'55536' is no port"),
    ("port: 8002", "port: 7400", "12:24", "port 7400 is the lab's own"),
    ("port: 8002", "port: 8001", "12:24", "port 8001 clashes with that of one, 8001"),
    ("port: 8002", "port: 18001", "12:24", "port 18001 clashes with that of one, 8001"),
    ("none: {", "cheops: {", "12:19", "'cheops' is no name for a service"),
    ("none: {", "a/b: {", "12:16", "'a/b' is no name for a service"),
    ("{port: 8002}", "{}", "12:17", "'port' is missing"),
    ("        description: app.yaml\n", "", "9:9", "'description' is missing"),
    ("[echo, \"{port}\"]", "echo", "11:26", "a list of words is expected here"),
])
def test_what_is_refused_of_services(load, change, to, place, message):
    with pytest.raises(LabError) as why:
        load(SCRIPTED.replace(change, to))
    assert f"t.yaml:{place}: " in str(why.value)
    assert message in str(why.value)


def test_an_unreadable_file_is_named(tmp_path):
    with pytest.raises(LabError, match="nowhere.yaml: No such file"):
        topology.load(str(tmp_path / "nowhere.yaml"))
    (tmp_path / "broken.yaml").write_text("{")
    with pytest.raises(LabError, match="broken.yaml:1:2: expected the node content"):
        topology.load(str(tmp_path / "broken.yaml"))


def test_a_site_that_is_near_is_suggested(load):
    with pytest.raises(LabError, match="no site 'a' in the topology two"):
        load(TWO).site("a")
    with pytest.raises(LabError, match="did you mean Nantes?"):
        load(TWO.replace("A", "Nantes")).site("Nates")


@pytest.mark.parametrize("text, seconds", [("250us", 0.00025), ("8ms", 0.008), ("1.5s", 1.5)])
def test_durations(text, seconds):
    assert units.duration_s(text) == pytest.approx(seconds)


@pytest.mark.parametrize("text, rate", [("8kbit", 1000), ("100mbit", 12500000), ("1gbit", 125000000)])
def test_rates(text, rate):
    assert units.rate_bytes(text) == rate
