"""What the system tests share: sites, clients that send exact bytes, scripted services, waiting."""
from .certs import Authority
from .client import Client, exchange
from .message import Answer, Ended, Late, Malformed, Request, refusal
from .origin import Connection, Origin, render, serve
from .site import BUILD, TOP, Site
from .wait import DEADLINE_S, until

__all__ = ["Answer", "Authority", "BUILD", "Client", "Connection", "DEADLINE_S", "Ended", "Late", "Malformed",
           "Origin", "Request", "Site", "TOP", "exchange", "refusal", "render", "serve", "until"]
