"""What the black-box tests share. Run with

    GATEHOUSE_STAGE=<tree> pytest Tests/BlackBox

Each file makes its own gateway (a module fixture named `gateway`) and runs alone; `-n 2 --dist loadfile` runs two files at a time.
"""

from __future__ import annotations

import sys
import pathlib

sys.path.insert(0, str(pathlib.Path(__file__).parent))

from fixtures import _clean, upstream  # noqa: E402, F401
