"""Removal of credentials from messages."""

from __future__ import annotations

import os

__all__ = ["hide_secrets", "remember_secret"]

_VARIABLE = "QISKIT_IBM_TOKEN"
_known: set[str] = set()


def remember_secret(secret: str | None) -> None:
    """Hide this text from now on in every message."""
    if secret:
        _known.add(secret)


def hide_secrets(message: str) -> str:
    """Return a message without the credentials of the environment and of the opened account."""
    remember_secret(os.environ.get(_VARIABLE))
    for secret in _known:
        message = message.replace(secret, "***")
    return message
