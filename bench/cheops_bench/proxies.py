"""The proxies that are compared. Each is configured for the same work: forward over kept connections,
tell the service who asked, log nothing unless their name says so."""
import os

from cheops_lab import wait
from cheops_lab.daemon import Daemon

from .load import FIELDS
from .stage import MISSING, START_S, answers, free_port

TOP = os.path.abspath(os.path.join(os.path.dirname(__file__), os.pardir, os.pardir))
KEPT = 2048  # connections to a service that may be open and idle: never what bounds a run

NGINX = """daemon off; {master} worker_processes {loops}; error_log stderr; pid {folder}/nginx.pid;
worker_rlimit_nofile 16384;
events {{ worker_connections 8192; }}
http {{
    access_log {log}; keepalive_requests 100000000; keepalive_timeout 1h; server_tokens off;
    client_body_temp_path {folder}; proxy_temp_path {folder}; fastcgi_temp_path {folder};
    uwsgi_temp_path {folder}; scgi_temp_path {folder}; ssl_protocols TLSv1.3;
    upstream service {{ server 127.0.0.1:{here}; keepalive {kept}; keepalive_requests 100000000; }}
    server {{
        listen 127.0.0.1:{port} backlog=4096 reuseport;
        listen 127.0.0.1:{tls_port} backlog=4096 reuseport ssl;
        ssl_certificate {certificate}; ssl_certificate_key {key};
        location / {{
            proxy_pass http://service; proxy_http_version 1.1; proxy_set_header Connection "";
            proxy_set_header Host $http_host;
            proxy_set_header X-Forwarded-For $proxy_add_x_forwarded_for;
        }}
    }}
}}
"""

HAPROXY = """global
    nbthread {loops}
    maxconn 8192
    {lua}
defaults
    mode http
    option forwardfor
    http-reuse always
    timeout connect 10s
    timeout client 1h
    timeout server 1h
frontend door
    bind 127.0.0.1:{port} backlog 4096
    bind 127.0.0.1:{tls_port} backlog 4096 ssl crt {pem} ssl-min-ver TLSv1.3
    {rule}
    default_backend Nantes
backend Nantes
    server here 127.0.0.1:{here} pool-max-conn {kept}
backend Paris
    server there 127.0.0.1:{there} pool-max-conn {kept}
"""

# Picks the backend by the scope, as OpenStackoid's rule does: service and site out of the text.
LUA = """
local site_of = {}
core.register_action("scope", {"http-req"}, function(txn)
    local text = txn.sf:req_fhdr("Scope")
    if not text then return end
    for service, site in text:gmatch('"?([%w_.-]+)"?%s*:%s*"?([%w_.-]+)"?') do
        if service == "a" then txn:set_var("txn.site", site) end
    end
    txn.http:req_del_header("Scope")
end)
"""


class Proxy:
    """One that is compared. `fields` and `path` are what its load sends."""

    name = label = ""
    fields = {}
    path = "/a/things/1k"

    def __init__(self, stage):
        self.stage = stage

    def start(self, wrap=(), loops=1):
        """Starts it under a command that wraps it; gives what runs."""
        raise NotImplementedError


class Running:
    """A started proxy: the process that is measured, its doors, and what else was started for it."""

    def __init__(self, proxy, process, port, tls_port, others=()):
        self.proxy, self.process, self.port, self.tls_port = proxy, process, port, tls_port
        self.others = others

    def check(self):
        """Waits until it answers as it should."""
        wait.until(lambda: answers(self.port, self.proxy.path, {**FIELDS, **self.proxy.fields}),
                   f"{self.proxy.name} to answer", START_S, process=self.process)

    def stop(self):
        """Ends what is measured first: its tools then write what they counted."""
        self.proxy.stage.stop(self.process)
        if self.others:
            self.proxy.stage.stop(*self.others)


class Nginx(Proxy):
    name = label = "nginx"
    with_log = False

    def start(self, wrap=(), loops=1):
        port, tls_port = free_port(), free_port()
        config = self.stage.write("nginx.conf", NGINX.format(
            folder=self.stage.folder, loops=loops, log=self.stage.path("nginx.log") if self.with_log else "off", port=port, tls_port=tls_port, kept=KEPT,
            master="master_process off;" if loops == 1 else "", here=self.stage.origins["here"],
            certificate=self.stage.path("door.crt"), key=self.stage.path("door.key")))
        return Running(self, self.stage.start(self.name, ["nginx", "-c", config], port, wrap), port, tls_port)


class NginxLog(Nginx):
    name, label, with_log = "nginx-log", "nginx, access log", True


class Haproxy(Proxy):
    name, label, with_lua = "haproxy", "HAProxy", False

    def start(self, wrap=(), loops=1):
        port, tls_port = free_port(), free_port()
        rule = self.stage.write("scope.lua", LUA)
        config = self.stage.write(f"{self.name}.cfg", HAPROXY.format(
            loops=loops, port=port, tls_port=tls_port, kept=KEPT, pem=self.stage.path("door.pem"),
            lua=f"lua-load {rule}" if self.with_lua else "",
            rule="http-request lua.scope\n    use_backend %[var(txn.site)] if { var(txn.site) -m found }"
            if self.with_lua else "", **self.stage.origins))
        command = ["haproxy", "-db", "-f", config]
        return Running(self, self.stage.start(self.name, command, port, wrap), port, tls_port)


class HaproxyLua(Haproxy):
    name, label, with_lua = "haproxy-lua", "HAProxy, Lua rule", True
    fields = {"Scope": "{a: Nantes}"}


class Cheops(Proxy):
    """A site, Nantes; one that needs another site has Paris beside it. `measured` is whose cost counts."""

    name, label = "cheops", "Cheops, no scope"
    sites, measured, with_log = ("Nantes",), "Nantes", False

    def start(self, wrap=(), loops=1):
        ports = {site: {"door": free_port(), "tls": free_port(), "peer": free_port()} for site in self.sites}
        daemons = {}
        for site in self.sites:
            processes = self.stage.processes.behind(wrap if site == self.measured else ())
            daemons[site] = Daemon(f"{self.name}-{site}", processes, self.stage.path(f"{self.name}-{site}"),
                                   self.stage.build)
            # valgrind runs within the daemon, and needs more than it
            daemons[site].configure({**self.configuration(site, ports, loops), "confine": "valgrind" not in wrap})
            self.stage.wait_for_door(daemons[site].launch(), ports[site]["door"])
        for site, daemon in daemons.items():
            wait.until(lambda daemon=daemon: self.sees_all(daemon), f"{site} to see the others", START_S,
                       process=daemon.process)
        others = [daemon.process for site, daemon in daemons.items() if site != self.measured]
        return Running(self, daemons[self.measured].process, ports["Nantes"]["door"], ports["Nantes"]["tls"], others)

    def configuration(self, site, ports, loops):
        here = self.stage.origins["here" if site == "Nantes" else "there"]
        door = {"certificate": self.stage.path("door.crt"), "key": self.stage.path("door.key")}
        config = {
            "site": site, "application": os.path.join(TOP, "apps", "example.yaml"), "workers": loops,
            "listeners": [{"address": f"127.0.0.1:{ports[site]['door']}"},
                          {"address": f"127.0.0.1:{ports[site]['tls']}", "tls": door}],
            "services": {"a": {"url": f"http://127.0.0.1:{here}"}},
            "admin": {"socket": self.stage.path(f"{self.name}-{site}.sock")},
            "limits": {"service_connections": KEPT, "service_idle": KEPT, "requests_per_connection": 100000000},
            # long enough for 64 TLS handshakes at a site that runs under valgrind
            "timeouts": {"client_idle": "1h", "service_idle": "1h", "connect": "60s"},
        }
        if self.with_log:
            config["log"] = {"access": self.stage.log(f"{self.name}-{site}-access")}
        if len(self.sites) > 1:
            self.stage.authority.issue(site)
            config["peers"] = {
                **self.stage.authority.files(site),
                "listen": f"127.0.0.1:{ports[site]['peer']}", "suspect": "60s", "down": "120s",
                "sites": {other: {"address": f"127.0.0.1:{ports[other]['peer']}"}
                          for other in self.sites if other != site},
            }
        return config

    def sees_all(self, daemon):
        try:
            return all(daemon.states().get(site) == "up" for site in self.sites)
        except OSError:
            return False


class CheopsLog(Cheops):
    name, label, with_log = "cheops-log", "Cheops, access log", True


class CheopsLocal(Cheops):
    name, label = "cheops-local", "Cheops, scope: this site"
    fields = {"Scope": "{a: Nantes}"}


class CheopsRemote(Cheops):
    name, label = "cheops-remote", "Cheops, scope: another site"
    sites, fields = ("Nantes", "Paris"), {"Scope": "{a: Paris}"}


class CheopsPeer(CheopsRemote):
    name, label, measured = "cheops-peer", "  the same, at that site", "Paris"


class CheopsFallback(Cheops):
    """The site's own service says 404, the other site's is asked then."""

    name, label = "cheops-fallback", "Cheops, scope: falls back"
    sites, fields, path = ("Nantes", "Paris"), {"Scope": "{a: Nantes ; Paris}"}, MISSING


PROXIES = [Nginx, NginxLog, Haproxy, HaproxyLua, Cheops, CheopsLog, CheopsLocal, CheopsRemote, CheopsPeer,
           CheopsFallback]
