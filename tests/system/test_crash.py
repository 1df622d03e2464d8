"""What a daemon says when it ends by a fatal signal, and that it ends by it."""
import signal

import pytest
from support import until
from support.origin import read_request
from support.threads import send_signal, thread_of
from test_stream import is_sanitized

FATAL = [n for n in (signal.SIGABRT, signal.SIGSYS, signal.SIGSEGV, signal.SIGBUS, signal.SIGILL, signal.SIGFPE)
         if n in (signal.SIGABRT, signal.SIGSYS) or not is_sanitized()]  # the others are the sanitizer's


def hang(c):
    c.hang()


def report(site, number):
    """What was said, once the daemon has ended by the signal."""
    assert site.wait_for_end() == -number
    with open(site.process.log, encoding="utf-8") as text:
        return text.read()


@pytest.mark.parametrize("number", FATAL)
def test_the_report_names_what_is_under_way(make_site, number):
    site = make_site([read_request, hang], [read_request, hang])
    with site.client() as one, site.client() as two:
        one.request("GET", "/a/things/1?secret=yes")
        two.request("DELETE", "/a/things/2", "Scope: {a: Nantes}")
        live = until(lambda: len(t := site.transactions()) == 2 and all(x["state"] == "relay" for x in t) and t,
                     "two requests to wait for the service")
        site.process.send_signal(number)
        text = report(site, number)
    head = next(line for line in text.splitlines() if " ends by " in line)
    assert head.startswith("cheopsd ") and f" ends by {number.name} in the thread cheopsd, sent by the process " in head
    assert "requests of worker-0:\n" in text and "requests of worker-1:\n" in text
    for t in live:
        assert f"  {t['id']} relay service a {t['method']} {t['path']} site Nantes client 127.0.0.1\n" in text
    assert "secret" not in text
    assert text.endswith("end of the report\n")


@pytest.mark.parametrize("number", FATAL[:2])
def test_without_requests_it_says_so(make_sites, number):
    site, = make_sites("Nantes")
    send_signal(site.process.pid, thread_of(site.process.pid, "worker-1"), number)
    text = report(site, number)
    assert f" ends by {number.name} in the thread worker-1, " in text
    assert text.endswith("requests of worker-0:\n  none\nrequests of worker-1:\n  none\nend of the report\n")


def test_a_thread_that_serves_nothing_reports_too(make_sites):
    site, = make_sites("Nantes")
    send_signal(site.process.pid, thread_of(site.process.pid, "names"), signal.SIGABRT)
    assert " in the thread names, " in report(site, signal.SIGABRT)
