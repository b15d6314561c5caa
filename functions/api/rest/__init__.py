"""The REST API: routes and what they share. One module for each kind of thing."""
