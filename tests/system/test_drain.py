"""How a daemon stops: requests under way are answered, the idle are let go, the deadline is kept."""
import signal
import threading

import pytest
from support import refusal, render, serve, until
from support.origin import read_request, send, wait

from cheops_lab.daemon import AdminConnection  # isort: skip - support puts it on the path

pytestmark = pytest.mark.threads

OK = render(200, b"ok")
SIGNALS = [signal.SIGTERM, signal.SIGINT]


def is_refused(site):
    try:
        with site.client():
            return False
    except ConnectionRefusedError:
        return True
    except ConnectionResetError:  # it came while the listener was being closed
        return False


@pytest.mark.parametrize("number", SIGNALS)
def test_an_idle_daemon_stops_at_once(make_site, number):
    site = make_site(serve(OK))
    with site.client() as idle, site.client() as unused:
        assert idle.ask().status == 200
        site.process.send_signal(number)
        idle.expect_close()
        unused.expect_close()
        assert site.wait_for_end() == 0


def test_requests_under_way_are_answered(make_site):
    answer_now = threading.Event()
    site = make_site([read_request, wait(answer_now), send(OK)], serve(OK))
    with site.client() as live, site.client() as idle:
        live.request()
        site.service.request()
        site.process.send_signal(signal.SIGTERM)
        until(lambda: is_refused(site), "new connections to be refused")
        idle.expect_close()
        assert site.admin("/readyz") == (503, {"status": "draining"})
        assert [t["state"] for t in site.transactions()] == ["relay"]
        answer_now.set()
        answer = live.read_answer()
        assert (answer.status, answer.body, answer.get("Connection")) == (200, b"ok", "close")
        live.expect_close()
        assert site.wait_for_end() == 0
    assert "error" not in site.logged()[0]


def test_an_answer_that_flows_is_sent_to_its_end(make_site):
    size = 16 << 20
    site = make_site([read_request, send(render(200, b"x" * size))])
    with site.client() as c:
        c.request()
        head = c.read_head()
        site.process.send_signal(signal.SIGTERM)
        until(lambda: is_refused(site), "new connections to be refused")
        assert len(c.read_body(head)) == size
        assert site.wait_for_end() == 0


def test_a_request_that_has_begun_is_served(make_site):
    """Half of its head was here when the signal came."""
    site = make_site(serve(OK))
    with site.client() as c:
        c.send_apart(b"GET /a/x HTTP/1.1\r\nHo")
        site.process.send_signal(signal.SIGTERM)
        until(lambda: is_refused(site), "new connections to be refused")
        c.send(b"st: h\r\n\r\n")
        assert c.read_answer().status == 200
        c.expect_close()
        assert site.wait_for_end() == 0


def test_requests_that_were_sent_before_the_signal_are_served(make_site):
    """On connections that the daemon had not accepted, or had not read from, when it came."""
    site = make_site(serve(OK))
    with site.client() as kept:
        assert kept.ask().status == 200
        site.process.send_signal(signal.SIGSTOP)
        fresh = [site.client() for _ in range(8)]
        for c in [kept, *fresh]:
            c.request("GET", "/a/late")
        site.process.send_signal(signal.SIGTERM)
        site.process.send_signal(signal.SIGCONT)
        for c in [kept, *fresh]:
            assert c.read_answer().status == 200
            c.expect_close()
            c.close()
        assert site.wait_for_end() == 0
    assert len(site.logged(10)) == 10


def test_the_last_answer_is_read_although_the_client_still_sends(make_site):
    """The daemon lets it: ending at once would reset the connection under the answer."""
    site = make_site([read_request, send(render(413, b"no"))], config={"limits": {"body": 10}})
    with site.client() as c:
        c.request("PUT", "/a/x", "Content-Length: 1000000")
        site.process.send_signal(signal.SIGTERM)
        c.send(b"x" * 100000)
        refusal(c.read_answer(), 413, "body-too-large")
        c.expect_close()
        c.close()
        assert site.wait_for_end() == 0


def test_a_request_that_waited_behind_an_answer_is_served(make_site):
    """The answer before it had begun, and did not say that the connection ends."""
    go_on = threading.Event()
    site = make_site([read_request, send(b"HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nha"), wait(go_on), send(b"lf"),
                      serve(OK)])
    with site.client() as c:
        c.send(b"GET /a/x HTTP/1.1\r\nHost: h\r\n\r\n" * 2)
        head = c.read_head()
        site.process.send_signal(signal.SIGTERM)
        until(lambda: is_refused(site), "new connections to be refused")
        go_on.set()
        assert (c.read_body(head), head.get("Connection")) == (b"half", None)
        answer = c.read_answer()
        assert (answer.body, answer.get("Connection")) == (b"ok", "close")
        c.expect_close()
        c.close()
        assert site.wait_for_end() == 0


def test_a_second_signal_cuts_everything_off(make_site):
    site = make_site([read_request, lambda c: c.hang()], config={"timeouts": {"drain": "60s"}})
    with site.client() as c:
        c.request()
        site.service.request()
        site.process.send_signal(signal.SIGTERM)
        until(lambda: is_refused(site), "the first to be noticed")
        site.process.send_signal(signal.SIGTERM)
        assert site.wait_for_end() == 0
        c.expect_close()
    assert site.logged()[0]["error"] == "draining"


def test_a_tunnel_is_cut_off_at_the_deadline(make_site):
    site = make_site([read_request, send(render(101, b"", "Connection: Upgrade", "Upgrade: x")), lambda c: c.hang()],
                     config={"timeouts": {"drain": "500ms"}})
    with site.client() as c:
        c.request("GET", "/a/x", "Connection: Upgrade", "Upgrade: x")
        assert c.read_head().status == 101
        site.process.send_signal(signal.SIGTERM)
        assert site.wait_for_end() == 0
        with pytest.raises(ConnectionResetError):
            c.read_until_close()
    line = site.logged()[0]
    assert (line["status"], line["error"]) == (101, "draining")


def test_a_leg_that_comes_while_a_site_stops_is_refused(make_sites):
    """The asking site tries its next alternative."""
    nantes, paris = make_sites("Nantes", "Paris")
    go_on = threading.Event()
    paris.service.scripts, paris.service.then = [[read_request, wait(go_on), send(OK)]], serve(OK)
    with paris.client() as holds:
        holds.request()
        paris.service.request()
        paris.process.send_signal(signal.SIGTERM)
        until(lambda: is_refused(paris), "Paris to stop")
        status, fields, _ = nantes.ask(path="/a/things/1", Scope="{a: Paris ; Nantes}")
        assert (status, fields["cheops-site"]) == (200, "Nantes")
        assert fields["cheops-tried"] in ("Paris=refused, Nantes=200", "Paris=down, Nantes=200")
        go_on.set()
        assert holds.read_answer().status == 200
        assert paris.wait_for_end() == 0


def test_a_unix_listener_serves_all_workers_and_stops(make_site, tmp_path):
    path = tmp_path / "door.sock"
    site = make_site(serve(OK), config={"workers": 4, "listeners": [{"address": f"unix:{path}"}]})

    def ask():
        c = AdminConnection(str(path), 20)
        c.request("GET", "/a/x")
        status = c.getresponse().status
        c.close()
        return status
    assert [ask() for _ in range(20)] == [200] * 20
    assert site.logged()[0]["client"] == "unix:"
    site.process.send_signal(signal.SIGTERM)
    assert site.wait_for_end() == 0
    with pytest.raises(ConnectionRefusedError):
        ask()
