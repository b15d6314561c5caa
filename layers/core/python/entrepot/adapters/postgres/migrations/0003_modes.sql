-- The journal that undo needs, and publishing in every mode. Functions of 0002 are replaced here; what
-- to run in which mode comes as text made by entrepot.load, quoted there.

ALTER TABLE entrepot.receipt
    ADD COLUMN undone_by text,
    ADD COLUMN backup_table text,
    -- relation -> its file at publish: a table rewritten since has new row versions, and xmin says nothing
    ADD COLUMN filenodes jsonb,
    ADD COLUMN row_columns jsonb,
    ADD COLUMN key_columns jsonb,
    ADD COLUMN mapped_columns jsonb,
    ADD COLUMN staging_table text;

DROP FUNCTION entrepot.classify(jsonb);
DROP FUNCTION entrepot.write_rows(jsonb, boolean, bigint, bigint);

CREATE FUNCTION entrepot.filenodes(p_table regclass) RETURNS jsonb
LANGUAGE sql STABLE
AS $$
    SELECT coalesce(jsonb_object_agg(r::oid::text, pg_catalog.pg_relation_filenode(r)), '{}')
    FROM (SELECT p_table AS r UNION SELECT relid FROM pg_catalog.pg_partition_tree(p_table)) AS parts
$$;

CREATE FUNCTION entrepot.row_columns(p_table regclass) RETURNS jsonb
LANGUAGE sql STABLE
AS $$
    SELECT coalesce(jsonb_agg(a.attname ORDER BY a.attnum), '[]') FROM pg_catalog.pg_attribute a
    WHERE a.attrelid = p_table AND a.attnum > 0 AND NOT a.attisdropped
$$;

-- Which staged rows do what, and to which row of the target; what is in neither is unchanged. The table stays:
-- with staging it is the list of what the job did. Actions: i insert, u update, d delete (feed), r remove,
-- c close, h close one version and begin the next.
CREATE FUNCTION entrepot.classify(p_spec jsonb, OUT o_counts jsonb, OUT o_matched bigint)
LANGUAGE plpgsql
AS $$
BEGIN
    EXECUTE format('CREATE %s %s WITH (autovacuum_enabled = false) AS %s',
        p_spec->>'work_kind', p_spec->>'work', p_spec->>'classify');
    EXECUTE format('SELECT coalesce(jsonb_object_agg(action, n), ''{}'') '
        'FROM (SELECT action, count(*) AS n FROM %s GROUP BY action) AS a', p_spec->>'work') INTO o_counts;
    IF p_spec->>'mode' = 'update-only' THEN
        EXECUTE format('SELECT count(*) FROM %s s WHERE EXISTS (SELECT FROM %s t WHERE %s)',
            p_spec->>'staging', p_spec->>'target', p_spec->>'join') INTO o_matched;
    END IF;
END $$;

-- Keeps the old values of what will change, writes, and counts what the server says it wrote.
CREATE FUNCTION entrepot.write_rows(p_spec jsonb, p_whole boolean, p_new bigint, p_changed bigint,
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
            'CREATE TABLE %s AS SELECT CASE w.action WHEN ''h'' THEN ''c''::"char" ELSE w.action END AS entrepot_action, '
            't.tableoid AS entrepot_part, t.ctid AS entrepot_ctid, t.xmin AS entrepot_xmin, t.* '
            'FROM (SELECT * FROM %s WHERE old IS NOT NULL ORDER BY part, old) w '
            'JOIN %s t ON t.ctid = w.old AND t.tableoid = w.part',
            p_spec->>'undo', p_spec->>'work', p_spec->>'target');
        EXECUTE format(
            'UPDATE %s t SET %s '
            'FROM (SELECT * FROM %s WHERE old IS NOT NULL ORDER BY part, old) w JOIN %s s ON s.ctid = w.staged '
            'WHERE t.ctid = w.old AND t.tableoid = w.part',
            p_spec->>'target', p_spec->>'set', p_spec->>'work', p_spec->>'staging');
        GET DIAGNOSTICS o_updated = ROW_COUNT;
    END IF;
    IF p_whole THEN
        EXECUTE format('INSERT INTO %s (%s) SELECT %s FROM %s s',
            p_spec->>'target', p_spec->>'columns', p_spec->>'values', p_spec->>'staging');
        GET DIAGNOSTICS o_inserted = ROW_COUNT;
    ELSIF p_new > 0 THEN
        EXECUTE format(
            'INSERT INTO %s (%s) SELECT %s FROM %s s JOIN %s w ON w.staged = s.ctid WHERE w.old IS NULL',
            p_spec->>'target', p_spec->>'columns', p_spec->>'values', p_spec->>'staging', p_spec->>'work');
        GET DIAGNOSTICS o_inserted = ROW_COUNT;
    END IF;
    PERFORM set_config('random_page_cost', v_cost, true);
END $$;

-- The work of publish, in one (sub)transaction. Raises EN001 when the books do not balance and EN002
-- when the target is not what it was; either undoes everything.
CREATE OR REPLACE FUNCTION entrepot.publish_rows(p_tenant text, p_job text) RETURNS void
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
        v_new := coalesce((v_class.o_counts->>'i')::bigint, 0);
        v_changed := coalesce((v_class.o_counts->>'u')::bigint, 0);
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
        undo_table = CASE WHEN v_changed > 0 THEN s->>'undo_name' END,
        filenodes = entrepot.filenodes((s->>'target')::regclass),
        row_columns = entrepot.row_columns((s->>'target')::regclass),
        key_columns = s->'key_columns', mapped_columns = s->'mapped_columns', staging_table = s->>'staging_table'
    WHERE r.tenant = p_tenant AND r.job_id = p_job;
    INSERT INTO entrepot.audit (tenant, actor, action, job_id, detail)
    VALUES (p_tenant, coalesce(d->>'actor', ''), 'publish', p_job, v_counts);
END $$;
