"""A plugin for nbval: a kernel on a loaded machine may take its time to send what a cell put out.

nbval waits 2,000 s for a cell to end, but then only 5 s for its outputs, and has no option for it.
"""


def pytest_collection_modifyitems(items):
    for item in items:
        if hasattr(item, "output_timeout"):
            item.output_timeout = 120
