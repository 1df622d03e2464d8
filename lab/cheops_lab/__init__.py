"""The lab: a topology of sites and links becomes running processes on one machine.

    lab.topology     what is to run: read from YAML, checked
    lab.run          the run directory, in which everything of one running lab is kept
    lab.network      where the sites are: loopback addresses, or network namespaces
    lab.process      starting, watching and stopping processes, also those of a lab that crashed
    lab.relay        the links between sites: delay, jitter, rate, cuts
    lab.site         a site's Cheops: certificates, configuration, daemon
    lab.openstack    an application: Keystone and Glance
    lab.scripted     an application: small services of a test's own
    lab.show         commands as a user types them, and whether what comes back is as said
    lab.demo         what `make demo` shows
    lab.lab          all of it together: up, down, status, cut, heal
"""
