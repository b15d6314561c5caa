"""A small stack and its functions, to try the one-machine cloud with: it knows nothing of Entrepot's pipeline."""

from __future__ import annotations

import json
import textwrap
from pathlib import Path
from typing import Any

HANDLERS = {
    "intake": """
        import json, os, boto3
        def handler(event, context):
            sfn, failed = boto3.client("stepfunctions"), []
            for record in event["Records"]:
                body = json.loads(record["body"])
                if body.get("poison"):
                    failed.append({"itemIdentifier": record["messageId"]})
                    continue
                if "detail" not in body:
                    boto3.client("dynamodb").put_item(TableName=os.environ["TABLE_NAME"], Item={
                        "pk": {"S": "MESSAGE"}, "sk": {"S": record["messageId"]}, "body": {"S": record["body"]}})
                    continue
                held = body["detail"]["object"]
                name = held["version-id"][:60]
                try:
                    sfn.start_execution(stateMachineArn=os.environ["STATE_MACHINE_ARN"], name=name, input=json.dumps(
                        {"bucket": body["detail"]["bucket"]["name"], "key": held["key"], "version": held["version-id"]}))
                except sfn.exceptions.ExecutionAlreadyExists:
                    print(json.dumps({"message": "again", "name": name}))
            return {"batchItemFailures": failed}
    """,
    "split": """
        import json, os, boto3
        def handler(event, context):
            s3 = boto3.client("s3")
            body = s3.get_object(Bucket=event["bucket"], Key=event["key"], VersionId=event["version"])["Body"].read()
            chunks = [{"n": n, "text": line.decode()} for n, line in enumerate(body.splitlines())]
            key = "chunks/" + event["version"] + ".json"
            s3.put_object(Bucket=os.environ["WORK_BUCKET"], Key=key, Body=json.dumps(chunks))
            return {**event, "chunks_key": key}
    """,
    "load": """
        import os, boto3, time
        class FatalError(Exception):
            pass
        def handler(event, context):
            if event["text"] == "fatal":
                raise FatalError("this row cannot be loaded")
            if event["text"].startswith("sleep"):
                time.sleep(float(event["text"].split()[1]))
            boto3.client("dynamodb").put_item(TableName=os.environ["TABLE_NAME"], Item={
                "pk": {"S": "ROW"}, "sk": {"S": event["version"] + "/" + str(event["n"])}, "text": {"S": event["text"]}})
            return {}
    """,
    "tool": """
        import json, os, sys, time
        def handler(event, context):
            do = event.get("do")
            if do == "sleep":
                time.sleep(event["seconds"])
            elif do == "hog":
                held = bytearray(event["bytes"])
                held[::4096] = b"x" * len(held[::4096])
                time.sleep(2)
            elif do == "exit":
                os._exit(3)
            elif do == "raise":
                raise ValueError("no: " + event["text"])
            elif do == "big":
                return "x" * event["bytes"]
            elif do == "set":
                return {1, 2}
            elif do == "fail_until":
                with open(event["path"], "a+") as stream:
                    stream.write("x")
                    stream.seek(0)
                    if len(stream.read()) < event["times"]:
                        raise RuntimeError("not yet")
            return {"env": dict(os.environ), "path": sys.path, "pid": os.getpid(), "name": context.function_name,
                    "arn": context.invoked_function_arn, "memory": context.memory_limit_in_mb,
                    "left": context.get_remaining_time_in_millis(), "request": context.aws_request_id,
                    "local": "local" in sys.modules, "event": event}
    """,
    "broken": "import no_such_module\n",
    "single": """
        import time
        def handler(event, context):
            time.sleep(event.get("seconds", 0))
            return "done"
    """,
    "api": """
        import base64, json, time
        def handler(event, context):
            path = event["path"]
            if path.endswith("/slow"):
                time.sleep(3)
            if path.endswith("/malformed"):
                return {"status": "200"}
            if path.endswith("/raise"):
                raise ValueError("no")
            if path.endswith("/binary"):
                return {"statusCode": 200, "headers": {"Content-Type": "application/octet-stream"},
                        "body": base64.b64encode(bytes(range(256))).decode(), "isBase64Encoded": True}
            if path.endswith("/cookies"):
                return {"statusCode": 200, "multiValueHeaders": {"Set-Cookie": ["a=1", "b=2"]}, "body": ""}
            if path.endswith("/large"):
                return {"statusCode": 200, "body": "x" * 7_000_000}
            return {"statusCode": 200, "headers": {"Content-Type": "application/json"}, "body": json.dumps(event)}
    """,
}


def write_functions(root: Path) -> Path:
    """Writes the handlers, a folder each."""
    for name, text in HANDLERS.items():
        folder = root / name
        folder.mkdir(parents=True, exist_ok=True)
        (folder / "handler.py").write_text(textwrap.dedent(text))
    return root


def _arn(name: str) -> dict[str, Any]:
    return {"Fn::GetAtt": [name, "Arn"]}


def _function(name: str, **extra: Any) -> dict[str, Any]:
    properties = {
        "FunctionName": f"trial-{name}",
        "Handler": "handler.handler",
        "Runtime": "python3.13",
        "Role": _arn("Role"),
        "Code": {"S3Bucket": "assets", "S3Key": f"{name}.zip"},
        "MemorySize": 512,
        "Timeout": 30,
        "Environment": {
            "Variables": {
                "TABLE_NAME": {"Ref": "Table"},
                "WORK_BUCKET": {"Ref": "Work"},
                "INBOX_BUCKET": {"Ref": "Inbox"},
                "STATE_MACHINE_ARN": "arn:aws:states:us-east-1:123456789012:stateMachine:trial-machine",
                "DATABASE_SECRET_ID": "trial/database",
            }
        },
    }
    return {"Type": "AWS::Lambda::Function", "Properties": {**properties, **extra}}


def _machine() -> dict[str, Any]:
    retry = [
        {
            "ErrorEquals": ["Sandbox.Timedout", "Runtime.ExitError", "Lambda.TooManyRequestsException"],
            "IntervalSeconds": 1,
            "MaxAttempts": 5,
            "BackoffRate": 1.5,
        }
    ]
    child = {
        "StartAt": "Load",
        "States": {
            "Load": {
                "Type": "Task",
                "Resource": "arn:aws:states:::lambda:invoke",
                "Parameters": {"FunctionName": "trial-load", "Payload.$": "$"},
                "ResultSelector": {},
                "Retry": retry,
                "Catch": [{"ErrorEquals": ["States.ALL"], "Next": "Failed"}],
                "End": True,
            },
            "Failed": {"Type": "Pass", "Result": {"failed": True}, "End": True},
        },
        "ProcessorConfig": {"Mode": "DISTRIBUTED", "ExecutionType": "STANDARD"},
    }
    return {
        "StartAt": "Split",
        "States": {
            "Split": {
                "Type": "Task",
                "Resource": "arn:aws:states:::lambda:invoke",
                "Parameters": {"FunctionName": "trial-split", "Payload.$": "$"},
                "OutputPath": "$.Payload",
                "Retry": retry,
                "Next": "Chunks",
            },
            "Chunks": {
                "Type": "Map",
                "MaxConcurrency": 2,
                "ItemReader": {
                    "Resource": "arn:aws:states:::s3:getObject",
                    "ReaderConfig": {"InputType": "JSON"},
                    "Parameters": {"Bucket": "trial-work", "Key.$": "$.chunks_key"},
                },
                "ItemSelector": {
                    "version.$": "$.version",
                    "n.$": "$$.Map.Item.Value.n",
                    "text.$": "$$.Map.Item.Value.text",
                },
                "ItemProcessor": child,
                "End": True,
            },
        },
    }


def template() -> dict[str, Any]:
    """The stack template."""
    functions = {name.title(): _function(name) for name in HANDLERS}
    functions["Single"]["Properties"]["ReservedConcurrentExecutions"] = 1
    functions["Tool"]["Properties"] |= {
        "Timeout": 2,
        "MemorySize": 256,
        "DeadLetterConfig": {"TargetArn": _arn("Dead")},
    }
    resources: dict[str, Any] = {
        "Role": {"Type": "AWS::IAM::Role", "Properties": {"AssumeRolePolicyDocument": {"Statement": []}}},
        "Inbox": {
            "Type": "AWS::S3::Bucket",
            "Properties": {
                "BucketName": "trial-inbox",
                "VersioningConfiguration": {"Status": "Enabled"},
                "NotificationConfiguration": {"EventBridgeConfiguration": {"EventBridgeEnabled": True}},
                "LifecycleConfiguration": {
                    "Rules": [{"Id": "old", "Status": "Enabled", "NoncurrentVersionExpiration": {"NoncurrentDays": 3}}]
                },
            },
        },
        "Work": {
            "Type": "AWS::S3::Bucket",
            "Properties": {
                "BucketName": "trial-work",
                "LifecycleConfiguration": {
                    "Rules": [{"Id": "jobs", "Status": "Enabled", "Prefix": "jobs/", "ExpirationInDays": 7}]
                },
            },
        },
        "Unnamed": {"Type": "AWS::S3::Bucket", "Properties": {}},
        "Dead": {"Type": "AWS::SQS::Queue", "Properties": {"QueueName": "trial-dead"}},
        "Queue": {
            "Type": "AWS::SQS::Queue",
            "Properties": {
                "QueueName": "trial-queue",
                "VisibilityTimeout": 60,
                "RedrivePolicy": {"deadLetterTargetArn": _arn("Dead"), "maxReceiveCount": 2},
            },
        },
        "Bus": {"Type": "AWS::Events::EventBus", "Properties": {"Name": "trial-bus"}},
        "Rule": {
            "Type": "AWS::Events::Rule",
            "Properties": {
                "EventPattern": {
                    "source": ["aws.s3"],
                    "detail-type": ["Object Created"],
                    "detail": {"bucket": {"name": [{"Ref": "Inbox"}]}},
                },
                "Targets": [{"Id": "queue", "Arn": _arn("Queue")}],
                "State": "ENABLED",
            },
        },
        "Table": {
            "Type": "AWS::DynamoDB::Table",
            "Properties": {
                "TableName": "trial-table",
                "BillingMode": "PAY_PER_REQUEST",
                "KeySchema": [
                    {"AttributeName": "pk", "KeyType": "HASH"},
                    {"AttributeName": "sk", "KeyType": "RANGE"},
                ],
                "AttributeDefinitions": [
                    {"AttributeName": "pk", "AttributeType": "S"},
                    {"AttributeName": "sk", "AttributeType": "S"},
                ],
                "TimeToLiveSpecification": {"AttributeName": "expires", "Enabled": True},
            },
        },
        "Mapping": {
            "Type": "AWS::Lambda::EventSourceMapping",
            "Properties": {
                "EventSourceArn": _arn("Queue"),
                "FunctionName": {"Ref": "Intake"},
                "BatchSize": 10,
                "FunctionResponseTypes": ["ReportBatchItemFailures"],
            },
        },
        "Machine": {
            "Type": "AWS::StepFunctions::StateMachine",
            "Properties": {
                "StateMachineName": "trial-machine",
                "DefinitionString": json.dumps(_machine()),
                "RoleArn": _arn("Role"),
            },
        },
        "Group": {"Type": "AWS::Scheduler::ScheduleGroup", "Properties": {"Name": "trial-group"}},
        "Sweep": {
            "Type": "AWS::Scheduler::Schedule",
            "Properties": {
                "Name": "trial-sweep",
                "GroupName": "trial-group",
                "FlexibleTimeWindow": {"Mode": "OFF"},
                "ScheduleExpression": "rate(5 minutes)",
                "Target": {
                    "Arn": _arn("Queue"),
                    "RoleArn": _arn("Role"),
                    "Input": '{"scheduled_at": "<aws.scheduler.scheduled-time>"}',
                },
            },
        },
        "Api": {
            "Type": "AWS::ApiGateway::RestApi",
            "Properties": {"Name": "trial", "BinaryMediaTypes": ["multipart/form-data", "application/octet-stream"]},
        },
        "Proxy": {
            "Type": "AWS::ApiGateway::Resource",
            "Properties": {
                "ParentId": {"Fn::GetAtt": ["Api", "RootResourceId"]},
                "PathPart": "{proxy+}",
                "RestApiId": {"Ref": "Api"},
            },
        },
        "Any": {
            "Type": "AWS::ApiGateway::Method",
            "Properties": {
                "HttpMethod": "ANY",
                "ResourceId": {"Ref": "Proxy"},
                "RestApiId": {"Ref": "Api"},
                "AuthorizationType": "NONE",
                "Integration": {
                    "Type": "AWS_PROXY",
                    "IntegrationHttpMethod": "POST",
                    "Uri": {
                        "Fn::Join": [
                            "",
                            [
                                "arn:aws:apigateway:us-east-1:lambda:path/2015-03-31/functions/",
                                {"Fn::GetAtt": ["ApiFunction", "Arn"]},
                                "/invocations",
                            ],
                        ]
                    },
                },
            },
        },
    }
    functions["ApiFunction"] = functions.pop("Api")
    return {"Resources": {**resources, **functions}}


def write_template(folder: Path) -> Path:
    """Writes the stack template as the CDK names it."""
    path = folder / "trial.template.json"
    path.write_text(json.dumps(template()))
    return path
