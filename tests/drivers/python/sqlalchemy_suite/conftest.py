"""SQLAlchemy's own suite for dialects, as its wheel carries it. `DB_URL` says where, in its words."""

import pytest

pytest.register_assert_rewrite("sqlalchemy.testing.assertions")

from sqlalchemy.testing.plugin.pytestplugin import *  # noqa: E402, F401, F403
