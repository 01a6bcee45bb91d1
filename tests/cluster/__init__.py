"""A cluster of three MariaDB nodes, and writers that race on all of them; see `__main__`."""

import sys
from pathlib import Path

# The modules beside this folder are found by name, as in the tests.
sys.path.append(str(Path(__file__).parents[1]))
