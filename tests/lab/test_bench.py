"""The bench: each proxy that it compares starts, and answers the load that is meant for it."""
import os
import pathlib
import shutil
import sys

import pytest

TOP = pathlib.Path(__file__).resolve().parents[2]
sys.path.insert(0, str(TOP / "bench"))

from cheops_bench import cost, count  # noqa: E402
from cheops_bench.load import Load, LoadError, send  # noqa: E402
from cheops_bench.proxies import PROXIES, Cheops, Nginx  # noqa: E402
from cheops_bench.stage import Stage  # noqa: E402

MISSING = [name for name in ("nginx", "haproxy", "h2load", "strace") if not shutil.which(name)]
pytestmark = pytest.mark.skipif(bool(MISSING), reason=f"not installed: {', '.join(MISSING)}; tools/deps --only bench")


@pytest.fixture(scope="module")
def stage():
    with Stage(os.environ.get("CHEOPS_BUILD", TOP / "build")) as opened:
        yield opened


@pytest.mark.parametrize("tls", [False, True])
@pytest.mark.parametrize("cls", PROXIES, ids=lambda cls: cls.name)
def test_each_proxy_answers_its_load(stage, cls, tls):
    running = cls(stage).start()
    try:
        running.check()
        send(Load(100, 4, cls.path, tls, cls.fields), running.tls_port if tls else running.port)
        assert cost.cpu_ns(running.process) > 0 and cost.pss_kb(running.process) > 100
    finally:
        running.stop()


def test_an_answer_that_is_not_2xx_refuses_the_run(stage):
    running = Nginx(stage).start()
    try:
        with pytest.raises(LoadError, match="not every request"):
            send(Load(10, 1, "/a/things/none"), running.port)
    finally:
        running.stop()


def test_system_calls_are_those_of_the_requests(stage):
    """Reading and writing at both ends: four, whatever else there is. A busy machine adds some in a hundred (a
    connection more, a read that finds nothing); a call too many for each request would be one whole."""
    calls = count.system_calls(Cheops(stage))
    assert 1.9 < calls["sendmsg"] < 2.5 and 1.9 < calls["recvfrom"] < 2.5 and calls["all"] < 6
