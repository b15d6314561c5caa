-- Publishing in every mode, and the journal that undo needs. Functions of 0002 are replaced here; what to run in
-- which mode comes as text made by entrepot.load, quoted there. Plans are in 0005.

ALTER TABLE entrepot.receipt
    ADD COLUMN undone_by text,
    ADD COLUMN backup_table text,
    -- relation -> its file at publish: a table rewritten since has new row versions, and xmin says nothing
    ADD COLUMN filenodes jsonb,
    ADD COLUMN row_columns jsonb,
    ADD COLUMN key_columns jsonb,
    ADD COLUMN mapped_columns jsonb,
    ADD COLUMN staging_table text,
    -- what only-if-unchanged compares with: rows after the publish where they were counted, and who was still writing
    ADD COLUMN target_rows bigint,
    ADD COLUMN slice_hash text,
    ADD COLUMN slice_rows bigint,
    ADD COLUMN snapshot pg_snapshot;

DROP FUNCTION entrepot.classify(jsonb);
DROP FUNCTION entrepot.write_rows(jsonb, boolean, bigint, bigint);
DROP FUNCTION entrepot.recount_staging(jsonb);
DROP FUNCTION entrepot.count_written(jsonb, xid, bigint, boolean);

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

-- Every chunk there and whole? The job's sums, recounted.
CREATE FUNCTION entrepot.recount_staging(p_spec jsonb, OUT o_read bigint, OUT o_quarantined bigint,
    OUT o_duplicate bigint, OUT o_collapsed bigint, OUT o_staged bigint)
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
        || 'coalesce(sum(duplicate), 0), coalesce(sum(collapsed), 0), coalesce(sum(staged), 0), min(chunk_id) FILTER '
        || '(WHERE accepted <> staged + duplicate + refused + collapsed OR read <> accepted + quarantined) '
        || 'FROM (' || (p_spec->>'ledger') || ') AS l'
        INTO v_chunks, o_read, o_quarantined, o_duplicate, o_collapsed, o_staged, v_short;
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

-- How many rows of the target this (sub)transaction wrote, and how many there are where that is read anyway. In a
-- table that is large beside the job, the job's keys are looked up.
CREATE FUNCTION entrepot.count_written(p_spec jsonb, p_xid xid, p_by_key boolean, OUT o_written bigint, OUT o_rows bigint)
LANGUAGE plpgsql
AS $$
BEGIN
    IF p_by_key THEN
        EXECUTE format('SELECT count(*) FROM %s s JOIN %s t ON %s WHERE t.xmin = $1',
            p_spec->>'staging', p_spec->>'target', p_spec->>'match') INTO o_written USING p_xid;
    ELSE
        EXECUTE format('SELECT count(*) FILTER (WHERE t.xmin = $1), count(*) FROM %s t', p_spec->>'target')
            INTO o_written, o_rows USING p_xid;
    END IF;
END $$;

-- Makes the target when it is missing, and keeps every other writer out until the end, unless they are to interleave.
CREATE OR REPLACE FUNCTION entrepot.lock_target(p_spec jsonb, OUT o_created boolean, OUT o_empty boolean)
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
    IF p_spec->>'writers' <> 'interleave' THEN
        -- Readers and foreign keys that look here pass; other writers wait.
        EXECUTE format('LOCK TABLE %s IN SHARE ROW EXCLUSIVE MODE', p_spec->>'target');
    END IF;
    EXECUTE format('SELECT NOT EXISTS (SELECT FROM %s)', p_spec->>'target') INTO o_empty;
END $$;

-- Which staged rows do what, and to which row of the target; what is in neither is unchanged. The table stays:
-- with staging it is the list of what the job did. Actions: i insert, u update, d delete (feed), r remove,
-- c close, h close one version and begin the next; o (older) and m (missing) were left alone.
CREATE FUNCTION entrepot.classify(p_spec jsonb, OUT o_counts jsonb, OUT o_matched bigint)
LANGUAGE plpgsql
AS $$
BEGIN
    EXECUTE (p_spec->>'make_work') || (p_spec->>'classify');
    EXECUTE format('SELECT coalesce(jsonb_object_agg(action, n), ''{}'') '
        'FROM (SELECT action, count(*) AS n FROM %s GROUP BY action) AS a', p_spec->>'work') INTO o_counts;
    IF p_spec->>'matched' IS NOT NULL THEN
        EXECUTE p_spec->>'matched' INTO o_matched;
    END IF;
END $$;

-- What the classification comes to, in the words of the receipt.
CREATE FUNCTION entrepot.tally(p_spec jsonb, p_staged bigint, p_counts jsonb, p_matched bigint) RETURNS jsonb
LANGUAGE plpgsql IMMUTABLE
AS $$
DECLARE
    v_insert bigint := coalesce((p_counts->>'i')::bigint, 0);
    v_update bigint := coalesce((p_counts->>'u')::bigint, 0) + coalesce((p_counts->>'h')::bigint, 0);
    v_delete bigint := coalesce((p_counts->>'d')::bigint, 0);
    v_older bigint := coalesce((p_counts->>'o')::bigint, 0);
    v_missing bigint := coalesce((p_counts->>'m')::bigint, 0);
    v_exists bigint := 0;
    v_unchanged bigint := 0;
    v_by jsonb;
BEGIN
    CASE p_spec->>'mode'
        WHEN 'insert-only' THEN
            v_exists := p_staged - v_insert;
        WHEN 'update-only' THEN
            v_missing := p_staged - p_matched;
            v_unchanged := p_matched - v_update - v_older;
        WHEN 'delete-missing' THEN
            v_missing := p_staged - p_matched;
        ELSE
            v_unchanged := p_staged - v_insert - v_update - v_delete - v_older - v_missing;
    END CASE;
    v_by := jsonb_strip_nulls(jsonb_build_object('exists', nullif(v_exists, 0), 'missing', nullif(v_missing, 0),
        'older', nullif(v_older, 0),
        'present', CASE WHEN p_spec->>'mode' = 'delete-missing' THEN nullif(p_matched, 0) END));
    RETURN jsonb_build_object('inserted', v_insert, 'updated', v_update, 'unchanged', v_unchanged,
        'deleted', v_delete, 'removed', coalesce((p_counts->>'r')::bigint, 0),
        'closed', coalesce((p_counts->>'c')::bigint, 0) + coalesce((p_counts->>'h')::bigint, 0),
        'filtered', coalesce((SELECT sum(value::bigint) FROM jsonb_each_text(v_by)), 0), 'filtered_by', v_by);
END $$;

-- Why a person must see the plan first; NULL when nobody must.
CREATE FUNCTION entrepot.held_because(p_spec jsonb, p_tally jsonb, p_quarantined bigint, p_rows bigint) RETURNS text
LANGUAGE plpgsql IMMUTABLE
AS $$
DECLARE
    v_ended bigint := (p_tally->>'removed')::bigint
        + CASE WHEN p_spec->>'mode' = 'history' THEN (p_tally->>'closed')::bigint - (p_tally->>'updated')::bigint ELSE 0 END;
    v_gone bigint := v_ended + (p_tally->>'deleted')::bigint;
BEGIN
    IF (p_spec->>'removes')::boolean AND p_quarantined > 0 AND v_ended > 0 THEN
        RETURN format('%s rows were refused; their targets would be removed: %s rows of the table lack a row in the source.',
            p_quarantined, v_ended);
    END IF;
    IF v_gone > 0 AND v_gone * 100 > (p_spec->>'max_removed_percent')::numeric * p_rows THEN
        RETURN format('%s of %s %s, more than the %s %% that the contract allows.', v_gone, p_rows,
            CASE WHEN p_spec->>'mode' = 'history' THEN 'current versions would end' ELSE 'rows would be removed' END,
            p_spec->>'max_removed_percent');
    END IF;
    RETURN NULL;
END $$;

-- What deletes of rows of a table reach by foreign keys that cascade, set null or set default, level by level and
-- through every table: constraint, table, rows, whether they are blanked, whether they are of the table itself. A row
-- that several ways lead to counts once. p_rows: a query for the part and place of the rows to be deleted. With
-- p_lock nobody can come to refer to one of them until the end.
CREATE FUNCTION entrepot.cascades(p_target text, p_rows text, p_lock boolean) RETURNS jsonb
LANGUAGE plpgsql
AS $$
DECLARE
    v_key record;
    v_level integer := 0;
    v_found jsonb;
BEGIN
    IF NOT EXISTS (SELECT FROM pg_catalog.pg_constraint c WHERE c.contype = 'f' AND c.confdeltype IN ('c', 'n', 'd')
        AND c.confrelid IN (SELECT p_target::regclass UNION SELECT relid FROM pg_partition_ancestors(p_target::regclass)
            UNION SELECT relid FROM pg_partition_tree(p_target::regclass))) THEN
        RETURN '[]';
    END IF;
    IF p_lock THEN
        -- A foreign key's own look-up waits for this lock.
        EXECUTE format('SELECT count(*) FROM (SELECT FROM (%s) w(part, tid) JOIN %s t '
            'ON t.ctid = w.tid AND t.tableoid = w.part FOR UPDATE OF t) AS l', p_rows, p_target);
    END IF;
    DROP TABLE IF EXISTS pg_temp.entrepot_reached;
    EXECUTE 'CREATE TEMPORARY TABLE entrepot_reached ON COMMIT DROP AS '
        'SELECT 0 AS level, w.part, w.tid, NULL::oid AS key, true AS gone FROM (' || p_rows || ') w(part, tid)';
    LOOP
        ANALYZE pg_temp.entrepot_reached;
        FOR v_key IN
            SELECT c.oid, c.confdeltype = 'c' AS takes,
                CASE p.relkind WHEN 'p' THEN '' ELSE 'ONLY ' END || c.confrelid::regclass AS parent,
                CASE k.relkind WHEN 'p' THEN '' ELSE 'ONLY ' END || c.conrelid::regclass AS child,
                (SELECT string_agg(format('t.%I = c.%I', theirs.attname, ours.attname), ' AND ')
                 FROM unnest(c.conkey, c.confkey) x(ours, theirs)
                 JOIN pg_catalog.pg_attribute ours ON ours.attrelid = c.conrelid AND ours.attnum = x.ours
                 JOIN pg_catalog.pg_attribute theirs ON theirs.attrelid = c.confrelid AND theirs.attnum = x.theirs) AS same
            FROM pg_catalog.pg_constraint c
            JOIN pg_catalog.pg_class p ON p.oid = c.confrelid
            JOIN pg_catalog.pg_class k ON k.oid = c.conrelid
            -- A partition of the child has a copy of its constraint, and a partition of the parent another.
            WHERE c.contype = 'f' AND c.conparentid = 0 AND c.confdeltype IN ('c', 'n', 'd')
                AND c.confrelid IN (SELECT r.part FROM pg_temp.entrepot_reached r WHERE r.level = v_level AND r.gone
                    UNION SELECT a.relid FROM (SELECT DISTINCT r.part FROM pg_temp.entrepot_reached r
                        WHERE r.level = v_level AND r.gone) d, pg_partition_ancestors(d.part) a)
            ORDER BY c.confdeltype <> 'c', c.conname, c.oid
        LOOP
            EXECUTE format('INSERT INTO pg_temp.entrepot_reached SELECT $1 + 1, c.tableoid, c.ctid, $2, $3 FROM %s c '
                'WHERE EXISTS (SELECT FROM pg_temp.entrepot_reached r JOIN %s t ON t.ctid = r.tid AND t.tableoid = r.part '
                'WHERE r.level = $1 AND r.gone AND %s) AND NOT EXISTS (SELECT FROM pg_temp.entrepot_reached x '
                'WHERE x.tid = c.ctid AND x.part = c.tableoid AND (x.gone OR x.key = $2))', v_key.child, v_key.parent, v_key.same)
                USING v_level, v_key.oid, v_key.takes;
        END LOOP;
        v_level := v_level + 1;
        EXIT WHEN NOT EXISTS (SELECT FROM pg_temp.entrepot_reached r WHERE r.level = v_level AND r.gone);
    END LOOP;
    SELECT coalesce(jsonb_agg(jsonb_build_object('constraint', c.conname, 'table', c.conrelid::regclass::text,
            'rows', f.n, 'blanks', c.confdeltype <> 'c', 'itself', f.itself)
            ORDER BY f.itself DESC, f.level, c.conname, c.oid), '[]') INTO v_found
    FROM (SELECT r.key, r.part IN (SELECT p_target::regclass UNION SELECT relid FROM pg_partition_tree(p_target::regclass)) AS itself,
            min(r.level) AS level, count(*) AS n
        FROM pg_temp.entrepot_reached r
        WHERE r.level > 0 AND (r.gone OR NOT EXISTS (SELECT FROM pg_temp.entrepot_reached x
            WHERE x.gone AND x.tid = r.tid AND x.part = r.part))
        GROUP BY 1, 2) f
    JOIN pg_catalog.pg_constraint c ON c.oid = f.key;
    DROP TABLE pg_temp.entrepot_reached;
    RETURN v_found;
END $$;

-- What cascades may be allowed to reach: constraint (table) -> rows. Refuses those of other tables unless they are
-- allowed, and in any case those of the table itself: the job means to keep them.
CREATE FUNCTION entrepot.allowed_children(p_found jsonb, p_allowed boolean) RETURNS jsonb
LANGUAGE plpgsql
AS $$
DECLARE
    v_first jsonb := p_found->0;
    v_children jsonb := coalesce((SELECT jsonb_object_agg(format('%s (%s)', f->>'constraint', f->>'table'), f->'rows')
        FROM jsonb_array_elements(p_found) f), '{}');
BEGIN
    IF v_first IS NULL OR p_allowed AND NOT (v_first->>'itself')::boolean THEN
        RETURN v_children;
    END IF;
    RAISE EXCEPTION USING ERRCODE = 'EN002', MESSAGE = format('Deleting would %s %s rows of %s by constraint %I%s.',
        CASE WHEN (v_first->>'blanks')::boolean THEN 'blank references in' ELSE 'take along' END,
        v_first->>'rows', v_first->>'table', v_first->>'constraint',
        CASE WHEN (v_first->>'itself')::boolean THEN ', rows of the same table that are to stay' ELSE '' END),
        DETAIL = jsonb_build_object('constraint', v_first->'constraint', 'table', v_first->'table', 'rows', v_first->'rows',
            'children', v_children, 'hint', CASE WHEN (v_first->>'itself')::boolean
                THEN 'Change or remove the rows that refer to them first; `allow_cascade` speaks of other tables only.'
                ELSE 'Allow it with `allow_cascade` in the contract, or keep the rows.' END)::text;
END $$;

-- Rows of other tables that the job's deletes would take along or blank.
CREATE FUNCTION entrepot.foreign_children(p_spec jsonb, p_lock boolean) RETURNS jsonb
LANGUAGE sql
AS $$
    SELECT entrepot.allowed_children(entrepot.cascades(p_spec->>'target',
        format('SELECT part, old FROM %s WHERE action IN (''r'', ''d'')', p_spec->>'work'), p_lock),
        (p_spec->>'allow_cascade')::boolean)
$$;

-- How many rows the table has before deletes, where something may take more of them than the job does: a cascade
-- that leads back to it, or a trigger. NULL where other writers go on.
CREATE FUNCTION entrepot.rows_before(p_spec jsonb, p_known bigint) RETURNS bigint
LANGUAGE plpgsql
AS $$
DECLARE
    v_rows bigint := p_known;
BEGIN
    IF p_spec->>'writers' = 'interleave' THEN
        RETURN NULL;
    END IF;
    IF v_rows IS NULL AND EXISTS (SELECT FROM pg_catalog.pg_constraint c WHERE c.contype = 'f'
            AND c.confdeltype = 'c' AND c.confrelid = (p_spec->>'target')::regclass
        UNION ALL SELECT FROM pg_catalog.pg_trigger g
            WHERE g.tgrelid = (p_spec->>'target')::regclass AND NOT g.tgisinternal AND g.tgenabled <> 'D') THEN
        EXECUTE format('SELECT count(*) FROM %s', p_spec->>'target') INTO v_rows;
    END IF;
    RETURN v_rows;
END $$;

CREATE FUNCTION entrepot.refuse_condition(p_message text, p_hint text DEFAULT NULL) RETURNS void
LANGUAGE plpgsql
AS $$
BEGIN
    RAISE EXCEPTION USING ERRCODE = 'EN006', MESSAGE = p_message,
        DETAIL = jsonb_strip_nulls(jsonb_build_object('hint', p_hint))::text;
END $$;

CREATE FUNCTION entrepot.slice_hash(p_spec jsonb) RETURNS text
LANGUAGE sql IMMUTABLE
AS $$ SELECT CASE WHEN p_spec->>'slice' <> 'true' THEN encode(sha256(convert_to(p_spec->>'slice', 'UTF8')), 'hex') END $$;

-- Whether the job's condition holds: an empty target, or one that nobody else wrote since a publish; with a slice,
-- an empty slice or one that nobody else wrote. What cannot be proved does not hold. p_missing: there was no table.
CREATE FUNCTION entrepot.check_condition(p_spec jsonb, p_tenant text, p_job text, p_missing boolean) RETURNS void
LANGUAGE plpgsql
AS $$
DECLARE
    v_wanted text := p_spec->>'only_if';
    v_target text := p_spec->>'target';
    v_slice text := p_spec->>'slice';
    v_named text := substring(v_wanted FROM '^unchanged:(.*)$');
    v_since record;
    v_ours xid[];
    v_later bigint;
    v_before xid8;
    v_found record;
    v_expected bigint;
BEGIN
    IF v_wanted = 'empty' THEN
        IF p_missing THEN
            RETURN;
        END IF;
        EXECUTE format('SELECT EXISTS (SELECT FROM %s t WHERE %s) AS any', v_target, v_slice) INTO v_found;
        IF v_found.any THEN
            PERFORM entrepot.refuse_condition(format('%s is not empty%s.', v_target,
                CASE WHEN v_slice = 'true' THEN '' ELSE ' in the slice' END));
        END IF;
        RETURN;
    END IF;
    IF p_missing THEN
        PERFORM entrepot.refuse_condition(format('There is no table %s: there is nothing to compare.', v_target));
    END IF;
    SELECT r.* INTO v_since FROM entrepot.receipt r
    WHERE r.target_schema = p_spec->>'schema' AND r.target_table = p_spec->>'table' AND r.status = 'published'
        AND r.snapshot IS NOT NULL AND (v_named IS NULL OR (r.tenant = p_tenant AND r.job_id = v_named))
    ORDER BY r.published_at DESC LIMIT 1;
    IF NOT FOUND THEN
        PERFORM entrepot.refuse_condition(CASE WHEN v_named IS NULL
            THEN format('Nothing was published into %s yet: there is nothing to compare it with.', v_target)
            ELSE format('Job %s did not publish into %s.', v_named, v_target) END);
    END IF;
    IF v_since.filenodes <> entrepot.filenodes(v_target::regclass) THEN
        PERFORM entrepot.refuse_condition(format('%s was rewritten since job %s.', v_target, v_since.job_id));
    END IF;
    IF v_since.target_rows IS NULL AND v_slice = 'true' THEN
        PERFORM entrepot.refuse_condition(format('The rows of %s were not counted when job %s was published, '
            'so that deleted ones would not be missed.', v_target, v_since.job_id), 'Publish a plan instead: it is exact.');
    END IF;
    -- Settled before: older than every transaction that was still running then. Ours: of a publish or an undo since.
    SELECT array_agg(r.write_xid) FILTER (WHERE r.write_xid IS NOT NULL), count(*) - 1, v_since.target_rows + coalesce(sum(
            CASE WHEN r.job_id = v_since.job_id AND r.tenant = v_since.tenant THEN 0
            WHEN r.receipt->>'mode' = 'undo' THEN coalesce((r.receipt#>>'{undo,reinserted}')::bigint, 0)
                - coalesce((r.receipt#>>'{undo,removed}')::bigint, 0)
            ELSE (r.receipt->>'inserted')::bigint + CASE WHEN r.receipt->>'mode' = 'history'
                    THEN (r.receipt->>'updated')::bigint ELSE 0 END
                - coalesce((r.receipt->>'removed')::bigint, 0) - coalesce((r.receipt->>'deleted')::bigint, 0) END), 0)
    INTO v_ours, v_later, v_expected
    FROM entrepot.receipt r
    WHERE r.target_schema = p_spec->>'schema' AND r.target_table = p_spec->>'table' AND r.status = 'published'
        AND r.published_at >= v_since.published_at;
    v_before := coalesce((SELECT x FROM pg_snapshot_xip(v_since.snapshot) x ORDER BY x LIMIT 1),
        pg_snapshot_xmax(v_since.snapshot));
    EXECUTE format('SELECT count(*) AS rows, count(*) FILTER (WHERE inside) AS inside, '
        'count(*) FILTER (WHERE theirs) AS theirs, count(*) FILTER (WHERE inside AND theirs) AS written '
        'FROM (SELECT %s AS inside, t.xmin <> ALL ($1) AND age(t.xmin) <= age($2) AS theirs FROM %s t) AS x',
        v_slice, v_target) INTO v_found USING v_ours, v_before::xid;
    IF v_found.written > 0 THEN
        PERFORM entrepot.refuse_condition(format('%s rows of %s%s were written by others since job %s.', v_found.written,
            v_target, CASE WHEN v_slice = 'true' THEN '' ELSE ' in the slice' END, v_since.job_id));
    END IF;
    IF v_found.theirs = 0 AND v_found.rows = v_expected THEN
        RETURN;  -- the whole table is unchanged, and so is each slice
    ELSIF v_slice = 'true' THEN
        PERFORM entrepot.refuse_condition(format('%s has %s rows, and %s after job %s and those since.',
            v_target, v_found.rows, v_expected, v_since.job_id));
    ELSIF v_later > 0 OR v_since.slice_rows IS NULL OR v_since.slice_hash <> entrepot.slice_hash(p_spec) THEN
        PERFORM entrepot.refuse_condition(format('Others changed rows of %s since job %s, and how many the slice should '
            'have is not known: whether any of them left it cannot be told.', v_target, v_since.job_id),
            'It can when the last job had the same slice. Or publish a plan: it is exact.');
    ELSIF v_found.inside <> v_since.slice_rows THEN
        PERFORM entrepot.refuse_condition(format('%s has %s rows in the slice, and %s after job %s.',
            v_target, v_found.inside, v_since.slice_rows, v_since.job_id));
    END IF;
END $$;

-- A copy of the table as it is, proved by count and an order-free hash. Of a job with a slice, of the rows that lie in
-- it or are to change.
CREATE FUNCTION entrepot.back_up(p_spec jsonb) RETURNS void
LANGUAGE plpgsql
AS $$
DECLARE
    v_sum text := 'SELECT count(*), coalesce(sum(hashtextextended(ROW(t.*)::text, 0)), 0) FROM %s t';
    v_those text := '';
    v_here record;
    v_there record;
BEGIN
    IF p_spec->>'writers' = 'interleave' THEN
        EXECUTE format('LOCK TABLE %s IN SHARE ROW EXCLUSIVE MODE', p_spec->>'target');
    END IF;
    IF p_spec->>'slice' <> 'true' THEN
        v_those := format(' WHERE %s OR EXISTS (SELECT FROM %s w WHERE w.old = t.ctid AND w.part = t.tableoid '
            'AND w.action NOT IN (''o'', ''m''))', p_spec->>'slice', p_spec->>'work');
    END IF;
    EXECUTE format('CREATE TABLE %s AS SELECT t.* FROM %s t%s', p_spec->>'backup', p_spec->>'target', v_those);
    EXECUTE format(v_sum, p_spec->>'target') || v_those INTO v_here;
    EXECUTE format(v_sum, p_spec->>'backup') INTO v_there;
    IF v_here IS DISTINCT FROM v_there THEN
        RAISE EXCEPTION USING ERRCODE = 'EN001', MESSAGE = format('The backup of %s is not its copy.', p_spec->>'target');
    END IF;
END $$;

-- Whether a job keeps a copy first: its mode removes what the file lacks and there is such a row, or it touches a
-- large share of the table. The table is only counted when the rows that are known to be there cannot settle it.
CREATE FUNCTION entrepot.needs_backup(p_spec jsonb, p_counts jsonb, p_staged bigint) RETURNS boolean
LANGUAGE plpgsql
AS $$
DECLARE
    v_touched bigint := (SELECT coalesce(sum(value::bigint), 0) FROM jsonb_each_text(p_counts)
        WHERE key IN ('u', 'd', 'r', 'c', 'h'));
    v_share numeric := (p_spec->>'backup_percent')::numeric;
    v_known bigint;
BEGIN
    IF p_counts ? 'r' OR v_touched = 0 OR v_share >= 100 THEN
        RETURN p_counts ? 'r';
    END IF;
    v_known := CASE WHEN p_spec->>'mode' = 'upsert' THEN p_staged - coalesce((p_counts->>'i')::bigint, 0) ELSE 0 END;
    IF v_touched * 100 <= v_share * v_known THEN
        RETURN false;
    END IF;
    EXECUTE format('SELECT count(*) FROM %s', p_spec->>'target') INTO v_known;
    RETURN v_touched * 100 > v_share * v_known;
END $$;

-- Keeps the old values of what will change, writes, and counts what the server says it wrote.
CREATE FUNCTION entrepot.write_rows(p_spec jsonb, p_whole boolean, p_counts jsonb) RETURNS jsonb
LANGUAGE plpgsql
AS $$
DECLARE
    v_cost text := current_setting('random_page_cost');
    v_done jsonb := '{}';
    v_count bigint;
    v_from text := 'FROM (SELECT * FROM %s WHERE action IN (%s) ORDER BY part, old) w ';
    v_here text := ' ON t.ctid = w.old AND t.tableoid = w.part';
    v_work text := p_spec->>'work';
    v_target text := p_spec->>'target';
    v_staging text := p_spec->>'staging';
    v_changes bigint;
BEGIN
    SELECT coalesce(sum(value::bigint) FILTER (WHERE key IN ('u', 'd', 'r', 'c', 'h')), 0)
        INTO v_changes FROM jsonb_each_text(p_counts);
    -- Rows are fetched by place, in the order of their places; the planner thinks of that as random
    -- and would rather hash whole tables.
    PERFORM set_config('random_page_cost', '0.2', true);
    IF v_changes > 0 AND p_spec->>'writers' = 'interleave' THEN
        -- A row that somebody changed since it was classified has another place now and is not found.
        EXECUTE format('SELECT count(*) FROM (SELECT t.ctid ' || v_from || 'JOIN %s t' || v_here || ' FOR UPDATE OF t) AS l',
            v_work, '''u'', ''d'', ''r'', ''c'', ''h''', v_target) INTO v_count;
        IF v_count <> v_changes THEN
            RAISE EXCEPTION USING ERRCODE = '40001', MESSAGE = 'Rows changed while they were classified.';
        END IF;
    END IF;
    IF v_changes > 0 THEN
        EXECUTE format(
            'CREATE TABLE %s AS SELECT CASE w.action WHEN ''h'' THEN ''c''::"char" ELSE w.action END AS entrepot_action, '
            't.tableoid AS entrepot_part, t.ctid AS entrepot_ctid, t.xmin AS entrepot_xmin, t.* '
            || v_from || 'JOIN %s t' || v_here, p_spec->>'undo', v_work, '''u'', ''d'', ''r'', ''c'', ''h''', v_target);
    END IF;
    IF p_counts ?| ARRAY['d', 'r'] THEN
        EXECUTE format('DELETE FROM %s t USING (SELECT * FROM %s WHERE action IN (''d'', ''r'') ORDER BY part, old) w '
            'WHERE t.ctid = w.old AND t.tableoid = w.part', v_target, v_work);
        GET DIAGNOSTICS v_count = ROW_COUNT;
        v_done := v_done || jsonb_build_object('gone', v_count);
    END IF;
    IF p_counts ? 'u' THEN
        EXECUTE format('UPDATE %s t SET %s ' || v_from || 'JOIN %s s ON s.ctid = w.staged '
            'WHERE t.ctid = w.old AND t.tableoid = w.part', v_target, p_spec->>'set', v_work, '''u''', v_staging);
        GET DIAGNOSTICS v_count = ROW_COUNT;
        v_done := v_done || jsonb_build_object('u', v_count);
    END IF;
    IF p_counts ?| ARRAY['c', 'h'] THEN
        EXECUTE format('UPDATE %s t SET %s ' || v_from || 'LEFT JOIN %s s ON s.ctid = w.staged '
            'WHERE t.ctid = w.old AND t.tableoid = w.part', v_target, p_spec->>'close', v_work, '''c'', ''h''', v_staging);
        GET DIAGNOSTICS v_count = ROW_COUNT;
        v_done := v_done || jsonb_build_object('closed', v_count);
    END IF;
    IF p_whole THEN
        EXECUTE format('INSERT INTO %s (%s) SELECT %s FROM %s s',
            v_target, p_spec->>'columns', p_spec->>'values', v_staging);
        GET DIAGNOSTICS v_count = ROW_COUNT;
        v_done := v_done || jsonb_build_object('i', v_count);
    ELSIF p_counts ? 'i' THEN
        EXECUTE format('INSERT INTO %s (%s) SELECT %s FROM %s s JOIN %s w ON w.staged = s.ctid WHERE w.action = ''i''',
            v_target, p_spec->>'columns', p_spec->>'values', v_staging, v_work);
        GET DIAGNOSTICS v_count = ROW_COUNT;
        v_done := v_done || jsonb_build_object('i', v_count);
    END IF;
    IF p_counts ? 'h' THEN
        -- The version that ended has another place by now; its values are in the undo table.
        EXECUTE format('INSERT INTO %s (%s) SELECT %s FROM %s s JOIN %s w ON w.staged = s.ctid '
            'JOIN %s t ON t.entrepot_ctid = w.old AND t.entrepot_part = w.part WHERE w.action = ''h''',
            v_target, p_spec->>'columns', p_spec->>'following', v_staging, v_work, p_spec->>'undo');
        GET DIAGNOSTICS v_count = ROW_COUNT;
        v_done := v_done || jsonb_build_object('h', v_count);
    END IF;
    PERFORM set_config('random_page_cost', v_cost, true);
    RETURN v_done;
END $$;

-- Whether the table took what it was to take and kept the rest, by what the server said and by what is in it now.
-- How many rows it has, where that cost nothing or is asked for. p_before: how many it had, where that was counted.
CREATE FUNCTION entrepot.prove_written(p_spec jsonb, p_xid xid, p_created boolean, p_counts jsonb, p_done jsonb,
    p_before bigint) RETURNS bigint
LANGUAGE plpgsql
AS $$
DECLARE
    v_insert bigint := coalesce((p_counts->>'i')::bigint, 0);
    v_update bigint := coalesce((p_counts->>'u')::bigint, 0);
    v_follow bigint := coalesce((p_counts->>'h')::bigint, 0);
    v_close bigint := coalesce((p_counts->>'c')::bigint, 0) + v_follow;
    v_gone bigint := coalesce((p_counts->>'d')::bigint, 0) + coalesce((p_counts->>'r')::bigint, 0);
    v_large boolean := NOT p_created AND p_spec->>'match' <> ''
        AND entrepot.total_size((p_spec->>'target')::regclass)
            > 4 * entrepot.total_size((p_spec->>'staging')::regclass) + 67108864;
    v_found record;
    v_left bigint;
    v_rows bigint;
BEGIN
    IF coalesce((p_done->>'i')::bigint, 0) + coalesce((p_done->>'h')::bigint, 0) <> v_insert + v_follow
        OR coalesce((p_done->>'u')::bigint, 0) <> v_update OR coalesce((p_done->>'closed')::bigint, 0) <> v_close
        OR coalesce((p_done->>'gone')::bigint, 0) <> v_gone THEN
        RAISE EXCEPTION USING ERRCODE = 'EN001', MESSAGE = format(
            'Of %s rows to insert, %s to update and %s to delete, the table took %s, %s and %s: '
            'a trigger or rule may drop rows.', v_insert + v_follow, v_update + v_close, v_gone,
            coalesce((p_done->>'i')::bigint, 0) + coalesce((p_done->>'h')::bigint, 0),
            coalesce((p_done->>'u')::bigint, 0) + coalesce((p_done->>'closed')::bigint, 0),
            coalesce((p_done->>'gone')::bigint, 0));
    END IF;
    IF v_insert + v_update + v_close > 0 THEN
        v_found := entrepot.count_written(p_spec, p_xid, v_large);
        v_rows := v_found.o_rows;
        IF NOT v_large AND v_found.o_written <> v_insert + v_update + v_follow + v_close AND p_spec->>'match' <> '' THEN
            -- A trigger or a cascade may have written more rows of the table: then the job's own are looked up.
            v_found := entrepot.count_written(p_spec, p_xid, true);
            v_large := true;
        END IF;
        IF v_found.o_written <> (v_insert + v_update + v_follow + CASE WHEN v_large THEN 0 ELSE v_close END) THEN
            RAISE EXCEPTION USING ERRCODE = 'EN001', MESSAGE = format('%s rows were written and %s are in the table.',
                v_insert + v_update + v_follow + CASE WHEN v_large THEN 0 ELSE v_close END, v_found.o_written);
        END IF;
    END IF;
    IF v_gone > 0 THEN
        EXECUTE format('SELECT count(*) FROM %s w JOIN %s t ON t.ctid = w.old AND t.tableoid = w.part '
            'WHERE w.action IN (''d'', ''r'')', p_spec->>'work', p_spec->>'target') INTO v_left;
        IF v_left > 0 THEN
            RAISE EXCEPTION USING ERRCODE = 'EN001',
                MESSAGE = format('%s rows were deleted and %s of them are in the table.', v_gone, v_left);
        END IF;
    END IF;
    IF p_spec->>'writers' = 'interleave' THEN
        RETURN NULL;
    END IF;
    IF v_rows IS NULL AND (p_spec->>'only_if' <> '' OR p_before IS NOT NULL
        OR entrepot.total_size((p_spec->>'target')::regclass) < 268435456) THEN
        EXECUTE format('SELECT count(*) FROM %s', p_spec->>'target') INTO v_rows;
    END IF;
    -- A trigger may add rows. None may go but those of the job.
    IF v_rows < p_before + v_insert + v_follow - v_gone THEN
        RAISE EXCEPTION USING ERRCODE = 'EN001', MESSAGE = format('%s rows are in the table, and %s should be: '
            'a trigger or a cascade took rows that the job keeps.', v_rows, p_before + v_insert + v_follow - v_gone);
    END IF;
    RETURN v_rows;
END $$;

-- Under the target's lock: did another delivery come first? A later version of the same key, or the same content.
-- What was looked up before the lock may have changed since: then the older version would win.
CREATE FUNCTION entrepot.check_first(p_spec jsonb, p_draft jsonb, p_tenant text, p_job text) RETURNS void
LANGUAGE plpgsql
AS $$
DECLARE
    v_sequencer text := CASE WHEN p_spec->>'mode' = 'append' THEN '' ELSE coalesce(p_draft->>'sequencer', '') END;
    v_version text := coalesce(p_draft->>'source_version', '');
    v_sha256 text := coalesce(p_draft->>'sha256', '');
    v_other text;
BEGIN
    SELECT r.job_id INTO v_other FROM entrepot.receipt r
    WHERE r.tenant = p_tenant AND r.contract = p_draft->>'contract' AND r.status = 'published' AND r.job_id <> p_job
        AND r.undone_by IS NULL AND r.receipt->>'mode' <> 'undo'
        AND ((v_sha256 <> '' AND r.sha256 = v_sha256)
            OR (r.source = p_draft->>'source' AND ((v_version <> '' AND r.source_version = v_version)
                OR (v_sequencer <> '' AND r.sequencer <> '' AND rpad(lower(r.sequencer), 128, '0') COLLATE "C"
                    > rpad(lower(v_sequencer), 128, '0') COLLATE "C"))))
    LIMIT 1;
    IF FOUND THEN
        RAISE EXCEPTION USING ERRCODE = 'EN008', MESSAGE = format('Job %s was published first: it brought the same '
            'content, or a later version of the same file.', v_other),
            DETAIL = jsonb_build_object('other_job', v_other)::text;
    END IF;
END $$;

-- The work of publish, in one (sub)transaction. Raises EN001 when the books do not balance, EN002 when the target
-- is not what it was or refuses, EN004 when the plan is stale, EN005 when a person must look first, EN006 when the
-- job's condition does not hold, EN008 when another delivery came first; each undoes everything.
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
    v_counts jsonb;
    v_tally jsonb;
    v_done jsonb;
    v_whole boolean;
    v_children jsonb := '{}';
    v_backup boolean := false;
    v_rows bigint;
    v_before bigint;
    v_inside bigint;
    v_held text;
    v_snapshot pg_snapshot;
    v_statement text;
    v_receipt jsonb;
    v_now timestamptz;
    v_sum bigint;
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
    v_snapshot := pg_current_snapshot();
    PERFORM set_config('entrepot.now', clock_timestamp()::text, true);
    IF NOT coalesce((s->>'force')::boolean, false) THEN
        PERFORM entrepot.check_first(s, d, p_tenant, p_job);
    END IF;
    v_staged := entrepot.recount_staging(s);
    IF s->>'only_if' <> '' THEN
        PERFORM entrepot.check_condition(s, p_tenant, p_job, v_target.o_created);
    END IF;
    v_whole := s->>'whole' = 'always' OR (s->>'whole' = 'empty' AND v_target.o_empty);
    IF v_whole THEN
        v_counts := CASE WHEN v_staged.o_staged > 0 THEN jsonb_build_object('i', v_staged.o_staged) ELSE '{}' END;
        v_tally := entrepot.tally(s || '{"mode": "append"}', v_staged.o_staged, v_counts, 0);
    ELSE
        v_class := entrepot.classify(s);
        v_counts := v_class.o_counts;
        v_tally := entrepot.tally(s, v_staged.o_staged, v_counts, v_class.o_matched);
    END IF;
    IF s->>'plan_hash' <> '' THEN
        PERFORM entrepot.compare_plan(s, v_whole);
    ELSIF v_counts ?| ARRAY['r', 'd', 'c'] THEN
        EXECUTE format('SELECT count(*) FROM %s t WHERE %s', s->>'target', s->>'share') INTO v_rows;
        v_held := entrepot.held_because(s, v_tally, v_staged.o_quarantined, v_rows);
        IF v_held IS NOT NULL THEN
            RAISE EXCEPTION USING ERRCODE = 'EN005', MESSAGE = v_held,
                DETAIL = jsonb_build_object('reason', v_held)::text;
        END IF;
    END IF;
    IF v_counts ?| ARRAY['r', 'd'] THEN
        v_children := entrepot.foreign_children(s, true);
        v_before := entrepot.rows_before(s, CASE WHEN s->>'share' = 'true' THEN v_rows END);
    END IF;
    v_backup := entrepot.needs_backup(s, v_counts, v_staged.o_staged);
    IF v_backup THEN
        PERFORM entrepot.back_up(s);
    END IF;

    v_done := entrepot.write_rows(s, v_whole, v_counts);
    IF v_target.o_created THEN
        FOR v_statement IN SELECT jsonb_array_elements_text(s->'create_keys') LOOP
            EXECUTE v_statement;
        END LOOP;
    END IF;
    -- Deferred constraints speak now, while their answer can still be told.
    SET CONSTRAINTS ALL IMMEDIATE;
    v_rows := entrepot.prove_written(s, v_xid, v_target.o_created, v_counts, v_done, v_before);
    IF s->>'slice' <> 'true' AND v_rows IS NOT NULL THEN
        EXECUTE format('SELECT count(*) FROM %s t WHERE %s', s->>'target', s->>'slice') INTO v_inside;
    END IF;

    v_now := clock_timestamp();
    v_sum := (v_tally->>'inserted')::bigint + (v_tally->>'updated')::bigint + (v_tally->>'unchanged')::bigint
        + (v_tally->>'deleted')::bigint + (v_tally->>'filtered')::bigint
        + v_staged.o_duplicate + v_staged.o_quarantined;
    IF v_staged.o_read - v_staged.o_collapsed <> v_sum OR (v_tally->>'unchanged')::bigint < 0 THEN
        RAISE EXCEPTION USING ERRCODE = 'EN001', MESSAGE = format('%s rows were read, %s collapsed, and the receipt '
            'accounts for %s, %s of them unchanged.', v_staged.o_read, v_staged.o_collapsed, v_sum, v_tally->>'unchanged');
    END IF;
    v_receipt := v_tally || jsonb_build_object(
        'status', 'published', 'mode', s->>'mode', 'target', (s->>'schema') || '.' || (s->>'table'),
        'read', v_staged.o_read, 'collapsed', v_staged.o_collapsed, 'duplicate', v_staged.o_duplicate,
        'quarantined', v_staged.o_quarantined, 'accepted', 0, 'plan_hash', s->>'plan_hash', 'children', v_children,
        'backup', CASE WHEN v_backup THEN 'entrepot.' || (s->>'backup_name') ELSE '' END,
        'finished_at', to_char(v_now AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.MS"Z"'),
        'seconds', CASE WHEN coalesce(d->>'started_at', '') = '' THEN 0
            ELSE round(extract(epoch FROM v_now - (d->>'started_at')::timestamptz)::numeric, 3) END);
    UPDATE entrepot.receipt r
    SET status = 'published', published_at = v_now, write_xid = v_xid, receipt = d || v_receipt,
        undo_table = CASE WHEN v_counts ?| ARRAY['u', 'd', 'r', 'c', 'h'] THEN s->>'undo_name' END,
        backup_table = CASE WHEN v_backup THEN s->>'backup_name' END,
        filenodes = entrepot.filenodes((s->>'target')::regclass),
        row_columns = entrepot.row_columns((s->>'target')::regclass),
        key_columns = s->'key_columns', mapped_columns = s->'mapped_columns', staging_table = s->>'staging_table',
        target_rows = v_rows, slice_hash = entrepot.slice_hash(s), slice_rows = v_inside, snapshot = v_snapshot
    WHERE r.tenant = p_tenant AND r.job_id = p_job;
    INSERT INTO entrepot.audit (tenant, actor, action, job_id, detail)
    VALUES (p_tenant, coalesce(d->>'actor', ''), 'publish', p_job, v_receipt);
END $$;

-- CALL entrepot.publish(tenant, job): does nothing when the job is published, and notes its error (never a value)
-- where a later caller finds it. A job that interleaves with other writers begins anew a few times when it loses.
CREATE OR REPLACE PROCEDURE entrepot.publish(p_tenant text, p_job text)
LANGUAGE plpgsql
AS $$
DECLARE
    v_interleaves boolean;
    v_attempt integer := 0;
    v_state text;
    v_message text;
    v_detail text;
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
    SELECT p.spec->>'writers' = 'interleave' INTO v_interleaves
    FROM entrepot.publish_spec p WHERE p.tenant = p_tenant AND p.job_id = p_job;
    LOOP
        v_attempt := v_attempt + 1;
        BEGIN
            PERFORM entrepot.publish_rows(p_tenant, p_job);
            RETURN;
        EXCEPTION WHEN OTHERS THEN
            GET STACKED DIAGNOSTICS v_state = RETURNED_SQLSTATE, v_message = MESSAGE_TEXT, v_detail = PG_EXCEPTION_DETAIL,
                v_schema = SCHEMA_NAME, v_table = TABLE_NAME, v_column = COLUMN_NAME, v_constraint = CONSTRAINT_NAME;
        END;
        EXIT WHEN NOT v_interleaves OR v_attempt >= 8 OR v_state NOT IN ('23505', '40001', '40P01');
        PERFORM pg_sleep(0.02 * v_attempt * (1 + random()));
    END LOOP;
    UPDATE entrepot.publish_spec p
    SET error = jsonb_build_object('sqlstate', v_state, 'schema', v_schema, 'table', v_table, 'column', v_column,
        'constraint', v_constraint, 'message', CASE WHEN v_state LIKE 'EN%' THEN v_message ELSE '' END,
        'detail', CASE WHEN v_state LIKE 'EN%' THEN v_detail ELSE '' END)
    WHERE p.tenant = p_tenant AND p.job_id = p_job;
END $$;
