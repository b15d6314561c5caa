"""Containers: archives, compressed files and e-mail messages, whose members are the files to read."""

from __future__ import annotations
