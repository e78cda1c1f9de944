"""What the processes hold while they work, sampled once a second, and whether
that stays flat. One sample says little, since sessions come and go: the trend
of the second half is what is judged.
"""
import collections
import os
import statistics
import threading

import meter

Sample = collections.namedtuple("Sample", "done pss_kib fds threads")

# What a process may grow by, by its trend over the whole of the second half.
# 25,000 sessions that leak 40 bytes each are over it, and so are ten
# descriptors.
GROWTH_KIB = 1024
GROWTH_FDS = 8


def read(pid):
    """(PSS in KiB, descriptors, threads) of one process."""
    return (meter.memory_kib([pid]), len(os.listdir(f"/proc/{pid}/fd")),
            len(os.listdir(f"/proc/{pid}/task")))


def is_sanitized(pid):
    """Then freed memory is kept for a while, and says nothing."""
    with open(f"/proc/{pid}/maps") as maps:
        return "libasan" in maps.read()


def connections(port):
    """TCP connections of this machine to or from `port` that are not over."""
    LISTENS, WAITS = "0A", "06"  # the latter belongs to no process any more
    count = 0
    with open("/proc/net/tcp") as table:
        for line in list(table)[1:]:
            _, local, remote, state = line.split()[:4]
            ports = {int(end.split(":")[1], 16) for end in (local, remote)}
            count += port in ports and state not in (LISTENS, WAITS)
    return count


def descriptors(pid):
    """What they are, for a message."""
    names = collections.Counter()
    for fd in os.listdir(f"/proc/{pid}/fd"):
        try:
            name = os.readlink(f"/proc/{pid}/fd/{fd}")
        except FileNotFoundError:
            continue
        names[name.split(":")[0]] += 1
    return dict(names)


class Gauge(threading.Thread):
    def __init__(self, stage):
        super().__init__(daemon=True)
        self.stage = stage
        self.is_sanitized = is_sanitized(stage.proxy.pid)
        self.done = 0  # sessions, set by whoever counts them
        self.over = threading.Event()
        self.samples = collections.defaultdict(list)  # (role, pid): [Sample]
        self.cpu = {}  # (role, pid): seconds at its first and last sample
        self.journal_kib = 0  # the most there was

    def run(self):
        while not self.over.wait(1):
            for pid, role in self.stage.processes().items():
                self.sample(pid, role)
            self.journal_kib = max(self.journal_kib, used_kib(
                self.stage.state / "journal"))

    def sample(self, pid, role):
        done = self.done
        try:
            now = read(pid)
            cpu = meter.cpu_seconds([pid])
        except (FileNotFoundError, ProcessLookupError):
            return  # it has just ended
        self.samples[role, pid].append(Sample(done, *now))
        first, _ = self.cpu.get((role, pid), (cpu, None))
        self.cpu[role, pid] = (first, cpu)

    def cpu_seconds(self, role):
        return sum(last - first for (its, _), (first, last)
                   in self.cpu.items() if its == role)

    def stop(self):
        self.over.set()
        self.join()

    def second_half(self, total):
        """{(role, pid): samples} of processes that lived through it."""
        found = {}
        for key, samples in self.samples.items():
            later = [s for s in samples if s.done >= total / 2]
            is_whole = later and (samples[0].done < total / 2 and
                                  later[-1].done >= total * 0.95)
            if is_whole and len(later) >= 5:
                found[key] = later
        return found


def used_kib(folder):
    """What a folder's files take on the disk."""
    total = 0
    for parent, _, names in os.walk(folder):
        for name in names:
            try:
                total += os.lstat(os.path.join(parent, name)).st_blocks
            except FileNotFoundError:
                continue
    return total // 2


def growth(samples, what):
    """By the trend, from the first sample to the last."""
    x = [s.done for s in samples]
    if x[0] == x[-1]:
        return 0.0
    y = [getattr(s, what) for s in samples]
    return statistics.linear_regression(x, y).slope * (x[-1] - x[0])


def rest(stage):
    """{role: [(descriptors, threads)]}"""
    found = collections.defaultdict(list)
    for pid, role in stage.processes().items():
        found[role].append(read(pid)[1:])
    return dict(found)
