"""The benchmarks. They find the tests' own modules as the tests do: by name."""

import sys
from pathlib import Path

sys.path.append(str(Path(__file__).parents[1]))
