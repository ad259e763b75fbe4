"""What the black-box tests share. Run with

    GATEHOUSE_STAGE=<tree> pytest Tests/BlackBox

Each file makes its own gateway (a module fixture named `gateway`) and runs alone; `-n 2 --dist loadfile` runs two files at a time.
"""

from __future__ import annotations

import sys
import pathlib

import pytest

sys.path.insert(0, str(pathlib.Path(__file__).parent))

from upstream import Upstream  # noqa: E402


@pytest.fixture(scope="module")
def upstream():
    with Upstream() as upstream:
        yield upstream


@pytest.fixture(autouse=True)
def _clean(request):
    """Forgets earlier requests; afterwards the gateway of the module must still be there."""
    if "upstream" in request.fixturenames:
        request.getfixturevalue("upstream").clear()
    yield
    if "gateway" in request.fixturenames:
        gateway = request.getfixturevalue("gateway")
        assert gateway.is_alive, "the gateway has died:\n" + "\n".join(gateway.lines[-30:])
