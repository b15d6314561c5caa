-- Two things that undo did not see: versions of a history that would be current beside another, and a journal of
-- which rows are gone.

-- Undo of a history: a version that a job ended comes back only where no later version of its key stays. Where one
-- does (edited since, or begun by a later job), two would be current: then both are kept as they are, and listed.

-- Takes such versions out of what is restored; how many. The key's last column is the one that says since when.
CREATE FUNCTION entrepot.undo_keep_ended(p_tenant text, p_target text, j jsonb, p_done text) RETURNS bigint
LANGUAGE plpgsql
AS $$
DECLARE
    v_keys jsonb := j->'keys';
    v_since text := j->'keys'->>-1;
    v_count bigint;
BEGIN
    IF j->>'undo' IS NULL OR NOT EXISTS (SELECT FROM entrepot.receipt r
        WHERE r.tenant = p_tenant AND r.job_id = j->>'job' AND r.receipt->>'mode' = 'history') THEN
        RETURN 0;
    END IF;
    EXECUTE format('CREATE TEMPORARY TABLE entrepot_ended ON COMMIT DROP AS '
        'SELECT s.ctid AS id, jsonb_build_object(%1$s) AS key, n.since, n.holder FROM pg_temp.entrepot_state s '
        'JOIN %2$s u ON u.ctid = s.place CROSS JOIN LATERAL (SELECT t.%3$I::text AS since, t.xmin AS holder FROM %4$s t '
        'WHERE %5$s AND t.%3$I > u.%3$I AND NOT EXISTS (SELECT FROM pg_temp.entrepot_state x WHERE x.part = t.tableoid '
        'AND x.tid = t.ctid AND x.meant = ANY (%6$L::xid[])) ORDER BY t.%3$I LIMIT 1) n '
        'WHERE s.src = %7$s AND u.entrepot_action = ''c'' AND NOT s.meant = ANY (%6$L::xid[])',
        (SELECT string_agg(format('%1$L, u.%1$I::text', k), ', ') FROM jsonb_array_elements_text(v_keys) k),
        j->>'undo', v_since, p_target,
        (SELECT string_agg(format('t.%1$I = u.%1$I', k.name), ' AND ')
            FROM jsonb_array_elements_text(v_keys) WITH ORDINALITY k(name, place) WHERE k.place < jsonb_array_length(v_keys)),
        p_done, j->>'ord');
    DELETE FROM pg_temp.entrepot_state s USING pg_temp.entrepot_ended e WHERE s.ctid = e.id;
    GET DIAGNOSTICS v_count = ROW_COUNT;
    IF v_count > 0 THEN
        ALTER TABLE pg_temp.entrepot_ended ADD COLUMN by text NOT NULL DEFAULT '';
        UPDATE pg_temp.entrepot_ended e SET by = r.job_id FROM entrepot.receipt r
            WHERE r.write_xid = e.holder AND r.receipt->>'mode' <> 'undo' AND r.published_at > (j->>'published_at')::timestamptz
                AND format('%I.%I', r.target_schema, r.target_table) = p_target;
        -- A version that the job began is listed as gone, without its time, when it is no longer as the job left it.
        UPDATE pg_temp.entrepot_kept k SET key = jsonb_set(e.key, ARRAY[v_since], to_jsonb(e.since)), by = e.by,
            reason = CASE WHEN e.by = '' THEN 'edited' ELSE 'later_job' END
            FROM pg_temp.entrepot_ended e WHERE k.ord = (j->>'ord')::integer AND k.reason = 'gone'
                AND k.key->>v_since IS NULL AND k.key - v_since = e.key - v_since;
        INSERT INTO pg_temp.entrepot_kept
            SELECT (j->>'ord')::integer, e.key, CASE WHEN e.by = '' THEN 'edited' ELSE 'later_job' END, e.by
            FROM pg_temp.entrepot_ended e;
    END IF;
    DROP TABLE pg_temp.entrepot_ended;
    RETURN v_count;
END $$;

-- Refuses where former values are missing: a row whose former value is gone would be taken for one that was inserted.
CREATE FUNCTION entrepot.undo_check_whole(p_tenant text, j jsonb) RETURNS void
LANGUAGE plpgsql
AS $$
DECLARE
    v_wanted bigint;
    v_left bigint;
BEGIN
    IF j->>'undo' IS NULL THEN
        RETURN;
    END IF;
    SELECT CASE WHEN r.receipt->>'mode' = 'history' THEN (r.receipt->>'closed')::bigint ELSE (r.receipt->>'updated')::bigint
        + (r.receipt->>'deleted')::bigint + (r.receipt->>'removed')::bigint END INTO v_wanted
        FROM entrepot.receipt r WHERE r.tenant = p_tenant AND r.job_id = j->>'job';
    EXECUTE format('SELECT count(*) FROM %s', j->>'undo') INTO v_left;
    IF v_left < v_wanted THEN
        PERFORM entrepot.refuse_undo(j->>'job', 'half_gone', format(
            'Of the former values of %s rows that job %s changed, %s are left.', v_wanted, j->>'job', v_left));
    END IF;
END $$;

-- What is to be done, row by row (pg_temp.entrepot_do), what is kept (pg_temp.entrepot_kept), and how many.
CREATE OR REPLACE FUNCTION entrepot.undo_classify(p_spec jsonb, p_lock boolean, OUT o_list jsonb, OUT o_counts jsonb)
LANGUAGE plpgsql
AS $$
DECLARE
    l record;
    j jsonb;
    v_step record;
    v_done text[] := '{}';
    v_trusted text;
    v_trails text;
    v_newest jsonb;
    v_restored bigint := 0;
    v_reinserted bigint := 0;
    v_removed bigint := 0;
    v_unlisted bigint := 0;
    v_kept bigint;
    v_index text;
BEGIN
    PERFORM set_config(key, value, true) FROM jsonb_each_text(p_spec->'settings');
    l := entrepot.undo_jobs(p_spec);
    o_list := to_jsonb(l);
    SELECT coalesce(array_agg(x->>'xid') FILTER (WHERE NOT (x->>'old')::boolean), '{}')::text INTO v_trusted
        FROM jsonb_array_elements(l.o_jobs) x;
    v_trails := entrepot.undo_trails(l.o_schema, l.o_table, entrepot.filenodes(l.o_target::regclass));
    v_newest := l.o_jobs->0;
    IF v_trails IS NOT NULL OR (v_newest->>'rewritten')::boolean OR v_newest->>'undo' IS NULL OR v_newest->'keys' = '[]' THEN
        v_newest := NULL;
    ELSE
        l.o_jobs := jsonb_set(l.o_jobs, '{0,joined}', 'true');
    END IF;
    PERFORM entrepot.undo_begin(l.o_target, l.o_keys, v_trusted, v_trails, v_newest);
    IF jsonb_array_length(l.o_jobs) > 1 THEN
        CREATE INDEX ON pg_temp.entrepot_state (src, place);
        CREATE INDEX ON pg_temp.entrepot_state USING hash (meant);
        SELECT string_agg('k' || n, ', ') INTO v_index FROM generate_series(1, least(32, jsonb_array_length(l.o_keys))) n;
        IF v_index IS NOT NULL THEN
            EXECUTE 'CREATE INDEX ON pg_temp.entrepot_state (' || v_index || ')';
        END IF;
    END IF;
    ANALYZE pg_temp.entrepot_state;
    FOR j IN SELECT x FROM jsonb_array_elements(l.o_jobs) WITH ORDINALITY a(x, place) ORDER BY place LOOP
        v_done := v_done || (j->>'xid');
        PERFORM entrepot.undo_check_whole(p_spec->>'tenant', j);
        v_step := entrepot.undo_step(l.o_schema, l.o_table, l.o_target, l.o_keys, j, v_done::text);
        v_restored := v_restored + v_step.o_restored
            - entrepot.undo_keep_ended(p_spec->>'tenant', l.o_target, j, v_done::text);
        v_reinserted := v_reinserted + v_step.o_reinserted;
        v_removed := v_removed + v_step.o_removed;
        v_unlisted := v_unlisted + v_step.o_unlisted;
    END LOOP;
    EXECUTE format('CREATE TEMPORARY TABLE entrepot_do ON COMMIT DROP AS SELECT s.*, CASE '
        'WHEN s.tid IS NULL THEN ''reinsert'' WHEN s.meant = ANY (%1$L::xid[]) THEN ''remove'' ELSE ''restore'' END AS action '
        'FROM pg_temp.entrepot_state s WHERE s.tid IS NOT NULL OR NOT s.meant = ANY (%1$L::xid[])', v_done);
    ANALYZE pg_temp.entrepot_do;
    SELECT count(*) + v_unlisted INTO v_kept FROM pg_temp.entrepot_kept;
    o_counts := jsonb_build_object('removed', v_removed, 'restored', v_restored, 'reinserted', v_reinserted,
        'kept', v_kept, 'lost', entrepot.undo_lost(p_spec), 'children', CASE WHEN v_removed = 0 THEN '{}' ELSE
            entrepot.allowed_children(entrepot.cascades(l.o_target,
                'SELECT part, tid FROM pg_temp.entrepot_do WHERE action = ''remove''', p_lock),
                coalesce((p_spec->>'allow_cascade')::boolean, false)) END);
END $$;
