-- Receipts, audit, publishing jobs and undo tables live in "entrepot"; rows that wait live in
-- "entrepot_staging".

CREATE SCHEMA IF NOT EXISTS entrepot;
CREATE SCHEMA IF NOT EXISTS entrepot_staging;

-- One row for each published job: the truth about it. write_xid is the (sub)transaction that wrote
-- its rows: the rows it inserted carry it as xmin.
CREATE TABLE entrepot.receipt (
    tenant text NOT NULL,
    job_id text NOT NULL,
    status text NOT NULL,
    contract text NOT NULL,
    contract_version integer NOT NULL,
    target_schema text NOT NULL,
    target_table text NOT NULL,
    source text NOT NULL,
    source_version text NOT NULL,
    sequencer text NOT NULL,
    sha256 text NOT NULL,
    published_at timestamptz NOT NULL,
    write_xid xid,
    transaction_xid xid8,
    undo_table text,
    receipt jsonb NOT NULL,
    PRIMARY KEY (tenant, job_id)
);
CREATE INDEX receipt_source ON entrepot.receipt (tenant, contract, source);
CREATE INDEX receipt_sha256 ON entrepot.receipt (tenant, contract, sha256) WHERE sha256 <> '';
CREATE INDEX receipt_target ON entrepot.receipt (target_schema, target_table, published_at);

CREATE TABLE entrepot.audit (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    at timestamptz NOT NULL DEFAULT clock_timestamp(),
    tenant text NOT NULL,
    actor text NOT NULL,
    action text NOT NULL,
    job_id text NOT NULL,
    detail jsonb NOT NULL
);
CREATE INDEX audit_job ON entrepot.audit (tenant, job_id);

-- What the publish procedure is to do for a job, and why it last failed.
CREATE TABLE entrepot.publish_spec (
    tenant text NOT NULL,
    job_id text NOT NULL,
    spec jsonb NOT NULL,
    draft jsonb NOT NULL,
    attempts integer NOT NULL DEFAULT 1,
    started_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    error jsonb,
    PRIMARY KEY (tenant, job_id)
);

-- The ledger is unlogged like staging: when a killed backend empties one, it empties both. Its twin
-- serves deployments that keep staging logged.
CREATE UNLOGGED TABLE entrepot_staging.ledger (
    tenant text NOT NULL,
    job_id text NOT NULL,
    chunk integer NOT NULL,
    chunk_id text NOT NULL,
    read bigint NOT NULL,
    accepted bigint NOT NULL,
    quarantined bigint NOT NULL,
    facts jsonb NOT NULL,
    loaded_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    PRIMARY KEY (tenant, job_id, chunk)
);
CREATE TABLE entrepot_staging.ledger_logged (LIKE entrepot_staging.ledger INCLUDING ALL);
