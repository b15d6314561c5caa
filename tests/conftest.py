"""What holds for all tests."""

from __future__ import annotations

import pytest
from hypothesis import HealthCheck, settings

# How long an example takes tells of the machine and of what else it does, not of the code.
settings.register_profile(
    "untimed", parent=settings.default, deadline=None, suppress_health_check=[HealthCheck.too_slow]
)
settings.load_profile("untimed")


@pytest.hookimpl(trylast=True)
def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Makes `xdist_group` count: tests of one group share one worker, and so one cloud.

    xdist tells its controller a test's group by a suffix of the node's id. Since pytest 9.2 the attribute that
    xdist writes to is not the id any more, so the suffix is put where it now belongs.
    """
    if not getattr(config.option, "loadgroup", False):
        return
    for item in items:
        mark = item.get_closest_marker("xdist_group")
        if mark is None or not hasattr(item, "_id"):
            continue
        suffix = f"@{mark.args[0] if mark.args else mark.kwargs['name']}"
        if not item.nodeid.endswith(suffix):
            item._id = type(item._id).parse(item.nodeid + suffix)
