"""Run every case in a process of its own, and list those whose pairs differ.

python experiments/robustness/cases/all.py [names]
"""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

HERE = Path(__file__).parent
NO_CASES = {"all.py", "pairs.py"}


def main() -> None:
    """Run those named, or all."""
    named = set(sys.argv[1:])
    files = sorted(file for file in HERE.glob("*.py") if file.name not in NO_CASES)
    wrong = []
    for file in files:
        if named and file.stem not in named:
            continue
        words = [sys.executable, str(file)]
        done = subprocess.run(words, capture_output=True, text=True, cwd=HERE)
        lines = [*done.stdout.splitlines(), *done.stderr.splitlines()[-1:] * bool(done.returncode)]
        print(f"{'WRONG' if done.returncode else 'right'} {file.stem}", flush=True)
        print("\n".join(f"    {line[:400]}" for line in lines), flush=True)
        wrong += [file.stem] * bool(done.returncode)
    print(f"{len(wrong)} of the cases differ: {', '.join(wrong)}")
    sys.exit(bool(wrong))


if __name__ == "__main__":
    main()
