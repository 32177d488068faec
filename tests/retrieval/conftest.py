"""The contract's asserts say what differs, as those of a test file do."""

from __future__ import annotations

import pytest

pytest.register_assert_rewrite("tests.retrieval.vector_store_contract")
