"""Measures what a proxied request costs: instructions, system calls, CPU time, memory.

    stage.py      the bench's processes: started, waited for, stopped; the origin
    proxies.py    the proxies that are compared, and their configurations
    load.py       the load: h2load with a fixed number of requests
    count.py      instructions and system calls, each of two runs subtracted
    cost.py       CPU time, latencies and memory, proxies in turns
    grow.py       the same request with more fields, sites, types
    report.py     the table and build/bench.json
    main.py       the command
"""
