"""The results: rows of plain data, printed as tables and kept as JSON."""
import datetime
import json
import os
import subprocess

VERSIONS = {"nginx": ["nginx", "-v"], "haproxy": ["haproxy", "-v"], "h2load": ["h2load", "--version"],
            "valgrind": ["valgrind", "--version"], "kernel": ["uname", "-r"]}


def _first_line(command):
    done = subprocess.run(command, stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False)
    return (done.stdout or done.stderr).strip().splitlines()[0]


def _processor():
    with open("/proc/cpuinfo", encoding="utf-8") as text:
        for line in text:
            if line.startswith("model name"):
                return line.partition(":")[2].strip()
    return "unknown"


class Report:
    """Rows {"measure", "proxy", "cell", "value", …}; `cell` says under which load."""

    def __init__(self):
        self.rows = []
        self.machine = {"processor": _processor(), "cores": os.cpu_count(),
                        **{name: _first_line(command) for name, command in VERSIONS.items()}}
        self.date = datetime.datetime.now(datetime.timezone.utc).isoformat(timespec="seconds")

    def add(self, measure, proxy, cell, value, **more):
        self.rows.append({"measure": measure, "proxy": proxy.name, "cell": cell, "value": value, **more})

    def save(self, path):
        os.makedirs(os.path.dirname(path), exist_ok=True)
        with open(path + ".new", "w", encoding="utf-8") as out:
            json.dump({"date": self.date, "machine": self.machine, "rows": self.rows}, out, indent=1)
            out.write("\n")
        os.rename(path + ".new", path)

    def text(self, proxies):
        """One table: a line a proxy, a column for each measure and cell."""
        columns = list(dict.fromkeys((row["measure"], row["cell"]) for row in self.rows))
        values = {(row["proxy"], row["measure"], row["cell"]): row["value"] for row in self.rows}
        lines = [["", *(measure for measure, _ in columns)], ["", *(cell for _, cell in columns)]]
        for proxy in proxies:
            cells = [values.get((proxy.name, *column)) for column in columns]
            if any(cell is not None for cell in cells):
                lines.append([proxy.label, *(_number(cell) for cell in cells)])
        widths = [max(map(len, column)) for column in zip(*lines)]
        return "\n".join("  ".join([line[0].ljust(widths[0]), *(c.rjust(w) for c, w in zip(line[1:], widths[1:]))])
                         for line in lines)


def _number(value):
    if value is None:
        return "-"
    return f"{value:,.0f}" if value >= 100 else f"{value:.2f}"
