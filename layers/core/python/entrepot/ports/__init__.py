"""Ports: what the workflow needs of the world, as Protocols. Adapters implement them."""
