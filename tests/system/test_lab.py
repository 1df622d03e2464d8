"""Sites of the lab, joined by its relays: `around` goes by measured distances, and by who is up."""
import http.client
import json
import os
import shutil
import subprocess

import pytest
from cheops_lab.lab import Lab
from support import BUILD, DEADLINE_S, TOP, until

NEAR_MS, FAR_MS = 5, 40

# Nantes has no instance of the service: what is asked there is answered by another site.
TOPOLOGY = f"""\
name: distances
network: NETWORK
config: {{peers: {{heartbeat: 100ms, suspect: 500ms, down: 1s}}, timeouts: {{otherwise: 20s}}}}
sites:
  Nantes: {{application: {{scripted: {{description: {TOP}/apps/example.yaml, services: {{a: {{port: 8080}}}}}}}}}}
  Paris: {{application: {{scripted: &hello {{description: {TOP}/apps/example.yaml, services: {{
    a: {{port: 8080, command: [{TOP}/lab/hello, "{{address}}", "{{port}}", "{{site}}"]}}}}}}}}}}
  Lyon: {{application: {{scripted: *hello}}}}
links:
  - {{between: [Nantes, Paris], rtt: {NEAR_MS}ms}}
  - {{between: [Nantes, Lyon], rtt: {FAR_MS}ms}}
"""


def can_have_namespaces():
    """As root, with iproute2, on a kernel that lets us."""
    if os.geteuid() != 0 or not shutil.which("ip"):
        return False
    return subprocess.run(["unshare", "--net", "true"], stderr=subprocess.DEVNULL, check=False).returncode == 0


@pytest.fixture(params=["loopback", pytest.param("namespaces", marks=pytest.mark.skipif(
    not can_have_namespaces(), reason="wants root, iproute2 and namespaces"))])
def lab(request, tmp_path):
    topology = tmp_path / "distances.yaml"
    topology.write_text(TOPOLOGY.replace("NETWORK", request.param))
    with Lab.create(str(topology), str(tmp_path / "run"), str(BUILD)) as made:
        yield made


def ask(lab, scope):
    """Asks Nantes: status, fields with names in lower case, and the sites that are in the answer."""
    connection = http.client.HTTPConnection(lab.topology.site("Nantes").address, 8080, timeout=DEADLINE_S)
    try:
        connection.request("GET", "/a/things", headers={"Scope": scope})
        answer = connection.getresponse()
        body = json.loads(answer.read())
        things = [thing["id"] for thing in body["things"]] if "things" in body else None
        return answer.status, {k.lower(): v for k, v in answer.getheaders()}, things
    finally:
        connection.close()


def wait_for(lab, **states):
    nantes = lab.cheops["Nantes"]
    until(lambda: states.items() <= nantes.states().items(), lambda: f"{states}; Nantes sees {nantes.states()}")


def distances_ms(lab):
    """What Nantes has measured: Paris, Lyon."""
    sites = lab.cheops["Nantes"].sites()
    return sites["Paris"]["rtt_us"] / 1000, sites["Lyon"]["rtt_us"] / 1000


def test_around_takes_the_nearest_that_is_up(lab):
    wait_for(lab, Paris="up", Lyon="up")
    until(lambda: distances_ms(lab)[0] < distances_ms(lab)[1], lambda: f"Paris to be nearer: {distances_ms(lab)}")
    paris, lyon = distances_ms(lab)
    assert paris >= NEAR_MS and lyon >= FAR_MS
    anywhere, near = "{a: around(Nantes, 10s)}", f"{{a: around(Nantes, {FAR_MS - 1}ms)}}"

    status, fields, things = ask(lab, anywhere)
    assert (status, things, fields["cheops-site"]) == (200, ["Paris"], "Paris")
    assert fields["cheops-tried"].endswith("Paris=200") and "Lyon" not in fields["cheops-tried"]

    lab.cut("Nantes", "Paris")
    wait_for(lab, Paris="down", Lyon="up")
    status, fields, things = ask(lab, anywhere)
    assert (status, things, fields["cheops-site"]) == (200, ["Lyon"], "Lyon")
    status, fields, things = ask(lab, near)
    assert status >= 500 and "Lyon" not in fields["cheops-tried"] and things is None

    lab.heal("Nantes", "Paris")
    wait_for(lab, Paris="up")
    until(lambda: ask(lab, anywhere)[2] == ["Paris"], lambda: f"Paris to be picked again: {ask(lab, anywhere)}")


def test_around_follows_a_distance_that_changes(lab):
    wait_for(lab, Paris="up", Lyon="up")
    until(lambda: ask(lab, "{a: around(Nantes, 10s)}")[2] == ["Paris"], "Paris to be picked")
    lab.set_link("Nantes", "Paris", delay=0.2)
    until(lambda: ask(lab, "{a: around(Nantes, 10s)}")[2] == ["Lyon"],
          lambda: f"Lyon to be picked; measured were {distances_ms(lab)}")
    lab.set_link("Nantes", "Paris", delay=NEAR_MS / 2000)
    until(lambda: ask(lab, "{a: around(Nantes, 10s)}")[2] == ["Paris"],
          lambda: f"Paris to be picked again; measured were {distances_ms(lab)}")


def test_a_site_that_is_isolated_serves_its_own(lab):
    wait_for(lab, Paris="up", Lyon="up")
    lab.isolate("Paris")
    wait_for(lab, Paris="down", Lyon="up")
    status, fields, _ = ask(lab, "{a: Paris}")
    assert (status, fields["cheops-error"]) == (503, "site-down")
    assert ask(lab, "{a: Paris ; Lyon}")[2] == ["Lyon"]
    connection = http.client.HTTPConnection(lab.topology.site("Paris").address, 8080, timeout=DEADLINE_S)
    connection.request("GET", "/a/things")
    assert json.loads(connection.getresponse().read())["things"] == [{"id": "Paris"}]
    connection.close()
    lab.heal()
    wait_for(lab, Paris="up")
    assert ask(lab, "{a: Paris}")[2] == ["Paris"]
