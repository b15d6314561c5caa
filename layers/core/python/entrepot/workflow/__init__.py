"""The workflow: the body of each step and the life of a job. Knows ports only."""
