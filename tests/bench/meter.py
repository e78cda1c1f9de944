"""Reads what processes and the machine use, from /proc."""
import os
import pathlib
import time

TICKS_A_SECOND = os.sysconf("SC_CLK_TCK")


def tree(pid):
    """`pid` and all its descendants that live."""
    pids = [pid]
    for parent in pids:
        for children in pathlib.Path(f"/proc/{parent}/task").glob("*/children"):
            pids += map(int, children.read_text().split())
    return pids


def cpu_seconds(pids):
    """User and system time of all threads, in ticks of 10 ms as a rule."""
    ticks = 0
    for pid in pids:
        stat = pathlib.Path(f"/proc/{pid}/stat").read_text()
        fields = stat.rpartition(")")[2].split()  # the name may hold spaces
        ticks += int(fields[11]) + int(fields[12])
    return ticks / TICKS_A_SECOND


def memory_kib(pids):
    """Proportional set size: what would be free without them."""
    kib = 0
    for pid in pids:
        rollup = pathlib.Path(f"/proc/{pid}/smaps_rollup").read_text()
        kib += next(int(line.split()[1]) for line in rollup.splitlines()
                    if line.startswith("Pss:"))
    return kib


def busy_share(seconds):
    """How much of all cores was in use over the next `seconds`."""
    def read():
        with open("/proc/stat") as f:
            times = list(map(int, f.readline().split()[1:9]))
        return sum(times), times[3] + times[4]  # all; idle and waiting

    all_before, idle_before = read()
    time.sleep(seconds)
    all_after, idle_after = read()
    whole = all_after - all_before
    return 1 - (idle_after - idle_before) / whole if whole else 0.0


def machine():
    """One line about what the figures were taken on."""
    with open("/proc/cpuinfo") as f:
        model = next((line.split(":")[1].strip() for line in f
                      if line.startswith("model name")), os.uname().machine)
    return f"{os.cpu_count()} cores, {model}, Linux {os.uname().release}"
