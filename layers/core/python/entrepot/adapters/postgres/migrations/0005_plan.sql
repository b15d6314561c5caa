-- Plans: what a publish would do, row by row, with a digest that is computed again under the publish's locks.

-- Two sums of hashes of every row's action, key and former state: the order of rows does not matter.
CREATE FUNCTION entrepot.digest_rows(p_table text) RETURNS text
LANGUAGE plpgsql
AS $$
DECLARE
    v_rows bigint;
    v_first numeric;
    v_second numeric;
BEGIN
    EXECUTE format('SELECT count(*), coalesce(sum(hashtextextended(x, 1)), 0), coalesce(sum(hashtextextended(x, 2)), 0) '
        'FROM (SELECT action::text || '' '' || coalesce(fingerprint::text, '''') || '' '' || key::text AS x FROM %s) AS p', p_table)
        INTO v_rows, v_first, v_second;
    RETURN to_hex(v_rows) || (SELECT string_agg(lpad(to_hex(CASE WHEN m >= 9223372036854775808
            THEN (m - 18446744073709551616)::bigint ELSE m::bigint END), 16, '0'), '' ORDER BY place)
        FROM (SELECT place, mod(mod(v, 18446744073709551616) + 18446744073709551616, 18446744073709551616) AS m
            FROM unnest(ARRAY[v_first, v_second]) WITH ORDINALITY u(v, place)) AS sums);
END $$;

-- Writes the rows of a plan from a classification. Texts are made under fixed settings.
CREATE FUNCTION entrepot.make_plan_rows(p_spec jsonb, p_make text, p_source text) RETURNS void
LANGUAGE plpgsql
SET datestyle = 'ISO, YMD' SET intervalstyle = 'postgres' SET timezone = 'UTC' SET extra_float_digits = 1
SET bytea_output = 'hex' SET xmlbinary = 'base64'
AS $$
BEGIN
    EXECUTE p_make || (p_spec->'plan_rows'->>0) || p_source || (p_spec->'plan_rows'->>1);
END $$;

-- The plan that was approved against what would be done now, under the publish's locks.
CREATE FUNCTION entrepot.compare_plan(p_spec jsonb, p_whole boolean) RETURNS void
LANGUAGE plpgsql
AS $$
DECLARE
    v_now text := 'pg_temp.entrepot_plan_now';
    v_differ text;
    v_keys jsonb;
    v_many bigint := 0;
BEGIN
    PERFORM entrepot.make_plan_rows(p_spec, format('CREATE TEMPORARY TABLE %s ON COMMIT DROP AS ',
        'entrepot_plan_now'), CASE WHEN p_whole THEN format('(%s)', p_spec->>'all_new') ELSE p_spec->>'work' END);
    IF entrepot.digest_rows(v_now) = p_spec->>'plan_hash' THEN
        RETURN;
    END IF;
    v_keys := '[]';
    IF to_regclass(p_spec->>'plan') IS NOT NULL THEN
        v_differ := format('(SELECT action, key, fingerprint FROM %1$s EXCEPT ALL SELECT action, key, fingerprint FROM %2$s) '
            'UNION ALL (SELECT action, key, fingerprint FROM %2$s EXCEPT ALL SELECT action, key, fingerprint FROM %1$s)',
            p_spec->>'plan', v_now);
        EXECUTE format('SELECT count(*), coalesce(jsonb_agg(key) FILTER (WHERE n <= 100), ''[]'') '
            'FROM (SELECT key, row_number() OVER (ORDER BY key) AS n FROM (SELECT DISTINCT key FROM (%s) AS d) AS k) AS e',
            v_differ) INTO v_many, v_keys;
    END IF;
    RAISE EXCEPTION USING ERRCODE = 'EN004', MESSAGE = CASE WHEN v_many > 0
        THEN format('%s rows are not as they were when the plan was made.', v_many)
        ELSE 'The plan that was approved is not what would be done now.' END,
        DETAIL = jsonb_build_object('rows', v_keys)::text;
END $$;

-- What a publish would do now. Changes nothing of the target; stores the plan's rows beside staging.
CREATE FUNCTION entrepot.make_plan(p_spec jsonb, p_tenant text, p_job text) RETURNS jsonb
LANGUAGE plpgsql
AS $$
DECLARE
    s jsonb := p_spec || jsonb_build_object('work', 'pg_temp.entrepot_plan_work',
        'make_work', 'CREATE TEMPORARY TABLE entrepot_plan_work ON COMMIT DROP AS ');
    v_staged record;
    v_class record;
    v_counts jsonb;
    v_tally jsonb;
    v_children jsonb := '{}';
    v_exists boolean := to_regclass(p_spec->>'target') IS NOT NULL;
    v_empty boolean := true;
    v_whole boolean;
    v_rows bigint := 0;
BEGIN
    PERFORM set_config(key, value, true) FROM jsonb_each_text(s->'settings');
    PERFORM set_config('entrepot.now', clock_timestamp()::text, true);
    IF v_exists THEN
        EXECUTE format('SELECT NOT EXISTS (SELECT FROM %s)', s->>'target') INTO v_empty;
    ELSIF jsonb_typeof(s->'create') <> 'array' THEN
        RAISE EXCEPTION USING ERRCODE = 'EN002', MESSAGE = format('The target table %s is gone.', s->>'target');
    END IF;
    v_staged := entrepot.recount_staging(s);
    IF s->>'only_if' <> '' THEN
        PERFORM entrepot.check_condition(s, p_tenant, p_job, NOT v_exists);
    END IF;
    v_whole := s->>'whole' = 'always' OR (s->>'whole' = 'empty' AND v_empty);
    IF v_whole THEN
        v_counts := jsonb_build_object('i', v_staged.o_staged);
        v_tally := entrepot.tally(s || '{"mode": "append"}', v_staged.o_staged, v_counts, 0);
    ELSE
        IF NOT v_exists THEN
            s := s || jsonb_build_object('classify', s->'all_new', 'matched', NULL);
        END IF;
        v_class := entrepot.classify(s);
        v_counts := v_class.o_counts;
        v_tally := entrepot.tally(s, v_staged.o_staged, v_counts, v_class.o_matched);
    END IF;
    IF v_exists THEN
        EXECUTE format('SELECT count(*) FROM %s t WHERE %s', s->>'target', s->>'share') INTO v_rows;
    END IF;
    IF v_counts ?| ARRAY['r', 'd'] THEN
        v_children := entrepot.foreign_children(s, false);
    END IF;
    EXECUTE format('DROP TABLE IF EXISTS %s', s->>'plan');
    PERFORM entrepot.make_plan_rows(s, s->>'make_plan',
        CASE WHEN v_whole THEN format('(%s)', s->>'all_new') ELSE s->>'work' END);
    RETURN jsonb_build_object('hash', entrepot.digest_rows(s->>'plan'), 'target_rows', v_rows,
        'held', coalesce(entrepot.held_because(s, v_tally, v_staged.o_quarantined, v_rows), ''),
        'counts', jsonb_build_object('insert', v_tally->'inserted', 'update', v_tally->'updated',
            'unchanged', v_tally->'unchanged', 'delete', v_tally->'deleted', 'remove', v_tally->'removed',
            'close', v_tally->'closed', 'filtered', v_tally->'filtered', 'filtered_by', v_tally->'filtered_by',
            'children', v_children));
END $$;
