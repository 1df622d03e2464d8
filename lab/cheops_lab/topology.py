"""A topology: what is to run. Read from YAML; errors bear file, line and column.

    name: three
    network: loopback                  # or namespaces
    sites:
      Nantes: {application: openstack}
      Paris:  {application: openstack}
    links:
      - {between: [Nantes, Paris], rtt: 8ms, jitter: 1ms, rate: 100mbit}

lab/README.md describes every key. A pair of sites without a link has one without delay.
"""
import dataclasses
import difflib
import ipaddress
import itertools
import os
import re

import yaml

from . import units
from .errors import LabError

NETWORKS = ("loopback", "namespaces")  # network.py
APPLICATIONS = ("openstack", "none")
BEHIND = 10000                  # added to a service's port: where the service itself is, behind Cheops
PEER_PORT = 7400                # where a site listens for the others
DOOR_PORT = 7500                # plus the other site's index: the relay's door to it
OWN_PORTS = range(PEER_PORT, DOOR_PORT + 255)
NAME = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.-]{0,62}")


@dataclasses.dataclass
class Service:
    """One scripted service: a command, and the port at which clients of the site find it."""
    name: str
    command: list  # empty: the site has no instance of it
    port: int


@dataclasses.dataclass
class Site:
    name: str
    index: int               # from 1, in the order written
    address: str             # None: the lab gives it one
    application: str         # one of APPLICATIONS, or "scripted"
    description: str = None  # scripted: file of the application description
    services: dict = dataclasses.field(default_factory=dict)  # scripted: name -> Service
    config: dict = dataclasses.field(default_factory=dict)    # added to the site's configuration


@dataclasses.dataclass
class Link:
    """One direction between two sites. Times in seconds, rate in bytes per second or None."""
    source: str
    target: str
    delay: float = 0.0
    jitter: float = 0.0
    rate: float = None


@dataclasses.dataclass
class Topology:
    name: str
    network: str
    sites: dict   # name -> Site
    links: dict   # (source, target) -> Link, both directions of every pair
    folder: str   # what relative paths start from

    def site(self, name):
        if name not in self.sites:
            near = difflib.get_close_matches(name, self.sites, 1)
            hint = f"; did you mean {near[0]}?" if near else f"; there are {', '.join(self.sites)}"
            raise LabError(f"no site '{name}' in the topology {self.name}{hint}")
        return self.sites[name]


class Reader:
    """Turns YAML nodes into values, and complains with their position."""

    def __init__(self, path):
        self.path = path

    def fail(self, node, message):
        mark = node.start_mark
        raise LabError(f"{self.path}:{mark.line + 1}:{mark.column + 1}: {message}")

    def scalar(self, node, what):
        if not isinstance(node, yaml.ScalarNode):
            self.fail(node, f"{what} is expected here")
        return node.value

    def sequence(self, node, what):
        if not isinstance(node, yaml.SequenceNode):
            self.fail(node, f"a list of {what} is expected here")
        return node.value

    def mapping(self, node, what, known=None):
        """The pairs of a mapping as {key: node}; with `known`, other keys are refused."""
        if not isinstance(node, yaml.MappingNode):
            self.fail(node, f"{what} is expected here, as a mapping")
        result = {}
        for key_node, value in node.value:
            key = self.scalar(key_node, "a key")
            if key in result:
                self.fail(key_node, f"'{key}' stands twice")
            if known and key not in known:
                near = difflib.get_close_matches(key, known, 1)
                hint = f"did you mean '{near[0]}'?" if near else f"known are {', '.join(known)}"
                self.fail(key_node, f"unknown key '{key}' in {what}; {hint}")
            result[key] = value
        return result

    def required(self, node, keys, key):
        if key not in keys:
            self.fail(node, f"'{key}' is missing")
        return keys[key]

    def converted(self, node, convert, what):
        try:
            return convert(self.scalar(node, what))
        except ValueError as why:
            return self.fail(node, str(why))

    def value(self, node):
        """Any YAML value, as plain data."""
        return yaml.SafeLoader("").construct_document(node) if node else {}


def read_port(text):
    if not re.fullmatch(r"\d{1,5}", text) or not 0 < int(text) <= 65535 - BEHIND:
        raise ValueError(f"'{text}' is no port below {65536 - BEHIND}; the one {BEHIND} above it is used too")
    for port in (int(text), int(text) + BEHIND):
        if port in OWN_PORTS:
            raise ValueError(f"port {port} is the lab's own, as are {OWN_PORTS[0]} to {OWN_PORTS[-1]}")
    return int(text)


def refuse_taken_port(reader, node, port, services):
    for other in services.values():
        if port in (other.port, other.port + BEHIND) or port + BEHIND == other.port:
            reader.fail(node, f"port {port} clashes with that of {other.name}, {other.port}; each service uses the "
                              f"one {BEHIND} above its own, too")


def read_services(reader, node):
    services = {}
    for name, inner in reader.mapping(node, "services").items():
        if not NAME.fullmatch(name) or name == "cheops":
            reader.fail(inner, f"'{name}' is no name for a service")
        keys = reader.mapping(inner, f"service {name}", ("command", "port"))
        command = [reader.scalar(word, "a word of the command")
                   for word in (reader.sequence(keys["command"], "words") if "command" in keys else ())]
        port = reader.converted(reader.required(inner, keys, "port"), read_port, "a port")
        refuse_taken_port(reader, keys["port"], port, services)
        services[name] = Service(name, command, port)
    return services


def read_application(reader, node, site, folder):
    if isinstance(node, yaml.ScalarNode):
        if node.value not in APPLICATIONS:
            reader.fail(node, f"no application '{node.value}'; there are openstack, none, scripted: {{...}}")
        site.application = node.value
        return
    outer = reader.mapping(node, "the application", ("scripted",))
    inner = reader.required(node, outer, "scripted")
    keys = reader.mapping(inner, "scripted", ("description", "services"))
    site.application = "scripted"
    description = reader.scalar(reader.required(inner, keys, "description"), "a file")
    site.description = os.path.join(folder, description)
    site.services = read_services(reader, reader.required(inner, keys, "services"))


def read_address(reader, node, taken):
    def convert(text):
        address = ipaddress.IPv4Address(text)
        if not address.is_loopback:
            raise ValueError(f"{text} is no loopback address; use one in 127.0.0.0/8")
        if text in taken:
            raise ValueError(f"{text} is the address of {taken[text]} already")
        return text
    return reader.converted(node, convert, "an address")


def read_site(reader, name, node, index, folder, taken):
    keys = reader.mapping(node, f"site {name}", ("address", "application", "config"))
    site = Site(name, index, None, "none")
    if "address" in keys:
        site.address = read_address(reader, keys["address"], taken)
        taken[site.address] = name
    if "application" in keys:
        read_application(reader, keys["application"], site, folder)
    if "config" in keys:
        reader.mapping(keys["config"], "config")
        site.config = reader.value(keys["config"])
    return site


def read_sites(reader, node, folder):
    sites, taken = {}, {}
    for name, inner in reader.mapping(node, "sites").items():
        if not NAME.fullmatch(name):
            reader.fail(inner, f"'{name}' is no name of a site")
        sites[name] = read_site(reader, name, inner, len(sites) + 1, folder, taken)
    if not sites:
        reader.fail(node, "a topology needs a site")
    return sites


def refuse_addresses(reader, node):
    for name, inner in reader.mapping(node, "sites").items():
        for key, value in reader.mapping(inner, f"site {name}").items():
            if key == "address":
                reader.fail(value, "a site in a namespace gets its address from the lab; leave it out")


def read_pair(reader, node, sites):
    ends = [reader.scalar(end, "a site") for end in reader.sequence(node, "two sites")]
    if len(ends) != 2 or ends[0] == ends[1]:
        reader.fail(node, "a link is between two different sites")
    for end in ends:
        if end not in sites:
            reader.fail(node, f"no site '{end}'")
    return tuple(ends)


def read_links(reader, node, sites):
    links = {pair: Link(*pair) for pair in itertools.permutations(sites, 2)}
    seen = set()
    for inner in reader.sequence(node, "links") if node else ():
        keys = reader.mapping(inner, "a link", ("between", "rtt", "jitter", "rate"))
        pair = read_pair(reader, reader.required(inner, keys, "between"), sites)
        if frozenset(pair) in seen:
            reader.fail(inner, f"a second link between {pair[0]} and {pair[1]}")
        seen.add(frozenset(pair))
        for source, target in (pair, pair[::-1]):
            link = links[source, target]
            if "rtt" in keys:
                link.delay = reader.converted(keys["rtt"], units.duration_s, "a duration") / 2
            if "jitter" in keys:
                link.jitter = reader.converted(keys["jitter"], units.duration_s, "a duration")
            if "rate" in keys:
                link.rate = reader.converted(keys["rate"], units.rate_bytes, "a rate")
    return links


def merge(base, more):
    """A mapping with another one laid over it, level by level; None takes a key out."""
    result = dict(base)
    for key, value in more.items():
        if value is None:
            result.pop(key, None)
        elif isinstance(value, dict) and isinstance(result.get(key), dict):
            result[key] = merge(result[key], value)
        else:
            result[key] = value
    return result


def load(path, folder=None):
    """Reads a topology. Relative paths in it start from `folder`, by default its own."""
    reader = Reader(path)
    folder = folder or os.path.dirname(os.path.abspath(path))
    try:
        with open(path, encoding="utf-8") as text:
            root = yaml.compose(text, yaml.SafeLoader)
    except OSError as why:
        raise LabError(f"{path}: {why.strerror}") from why
    except yaml.MarkedYAMLError as why:
        mark = why.problem_mark or why.context_mark
        raise LabError(f"{path}:{mark.line + 1}:{mark.column + 1}: {why.problem or why.context}") from why
    except (yaml.YAMLError, UnicodeDecodeError) as why:
        raise LabError(f"{path}: this is no YAML: {why}") from why
    if root is None:
        raise LabError(f"{path}: the topology is empty")
    keys = reader.mapping(root, "a topology", ("name", "network", "config", "sites", "links"))
    name_node = reader.required(root, keys, "name")
    name = reader.scalar(name_node, "a name")
    if not NAME.fullmatch(name):
        reader.fail(name_node, f"'{name}' is no name for a topology")
    network = reader.scalar(keys["network"], "a network") if "network" in keys else "loopback"
    if network not in NETWORKS:
        reader.fail(keys["network"], f"no network '{network}'; there are {', '.join(NETWORKS)}")
    sites = read_sites(reader, reader.required(root, keys, "sites"), folder)
    if network == "namespaces":
        refuse_addresses(reader, keys["sites"])
    if "config" in keys:
        reader.mapping(keys["config"], "config")
        common = reader.value(keys["config"])
        for site in sites.values():
            site.config = merge(common, site.config)
    return Topology(name, network, sites, read_links(reader, keys.get("links"), sites), folder)
