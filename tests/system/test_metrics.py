"""/metrics: what it says of requests, legs, pools and sites, and that docs/metrics.md lists it all."""
import http.client
import json
import re
import signal
import subprocess
import threading

from support import BUILD, DEADLINE_S, TOP, until
from support.origin import close, read_request, render, send, serve, wait

from cheops_lab.daemon import AdminConnection  # on the path by support.site
from cheops_lab.process import may_be_stopped

SAMPLE = re.compile(r'([a-zA-Z_:][a-zA-Z0-9_:]*)(?:\{((?:[a-z_]+="[^"\\\n]*",?)*)\})? ([0-9]+(?:\.[0-9]+)?)\Z')
SUFFIXES = {"counter": ["_total"], "gauge": [""], "info": ["_info"], "histogram": ["_bucket", "_count", "_sum"]}


class Metrics(dict):
    """Values by name and labels; `families` are types by name. Parsing is strict: OpenMetrics 1.0."""

    def __init__(self, text):
        super().__init__()
        self.families, self.helped = {}, set()
        lines = text.split("\n")
        assert lines[-2:] == ["# EOF", ""]
        for line in lines[:-2]:
            if line.startswith("# TYPE "):
                _, _, name, kind = line.split(" ")
                assert name not in self.families
                self.families[name] = kind
            elif line.startswith("# UNIT "):
                assert line.split(" ")[2].endswith("_" + line.split(" ")[3])
            elif line.startswith("# HELP "):
                self.helped.add(line.split(" ")[2])
            else:
                self.add_sample(line)
        assert self.helped == set(self.families)

    def add_sample(self, line):
        match = SAMPLE.match(line)
        assert match, line
        family = list(self.families)[-1]
        assert match[1] in [family + suffix for suffix in SUFFIXES[self.families[family]]], line
        labels = tuple(sorted(re.findall(r'([a-z_]+)="([^"]*)"', match[2] or "")))
        assert (match[1], labels) not in self, line
        self[match[1], labels] = float(match[3])

    def of(self, name, /, **labels):
        return self.get((name, tuple(sorted(labels.items()))), 0)


def metrics(site):
    c = AdminConnection(site.socket, DEADLINE_S)
    try:
        c.request("GET", "/metrics")
        answer = c.getresponse()
        assert answer.status == 200
        assert answer.getheader("Content-Type").startswith("application/openmetrics-text; version=1.0.0")
        return Metrics(answer.read().decode())
    finally:
        c.close()


def ended(site, n):
    """The metrics once n requests have ended."""
    def look():
        m = metrics(site)
        total = sum(v for (name, _), v in m.items() if name == "cheops_requests_total")
        return m if total >= n else None
    return until(look, f"{n} requests to be counted")


def test_requests_legs_and_bytes(make_sites):
    nantes, paris = make_sites("Nantes", "Paris")
    nantes.ask()
    nantes.ask(method="POST", body=b"12345")
    nantes.ask(Scope="{a: Paris}")
    nantes.ask(Scope="{a: Paris}", path="/a/things/x?status=404")
    nantes.ask(Scope="{a:")
    nantes.ask(path="/nowhere")
    m = ended(nantes, 6)
    assert m.of("cheops_requests_total", service="a", plan="local", site="Nantes", status="2xx") == 2
    assert m.of("cheops_requests_total", service="a", plan="one", site="Paris", status="2xx") == 1
    assert m.of("cheops_requests_total", service="a", plan="one", site="Paris", status="4xx") == 1
    assert m.of("cheops_refused_total", reason="scope-syntax") == 1
    assert m.of("cheops_refused_total", reason="unknown-service") == 1
    assert m.of("cheops_received_bytes_total") == 5
    assert m.of("cheops_sent_bytes_total") > 20
    assert m.of("cheops_leg_duration_seconds_count", site="Paris") == 2
    assert m.of("cheops_leg_duration_seconds_bucket", site="Paris", le="+Inf") == 2
    assert 0 < m.of("cheops_leg_duration_seconds_sum", site="Paris") < 40
    assert m.of("cheops_info", site="Nantes", version=version()) == 1
    there = ended(paris, 2)
    assert there.of("cheops_requests_total", service="a", plan="leg", site="Paris", status="2xx") == 1


def version():
    return subprocess.run([str(BUILD / "cheops"), "--version"], capture_output=True, text=True, check=True,
                          timeout=20).stdout.split()[1]


def test_buckets_add_up(make_sites):
    nantes, = make_sites("Nantes")
    nantes.ask()
    m = ended(nantes, 1)
    buckets = [v for (name, labels), v in m.items() if name == "cheops_leg_duration_seconds_bucket"]
    assert len(buckets) == 16
    assert buckets == sorted(buckets) and buckets[-1] == 1


def test_what_is_under_way(make_site):
    release = threading.Event()
    site = make_site([read_request, wait(release), send(render(200, b"ok")), serve(render(200, b"ok"))])
    with site.client() as client:
        client.send(b"GET /a/things HTTP/1.1\r\nHost: door\r\n\r\n")
        until(lambda: metrics(site).of("cheops_transactions") == 1, "the request to be under way")
        until(lambda: metrics(site).of("cheops_pool_connections", kind="service", name="a", state="busy") == 1,
              "a busy connection")
        assert metrics(site).of("cheops_client_connections") == 1
        release.set()
        assert client.read_answer().status == 200
        until(lambda: metrics(site).of("cheops_pool_connections", kind="service", name="a", state="idle") == 1,
              "an idle connection")
        m = metrics(site)
        assert m.of("cheops_transactions") == 0
        assert m.of("cheops_pool_connections", kind="service", name="a", state="busy") == 0
        assert m.of("cheops_pool_connects_total", kind="service", name="a") == 1
        client.send(b"GET /a/things HTTP/1.1\r\nHost: door\r\n\r\n")
        client.read_answer()
        assert ended(site, 2).of("cheops_pool_reuses_total", kind="service", name="a") == 1
    until(lambda: metrics(site).of("cheops_client_connections") == 0, "the client's connection to be gone")


def test_a_request_that_is_cut_is_aborted(make_site):
    site = make_site([read_request, send(b"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\n12345"), close])
    site.raw(b"GET /a/things HTTP/1.1\r\nHost: door\r\n\r\n")
    m = ended(site, 1)
    assert m.of("cheops_requests_total", service="a", plan="local", site="Nantes", status="aborted") == 1
    assert m.of("cheops_refused_total", reason="service-broken") == 1


def test_sites_and_the_process(make_sites):
    nantes, paris = make_sites("Nantes", "Paris")
    m = metrics(nantes)
    assert m.of("cheops_site_state", site="Paris", state="up") == 1
    assert m.of("cheops_site_state", site="Paris", state="down") == 0
    assert not [labels for name, labels in m if name == "cheops_site_state" and ("site", "Nantes") in labels]
    assert m.of("process_resident_memory_bytes") > 1 << 20
    assert 10 < m.of("process_open_fds") < m.of("process_max_fds")
    assert m.of("process_start_time_seconds") > 1.7e9
    paris.terminate()
    assert paris.wait_for_end() == 0
    until(lambda: metrics(nantes).of("cheops_site_state", site="Paris", state="down") == 1, "Paris to be down")


# -- what is written about them

ROW = re.compile(r'METRIC\(\w+,\s*"(\w+)",\s*"(\w+)",\s*"(\w*)",\s*"([\w, ]*)",\s*((?:"[^"]*"\s*)+)\)')


def rows():
    """The table that the metrics are printed from: name, type, labels, help."""
    text = re.sub(r"/\*.*?\*/", "", (TOP / "src/admin/metrics.def").read_text(), flags=re.S)
    found = [(m[1], m[2], m[4], "".join(re.findall(r'"([^"]*)"', m[5]))) for m in ROW.finditer(text)]
    assert len(found) == text.count("METRIC(") > 10
    return found


def test_the_document_has_every_row():
    document = (TOP / "docs/metrics.md").read_text()
    listed = [line for line in document.splitlines() if line.startswith("| `")]
    assert listed == [f"| `{name}` | {kind} | {labels} | {text} |" for name, kind, labels, text in rows()]


def test_the_dashboard_shows_only_what_there_is():
    names = {name + suffix for name, kind, _, _ in rows() for suffix in SUFFIXES[kind]}
    dashboard = json.loads((TOP / "packaging/grafana-dashboard.json").read_text())
    expressions = [target["expr"] for panel in dashboard["panels"] for target in panel.get("targets", [])]
    used = {name for e in expressions for name in re.findall(r"\b(?:cheops|process)_\w+", e)}
    assert len(expressions) > 10
    assert used <= names, used - names


def test_every_family_is_printed(make_sites):
    nantes, _ = make_sites("Nantes", "Paris")
    assert list(metrics(nantes).families.items()) == [(name, kind) for name, kind, _, _ in rows()]


def test_it_is_asked_while_the_daemon_ends(make_site):
    """The workers have ended before the admin socket does: there is nothing to count any more."""
    site = make_site()
    site.process.send_signal(signal.SIGSTOP)
    until(lambda: may_be_stopped(site.process.pid), "it to be stopped")
    connection = AdminConnection(site.socket, DEADLINE_S)
    connection.request("GET", "/metrics")  # it waits in the socket, as the signal does
    site.terminate()
    try:
        assert connection.getresponse().status in (200, 503)
    except (ConnectionError, http.client.HTTPException):
        pass  # it was too late for an answer
    finally:
        connection.close()
    assert site.wait_for_end() == 0
