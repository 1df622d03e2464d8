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
        """A table a measure: a line a cell, a column a proxy."""
        texts = []
        for measure in dict.fromkeys(row["measure"] for row in self.rows):
            rows = [row for row in self.rows if row["measure"] == measure]
            values = {(row["cell"], row["proxy"]): row["value"] for row in rows}
            cells = list(dict.fromkeys(row["cell"] for row in rows))
            known = [proxy for proxy in proxies if any((cell, proxy.name) in values for cell in cells)]
            lines = [[measure, *(proxy.name for proxy in known)]]
            lines += [[cell, *(_number(values.get((cell, proxy.name))) for proxy in known)] for cell in cells]
            texts.append(_align(lines))
        return "\n\n".join(texts)

    def functions(self, proxies):
        """Where the instructions go: a table a proxy."""
        lines = []
        for proxy in proxies:
            for row in self.rows:
                if row["proxy"] == proxy.name and "functions" in row:
                    lines += ["", proxy.label]
                    lines += [f"{n:9,d} {100 * n / row['value']:5.1f} %  {name}" for name, n in row["functions"].items()]
        return "\n".join(lines)


def _align(lines):
    widths = [max(map(len, column)) for column in zip(*lines)]
    return "\n".join("  ".join([line[0].ljust(widths[0]), *(c.rjust(w) for c, w in zip(line[1:], widths[1:]))])
                     for line in lines)


def _number(value):
    if value is None:
        return "-"
    return f"{value:,.0f}" if value >= 100 else f"{value:.2f}"
