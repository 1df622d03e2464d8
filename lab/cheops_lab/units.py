"""Durations and rates as a topology writes them."""
import re

DURATION = {"us": 1e-6, "ms": 1e-3, "s": 1.0}
RATE = {"kbit": 1e3, "mbit": 1e6, "gbit": 1e9}


def duration_s(text):
    """Seconds of "250us", "8ms", "1.5s". ValueError says what was expected."""
    match = re.fullmatch(r"(\d+(?:\.\d+)?)(us|ms|s)", str(text))
    if not match:
        raise ValueError(f"'{text}' is no duration; write a number and us, ms or s, as 8ms")
    return float(match.group(1)) * DURATION[match.group(2)]


def rate_bytes(text):
    """Bytes per second of "64kbit", "100mbit", "1gbit". ValueError says what was expected."""
    match = re.fullmatch(r"(\d+(?:\.\d+)?)(kbit|mbit|gbit)", str(text))
    if not match or float(match.group(1)) == 0:
        raise ValueError(f"'{text}' is no rate; write a number and kbit, mbit or gbit, as 100mbit")
    return float(match.group(1)) * RATE[match.group(2)] / 8


def show_duration(seconds):
    return f"{seconds * 1e3:.3f}".rstrip("0").rstrip(".") + "ms"


def show_rate(rate):
    return "no limit" if rate is None else f"{rate * 8 / 1e6:g} mbit"
