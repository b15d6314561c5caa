"""Jobs and configuration in one DynamoDB table.

Keys: ``pk`` is ``T#<tenant>#JOB#<id>`` with ``sk`` ``META``, ``CHUNK#000000`` or ``EVENT#00000001``;
``T#<tenant>#CONTRACT#<name>`` (and ``TEMPLATE#``, ``SCHEDULE#``) with ``HEAD`` or ``v#000001``;
``T#<tenant>#UPLOAD#<id>`` and ``T#<tenant>#IDEMPOTENCY#<hash>`` with ``META``. Of the indexes only the
keys are read, so that they may project nothing else.
"""

from __future__ import annotations

from entrepot.adapters.dynamodb.config import DynamoConfig
from entrepot.adapters.dynamodb.jobs import DynamoJobs

__all__ = ["DynamoConfig", "DynamoJobs"]
