"""HTTP/1.1 through one site with several loops; test_messages.py and test_strict.py go into detail."""
import re

import pytest

pytestmark = pytest.mark.threads


@pytest.fixture
def site(make_sites):
    return make_sites("Nantes")[0]


def test_large_answers_arrive_whole(site):
    status, fields, body = site.ask(path="/a/x?bytes=20000000")
    assert (status, fields["content-length"], body) == (200, "20000000", b"x" * 20000000)


def test_large_requests_arrive_whole(site):
    assert site.ask("PUT", "/a/x", b"y" * 5000000)[0] == 200
    assert site.service.requests[-1].body == b"y" * 5000000


def test_pipelined_requests_are_answered_in_order(site):
    one = b"GET /a/x?status=%d HTTP/1.1\r\nHost: h\r\n%s\r\n"
    got = site.raw(one % (201, b"") + one % (202, b"") + one % (203, b"Connection: close\r\n"))
    assert re.findall(rb"HTTP/1.1 (\d+)", got) == [b"201", b"202", b"203"]


def test_fields_of_cheops_come_from_no_client(site):
    site.ask(path="/a/x", Cheops_Leg="x", Cheops_Site="Paris")
    got = site.service.requests[-1]
    assert not got.has("Cheops-Leg") and not got.has("Cheops-Site")


def test_a_request_that_goes_in_circles_ends(site):
    status, fields, _ = site.ask(path="/a/x", Via=", ".join(["1.1 cheops-Nantes"] * 4))
    assert (status, fields["cheops-error"]) == (508, "loop")


def test_no_service(site):
    assert site.ask(path="/elsewhere")[1]["cheops-error"] == "unknown-service"
    site.service.stop()
    status, fields, _ = site.ask(path="/a/x")
    assert (status, fields["cheops-error"]) == (502, "service-unreachable")
