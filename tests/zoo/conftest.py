"""TensorFlow for the zoo's tests: missing, it fails them in CI and skips them elsewhere."""

import importlib.util
import os

import pytest


@pytest.fixture(scope="session", autouse=True)
def _quiet() -> None:
    """TensorFlow's notes about the processor stay out of what tests print."""
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")


@pytest.fixture(scope="session")
def tensorflow(_quiet: None) -> None:
    """TensorFlow is installed; ask for it before a module of a model is imported."""
    if importlib.util.find_spec("tensorflow") is None:
        if os.environ.get("CI"):
            pytest.fail("TensorFlow is missing: scripts/setup --dev")
        pytest.skip("TensorFlow is missing: pip install '.[zoo]'")
