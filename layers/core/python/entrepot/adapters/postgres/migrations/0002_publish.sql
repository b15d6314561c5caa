-- Publishing: one transaction that makes a job's rows visible, run whole inside the server.

CREATE FUNCTION entrepot.job_lock(p_tenant text, p_job text) RETURNS bigint
LANGUAGE sql IMMUTABLE PARALLEL SAFE
AS $$ SELECT pg_catalog.hashtextextended('entrepot job ' || p_tenant || '/' || p_job, 0) $$;

CREATE FUNCTION entrepot.target_lock(p_schema text, p_table text) RETURNS bigint
LANGUAGE sql IMMUTABLE PARALLEL SAFE
AS $$ SELECT pg_catalog.hashtextextended('entrepot target ' || p_schema || '.' || p_table, 0) $$;

-- Every chunk there and whole? The job's sums, recounted.
CREATE FUNCTION entrepot.recount_staging(p_spec jsonb, OUT o_read bigint, OUT o_quarantined bigint,
    OUT o_duplicate bigint, OUT o_staged bigint)
LANGUAGE plpgsql
AS $$
DECLARE
    v_chunks bigint;
    v_short text;
BEGIN
    IF to_regclass(p_spec->>'staging') IS NULL THEN
        RAISE EXCEPTION USING ERRCODE = 'EN003', MESSAGE = 'Staging is gone since it was checked.';
    END IF;
    EXECUTE 'SELECT count(*), coalesce(sum(read), 0), coalesce(sum(quarantined + refused), 0), '
        || 'coalesce(sum(duplicate), 0), coalesce(sum(staged), 0), '
        || 'min(chunk_id) FILTER (WHERE accepted <> staged + duplicate + refused OR read <> accepted + quarantined) '
        || 'FROM (' || (p_spec->>'ledger') || ') AS l'
        INTO v_chunks, o_read, o_quarantined, o_duplicate, o_staged, v_short;
    IF v_chunks = 0 AND (p_spec->>'chunks')::bigint > 0 THEN
        RAISE EXCEPTION USING ERRCODE = 'EN003', MESSAGE = 'Staging was emptied since it was checked.';
    END IF;
    IF v_chunks <> (p_spec->>'chunks')::bigint THEN
        RAISE EXCEPTION USING ERRCODE = 'EN001',
            MESSAGE = format('%s of %s chunks are in staging.', v_chunks, p_spec->>'chunks');
    END IF;
    IF v_short IS NOT NULL THEN
        RAISE EXCEPTION USING ERRCODE = 'EN001',
            MESSAGE = format('Chunk %s is not whole: its rows in staging are not those of the ledger.', v_short);
    END IF;
END $$;

-- How many rows of the target this (sub)transaction wrote. A table that is small beside the job is
-- read whole; in a large one the job's keys are looked up.
CREATE FUNCTION entrepot.count_written(p_spec jsonb, p_xid xid, p_staged bigint, p_by_key boolean) RETURNS bigint
LANGUAGE plpgsql
AS $$
DECLARE
    v_count bigint;
BEGIN
    IF p_by_key THEN
        EXECUTE format('SELECT count(*) FROM %s s JOIN %s t ON %s WHERE t.xmin = $1',
            p_spec->>'staging', p_spec->>'target', p_spec->>'join') INTO v_count USING p_xid;
    ELSE
        EXECUTE format('SELECT count(*) FROM %s t WHERE t.xmin = $1', p_spec->>'target') INTO v_count USING p_xid;
    END IF;
    RETURN v_count;
END $$;

CREATE FUNCTION entrepot.total_size(p_table regclass) RETURNS bigint
LANGUAGE sql STABLE
AS $$
    SELECT coalesce(sum(pg_catalog.pg_relation_size(r)), 0)::bigint
    FROM (SELECT p_table AS r UNION SELECT relid FROM pg_catalog.pg_partition_tree(p_table)) AS parts
$$;

-- Makes the target when it is missing, and keeps every other writer out until the end.
CREATE FUNCTION entrepot.lock_target(p_spec jsonb, OUT o_created boolean, OUT o_empty boolean)
LANGUAGE plpgsql
AS $$
DECLARE
    v_statement text;
BEGIN
    PERFORM pg_advisory_xact_lock(entrepot.target_lock(p_spec->>'schema', p_spec->>'table'));
    o_created := false;
    IF to_regclass(p_spec->>'target') IS NULL THEN
        IF jsonb_typeof(p_spec->'create') <> 'array' THEN
            RAISE EXCEPTION USING ERRCODE = 'EN002',
                MESSAGE = format('The target table %s is gone.', p_spec->>'target');
        END IF;
        FOR v_statement IN SELECT jsonb_array_elements_text(p_spec->'create') LOOP
            EXECUTE v_statement;
        END LOOP;
        o_created := true;
        o_empty := true;
        RETURN;
    END IF;
    -- Readers and foreign keys that look here pass; other writers wait.
    EXECUTE format('LOCK TABLE %s IN SHARE ROW EXCLUSIVE MODE', p_spec->>'target');
    EXECUTE format('SELECT NOT EXISTS (SELECT FROM %s)', p_spec->>'target') INTO o_empty;
END $$;

-- Which staged rows are new, which change a row of the target; what is in neither is unchanged.
CREATE FUNCTION entrepot.classify(p_spec jsonb, OUT o_new bigint, OUT o_changed bigint, OUT o_matched bigint)
LANGUAGE plpgsql
AS $$
DECLARE
    v_mode text := p_spec->>'mode';
    v_wanted text;
BEGIN
    v_wanted := CASE v_mode
        WHEN 'insert-only' THEN 't.ctid IS NULL'
        WHEN 'update-only' THEN 't.ctid IS NOT NULL AND ' || (p_spec->>'changed')
        ELSE 't.ctid IS NULL OR ' || (p_spec->>'changed')
    END;
    EXECUTE format(
        'CREATE TEMPORARY TABLE entrepot_work ON COMMIT DROP AS '
        'SELECT s.ctid AS staged, t.tableoid AS part, t.ctid AS old FROM %s s LEFT JOIN %s t ON %s WHERE %s',
        p_spec->>'staging', p_spec->>'target', p_spec->>'join', v_wanted);
    EXECUTE 'SELECT count(*) FILTER (WHERE old IS NULL), count(old) FROM pg_temp.entrepot_work' INTO o_new, o_changed;
    IF v_mode = 'update-only' THEN
        EXECUTE format('SELECT count(*) FROM %s s WHERE EXISTS (SELECT FROM %s t WHERE %s)',
            p_spec->>'staging', p_spec->>'target', p_spec->>'join') INTO o_matched;
    END IF;
END $$;

-- Keeps the old values of what will be updated, writes, and counts what the server says it wrote.
CREATE FUNCTION entrepot.write_rows(p_spec jsonb, p_empty boolean, p_new bigint, p_changed bigint,
    OUT o_inserted bigint, OUT o_updated bigint)
LANGUAGE plpgsql
AS $$
DECLARE
    v_cost text := current_setting('random_page_cost');
BEGIN
    o_inserted := 0;
    o_updated := 0;
    -- Rows are fetched by place, in the order of their places; the planner thinks of that as random
    -- and would rather hash whole tables.
    PERFORM set_config('random_page_cost', '0.2', true);
    IF p_changed > 0 THEN
        EXECUTE format(
            'CREATE TABLE %s AS SELECT t.* FROM (SELECT * FROM pg_temp.entrepot_work WHERE old IS NOT NULL ORDER BY part, old) w '
            'JOIN %s t ON t.ctid = w.old AND t.tableoid = w.part',
            p_spec->>'undo', p_spec->>'target');
        EXECUTE format(
            'UPDATE %s t SET %s '
            'FROM (SELECT * FROM pg_temp.entrepot_work WHERE old IS NOT NULL ORDER BY part, old) w JOIN %s s ON s.ctid = w.staged '
            'WHERE t.ctid = w.old AND t.tableoid = w.part',
            p_spec->>'target', p_spec->>'set', p_spec->>'staging');
        GET DIAGNOSTICS o_updated = ROW_COUNT;
    END IF;
    IF p_empty THEN
        EXECUTE format('INSERT INTO %s (%s) SELECT %s FROM %s s',
            p_spec->>'target', p_spec->>'columns', p_spec->>'values', p_spec->>'staging');
        GET DIAGNOSTICS o_inserted = ROW_COUNT;
    ELSIF p_new > 0 THEN
        EXECUTE format(
            'INSERT INTO %s (%s) SELECT %s FROM %s s JOIN pg_temp.entrepot_work w ON w.staged = s.ctid WHERE w.old IS NULL',
            p_spec->>'target', p_spec->>'columns', p_spec->>'values', p_spec->>'staging');
        GET DIAGNOSTICS o_inserted = ROW_COUNT;
    END IF;
    PERFORM set_config('random_page_cost', v_cost, true);
END $$;

-- The work of publish, in one (sub)transaction. Raises EN001 when the books do not balance and EN002
-- when the target is not what it was; either undoes everything.
CREATE FUNCTION entrepot.publish_rows(p_tenant text, p_job text) RETURNS void
LANGUAGE plpgsql
AS $$
DECLARE
    s jsonb;
    d jsonb;
    v_xid xid;
    v_staged record;
    v_target record;
    v_class record;
    v_done record;
    v_written bigint;
    v_filtered bigint := 0;
    v_filtered_by jsonb := '{}';
    v_unchanged bigint := 0;
    v_new bigint;
    v_changed bigint := 0;
    v_whole boolean;
    v_statement text;
    v_counts jsonb;
    v_now timestamptz;
BEGIN
    SELECT p.spec, p.draft INTO s, d FROM entrepot.publish_spec p WHERE p.tenant = p_tenant AND p.job_id = p_job;
    IF NOT FOUND THEN
        RAISE EXCEPTION USING ERRCODE = 'EN002', MESSAGE = format('Job %s was never prepared for publish.', p_job);
    END IF;
    -- The receipt's row comes first: a second publish stops at it, and its xmin names our writes.
    INSERT INTO entrepot.receipt (tenant, job_id, status, contract, contract_version, target_schema, target_table,
        source, source_version, sequencer, sha256, published_at, transaction_xid, receipt)
    VALUES (p_tenant, p_job, 'publishing', d->>'contract', (d->>'contract_version')::integer, s->>'schema', s->>'table',
        d->>'source', d->>'source_version', coalesce(d->>'sequencer', ''), d->>'sha256', clock_timestamp(),
        pg_current_xact_id(), d);
    SELECT r.xmin INTO v_xid FROM entrepot.receipt r WHERE r.tenant = p_tenant AND r.job_id = p_job;
    PERFORM set_config(key, value, true) FROM jsonb_each_text(s->'settings');

    v_target := entrepot.lock_target(s);
    v_staged := entrepot.recount_staging(s);
    v_whole := v_target.o_empty AND s->>'mode' <> 'update-only' OR s->>'mode' = 'append';
    IF v_whole THEN
        v_new := v_staged.o_staged;
    ELSE
        v_class := entrepot.classify(s);
        v_new := v_class.o_new;
        v_changed := v_class.o_changed;
        CASE s->>'mode'
            WHEN 'insert-only' THEN
                v_filtered := v_staged.o_staged - v_new;
                v_filtered_by := jsonb_build_object('exists', v_filtered);
            WHEN 'update-only' THEN
                v_filtered := v_staged.o_staged - v_class.o_matched;
                v_filtered_by := jsonb_build_object('missing', v_filtered);
                v_unchanged := v_class.o_matched - v_changed;
            ELSE
                v_unchanged := v_staged.o_staged - v_new - v_changed;
        END CASE;
    END IF;

    v_done := entrepot.write_rows(s, v_whole, v_new, v_changed);
    IF v_target.o_created THEN
        FOR v_statement IN SELECT jsonb_array_elements_text(s->'create_keys') LOOP
            EXECUTE v_statement;
        END LOOP;
    END IF;
    -- Deferred constraints speak now, while their answer can still be told.
    SET CONSTRAINTS ALL IMMEDIATE;

    IF v_done.o_inserted <> v_new OR v_done.o_updated <> v_changed THEN
        RAISE EXCEPTION USING ERRCODE = 'EN001', MESSAGE = format(
            'Of %s rows to insert and %s to update, the table took %s and %s: a trigger or rule may drop rows.',
            v_new, v_changed, v_done.o_inserted, v_done.o_updated);
    END IF;
    IF v_new + v_changed > 0 THEN
        v_written := entrepot.count_written(s, v_xid, v_staged.o_staged,
            s->>'join' <> '' AND NOT v_target.o_created
            AND entrepot.total_size((s->>'target')::regclass) > 4 * entrepot.total_size((s->>'staging')::regclass) + 67108864);
        IF v_written <> v_new + v_changed AND s->>'join' <> '' THEN
            v_written := entrepot.count_written(s, v_xid, v_staged.o_staged, true);
        END IF;
        IF v_written <> v_new + v_changed THEN
            RAISE EXCEPTION USING ERRCODE = 'EN001', MESSAGE = format(
                '%s rows were written and %s are in the table.', v_new + v_changed, v_written);
        END IF;
    END IF;

    v_now := clock_timestamp();
    v_counts := jsonb_build_object(
        'status', 'published', 'mode', s->>'mode', 'target', (s->>'schema') || '.' || (s->>'table'),
        'read', v_staged.o_read, 'inserted', v_new, 'updated', v_changed, 'unchanged', v_unchanged,
        'duplicate', v_staged.o_duplicate, 'quarantined', v_staged.o_quarantined,
        'filtered', v_filtered, 'filtered_by', v_filtered_by, 'accepted', 0,
        'finished_at', to_char(v_now AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.MS"Z"'),
        'seconds', CASE WHEN coalesce(d->>'started_at', '') = '' THEN 0
            ELSE round(extract(epoch FROM v_now - (d->>'started_at')::timestamptz)::numeric, 3) END);
    IF v_staged.o_read <> v_new + v_changed + v_unchanged + v_filtered + v_staged.o_duplicate + v_staged.o_quarantined THEN
        RAISE EXCEPTION USING ERRCODE = 'EN001', MESSAGE = format('%s rows were read, and the receipt accounts for %s.',
            v_staged.o_read,
            v_new + v_changed + v_unchanged + v_filtered + v_staged.o_duplicate + v_staged.o_quarantined);
    END IF;
    UPDATE entrepot.receipt r
    SET status = 'published', published_at = v_now, write_xid = v_xid, receipt = d || v_counts,
        undo_table = CASE WHEN v_changed > 0 THEN s->>'undo_name' END
    WHERE r.tenant = p_tenant AND r.job_id = p_job;
    INSERT INTO entrepot.audit (tenant, actor, action, job_id, detail)
    VALUES (p_tenant, coalesce(d->>'actor', ''), 'publish', p_job, v_counts);
END $$;

-- CALL entrepot.publish(tenant, job): does nothing when the job is published, and notes its error
-- (never a value) where a later caller finds it.
CREATE PROCEDURE entrepot.publish(p_tenant text, p_job text)
LANGUAGE plpgsql
AS $$
DECLARE
    v_state text;
    v_message text;
    v_schema text;
    v_table text;
    v_column text;
    v_constraint text;
BEGIN
    -- Held until the end: whoever finds it taken knows that the publish runs.
    PERFORM pg_advisory_xact_lock(entrepot.job_lock(p_tenant, p_job));
    IF EXISTS (SELECT FROM entrepot.receipt r WHERE r.tenant = p_tenant AND r.job_id = p_job) THEN
        RETURN;
    END IF;
    BEGIN
        PERFORM entrepot.publish_rows(p_tenant, p_job);
    EXCEPTION WHEN OTHERS THEN
        GET STACKED DIAGNOSTICS v_state = RETURNED_SQLSTATE, v_message = MESSAGE_TEXT, v_schema = SCHEMA_NAME,
            v_table = TABLE_NAME, v_column = COLUMN_NAME, v_constraint = CONSTRAINT_NAME;
        UPDATE entrepot.publish_spec p
        SET error = jsonb_build_object('sqlstate', v_state, 'schema', v_schema, 'table', v_table, 'column', v_column,
            'constraint', v_constraint, 'message', CASE WHEN v_state LIKE 'EN%' THEN v_message ELSE '' END)
        WHERE p.tenant = p_tenant AND p.job_id = p_job;
    END;
END $$;
