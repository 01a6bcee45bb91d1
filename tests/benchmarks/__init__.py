"""The benchmarks. They import the tests' helper modules by name, as the tests do."""

import sys
from pathlib import Path

sys.path.append(str(Path(__file__).parents[1]))
