"""How a daemon ends."""
import signal

import pytest
from support.origin import hang, read_request

pytestmark = pytest.mark.threads


@pytest.mark.parametrize("attempt", range(10))
def test_a_second_signal_ends_it_at_once(make_site, attempt):
    site = make_site([read_request, hang])
    with site.client() as c:
        c.request()
        site.service.request()
        site.process.send_signal(signal.SIGTERM)
        site.process.send_signal(signal.SIGINT)
        assert site.wait_for_end() == 0
