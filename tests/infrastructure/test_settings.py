"""A deployment's settings: what is accepted, what is refused and how."""

from __future__ import annotations

from pathlib import Path

import pytest
import yaml

from stacks.settings import FUNCTIONS, Settings, SettingsError, setting_keys, variable_of
from tests.infrastructure.assemblies import FULL, OIDC, PLAIN, any_settings


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"stage": "Prod!"}, ["stage", "'Prod!'", "[a-z]"]),
        ({"stage": "a" * 13}, ["stage", "{0,11}"]),
        ({"account": "1234"}, ["account", "'1234'", "{12}"]),
        ({"region": "Frankfurt"}, ["region", "'Frankfurt'"]),
        ({"prefix": "Bad_Name"}, ["prefix", "'Bad_Name'"]),
        ({"runtime": "python2.7"}, ["runtime", "'python2.7'", "python3.13"]),
        ({"chunk_bytes": 1}, ["chunk_bytes", "1 is not allowed", "65536"]),
        ({"concurrency": {"load": 0}}, ["concurrency.load", "0 is not allowed", "1"]),
        ({"memory": {"load": 64}}, ["memory.load", "64", "128"]),
        ({"memory": {"lod": 512}}, ["memory.lod", "no setting"]),
        ({"timeouts": {"validate": 901}}, ["timeouts.validate", "901", "900"]),
        ({"timeouts": {"api": 30}}, ["timeouts.api", "30", "29"]),
        ({"retention": {"logs": 8}}, ["retention.logs", "8", "7, 14"]),
        ({"retention": {"work": 5}, "await_days": 7}, ["retention.work", "5 days", "await_days", "7"]),
        ({"retention": {"dead_letters": 15}}, ["retention.dead_letters", "15", "14"]),
        ({"database": {"sslmode": "disable"}}, ["database.sslmode", "'disable'", "verify-full"]),
        ({"database": {"connections": 1}}, ["database.connections", "1 is not allowed", "2"]),
        ({"database": {"secret": "no spaces please"}}, ["database.secret", "'no spaces please'"]),
        ({"database": {"ca_file": "/nowhere/ca.pem"}}, ["database.ca_file", "/nowhere/ca.pem", "not a file"]),
        ({"vpc": {"id": "vpc-1", "subnet_ids": [], "security_group_ids": ["x"]}}, ["vpc.id", "vpc.subnet_ids", "sg-"]),
        ({"oidc": OIDC | {"issuer": "http://id.example.com"}}, ["oidc.issuer", "http://id.example.com", "https"]),
        ({"oidc": {"issuer": "https://id.example.com"}}, ["oidc.audience: is required", "oidc.jwks_url: is required"]),
        ({"kms_key_arn": "alias/mine"}, ["kms_key_arn", "'alias/mine'", "key/"]),
        ({"source_buckets": ["Not A Bucket"]}, ["source_buckets.0", "'Not A Bucket'"]),
        ({"tenants": ["A"]}, ["tenants.0", "'A'"]),
        ({"await_days": 0}, ["await_days", "0"]),
        ({"alarms": {"email": "nobody"}}, ["alarms.email", "'nobody'"]),
        ({"alarms": {"email": "a@b.example", "topic_arn": "arn:aws:sns:x"}}, ["alarms.email", "alarms.topic_arn"]),
        ({"api": {"rate_limit": 0}}, ["api.rate_limit", "0"]),
        ({"removal": "keep"}, ["removal", "'keep'", "retain"]),
        ({"colour": "blue"}, ["colour", "no setting", "docs/settings.md"]),
    ],
)
def test_a_bad_value_is_named_with_what_is_allowed(changes: dict, words: list[str]) -> None:
    with pytest.raises(SettingsError) as raised:
        any_settings(**changes)
    for word in words:
        assert word in str(raised.value)


def test_every_problem_is_told_at_once() -> None:
    with pytest.raises(SettingsError) as raised:
        Settings.parse({"stage": "Prod!", "region": "x"})
    told = {problem.split(":")[0] for problem in raised.value.problems}
    assert told == {"stage", "account", "region", "oidc"}


def test_context_wins_over_environment_wins_over_file(tmp_path: Path) -> None:
    file = tmp_path / "prod.yaml"
    file.write_text(yaml.safe_dump(PLAIN | {"await_days": 3, "leg_hours": 3, "staging_keep_hours": 3}))
    environ = {"ENTREPOT_SETTINGS": str(file), "ENTREPOT_LEG_HOURS": "4", "ENTREPOT_STAGING_KEEP_HOURS": "4"}
    read = Settings.load({"staging_keep_hours": "5"}, environ)
    assert (read.await_days, read.leg_hours, read.staging_keep_hours) == (3, 4, 5)


def test_groups_and_lists_can_be_given_one_by_one(tmp_path: Path) -> None:
    file = tmp_path / "prod.yaml"
    file.write_text(yaml.safe_dump(PLAIN))
    context = {"settings": str(file), "memory.validate": "2048", "retention.logs": "30", "@aws-cdk/core:some": True}
    environ = {"ENTREPOT_CONCURRENCY__LOAD": "3", "ENTREPOT_SOURCE_BUCKETS": "[one-bucket, two-bucket]"}
    read = Settings.load(context, environ)
    assert (read.memory_of("validate"), read.retention.logs, read.concurrency.load) == (2048, 30, 3)
    assert read.source_buckets == ["one-bucket", "two-bucket"]


def test_an_account_in_a_file_needs_no_quotes_and_keeps_its_zeros(tmp_path: Path) -> None:
    file = tmp_path / "prod.yaml"
    rest = yaml.safe_dump({k: v for k, v in PLAIN.items() if k != "account"})
    file.write_text(f"account: 111122223333\n{rest}")
    assert Settings.load({"settings": str(file)}, {}).account == "111122223333"
    file.write_text(f'account: "000012345678"\n{rest}')
    assert Settings.load({"settings": str(file)}, {}).account == "000012345678"
    # Unquoted, this is an octal number to YAML: never guessed back.
    file.write_text(f"account: 000012345670\n{rest}")
    with pytest.raises(SettingsError, match="account"):
        Settings.load({"settings": str(file)}, {})


def test_an_account_in_a_variable_keeps_its_zeros() -> None:
    values = {variable_of(key): str(PLAIN[key]) for key in ("stage", "region")}
    values |= {f"ENTREPOT_OIDC__{key.upper()}": value for key, value in OIDC.items()}
    assert Settings.load({}, values | {"ENTREPOT_ACCOUNT": "000012345670"}).account == "000012345670"
    assert Settings.load({}, values | {"CDK_DEFAULT_ACCOUNT": "000012345670"}).account == "000012345670"


@pytest.mark.parametrize("text", [None, "stage: [", "just words"])
def test_a_file_that_cannot_be_read_is_named(tmp_path: Path, text: str | None) -> None:
    file = tmp_path / "prod.yaml"
    if text is not None:
        file.write_text(text)
    with pytest.raises(SettingsError, match=r"prod\.yaml"):
        Settings.load({"settings": str(file)}, {})


def test_the_example_stands_in_only_when_nothing_is_chosen() -> None:
    assert Settings.load({}, {}).stage == "example"
    with pytest.raises(SettingsError, match="oidc: is required"):
        Settings.load({"stage": "prod"}, {})


def test_everything_can_be_chosen_and_every_function_has_its_limits() -> None:
    for settings in (any_settings(), Settings.parse(FULL), Settings.local()):
        for name in FUNCTIONS:
            assert settings.memory_of(name) >= 128
            assert 0 < settings.timeout_of(name) <= 900


def test_the_local_cloud_keeps_to_the_workers_budget_and_can_be_adapted() -> None:
    settings = Settings.local(concurrency={"load": 3}, memory={"api": 256})
    assert {settings.memory_of(name) for name in FUNCTIONS if name != "api"} == {512}
    assert (settings.memory_of("api"), settings.concurrency.load) == (256, 3)
    assert settings.concurrency.profile >= 1
    assert not settings.bundle


def test_every_setting_has_its_own_variable() -> None:
    keys = list(setting_keys())
    assert len({variable_of(key) for key in keys}) == len(keys)


@pytest.mark.parametrize(("region", "partition"), [("cn-north-1", "aws-cn"), ("us-gov-west-1", "aws-us-gov")])
def test_names_follow_the_region_s_partition(region: str, partition: str) -> None:
    names = any_settings(region=region).names
    assert names.table_arn.split(":")[1] == partition
    assert names.bucket_arn(names.inbox).startswith(f"arn:{partition}:s3:::")


def test_the_longest_names_fit() -> None:
    names = any_settings(prefix="p" * 12, stage="s" * 12, region="ap-southeast-1").names
    for bucket in (names.inbox, names.work, names.outbox, names.access_logs):
        assert len(bucket) <= 63, bucket
    assert len(names.schedule_role) <= 64
    assert all(len(names.function(name)) <= 64 for name in FUNCTIONS)
