-- Trends on plain PostgreSQL: minutes, hours and days, each rolled up from the one below it by a job,
-- with what is not rolled up yet computed when read.
-- Same names, columns and answers as on TimescaleDB.

DROP VIEW sample_minute_view;
DROP VIEW sample_minute, sample_minute_fresh;
DROP FUNCTION sample_roll_up, sample_drop_before, sample_minutes_of;
DROP TABLE sample_minute_rolled, sample_rollup;

-- What is kept of samples, finest first: each class before `kept_since` has been let go, or is about
-- to be; buckets before `until` stand in a table, later ones are computed when read. What was rolled
-- up before is done anew, a day at a time.
CREATE TABLE sample_class (
    class      text PRIMARY KEY,
    width      interval NOT NULL,                           -- of a bucket; 0: samples themselves
    kept_since timestamptz NOT NULL DEFAULT '-infinity',
    until      timestamptz
);
INSERT INTO sample_class VALUES
    ('sample', '0', DEFAULT, NULL), ('minute', '1 minute', DEFAULT, '-infinity'),
    ('hour', '1 hour', DEFAULT, '-infinity'), ('day', '1 day', DEFAULT, '-infinity');

CREATE VIEW sample_state AS
SELECT class, width, kept_since, until AS aggregated_until FROM sample_class;

-- A month of minutes to a partition, so that they are let go whole; hours and days are few.
CREATE TABLE sample_minute_rolled (
    tag_id   integer NOT NULL,
    bucket   timestamptz NOT NULL,
    samples  bigint NOT NULL,                               -- rows, those without a number too
    bad      bigint NOT NULL,                               -- of quality other than good
    latest   timestamptz NOT NULL,
    numbers  bigint NOT NULL,                               -- samples with a number; NaN is none
    total    double precision,                              -- from here on: of the numbers
    low      double precision,
    low_at   timestamptz,
    high     double precision,
    high_at  timestamptz,
    first    double precision,
    first_at timestamptz,
    last     double precision,
    last_at  timestamptz,
    PRIMARY KEY (tag_id, bucket)
) PARTITION BY RANGE (bucket);
CREATE TABLE sample_minute_default PARTITION OF sample_minute_rolled DEFAULT;
CREATE INDEX sample_minute_by_bucket ON sample_minute_rolled USING brin (bucket)
    WITH (pages_per_range = 32, autosummarize);
CREATE TABLE sample_hour_rolled (LIKE sample_minute_rolled, PRIMARY KEY (tag_id, bucket));
CREATE INDEX sample_hour_by_bucket ON sample_hour_rolled (bucket);
CREATE TABLE sample_day_rolled (LIKE sample_minute_rolled, PRIMARY KEY (tag_id, bucket));
CREATE INDEX sample_day_by_bucket ON sample_day_rolled (bucket);

-- All of it adds up: the hour of minutes is the hour of samples. Of several lowest, highest or first
-- the earliest counts, of several last at the same time the greatest: an array's order is that of its
-- first element, then of its second, and min of arrays needs no sorting. For each class there is a
-- function for what is to be rolled up, and a view of what is not yet; rights would not pass through
-- one to the other.
DO $do$
DECLARE
    of_samples CONSTANT text := $$
        count(*) AS samples,
        count(*) FILTER (WHERE quality NOT BETWEEN 192 AND 255) AS bad,
        max(time) AS latest,
        count(*) FILTER (WHERE value <> 'NaN') AS numbers,
        sum(value) FILTER (WHERE value <> 'NaN') AS total,
        (min(ARRAY[value, date_part('epoch', time - timestamptz '1970-01-01 00:00Z')])
            FILTER (WHERE value <> 'NaN'))[1] AS low,
        to_timestamp((min(ARRAY[value, date_part('epoch', time - timestamptz '1970-01-01 00:00Z')])
            FILTER (WHERE value <> 'NaN'))[2]) AS low_at,
        (max(ARRAY[value, -date_part('epoch', time - timestamptz '1970-01-01 00:00Z')])
            FILTER (WHERE value <> 'NaN'))[1] AS high,
        to_timestamp(-(max(ARRAY[value, -date_part('epoch', time - timestamptz '1970-01-01 00:00Z')])
            FILTER (WHERE value <> 'NaN'))[2]) AS high_at,
        (min(ARRAY[date_part('epoch', time - timestamptz '1970-01-01 00:00Z'), value])
            FILTER (WHERE value <> 'NaN'))[2] AS first,
        to_timestamp((min(ARRAY[date_part('epoch', time - timestamptz '1970-01-01 00:00Z'), value])
            FILTER (WHERE value <> 'NaN'))[1]) AS first_at,
        (max(ARRAY[date_part('epoch', time - timestamptz '1970-01-01 00:00Z'), value])
            FILTER (WHERE value <> 'NaN'))[2] AS last,
        to_timestamp((max(ARRAY[date_part('epoch', time - timestamptz '1970-01-01 00:00Z'), value])
            FILTER (WHERE value <> 'NaN'))[1]) AS last_at
    $$;
    of_buckets CONSTANT text := $$
        sum(samples)::bigint AS samples,
        sum(bad)::bigint AS bad,
        max(latest) AS latest,
        sum(numbers)::bigint AS numbers,
        sum(total) AS total,
        (min(ARRAY[low, date_part('epoch', low_at - timestamptz '1970-01-01 00:00Z')])
            FILTER (WHERE numbers > 0))[1] AS low,
        to_timestamp((min(ARRAY[low, date_part('epoch', low_at - timestamptz '1970-01-01 00:00Z')])
            FILTER (WHERE numbers > 0))[2]) AS low_at,
        (max(ARRAY[high, -date_part('epoch', high_at - timestamptz '1970-01-01 00:00Z')])
            FILTER (WHERE numbers > 0))[1] AS high,
        to_timestamp(-(max(ARRAY[high, -date_part('epoch', high_at - timestamptz '1970-01-01 00:00Z')])
            FILTER (WHERE numbers > 0))[2]) AS high_at,
        (min(ARRAY[date_part('epoch', first_at - timestamptz '1970-01-01 00:00Z'), first])
            FILTER (WHERE numbers > 0))[2] AS first,
        to_timestamp((min(ARRAY[date_part('epoch', first_at - timestamptz '1970-01-01 00:00Z'), first])
            FILTER (WHERE numbers > 0))[1]) AS first_at,
        (max(ARRAY[date_part('epoch', last_at - timestamptz '1970-01-01 00:00Z'), last])
            FILTER (WHERE numbers > 0))[2] AS last,
        to_timestamp((max(ARRAY[date_part('epoch', last_at - timestamptz '1970-01-01 00:00Z'), last])
            FILTER (WHERE numbers > 0))[1]) AS last_at
    $$;
    bin   CONSTANT text := $$date_bin('1 %s', %I, timestamptz '2000-01-01 00:00Z')$$;
    level record;
BEGIN
    FOR level IN SELECT * FROM (VALUES
        ('minute', 'sample', 'sample', 'time', of_samples),
        ('hour', 'sample_minute_rolled', 'sample_minute', 'bucket', of_buckets),
        ('day', 'sample_hour_rolled', 'sample_hour', 'bucket', of_buckets)
    ) AS _ (class, rolled, finer, at, columns) LOOP
        EXECUTE format(
            'CREATE FUNCTION sample_%1$s_of(from_time timestamptz, to_time timestamptz)'
            ' RETURNS SETOF sample_%1$s_rolled LANGUAGE sql STABLE BEGIN ATOMIC'
            ' SELECT tag_id, %2$s, %3$s FROM %4$I WHERE %5$I >= from_time AND %5$I < to_time'
            ' GROUP BY 1, 2; END',
            level.class, format(bin, level.class, level.at), level.columns, level.rolled, level.at);
        EXECUTE format(
            'CREATE VIEW sample_%1$s_fresh AS SELECT tag_id, %2$s AS bucket, %3$s FROM %4$I'
            ' WHERE %5$I >= (SELECT until FROM sample_class WHERE class = %1$L) GROUP BY 1, 2',
            level.class, format(bin, level.class, level.at), level.columns, level.finer, level.at);
        EXECUTE format(
            'CREATE VIEW sample_%1$s AS'
            ' SELECT * FROM sample_%1$s_rolled UNION ALL SELECT * FROM sample_%1$s_fresh', level.class);
    END LOOP;
END $do$;

-- When the first sample at or after `from_time` was, by the partitions in their order: the whole table
-- is never read.
CREATE FUNCTION sample_first_since(from_time timestamptz) RETURNS timestamptz
LANGUAGE plpgsql STABLE SET search_path = lineside, pg_temp SET timezone = 'UTC' AS $$
DECLARE
    name   text;
    first  timestamptz;
    waiting timestamptz;
BEGIN
    SELECT min(time) INTO waiting FROM sample_default WHERE time >= from_time;
    FOR name IN
        SELECT c.relname FROM pg_inherits i JOIN pg_class c ON c.oid = i.inhrelid
        WHERE i.inhparent = 'sample'::regclass AND c.relname ~ '^sample_\d{8}$'
          AND to_timestamp(right(c.relname, 8), 'YYYYMMDD') + interval '1 day' > from_time
        ORDER BY 1
    LOOP
        EXECUTE format('SELECT min(time) FROM %I WHERE time >= %L', name, from_time) INTO first;
        EXIT WHEN first IS NOT NULL;
    END LOOP;
    RETURN least(first, waiting);
END $$;

-- Roll up minutes to two minutes ago, so that live samples have arrived, but at most a day of them at
-- a time, and hours and days that are over by then; do again what late samples have changed, unless
-- what it is made of has been let go. A transaction still open now is not seen, but neither are its
-- dirty minutes: the next run has both. Returns whether there is more to do at once.
CREATE FUNCTION sample_roll_up(now_time timestamptz) RETURNS boolean
LANGUAGE plpgsql SECURITY DEFINER SET search_path = lineside, pg_temp SET timezone = 'UTC' AS $$
DECLARE
    origin    CONSTANT timestamptz := '2000-01-01 00:00Z';
    goal      timestamptz := date_bin('1 minute', now_time - interval '2 minutes', origin);
    level     sample_class;
    finer     sample_class;
    new_until timestamptz;
    again     timestamptz[];
BEGIN
    PERFORM FROM sample_class FOR UPDATE;
    SELECT * INTO finer FROM sample_class WHERE class = 'sample';
    FOR level IN SELECT * FROM sample_class WHERE class <> 'sample' ORDER BY width LOOP
        IF level.class = 'minute' THEN
            IF level.until < goal - interval '1 day' THEN
                -- Nothing may have come for years, or a clock stood at 1970.
                level.until := greatest(level.until, date_bin('1 minute',
                    least(goal, sample_first_since(level.until)), origin));
            END IF;
            new_until := greatest(level.until, least(goal, date_trunc('day', level.until) + interval '1 day'));
            PERFORM sample_prepare_minutes(level.until, new_until);
            WITH taken AS (DELETE FROM sample_dirty WHERE minute < new_until RETURNING minute)
            SELECT coalesce(array_agg(DISTINCT minute), '{}') INTO again FROM taken;
        ELSE
            new_until := greatest(level.until, date_bin(level.width, finer.until, origin));
        END IF;
        SELECT coalesce(array_agg(DISTINCT bucket), '{}') INTO again
        FROM (SELECT date_bin(level.width, changed, origin) FROM unnest(again) AS changed) AS _ (bucket)
        WHERE bucket < level.until AND bucket >= finer.kept_since;

        EXECUTE format('DELETE FROM sample_%1$s_rolled WHERE bucket = ANY ($1)', level.class) USING again;
        EXECUTE format(
            'INSERT INTO sample_%1$s_rolled SELECT done.* FROM unnest($1) AS start,'
            ' sample_%1$s_of(start, start + $2) AS done'
            ' UNION ALL SELECT * FROM sample_%1$s_of($3, $4)', level.class)
        USING again, level.width, level.until, new_until;
        UPDATE sample_class SET until = new_until WHERE class = level.class;
        finer := level;
        finer.until := new_until;
    END LOOP;
    RETURN (SELECT until < goal FROM sample_class WHERE class = 'minute');
END $$;

-- Make the partitions of minutes of the months (UTC) from the one to the other.
CREATE FUNCTION sample_prepare_minutes(from_time timestamptz, to_time timestamptz) RETURNS void
LANGUAGE plpgsql SET search_path = lineside, pg_temp SET timezone = 'UTC' AS $$
DECLARE
    month timestamptz;
    name  text;
BEGIN
    FOR month IN SELECT generate_series(date_trunc('month', from_time), to_time, interval '1 month') LOOP
        name := 'sample_minute_' || to_char(month, 'YYYYMM');
        CONTINUE WHEN to_regclass(name) IS NOT NULL;
        EXECUTE format('CREATE TABLE %I PARTITION OF sample_minute_rolled FOR VALUES FROM (%L) TO (%L)',
                       name, month, month + interval '1 month');
    END LOOP;
END $$;

-- Let go of a class older than `before`, whole days (UTC) of samples and whole months of minutes at a
-- time; not of what the next coarser class has not rolled up yet. Returns how many partitions went.
CREATE FUNCTION sample_let_go(which text, before timestamptz) RETURNS integer
LANGUAGE plpgsql SECURITY DEFINER SET search_path = lineside, pg_temp SET timezone = 'UTC' AS $$
DECLARE
    first_kept timestamptz;
    name       text;
    dropped    integer := 0;
BEGIN
    SELECT date_trunc('day', least(before, min(coarser.until))) INTO first_kept
    FROM sample_class c
    LEFT JOIN sample_class coarser ON coarser.width > c.width
    WHERE c.class = which;
    UPDATE sample_class SET kept_since = first_kept WHERE class = which AND kept_since < first_kept;
    FOR name IN
        SELECT c.relname FROM pg_inherits i JOIN pg_class c ON c.oid = i.inhrelid
        WHERE which = 'sample' AND i.inhparent = 'sample'::regclass AND c.relname ~ '^sample_\d{8}$'
          AND to_timestamp(right(c.relname, 8), 'YYYYMMDD') < first_kept
        UNION ALL
        SELECT c.relname FROM pg_inherits i JOIN pg_class c ON c.oid = i.inhrelid
        WHERE which = 'minute' AND i.inhparent = 'sample_minute_rolled'::regclass
          AND c.relname ~ '^sample_minute_\d{6}$'
          AND to_timestamp(right(c.relname, 6), 'YYYYMM') + interval '1 month' <= first_kept
    LOOP
        EXECUTE format('DROP TABLE %I', name);
        dropped := dropped + 1;
    END LOOP;
    CASE which
        WHEN 'sample' THEN DELETE FROM sample_default WHERE time < first_kept;
        WHEN 'minute' THEN DELETE FROM sample_minute_default WHERE bucket < first_kept;
        WHEN 'hour' THEN DELETE FROM sample_hour_rolled WHERE bucket < first_kept;
        WHEN 'day' THEN DELETE FROM sample_day_rolled WHERE bucket < first_kept;
    END CASE;
    RETURN dropped;
END $$;

REVOKE EXECUTE ON FUNCTION sample_roll_up, sample_let_go FROM PUBLIC;
GRANT EXECUTE ON FUNCTION sample_roll_up, sample_let_go TO lineside_ingest;
GRANT SELECT ON sample_minute, sample_hour, sample_day TO lineside_ingest;
GRANT SELECT ON sample_state TO lineside_ingest, lineside_api;

CREATE VIEW sample_minute_view WITH (security_barrier) AS
SELECT m.* FROM sample_minute m JOIN tag t ON t.id = m.tag_id
WHERE current_tenant() IN (t.owner, t.partner);
CREATE VIEW sample_hour_view WITH (security_barrier) AS
SELECT h.* FROM sample_hour h JOIN tag t ON t.id = h.tag_id
WHERE current_tenant() IN (t.owner, t.partner);
CREATE VIEW sample_day_view WITH (security_barrier) AS
SELECT d.* FROM sample_day d JOIN tag t ON t.id = d.tag_id
WHERE current_tenant() IN (t.owner, t.partner);
GRANT SELECT ON sample_minute_view, sample_hour_view, sample_day_view TO lineside_api;
-- Records that could not be stored are not kept for ever.
GRANT DELETE ON quarantine TO lineside_ingest;
