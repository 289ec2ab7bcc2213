"""What all programs of Python share: headings, values as text, errors in the driver's own words."""

import os

# How many rows a big result has.
BIG_ROWS = int(os.environ["BIG_ROWS"])


def chapter(name):
    print(f"== {name}", flush=True)


def tell(what, *values):
    """One line of what was seen."""
    print(f"{what}: {' | '.join(map(repr, values))}", flush=True)


def told(error):
    """An error's code and words; where it was made in the driver is of no interest."""
    code = getattr(error, "sqlstate", None)
    lines = str(error).splitlines()
    return type(error).__name__, code, lines
