"""Descriptors that run out: who is served goes on being served, who comes waits, and it is said."""
import os
import resource

import pytest
from support import refusal, render, serve, until
from test_metrics import metrics

pytestmark = pytest.mark.threads


def allow(site, more):
    """Lets the daemon open so many more descriptors; gives what was allowed before."""
    fds = [int(fd) for fd in os.listdir(f"/proc/{site.process.pid}/fd")]
    limit = next(n for n in range(max(fds) + 2 + more) if n - len([fd for fd in fds if fd < n]) == more)
    before = resource.prlimit(site.process.pid, resource.RLIMIT_NOFILE)
    resource.prlimit(site.process.pid, resource.RLIMIT_NOFILE, (limit, before[1]))
    return before


def said(site):
    with open(site.process.log, encoding="utf-8") as log:
        return log.read()


def test_the_limit_is_raised_as_far_as_it_goes(make_site):
    site = make_site(serve(render(200, b"ok")))
    soft, hard = resource.prlimit(site.process.pid, resource.RLIMIT_NOFILE)
    assert soft == hard


def test_a_limit_that_does_not_suffice_is_said_at_the_start(make_site):
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    much = make_site(serve(render(200, b"ok")), config={"workers": 1, "limits": {"connections": hard}})
    assert f"{hard} descriptors are allowed" in said(much) and "limits.connections" in said(much)


def test_a_limit_that_suffices_is_not(make_site):
    assert "descriptors" not in said(make_site(config={"workers": 1, "limits": {"connections": 10}}))


def test_who_comes_waits_and_who_is_there_is_served(make_site):
    site = make_site(serve(render(200, b"ok")), config={"workers": 1})
    with site.client() as served:
        assert served.ask().status == 200
        until(lambda: not site.transactions(), "the request to end")
        before = allow(site, 0)
        with site.client() as late:
            late.request()
            until(lambda: "new connections wait" in said(site), "the daemon to say so")
            for _ in range(20):
                assert served.ask().status == 200
            assert not late.input.has_more()
            resource.prlimit(site.process.pid, resource.RLIMIT_NOFILE, before)
            assert late.read_answer().status == 200
    assert metrics(site).of("cheops_accept_pauses_total") > 0
    assert said(site).count("new connections wait") == 1


def test_a_service_that_cannot_be_connected_to_for_lack_of_descriptors(make_site):
    """The client is told that this site is at its end, not the service."""
    site = make_site(serve(render(200, b"ok", "Connection: close")), config={"workers": 1})
    with site.client() as c:
        assert c.ask().status == 200
        until(lambda: not site.transactions() and site.service.connections[0].ended.is_set(), "the connection to end")
        before = allow(site, 0)
        answer = c.ask()
        refusal(answer, 503, "overloaded", "cannot be opened")
        assert answer.get("Retry-After") == "1"
        resource.prlimit(site.process.pid, resource.RLIMIT_NOFILE, before)
        assert c.ask().status == 200
