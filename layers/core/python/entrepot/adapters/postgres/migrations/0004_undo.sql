-- Undo: one transaction that takes published jobs back, newest first, and leaves alone what was edited since.
--
-- A row is as a job left it when its xmin is the job's. What an undo writes has the undo's own xmin; so an
-- undo leaves a trail: the place of each row that it put back, and the xmin that the row had before the undone
-- job touched it. Where a row is looked at, its xmin is taken through the trails ("meant" below).

ALTER TABLE entrepot.receipt
    -- its undo table, staging and backup are dropped: it cannot be taken back any more
    ADD COLUMN journal_gone boolean NOT NULL DEFAULT false;

CREATE FUNCTION entrepot.refuse_undo(p_job text, p_reason text, p_message text, p_more jsonb DEFAULT '{}') RETURNS void
LANGUAGE plpgsql
AS $$
BEGIN
    RAISE EXCEPTION USING ERRCODE = 'EN007', MESSAGE = p_message,
        DETAIL = (jsonb_build_object('job_id', p_job, 'reason', p_reason) || p_more)::text;
END $$;

-- Equality of a table's key columns with those of the state, where they are called k1, k2, …
CREATE FUNCTION entrepot.undo_match(p_keys jsonb, p_all jsonb, p_alias text, p_state text DEFAULT 's') RETURNS text
LANGUAGE sql STABLE
AS $$
    SELECT coalesce(string_agg(format('%s.%I = %s.k%s', p_alias, k.name, p_state, a.place), ' AND '), 'false')
    FROM jsonb_array_elements_text(p_keys) k(name)
    JOIN jsonb_array_elements_text(p_all) WITH ORDINALITY a(name, place) ON a.name = k.name
$$;

-- The key columns of a table as k1, k2, … (NULL for those that p_keys lacks), each after a comma.
CREATE FUNCTION entrepot.undo_keys(p_keys jsonb, p_all jsonb, p_alias text, p_target text) RETURNS text
LANGUAGE sql STABLE
AS $$
    SELECT coalesce(string_agg(', ' || CASE WHEN p_keys ? a.name THEN format('%s.%I', p_alias, a.name)
        ELSE format('(SELECT x.%I FROM %s x WHERE false)', a.name, p_target) END || format(' AS k%s', a.place),
        '' ORDER BY a.place), '')
    FROM jsonb_array_elements_text(p_all) WITH ORDINALITY a(name, place)
$$;

-- The trails of earlier undos of a table as a query (own, part, tid, was), where p_filenodes says which files the
-- reader's places lie in: places in another file mean nothing. NULL when there are none.
CREATE FUNCTION entrepot.undo_trails(p_schema text, p_table text, p_filenodes jsonb) RETURNS text
LANGUAGE sql STABLE
AS $$
    SELECT string_agg(format('SELECT %L::xid AS own, part, tid, was FROM entrepot.%I WHERE part = ANY (%L::oid[])',
        r.write_xid, r.undo_table, f.parts), ' UNION ALL ')
    FROM entrepot.receipt r
    CROSS JOIN LATERAL (SELECT array_agg(n.key::oid) AS parts FROM jsonb_each_text(r.filenodes) n
        WHERE n.value = p_filenodes->>n.key) f
    WHERE r.target_schema = p_schema AND r.target_table = p_table AND r.receipt->>'mode' = 'undo'
        AND r.undo_table IS NOT NULL AND f.parts IS NOT NULL
        AND to_regclass('entrepot.' || quote_ident(r.undo_table)) IS NOT NULL
$$;

-- Whether an unlogged table still has its rows, or there is none.
CREATE FUNCTION entrepot.undo_has_rows(p_table text) RETURNS boolean
LANGUAGE plpgsql
AS $$
DECLARE
    v_found boolean := false;
BEGIN
    IF to_regclass(p_table) IS NOT NULL THEN
        EXECUTE format('SELECT EXISTS (SELECT FROM %s)', p_table) INTO v_found;
    END IF;
    RETURN v_found;
END $$;

-- The columns of a job's undo table against the target's: what is to be put back must have its place.
CREATE FUNCTION entrepot.undo_check_columns(p_job text, p_target regclass, p_undo text) RETURNS void
LANGUAGE plpgsql
AS $$
DECLARE
    v_column text;
    v_deleted boolean;
BEGIN
    SELECT u.attname INTO v_column
    FROM pg_catalog.pg_attribute u
    LEFT JOIN pg_catalog.pg_attribute t ON t.attrelid = p_target AND t.attname = u.attname AND NOT t.attisdropped
    WHERE u.attrelid = to_regclass(p_undo) AND u.attnum > 0 AND NOT u.attisdropped
        AND u.attname NOT IN ('entrepot_action', 'entrepot_part', 'entrepot_ctid', 'entrepot_xmin')
        AND (t.attname IS NULL OR (t.atttypid, t.atttypmod) <> (u.atttypid, u.atttypmod))
    ORDER BY u.attnum LIMIT 1;
    IF FOUND THEN
        PERFORM entrepot.refuse_undo(p_job, 'altered',
            format('Column %s of %s was dropped or has another type since job %s: its values have no place.',
                quote_ident(v_column), p_target, p_job), jsonb_build_object('column', v_column));
    END IF;
    EXECUTE format('SELECT EXISTS (SELECT FROM %s WHERE entrepot_action IN (''d'', ''r''))', p_undo) INTO v_deleted;
    IF v_deleted THEN
        SELECT t.attname INTO v_column
        FROM pg_catalog.pg_attribute t
        WHERE t.attrelid = p_target AND t.attnum > 0 AND NOT t.attisdropped AND t.attnotnull AND NOT t.atthasdef
            AND t.attidentity = '' AND NOT EXISTS (SELECT FROM pg_catalog.pg_attribute u
                WHERE u.attrelid = to_regclass(p_undo) AND u.attname = t.attname AND NOT u.attisdropped)
        ORDER BY t.attnum LIMIT 1;
        IF FOUND THEN
            PERFORM entrepot.refuse_undo(p_job, 'altered',
                format('Column %s of %s came since job %s, has no default and must not be null: deleted rows cannot come back.',
                    quote_ident(v_column), p_target, p_job), jsonb_build_object('column', v_column));
        END IF;
    END IF;
END $$;

-- The jobs to take back, newest first, each with what is needed of its journal; refuses what cannot be undone.
CREATE FUNCTION entrepot.undo_jobs(p_spec jsonb, OUT o_jobs jsonb, OUT o_keys jsonb, OUT o_schema text, OUT o_table text,
    OUT o_target text)
LANGUAGE plpgsql
AS $$
DECLARE
    r entrepot.receipt;
    v_oid oid;
    v_now jsonb;
    v_old boolean;
    v_rewritten boolean;
    v_staging text;
    v_work text;
    v_undo text;
    v_inserted bigint;
    v_job text;
    v_key text;
    v_backup text;
BEGIN
    o_jobs := '[]';
    o_keys := '[]';
    FOR r IN SELECT x.* FROM jsonb_array_elements_text(p_spec->'jobs') j(id)
        JOIN entrepot.receipt x ON x.tenant = p_spec->>'tenant' AND x.job_id = j.id
        ORDER BY x.published_at DESC, x.transaction_xid DESC
    LOOP
        v_backup := 'entrepot.' || quote_ident(r.backup_table);
        v_backup := CASE WHEN to_regclass(v_backup) IS NULL THEN ''
            ELSE format(' The table as it was before is in %s.', v_backup) END;
        IF r.status <> 'published' THEN
            PERFORM entrepot.refuse_undo(r.job_id, 'not_published', format('Job %s was not published.', r.job_id));
        ELSIF r.receipt->>'mode' = 'undo' THEN
            PERFORM entrepot.refuse_undo(r.job_id, 'is_undo',
                format('Job %s is an undo itself; what it took back can be imported again.', r.job_id));
        ELSIF r.undone_by IS NOT NULL THEN
            PERFORM entrepot.refuse_undo(r.job_id, 'undone',
                format('Job %s was taken back by job %s already.', r.job_id, r.undone_by),
                jsonb_build_object('undone_by', r.undone_by));
        ELSIF r.journal_gone THEN
            PERFORM entrepot.refuse_undo(r.job_id, 'expired',
                format('What is needed to take job %s back was kept for a while and is gone.%s', r.job_id, v_backup));
        ELSIF r.write_xid IS NULL OR r.filenodes IS NULL THEN
            PERFORM entrepot.refuse_undo(r.job_id, 'no_journal',
                format('Job %s was published before undo was kept.', r.job_id));
        END IF;
        v_undo := 'entrepot.' || quote_ident(r.undo_table);
        IF v_undo IS NOT NULL AND to_regclass(v_undo) IS NULL THEN
            PERFORM entrepot.refuse_undo(r.job_id, 'half_gone',
                format('The former values that job %s changed are gone.%s', r.job_id, v_backup));
        END IF;
        IF o_table IS NULL THEN
            o_schema := r.target_schema;
            o_table := r.target_table;
            o_target := format('%I.%I', o_schema, o_table);
            v_oid := to_regclass(o_target);
            IF v_oid IS NULL THEN
                PERFORM entrepot.refuse_undo(r.job_id, 'dropped',
                    format('Table %s was dropped since job %s.%s', o_target, r.job_id, v_backup));
            END IF;
            v_now := entrepot.filenodes(v_oid);
        ELSIF (o_schema, o_table) <> (r.target_schema, r.target_table) THEN
            PERFORM entrepot.refuse_undo(r.job_id, 'several_targets', format(
                'One undo takes back jobs of one table; job %s went to %I.%I and another to %s.',
                r.job_id, r.target_schema, r.target_table, o_target));
        END IF;
        IF NOT r.filenodes ? v_oid::text THEN
            PERFORM entrepot.refuse_undo(r.job_id, 'replaced',
                format('Table %s was dropped and made anew since job %s.%s', o_target, r.job_id, v_backup));
        END IF;
        SELECT k INTO v_key FROM jsonb_array_elements_text(r.key_columns) k
            WHERE NOT entrepot.row_columns(v_oid) ? k LIMIT 1;
        IF FOUND THEN
            PERFORM entrepot.refuse_undo(r.job_id, 'altered',
                format('Key column %I of %s is gone since job %s.', v_key, o_target, r.job_id),
                jsonb_build_object('column', v_key));
        END IF;
        IF v_undo IS NOT NULL THEN
            PERFORM entrepot.undo_check_columns(r.job_id, v_oid, v_undo);
        END IF;
        -- A number of a transaction comes again after four billion others.
        v_old := (pg_current_xact_id()::text::numeric - r.transaction_xid::text::numeric) > 4000000000;
        SELECT coalesce(bool_or(n.value <> v_now->>n.key), false) INTO v_rewritten
            FROM jsonb_each_text(r.filenodes) n WHERE v_now ? n.key;
        v_staging := format('entrepot_staging.%I', r.staging_table);
        v_work := format('entrepot_staging.%I', r.staging_table || '_w');
        v_inserted := (r.receipt->>'inserted')::bigint
            + CASE WHEN r.receipt->>'mode' = 'history' THEN (r.receipt->>'updated')::bigint ELSE 0 END;
        IF to_regclass(v_work) IS NULL THEN
            v_work := NULL;
        ELSIF NOT entrepot.undo_has_rows(v_work) AND (v_inserted > 0 OR v_undo IS NOT NULL) THEN
            v_staging := NULL;
        END IF;
        IF NOT entrepot.undo_has_rows(v_staging) THEN
            v_staging := NULL;
        END IF;
        IF (v_old OR v_rewritten) AND v_staging IS NULL AND (v_inserted > 0 OR v_undo IS NOT NULL) THEN
            PERFORM entrepot.refuse_undo(r.job_id, 'half_gone', format(
                'Table %s was rewritten since job %s, and the rows that could be compared with it are gone.%s',
                o_target, r.job_id, v_backup));
        END IF;
        o_jobs := o_jobs || jsonb_build_object('ord', jsonb_array_length(o_jobs) + 1, 'job', r.job_id,
            'xid', r.write_xid::text, 'undo', v_undo, 'staging', v_staging, 'work', v_work, 'inserted', v_inserted,
            'filenodes', r.filenodes, 'old', v_old, 'rewritten', v_old OR v_rewritten, 'keys', r.key_columns,
            'mapped', r.mapped_columns, 'published_at', r.published_at);
        SELECT o_keys || coalesce(jsonb_agg(k), '[]') INTO o_keys
            FROM jsonb_array_elements(r.key_columns) k WHERE NOT o_keys @> k;
    END LOOP;
    SELECT j.id INTO v_job FROM jsonb_array_elements_text(p_spec->'jobs') j(id)
        WHERE NOT EXISTS (SELECT FROM jsonb_array_elements(o_jobs) o WHERE o->>'job' = j.id) LIMIT 1;
    IF FOUND THEN
        PERFORM entrepot.refuse_undo(v_job, 'not_published', format('Job %s was never published here.', v_job));
    END IF;
END $$;

-- Statistics where the planner has none: a guess of one row makes it compare each row with each other.
CREATE FUNCTION entrepot.undo_analyze(p_table text) RETURNS void
LANGUAGE plpgsql
AS $$
BEGIN
    IF EXISTS (SELECT FROM pg_catalog.pg_class c WHERE c.oid = to_regclass(p_table) AND c.reltuples < 0) THEN
        EXECUTE 'ANALYZE ' || p_table;
    END IF;
END $$;

-- Rows of the target that the jobs wrote last: place, xmin now, xmin that is meant, key. Steps add where their
-- former values are (job, place in its undo table); the newest job's, when it has any, are joined at once
-- (p_newest). A row whose meant xmin is still that of a job after the job's step was inserted by it, and goes.
CREATE FUNCTION entrepot.undo_begin(p_target text, p_keys jsonb, p_xids text, p_trails text, p_newest jsonb) RETURNS void
LANGUAGE plpgsql
AS $$
DECLARE
    v_all text := entrepot.undo_keys(p_keys, p_keys, 't', p_target);
    v_found text := 't.xmin AS meant, NULL::integer AS src, NULL::tid AS place';
    v_join text := '';
BEGIN
    IF p_newest IS NOT NULL THEN
        PERFORM entrepot.undo_analyze(p_newest->>'undo');
        v_found := format('coalesce(u.entrepot_xmin, t.xmin) AS meant, CASE WHEN u.entrepot_xmin IS NOT NULL THEN %s END AS src, '
            'u.ctid AS place', p_newest->>'ord');
        v_join := format(' LEFT JOIN %s u ON u.entrepot_action IN (''u'', ''c'') AND t.xmin = %L::xid AND %s', p_newest->>'undo',
            p_newest->>'xid', (SELECT string_agg(format('t.%1$I = u.%1$I', k), ' AND ') FROM jsonb_array_elements_text(p_newest->'keys') k));
    END IF;
    EXECUTE format('CREATE TEMPORARY TABLE entrepot_state ON COMMIT DROP AS '
        'SELECT t.tableoid AS part, t.ctid AS tid, t.xmin AS seen, %s%s FROM %s t%s WHERE t.xmin = ANY (%L::xid[])',
        v_found, v_all, p_target, v_join, p_xids);
    IF p_trails IS NOT NULL THEN
        EXECUTE format('INSERT INTO pg_temp.entrepot_state '
            'SELECT t.tableoid, t.ctid, t.xmin, r.was, NULL, NULL%s FROM %s t '
            'JOIN (%s) r ON r.own = t.xmin AND r.part = t.tableoid AND r.tid = t.ctid WHERE r.was = ANY (%L::xid[])',
            v_all, p_target, p_trails, p_xids);
    END IF;
    CREATE TEMPORARY TABLE entrepot_kept (ord integer, key jsonb, reason text, by text) ON COMMIT DROP;
END $$;

-- A table that was rewritten has lost its xmins: rows whose contents are what the job wrote are taken for its own.
CREATE FUNCTION entrepot.undo_adopt(p_target text, p_keys jsonb, j jsonb) RETURNS void
LANGUAGE plpgsql
AS $$
DECLARE
    v_staged text;
    v_columns text[];
    v_join text;
    v_same text;
    v_undo text := '';
    v_known text := 'true';
    v_all text := entrepot.undo_keys(p_keys, p_keys, 't', p_target);
BEGIN
    IF j->>'staging' IS NULL THEN
        RETURN;
    END IF;
    v_staged := CASE WHEN j->>'work' IS NULL THEN format('SELECT s.*, ''i''::"char" AS entrepot_did FROM %s s', j->>'staging')
        ELSE format('SELECT s.*, w.action AS entrepot_did FROM %s s JOIN %s w ON w.staged = s.ctid WHERE w.action IN (''i'', ''u'', ''h'')',
            j->>'staging', j->>'work') END;
    SELECT array_agg(m) INTO v_columns FROM jsonb_array_elements_text(j->'mapped') m
        WHERE entrepot.row_columns(p_target::regclass) ? m AND entrepot.row_columns((j->>'staging')::regclass) ? m;
    IF j->'keys' = '[]' THEN
        -- Without a key, as many rows as there are of the same contents.
        SELECT string_agg(format('(%%1$s.%I)::text', c), ', ') INTO v_same FROM unnest(v_columns) c;
        EXECUTE format('INSERT INTO pg_temp.entrepot_state SELECT t.part, t.tid, t.seen, %L::xid, NULL, NULL%s FROM '
            '(SELECT t.tableoid AS part, t.ctid AS tid, t.xmin AS seen, t.*, ROW(%s)::text AS entrepot_row, '
            'row_number() OVER (PARTITION BY ROW(%s)::text) AS entrepot_nth FROM %s t WHERE NOT EXISTS '
            '(SELECT FROM pg_temp.entrepot_state x WHERE x.tid = t.ctid AND x.part = t.tableoid)) t '
            'JOIN (SELECT ROW(%s)::text AS entrepot_row, row_number() OVER (PARTITION BY ROW(%s)::text) AS entrepot_nth '
            'FROM (%s) s) s USING (entrepot_row, entrepot_nth) WHERE s.entrepot_nth <= %s - (SELECT count(*) FROM pg_temp.entrepot_state x WHERE x.meant = %L::xid)',
            j->>'xid', v_all, format(v_same, 't'), format(v_same, 't'), p_target, format(v_same, 's'),
            format(v_same, 's'), v_staged, (j->>'inserted')::bigint, j->>'xid');
        RETURN;
    END IF;
    -- A blank may have kept the former value, or taken the column's default.
    SELECT string_agg(format('(%%s.%I IS NULL OR t.%I::text IS NOT DISTINCT FROM s.%I::text)', c, c, c), ' AND ')
        INTO v_same FROM unnest(v_columns) c;
    SELECT coalesce(string_agg(format('(t.%1$I::text IS NOT DISTINCT FROM s.%1$I::text%2$s)', c,
        CASE WHEN j->>'undo' IS NOT NULL
            THEN format(' OR s.%1$I IS NULL AND u.entrepot_action IS NOT NULL AND t.%1$I::text IS NOT DISTINCT FROM u.%1$I::text', c)
            ELSE '' END
        || CASE WHEN a.atthasdef THEN format(' OR s.%I IS NULL', c) ELSE '' END), ' AND '), 'true')
        INTO v_same FROM unnest(v_columns) c
        JOIN pg_catalog.pg_attribute a ON a.attrelid = p_target::regclass AND a.attname = c;
    SELECT string_agg(format('t.%1$I = s.%1$I', k), ' AND ') INTO v_join
        FROM jsonb_array_elements_text(j->'keys') k WHERE k = ANY (v_columns);
    IF j->>'undo' IS NOT NULL THEN
        v_undo := format(' LEFT JOIN %s u ON s.entrepot_did = ''u'' AND %s', j->>'undo',
            (SELECT string_agg(format('u.%1$I = t.%1$I', k), ' AND ') FROM jsonb_array_elements_text(j->'keys') k));
        -- What the job did not write must still be what it was.
        SELECT coalesce('(u.entrepot_action IS NULL OR '
            || string_agg(format('t.%1$I::text IS NOT DISTINCT FROM u.%1$I::text', a.attname), ' AND ') || ')', 'true')
            INTO v_known FROM pg_catalog.pg_attribute a
            WHERE a.attrelid = (j->>'undo')::regclass AND a.attnum > 0 AND NOT a.attisdropped
                AND NOT a.attname = ANY (v_columns) AND a.attname NOT LIKE 'entrepot\_%'
                AND EXISTS (SELECT FROM pg_catalog.pg_attribute b WHERE b.attrelid = p_target::regclass
                    AND b.attname = a.attname AND b.attgenerated = '');
    END IF;
    EXECUTE format('INSERT INTO pg_temp.entrepot_state SELECT t.tableoid, t.ctid, t.xmin, %L::xid, NULL, NULL%s '
        'FROM (%s) s JOIN %s t ON %s%s WHERE %s AND %s AND NOT EXISTS '
        '(SELECT FROM pg_temp.entrepot_state x WHERE x.tid = t.ctid AND x.part = t.tableoid)',
        j->>'xid', v_all, v_staged, p_target, v_join, v_undo, v_same, v_known);
    IF j->>'undo' IS NOT NULL THEN
        -- Versions that the job only closed have the rest of their values still.
        SELECT coalesce(string_agg(format('t.%1$I::text IS NOT DISTINCT FROM u.%1$I::text', c), ' AND '), 'true')
            INTO v_same FROM unnest(v_columns) c;
        EXECUTE format('INSERT INTO pg_temp.entrepot_state SELECT t.tableoid, t.ctid, t.xmin, %L::xid, NULL, NULL%s '
            'FROM %s u JOIN %s t ON %s WHERE u.entrepot_action = ''c'' AND %s AND NOT EXISTS '
            '(SELECT FROM pg_temp.entrepot_state x WHERE x.tid = t.ctid AND x.part = t.tableoid)',
            j->>'xid', v_all, j->>'undo', p_target,
            (SELECT string_agg(format('u.%1$I = t.%1$I', k), ' AND ') FROM jsonb_array_elements_text(j->'keys') k), v_same);
    END IF;
END $$;

-- One job's step over the state. p_done: xids of this job and of those before it in the undo.
CREATE FUNCTION entrepot.undo_step(p_schema text, p_table text, p_target text, p_keys jsonb, j jsonb, p_done text,
    OUT o_restored bigint, OUT o_reinserted bigint, OUT o_removed bigint, OUT o_unlisted bigint)
LANGUAGE plpgsql
AS $$
DECLARE
    v_ord integer := (j->>'ord')::integer;
    v_keyed boolean := j->'keys' <> '[]';
    v_trails text := entrepot.undo_trails(p_schema, p_table, j->'filenodes');
    v_resolve text := '';
    v_was text := 'u.entrepot_xmin';
    v_changed bigint := 0;
    v_deleted bigint := 0;
    v_missing bigint;
    v_staged jsonb;
    v_open text := '';
    v_n bigint := 0;
BEGIN
    o_restored := 0;
    o_reinserted := 0;
    o_unlisted := 0;
    PERFORM entrepot.undo_analyze(x) FROM unnest(ARRAY[j->>'undo', j->>'staging', j->>'work']) x;
    IF (j->>'rewritten')::boolean THEN
        PERFORM entrepot.undo_adopt(p_target, p_keys, j);
    END IF;
    IF v_trails IS NOT NULL THEN
        v_resolve := format(' LEFT JOIN (%s) r ON r.own = u.entrepot_xmin AND r.part = u.entrepot_part '
            'AND r.tid = u.entrepot_ctid', v_trails);
        v_was := 'coalesce(r.was, u.entrepot_xmin)';
    END IF;
    IF j->>'undo' IS NOT NULL THEN
        EXECUTE format('SELECT count(*) FILTER (WHERE entrepot_action IN (''u'', ''c'')), '
            'count(*) FILTER (WHERE entrepot_action IN (''d'', ''r'')) FROM %s', j->>'undo') INTO v_changed, v_deleted;
    END IF;
    IF v_changed > 0 AND (j->>'joined')::boolean THEN
        SELECT count(*) INTO o_restored FROM pg_temp.entrepot_state WHERE src = v_ord;
    ELSIF v_changed > 0 THEN
        EXECUTE format('UPDATE pg_temp.entrepot_state s SET src = %s, place = u.ctid, meant = %s FROM %s u%s '
            'WHERE u.entrepot_action IN (''u'', ''c'') AND s.meant = %L::xid AND %s',
            v_ord, v_was, j->>'undo', v_resolve, j->>'xid', entrepot.undo_match(j->'keys', p_keys, 'u'));
        GET DIAGNOSTICS o_restored = ROW_COUNT;
        ANALYZE pg_temp.entrepot_state;
    END IF;
    IF v_changed > 0 THEN
        IF o_restored > v_changed THEN
            PERFORM entrepot.refuse_undo(j->>'job', 'key', format(
                'The key of %s is not unique any more: rows that job %s changed cannot be told apart.', p_target, j->>'job'));
        ELSIF o_restored < v_changed THEN
            v_open := format(' UNION ALL SELECT ''changed''%s FROM %s u WHERE u.entrepot_action IN (''u'', ''c'') '
                'AND NOT EXISTS (SELECT FROM pg_temp.entrepot_state s WHERE s.src = %s AND s.place = u.ctid)',
                entrepot.undo_keys(j->'keys', p_keys, 'u', p_target), j->>'undo', v_ord);
        END IF;
    END IF;
    EXECUTE format('SELECT count(*) FROM pg_temp.entrepot_state WHERE meant = %L::xid', j->>'xid') INTO o_removed;
    v_missing := greatest(0, (j->>'inserted')::bigint - o_removed);
    IF v_deleted > 0 THEN
        EXECUTE format('INSERT INTO pg_temp.entrepot_state SELECT NULL, NULL, NULL, %s, %s, u.ctid%s FROM %s u%s '
            'WHERE u.entrepot_action IN (''d'', ''r'')', v_was, v_ord,
            entrepot.undo_keys(j->'keys', p_keys, 'u', p_target), j->>'undo', v_resolve)
            || CASE WHEN v_keyed THEN format(' AND NOT EXISTS (SELECT FROM pg_temp.entrepot_state s '
                'WHERE %s AND NOT s.meant = ANY (%L::xid[])) AND NOT EXISTS (SELECT FROM %s t WHERE %s AND NOT EXISTS '
                '(SELECT FROM pg_temp.entrepot_state x WHERE x.tid = t.ctid AND x.part = t.tableoid))',
                entrepot.undo_match(j->'keys', p_keys, 'u'), p_done, p_target,
                (SELECT string_agg(format('t.%1$I = u.%1$I', k), ' AND ') FROM jsonb_array_elements_text(j->'keys') k))
            ELSE '' END;
        GET DIAGNOSTICS o_reinserted = ROW_COUNT;
        IF o_reinserted < v_deleted THEN
            v_open := v_open || format(' UNION ALL SELECT ''deleted''%s FROM %s u WHERE u.entrepot_action IN (''d'', ''r'') '
                'AND NOT EXISTS (SELECT FROM pg_temp.entrepot_state s WHERE s.src = %s AND s.place = u.ctid)',
                entrepot.undo_keys(j->'keys', p_keys, 'u', p_target), j->>'undo', v_ord);
        END IF;
    END IF;
    IF v_missing > 0 THEN
        o_unlisted := v_missing;
        IF j->>'staging' IS NOT NULL AND v_keyed THEN
            SELECT jsonb_agg(k) INTO v_staged FROM jsonb_array_elements_text(j->'keys') k
                WHERE entrepot.row_columns((j->>'staging')::regclass) ? k;
            v_open := v_open || format(' UNION ALL SELECT ''inserted''%s FROM %s u%s WHERE NOT EXISTS '
                '(SELECT FROM pg_temp.entrepot_state s WHERE s.meant = %L::xid AND %s)',
                entrepot.undo_keys(v_staged, p_keys, 'u', p_target), j->>'staging',
                CASE WHEN j->>'work' IS NULL THEN '' ELSE format(' JOIN %s w ON w.staged = u.ctid AND w.action IN (''i'', ''h'')',
                    j->>'work') END,
                j->>'xid', entrepot.undo_match(v_staged, p_keys, 'u'));
        ELSIF NOT v_keyed THEN
            INSERT INTO pg_temp.entrepot_kept SELECT v_ord, '{}', 'gone', '' FROM generate_series(1, least(v_missing, 1000));
            o_unlisted := v_missing - least(v_missing, 1000);
        END IF;
    END IF;
    IF v_open <> '' THEN
        EXECUTE 'CREATE TEMPORARY TABLE entrepot_open ON COMMIT DROP AS SELECT row_number() OVER () AS n, o.* FROM ('
            || substr(v_open, length(' UNION ALL ') + 1) || ') AS o (kind'
            || coalesce((SELECT string_agg(', k' || n, '' ORDER BY n) FROM generate_series(1, jsonb_array_length(p_keys)) n), '') || ')';
        ANALYZE pg_temp.entrepot_open;
        SELECT count(*) INTO v_n FROM pg_temp.entrepot_open WHERE kind = 'inserted';
        o_unlisted := greatest(0, o_unlisted - v_n);
        PERFORM entrepot.undo_explain(p_schema, p_table, p_target, p_keys, j, p_done);
        DROP TABLE pg_temp.entrepot_open;
    END IF;
END $$;

-- Why rows are kept, and whose they are now.
CREATE FUNCTION entrepot.undo_explain(p_schema text, p_table text, p_target text, p_keys jsonb, j jsonb, p_done text)
RETURNS void
LANGUAGE plpgsql
AS $$
DECLARE
    v_keys jsonb := j->'keys';
    v_trails text := entrepot.undo_trails(p_schema, p_table, entrepot.filenodes(p_target::regclass));
    v_key text;
    v_join text;
    r record;
BEGIN
    SELECT string_agg(format('%L, o.k%s::text', a.name, a.place), ', ' ORDER BY a.place),
        string_agg(format('(t.%I = o.k%s)', a.name, a.place), ' AND ')
        INTO v_key, v_join
        FROM jsonb_array_elements_text(p_keys) WITH ORDINALITY a(name, place) WHERE v_keys ? a.name;
    EXECUTE format(
        'INSERT INTO pg_temp.entrepot_kept SELECT %s, o.key, CASE WHEN o.kind = ''deleted'' THEN ''taken'' '
        'WHEN o.holder IS NULL THEN ''gone'' WHEN l.job_id IS NOT NULL THEN ''later_job'' ELSE ''edited'' END, '
        'coalesce(l.job_id, '''') FROM (SELECT DISTINCT ON (o.n) o.n, o.kind, jsonb_build_object(%s) AS key, '
        'CASE WHEN s.part IS NOT NULL OR s.place IS NOT NULL THEN CASE WHEN NOT s.meant = ANY (%L::xid[]) THEN s.meant END '
        'ELSE %s END AS holder FROM pg_temp.entrepot_open o '
        'LEFT JOIN pg_temp.entrepot_state s ON %s LEFT JOIN %s t ON %s%s '
        'ORDER BY o.n, s.meant IS NULL, s.meant = ANY (%L::xid[])) AS o '
        'LEFT JOIN (SELECT DISTINCT ON (x.write_xid::text) x.write_xid, x.job_id FROM entrepot.receipt x '
        'WHERE x.target_schema = %L AND x.target_table = %L AND x.published_at > %L AND x.receipt->>''mode'' <> ''undo'' '
        'ORDER BY x.write_xid::text, x.published_at DESC) l ON l.write_xid = o.holder',
        j->>'ord', v_key, p_done,
        CASE WHEN v_trails IS NULL THEN 't.xmin' ELSE 'coalesce(r.was, t.xmin)' END,
        (SELECT string_agg(format('s.k%1$s = o.k%1$s', a.place), ' AND ')
            FROM jsonb_array_elements_text(p_keys) WITH ORDINALITY a(name, place) WHERE v_keys ? a.name),
        p_target, v_join,
        CASE WHEN v_trails IS NULL THEN ''
            ELSE format(' LEFT JOIN (%s) r ON r.own = t.xmin AND r.part = t.tableoid AND r.tid = t.ctid', v_trails) END,
        p_done, p_schema, p_table, j->>'published_at');
    -- Rows that a later job took away are named after it.
    FOR r IN SELECT x.job_id, 'entrepot.' || quote_ident(x.undo_table) AS undo FROM entrepot.receipt x
        WHERE x.target_schema = p_schema AND x.target_table = p_table AND x.published_at > (j->>'published_at')::timestamptz
            AND x.receipt->>'mode' <> 'undo' AND x.undone_by IS NULL AND x.undo_table IS NOT NULL AND x.key_columns @> v_keys
            AND to_regclass('entrepot.' || quote_ident(x.undo_table)) IS NOT NULL
            AND EXISTS (SELECT FROM pg_temp.entrepot_kept k WHERE k.ord = (j->>'ord')::integer AND k.reason = 'gone')
        ORDER BY x.published_at
    LOOP
        EXECUTE format('UPDATE pg_temp.entrepot_kept k SET by = %L FROM %s u WHERE k.ord = %s AND k.reason = ''gone'' '
            'AND k.by = '''' AND u.entrepot_action IN (''d'', ''r'') AND k.key = jsonb_build_object(%s)',
            r.job_id, r.undo, j->>'ord',
            (SELECT string_agg(format('%L, u.%I::text', a.name, a.name), ', ')
                FROM jsonb_array_elements_text(v_keys) a(name)));
    END LOOP;
END $$;

-- Rows of other tables that the undone jobs' deletes took along or blanked, by their receipts: they do not come back.
CREATE FUNCTION entrepot.undo_lost(p_spec jsonb) RETURNS jsonb
LANGUAGE sql STABLE
AS $$
    SELECT coalesce(jsonb_object_agg(c.name, c.n), '{}')
    FROM (SELECT x.key AS name, sum(x.value::bigint) AS n
        FROM jsonb_array_elements_text(p_spec->'jobs') j(id)
        JOIN entrepot.receipt r ON r.tenant = p_spec->>'tenant' AND r.job_id = j.id
        CROSS JOIN LATERAL jsonb_each_text(coalesce(r.receipt->'children', '{}')) x
        GROUP BY x.key) c
$$;

-- What is to be done, row by row (pg_temp.entrepot_do), what is kept (pg_temp.entrepot_kept), and how many.
CREATE FUNCTION entrepot.undo_classify(p_spec jsonb, p_lock boolean, OUT o_list jsonb, OUT o_counts jsonb)
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
        v_step := entrepot.undo_step(l.o_schema, l.o_table, l.o_target, l.o_keys, j, v_done::text);
        v_restored := v_restored + v_step.o_restored;
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

-- Every planned action with its key and a fingerprint of the row that it finds.
CREATE FUNCTION entrepot.undo_prints(p_list jsonb) RETURNS text
LANGUAGE sql STABLE
AS $$
    SELECT format('SELECT d.action, d.part, d.tid, d.seen, d.src, d.place, jsonb_build_object(%s) AS key, '
        'coalesce(hashtextextended(t::text, 0), 0) AS fingerprint '
        'FROM pg_temp.entrepot_do d LEFT JOIN %s t ON t.ctid = d.tid AND t.tableoid = d.part',
        coalesce((SELECT string_agg(format('%L, d.k%s::text', a.name, a.place), ', ' ORDER BY a.place)
            FROM jsonb_array_elements_text(p_list->'o_keys') WITH ORDINALITY a(name, place)), ''), p_list->>'o_target')
$$;

-- Digest of a table or query with (action, key, fingerprint, src, place), whatever their order.
CREATE FUNCTION entrepot.undo_digest(p_table text) RETURNS text
LANGUAGE plpgsql
AS $$
DECLARE
    v_hash text;
BEGIN
    EXECUTE 'SELECT encode(sha256(convert_to(format(''%s %s %s'', count(*), '
        'coalesce(sum(hashtextextended(x.text, 1)::numeric), 0), coalesce(sum(hashtextextended(x.text, 2)::numeric), 0)), '
        '''UTF8'')), ''hex'') FROM (SELECT concat_ws('' '', action, key, fingerprint, src, place) AS text FROM '
        || p_table || ') AS x' INTO v_hash;
    RETURN v_hash;
END $$;

-- What an undo would do now, kept for pages and for the comparison with what it will do then.
CREATE FUNCTION entrepot.plan_undo(p_spec jsonb) RETURNS jsonb
LANGUAGE plpgsql
AS $$
DECLARE
    v_class record;
    v_rows bigint;
BEGIN
    PERFORM pg_advisory_xact_lock(entrepot.job_lock(p_spec->>'tenant', p_spec->>'job_id'));
    v_class := entrepot.undo_classify(p_spec, false);
    EXECUTE 'DROP TABLE IF EXISTS ' || (p_spec->>'plan');
    EXECUTE format('CREATE UNLOGGED TABLE %s AS SELECT row_number() OVER (ORDER BY p.kind, p.src, p.part, p.tid, p.place) AS n, '
        'p.action, p.part, p.tid, p.seen, p.src, p.place, p.key, p.fingerprint, p.reason, p.by '
        'FROM (SELECT 1 AS kind, x.*, '''' AS reason, '''' AS by FROM (%s) AS x UNION ALL '
        'SELECT 2, ''keep'', NULL, NULL, NULL, k.ord, NULL, k.key, 0, k.reason, k.by FROM pg_temp.entrepot_kept k) AS p',
        p_spec->>'plan', entrepot.undo_prints(v_class.o_list));
    EXECUTE format('ALTER TABLE %s ADD PRIMARY KEY (n)', p_spec->>'plan');
    EXECUTE format('COMMENT ON TABLE %s IS %L', p_spec->>'plan', (p_spec->>'comment')::jsonb || jsonb_build_object(
        'target', v_class.o_list->'o_target', 'keys', v_class.o_list->'o_keys', 'undo_tables',
        (SELECT jsonb_agg(j->'undo' ORDER BY place) FROM jsonb_array_elements(v_class.o_list->'o_jobs') WITH ORDINALITY a(j, place))));
    EXECUTE format('SELECT count(*) FROM %s', v_class.o_list->>'o_target') INTO v_rows;
    RETURN v_class.o_counts || jsonb_build_object('rows', v_rows,
        'hash', entrepot.undo_digest((p_spec->>'plan') || ' WHERE action <> ''keep'''));
END $$;

-- Refuses when what would be done is not what was planned, and names rows.
CREATE FUNCTION entrepot.undo_compare(p_spec jsonb, p_list jsonb) RETURNS void
LANGUAGE plpgsql
AS $$
DECLARE
    v_rows jsonb := '[]';
    v_masked text;
BEGIN
    EXECUTE 'CREATE TEMPORARY TABLE entrepot_now ON COMMIT DROP AS ' || entrepot.undo_prints(p_list);
    IF entrepot.undo_digest('pg_temp.entrepot_now') = p_spec->>'plan_hash' THEN
        RETURN;
    END IF;
    IF to_regclass(p_spec->>'plan') IS NOT NULL THEN
        EXECUTE format('SELECT coalesce(jsonb_agg(entrepot.undo_mask(d.key, $1)), ''[]'') FROM (SELECT DISTINCT x.key FROM '
            '((SELECT action, key, fingerprint FROM pg_temp.entrepot_now EXCEPT ALL SELECT action, key, fingerprint FROM %1$s) UNION ALL '
            '(SELECT action, key, fingerprint FROM %1$s WHERE action <> ''keep'' EXCEPT ALL '
            'SELECT action, key, fingerprint FROM pg_temp.entrepot_now)) AS x ORDER BY x.key LIMIT 100) AS d', p_spec->>'plan')
            INTO v_rows USING p_spec;
    END IF;
    RAISE EXCEPTION USING ERRCODE = 'EN004', MESSAGE = 'Rows have changed since the undo was planned; nothing was done.',
        DETAIL = jsonb_build_object('rows', v_rows)::text;
END $$;

CREATE FUNCTION entrepot.undo_mask(p_key jsonb, p_spec jsonb) RETURNS jsonb
LANGUAGE sql IMMUTABLE
AS $$
    SELECT coalesce(jsonb_object_agg(k.key, CASE WHEN p_spec->'masked' ? k.key THEN p_spec->'mask' ELSE k.value END), '{}')
    FROM jsonb_each(p_key) k
$$;

-- Deletes, restores, inserts again; each must touch the rows it was to touch.
CREATE FUNCTION entrepot.undo_write(p_spec jsonb, p_list jsonb, OUT o_trail boolean)
LANGUAGE plpgsql
AS $$
DECLARE
    v_target text := p_list->>'o_target';
    v_cost text := current_setting('random_page_cost');
    v_known text;
    v_wanted record;
    v_n bigint;
    v_restored bigint := 0;
    v_inserted bigint := 0;
    v_set text;
    v_update text;
    v_columns text;
    v_was text;
    j jsonb;
BEGIN
    SELECT count(*) FILTER (WHERE action = 'remove') AS removes, count(*) FILTER (WHERE action = 'restore') AS restores,
        count(*) FILTER (WHERE action = 'reinsert') AS inserts INTO v_wanted FROM pg_temp.entrepot_do;
    -- Rows of jobs that may still be taken back leave a trail.
    SELECT coalesce(array_agg(r.write_xid), '{}')::text INTO v_known FROM entrepot.receipt r
        WHERE r.target_schema = p_list->>'o_schema' AND r.target_table = p_list->>'o_table' AND r.write_xid IS NOT NULL
            AND r.undone_by IS NULL AND NOT r.journal_gone AND r.receipt->>'mode' <> 'undo';
    EXECUTE format('SELECT EXISTS (SELECT FROM pg_temp.entrepot_do WHERE action <> ''remove'' AND meant = ANY (%L::xid[]))',
        v_known) INTO o_trail;
    IF o_trail THEN
        EXECUTE format('CREATE TABLE %s (part oid, tid tid, was xid)', p_spec->>'trail');
    END IF;
    -- As in publish: rows are fetched by place, in the order of their places.
    PERFORM set_config('random_page_cost', '0.2', true);
    IF v_wanted.removes > 0 THEN
        EXECUTE format('DELETE FROM %s t USING (SELECT part, tid FROM pg_temp.entrepot_do WHERE action = ''remove'' ORDER BY part, tid) d '
            'WHERE t.ctid = d.tid AND t.tableoid = d.part', v_target);
        GET DIAGNOSTICS v_n = ROW_COUNT;
        IF v_n <> v_wanted.removes THEN
            RAISE EXCEPTION USING ERRCODE = 'EN001', MESSAGE = format(
                'Of %s rows to remove, the table gave up %s: a trigger or rule may keep rows.', v_wanted.removes, v_n);
        END IF;
    END IF;
    FOR j IN SELECT x FROM jsonb_array_elements(p_list->'o_jobs') x WHERE x->>'undo' IS NOT NULL LOOP
        SELECT string_agg(format('%1$I = u.%1$I', a.attname), ', ') FILTER (WHERE a.attidentity <> 'a'),
            string_agg(quote_ident(a.attname), ', ')
            INTO v_set, v_columns
            FROM pg_catalog.pg_attribute a WHERE a.attrelid = v_target::regclass AND a.attnum > 0 AND NOT a.attisdropped
                AND a.attgenerated = '' AND EXISTS (SELECT FROM pg_catalog.pg_attribute b
                    WHERE b.attrelid = (j->>'undo')::regclass AND b.attname = a.attname AND NOT b.attisdropped);
        v_n := 0;
        IF v_wanted.restores > 0 THEN
            v_update := format('UPDATE %s t SET %s FROM (SELECT d.part AS entrepot_at, d.tid AS entrepot_tid, d.meant AS entrepot_meant, u.* '
                'FROM pg_temp.entrepot_do d JOIN %s u ON u.ctid = d.place WHERE d.action = ''restore'' AND d.src = %s ORDER BY 1, 2) u '
                'WHERE t.ctid = u.entrepot_tid AND t.tableoid = u.entrepot_at', v_target, v_set, j->>'undo', j->>'ord');
            IF o_trail THEN
                EXECUTE format('WITH w AS (%s RETURNING t.tableoid AS part, t.ctid AS tid, u.entrepot_meant AS was), '
                    'x AS (INSERT INTO %s SELECT * FROM w WHERE was = ANY (%L::xid[])) SELECT count(*) FROM w',
                    v_update, p_spec->>'trail', v_known) INTO v_n;
            ELSE
                EXECUTE v_update;
                GET DIAGNOSTICS v_n = ROW_COUNT;
            END IF;
        END IF;
        v_restored := v_restored + v_n;
        -- What is inserted cannot say where it came from: rows of one origin at a time.
        FOR v_was IN EXECUTE format('SELECT DISTINCT CASE WHEN meant = ANY (%L::xid[]) THEN meant::text ELSE '''' END '
            'FROM pg_temp.entrepot_do WHERE action = ''reinsert'' AND src = %s', v_known, j->>'ord')
        LOOP
            EXECUTE format('WITH w AS (INSERT INTO %s (%s) OVERRIDING SYSTEM VALUE SELECT %s FROM (SELECT place FROM pg_temp.entrepot_do '
                'WHERE action = ''reinsert'' AND src = %s AND %s) d JOIN %s u ON u.ctid = d.place '
                'RETURNING tableoid AS part, ctid AS tid)%s SELECT count(*) FROM w',
                v_target, v_columns,
                (SELECT string_agg('u.' || c, ', ') FROM unnest(string_to_array(v_columns, ', ')) c),
                j->>'ord',
                CASE WHEN v_was = '' THEN format('NOT meant = ANY (%L::xid[])', v_known) ELSE format('meant = %L::xid', v_was) END,
                j->>'undo',
                CASE WHEN v_was = '' THEN '' ELSE format(', x AS (INSERT INTO %s SELECT part, tid, %L::xid FROM w)',
                    p_spec->>'trail', v_was) END) INTO v_n;
            v_inserted := v_inserted + v_n;
        END LOOP;
    END LOOP;
    PERFORM set_config('random_page_cost', v_cost, true);
    IF v_restored <> v_wanted.restores OR v_inserted <> v_wanted.inserts THEN
        RAISE EXCEPTION USING ERRCODE = 'EN001', MESSAGE = format(
            'Of %s rows to restore and %s to insert again, the table took %s and %s: a trigger or rule may drop rows.',
            v_wanted.restores, v_wanted.inserts, v_restored, v_inserted);
    END IF;
END $$;

-- The work of undo, in one (sub)transaction.
CREATE FUNCTION entrepot.undo_rows(p_tenant text, p_job text) RETURNS void
LANGUAGE plpgsql
AS $$
DECLARE
    s jsonb;
    d jsonb;
    f entrepot.receipt;
    v_xid xid;
    v_class record;
    v_trail boolean;
    v_target text;
    v_counts jsonb;
    v_now timestamptz;
BEGIN
    SELECT p.spec, p.draft INTO s, d FROM entrepot.publish_spec p WHERE p.tenant = p_tenant AND p.job_id = p_job;
    IF NOT FOUND THEN
        RAISE EXCEPTION USING ERRCODE = 'EN002', MESSAGE = format('Undo %s was never prepared.', p_job);
    END IF;
    SELECT * INTO f FROM entrepot.receipt r WHERE r.tenant = p_tenant AND r.job_id = s->'jobs'->>0;
    IF NOT FOUND THEN
        PERFORM entrepot.refuse_undo(s->'jobs'->>0, 'not_published', format('Job %s was never published here.', s->'jobs'->>0));
    END IF;
    INSERT INTO entrepot.receipt (tenant, job_id, status, contract, contract_version, target_schema, target_table,
        source, source_version, sequencer, sha256, published_at, transaction_xid, receipt)
    VALUES (p_tenant, p_job, 'publishing', f.contract, f.contract_version, f.target_schema, f.target_table,
        '', '', '', '', clock_timestamp(), pg_current_xact_id(), d);
    SELECT r.xmin INTO v_xid FROM entrepot.receipt r WHERE r.tenant = p_tenant AND r.job_id = p_job;

    -- The same locks as publish, in the same order; then the journals stay until the end.
    PERFORM pg_advisory_xact_lock(entrepot.target_lock(f.target_schema, f.target_table));
    v_target := format('%I.%I', f.target_schema, f.target_table);
    IF to_regclass(v_target) IS NOT NULL THEN
        EXECUTE format('LOCK TABLE %s IN SHARE ROW EXCLUSIVE MODE', v_target);
    END IF;
    PERFORM FROM entrepot.receipt r JOIN jsonb_array_elements_text(s->'jobs') j(id) ON r.tenant = p_tenant AND r.job_id = j.id
        ORDER BY r.job_id FOR UPDATE OF r;
    v_class := entrepot.undo_classify(s, true);
    IF coalesce(s->>'plan_hash', '') <> '' THEN
        PERFORM entrepot.undo_compare(s, v_class.o_list);
    END IF;
    v_trail := entrepot.undo_write(s, v_class.o_list);
    -- Deferred constraints speak now, while their answer can still be told.
    SET CONSTRAINTS ALL IMMEDIATE;

    v_now := clock_timestamp();
    v_counts := jsonb_build_object(
        'status', 'published', 'mode', 'undo', 'target', f.target_schema || '.' || f.target_table,
        'contract', f.contract, 'contract_version', f.contract_version, 'parent', s->'jobs'->>0, 'accepted', 0,
        'plan_hash', coalesce(s->>'plan_hash', ''), 'children', v_class.o_counts->'children',
        'finished_at', to_char(v_now AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.MS"Z"'),
        'seconds', CASE WHEN coalesce(d->>'started_at', '') = '' THEN 0
            ELSE round(extract(epoch FROM v_now - (d->>'started_at')::timestamptz)::numeric, 3) END,
        'undo', (v_class.o_counts - 'children') || jsonb_build_object(
            'jobs', (SELECT jsonb_agg(j->'job' ORDER BY place)
                FROM jsonb_array_elements(v_class.o_list->'o_jobs') WITH ORDINALITY a(j, place)),
            'kept_rows', (SELECT coalesce(jsonb_agg(jsonb_build_object('job', v_class.o_list->'o_jobs'->(k.ord - 1)->'job',
                    'key', entrepot.undo_mask(k.key, s), 'reason', k.reason, 'by', k.by) ORDER BY k.ord, k.key), '[]')
                FROM (SELECT * FROM pg_temp.entrepot_kept ORDER BY ord, key LIMIT 1000) k)));
    UPDATE entrepot.receipt r SET undone_by = p_job, receipt = r.receipt || jsonb_build_object('undone_by', p_job)
        FROM jsonb_array_elements_text(s->'jobs') j(id) WHERE r.tenant = p_tenant AND r.job_id = j.id;
    UPDATE entrepot.receipt r
    SET status = 'published', published_at = v_now, write_xid = v_xid, receipt = d || v_counts,
        undo_table = CASE WHEN v_trail THEN s->>'trail_name' END,
        filenodes = entrepot.filenodes(v_target::regclass), row_columns = entrepot.row_columns(v_target::regclass),
        key_columns = v_class.o_list->'o_keys'
    WHERE r.tenant = p_tenant AND r.job_id = p_job;
    INSERT INTO entrepot.audit (tenant, actor, action, job_id, detail)
    VALUES (p_tenant, coalesce(d->>'actor', ''), 'undo', p_job, v_counts #- '{undo,kept_rows}');
    INSERT INTO entrepot.audit (tenant, actor, action, job_id, detail)
    SELECT p_tenant, coalesce(d->>'actor', ''), 'undone', j.id, jsonb_build_object('undone_by', p_job)
    FROM jsonb_array_elements_text(s->'jobs') j(id);
END $$;

-- CALL entrepot.undo(tenant, job): as entrepot.publish, does nothing when it is done, and notes its error.
CREATE PROCEDURE entrepot.undo(p_tenant text, p_job text)
LANGUAGE plpgsql
AS $$
DECLARE
    v_state text;
    v_message text;
    v_detail text;
    v_schema text;
    v_table text;
    v_column text;
    v_constraint text;
BEGIN
    PERFORM pg_advisory_xact_lock(entrepot.job_lock(p_tenant, p_job));
    IF EXISTS (SELECT FROM entrepot.receipt r WHERE r.tenant = p_tenant AND r.job_id = p_job) THEN
        RETURN;
    END IF;
    BEGIN
        PERFORM entrepot.undo_rows(p_tenant, p_job);
    EXCEPTION WHEN OTHERS THEN
        GET STACKED DIAGNOSTICS v_state = RETURNED_SQLSTATE, v_message = MESSAGE_TEXT, v_detail = PG_EXCEPTION_DETAIL,
            v_schema = SCHEMA_NAME, v_table = TABLE_NAME, v_column = COLUMN_NAME, v_constraint = CONSTRAINT_NAME;
        UPDATE entrepot.publish_spec p
        SET error = jsonb_build_object('sqlstate', v_state, 'schema', v_schema, 'table', v_table, 'column', v_column,
            'constraint', v_constraint, 'message', CASE WHEN v_state LIKE 'EN%' THEN v_message ELSE '' END,
            'detail', CASE WHEN v_state LIKE 'EN%' THEN v_detail ELSE '' END)
        WHERE p.tenant = p_tenant AND p.job_id = p_job;
    END;
END $$;

-- Drops what is kept for the undo of a job; false when it is in use. A table that somebody reads is not waited for.
CREATE FUNCTION entrepot.expire_journal(p_tenant text, p_job text) RETURNS boolean
LANGUAGE plpgsql
SET lock_timeout = '2s'
AS $$
DECLARE
    r entrepot.receipt;
    v_name text;
BEGIN
    -- An undo that runs needs it still; the next sweep comes again.
    SELECT * INTO r FROM entrepot.receipt x WHERE x.tenant = p_tenant AND x.job_id = p_job AND NOT x.journal_gone
        FOR UPDATE SKIP LOCKED;
    IF NOT FOUND THEN
        RETURN false;
    END IF;
    FOREACH v_name IN ARRAY ARRAY[r.undo_table, r.backup_table] LOOP
        IF v_name IS NOT NULL THEN
            EXECUTE format('DROP TABLE IF EXISTS entrepot.%I', v_name);
        END IF;
    END LOOP;
    IF r.staging_table IS NOT NULL THEN
        EXECUTE format('DROP TABLE IF EXISTS entrepot_staging.%I, entrepot_staging.%I', r.staging_table, r.staging_table || '_w');
    END IF;
    UPDATE entrepot.receipt x SET journal_gone = true, undo_table = NULL, backup_table = NULL
        WHERE x.tenant = p_tenant AND x.job_id = p_job;
    RETURN true;
END $$;
