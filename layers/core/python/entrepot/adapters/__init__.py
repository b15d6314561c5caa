"""Adapters: AWS, PostgreSQL and the machine, behind the ports."""
