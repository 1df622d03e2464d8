"""The links between sites: one process that forwards bytes with delay, jitter and rate.

    relay.link        one direction of a link: when do bytes arrive, do they pass at all
    relay.pipe        carries one direction of one connection over a link
    relay.clock       waits more exactly than asyncio does
    relay.door        the address at which a site finds another one: open, silent or refusing
    relay.server      the process: doors, connections, control socket
    relay.client      asks a running relay to cut, heal, change, report

For each ordered pair of sites A, B there is a door: an address near A that A's Cheops uses as B's
peer address. What A sends on a connection through it goes over the link A to B, what comes back
over the link B to A.
"""
