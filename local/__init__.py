"""The one-machine cloud: runs a deployment's own stack template on this machine.

Nothing here knows the pipeline's wiring. Whatever template is given is deployed into moto's server; its
functions run in worker processes, its rows live in an embedded PostgreSQL.
"""
