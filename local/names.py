"""Short names of what was deployed, read from the functions' own environment variables."""

from __future__ import annotations

from local.deploy import Deployment

_VARIABLES = {
    "TABLE_NAME": "table",
    "INBOX_BUCKET": "inbox",
    "WORK_BUCKET": "work",
    "OUTBOX_BUCKET": "outbox",
    "STATE_MACHINE_ARN": "state_machine",
    "EVENT_BUS_NAME": "bus",
    "INTAKE_QUEUE_URL": "queue_url",
    "INTAKE_QUEUE_ARN": "queue_arn",
    "SCHEDULE_GROUP": "schedule_group",
    "DATABASE_SECRET_ID": "secret",
    "STAGE": "stage",
}


def environment_values(deployment: Deployment, variable: str) -> set[str]:
    """All values that the deployed functions have for a variable."""
    values = set()
    for resource in deployment.of_type("AWS::Lambda::Function"):
        variables = (resource.properties.get("Environment") or {}).get("Variables") or {}
        if variable in variables:
            values.add(str(variables[variable]))
    return values


def collect_names(deployment: Deployment) -> dict[str, str]:
    """Physical names by logical id, by output, and by short name (``inbox``, ``table``, ``state_machine`` …).

    A short name is there when the functions agree on the variable behind it. ``function:<name>`` are the
    functions by the last word of their names.
    """
    names = {logical: resource.physical_id for logical, resource in deployment.resources.items()}
    names.update(deployment.outputs)
    for variable, short in _VARIABLES.items():
        values = environment_values(deployment, variable)
        if len(values) == 1:
            names[short] = values.pop()
    for resource in deployment.of_type("AWS::Lambda::Function"):
        names[f"function:{resource.physical_id.rsplit('-', 1)[-1]}"] = resource.physical_id
    for mapping in deployment.of_type("AWS::Lambda::EventSourceMapping"):
        queue = str(mapping.properties.get("EventSourceArn", "")).rsplit(":", 1)[-1]
        names.setdefault("queue", queue)
    return names
