"""How the instructions of a request grow with what is configured and with what is sent."""
import os

import yaml

from .proxies import TOP, Cheops, CheopsLocal, Nginx

FIELDS, SITES, TYPES = (20, 80), (10, 100), (10, 100)


def _with_fields(cls, stage, n):
    proxy = cls(stage)
    proxy.fields = {**cls.fields, **{f"X-Further-{i}": f"value-of-{i:04d}" for i in range(n)}}
    return proxy


class _Grown(CheopsLocal):
    """With further sites that are never there, asked after seldom, and further types of the service."""

    def __init__(self, stage, sites=0, types=0):
        super().__init__(stage)
        self.further_sites, self.further_types = sites, types

    def configuration(self, site, ports, loops):
        config = super().configuration(site, ports, loops)
        if self.further_sites:
            config["peers"] = {"listen": f"127.0.0.1:{ports[site]['peer']}", "plain": True, "heartbeat": "60s",
                               "suspect": "200s", "down": "300s",
                               "sites": {f"Site-{i}": {"address": "127.0.0.1:1"} for i in range(self.further_sites)}}
        if self.further_types:
            config["application"] = self._application()
        return config

    def _application(self):
        with open(os.path.join(TOP, "apps", "example.yaml"), encoding="utf-8") as text:
            described = yaml.safe_load(text)
        types = described["services"]["a"]["types"]
        for i in range(self.further_types):
            types[f"type-{i}"] = {"collection": f"/a/kind-{i}", "item": f"/a/kind-{i}/{{id}}"}
        return self.stage.write("grown.yaml", yaml.safe_dump(described, sort_keys=False))

    def sees_all(self, daemon):
        return True  # the further sites are down


def variants(stage):
    """(proxy, cell) to be counted."""
    for n in FIELDS:
        for cls in (Nginx, Cheops, CheopsLocal):
            yield _with_fields(cls, stage, n), f"{n} more fields"
    for n in SITES:
        yield _Grown(stage, sites=n), f"{n} more sites"
    for n in TYPES:
        yield _Grown(stage, types=n), f"{n} more types"
