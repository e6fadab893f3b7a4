"""One population of digits MLPs in a process of its own: memory as planned, and as taken at most.

    python populations_memory.py RUNS LIMIT

Prints JSON: bytes planned, bytes taken, whether results went to a file. The limit is in bytes, 0
for what the plan chooses itself. Run it through populations.py.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path

from populations import swept

import paramjax as pj
from paramjax.populations.planning._memory import memory_in_use


def most_memory():
    """Bytes that this process has taken at most; `ru_maxrss` would begin with its parent's."""
    status = Path("/proc/self/status")
    if not status.exists():
        return memory_in_use()  # which is the most where the system tells nothing else
    line = next(own for own in status.read_text().splitlines() if own.startswith("VmHWM"))
    return 1024 * int(line.split()[1])


if __name__ == "__main__":
    runs, limit = int(sys.argv[1]), int(sys.argv[2])
    plan = swept(runs, 20, execution=pj.Execution(memory=limit or "auto")).plan
    print(json.dumps([plan.peak, most_memory(), plan.on_disk]))
