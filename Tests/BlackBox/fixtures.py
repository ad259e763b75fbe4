"""The fixtures that all tests of the running binary share."""

from __future__ import annotations

import pytest

from upstream import Upstream


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
