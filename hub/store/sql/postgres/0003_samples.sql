-- Samples on plain PostgreSQL: a partition per day, and minutes rolled up by a job.
-- Same names, columns and answers as on TimescaleDB.

-- Numbers and booleans (0, 1) stand in `value`; strings and JSON in `text`. An integer beyond
-- +-2^53 has its rounded value in `value` and its exact digits in `text`.
CREATE TABLE sample (
    tag_id     integer NOT NULL,
    time       timestamptz NOT NULL,
    value      double precision,
    text       text,
    quality    smallint NOT NULL DEFAULT 192,
    historical boolean NOT NULL DEFAULT false
) PARTITION BY RANGE (time);
CREATE INDEX sample_by_tag ON sample (tag_id, time DESC);
-- For the rollup, which reads a minute of all tags; costs next to nothing to keep.
CREATE INDEX sample_by_time ON sample USING brin (time) WITH (pages_per_range = 32, autosummarize);

-- Takes what no day partition takes: a PLC whose clock is wrong still loses nothing.
CREATE TABLE sample_default PARTITION OF sample DEFAULT;

-- Minutes below `until` stand in sample_minute_rolled; later ones are computed when read.
CREATE TABLE sample_rollup (
    until timestamptz NOT NULL
);
CREATE UNIQUE INDEX sample_rollup_single ON sample_rollup ((true));
INSERT INTO sample_rollup VALUES ('-infinity');

CREATE TABLE sample_minute_rolled (
    tag_id  integer NOT NULL,
    minute  timestamptz NOT NULL,
    samples bigint NOT NULL,                                -- rows, those without a number too
    low     double precision,
    high    double precision,
    mean    double precision,
    last    double precision,
    PRIMARY KEY (tag_id, minute)
);
CREATE INDEX sample_minute_by_minute ON sample_minute_rolled (minute);

-- Minutes that got samples, said by whoever stored them; what is rolled up already is done again.
CREATE TABLE sample_dirty (
    minute timestamptz NOT NULL
);

CREATE VIEW sample_minute_fresh AS
SELECT tag_id,
       date_bin('1 minute', time, timestamptz '2000-01-01 00:00Z') AS minute,
       count(*) AS samples,
       min(value) AS low,
       max(value) AS high,
       avg(value) AS mean,
       (array_agg(value ORDER BY time DESC) FILTER (WHERE value IS NOT NULL))[1] AS last
FROM sample
WHERE time >= (SELECT until FROM sample_rollup)
GROUP BY 1, 2;

CREATE VIEW sample_minute AS
SELECT tag_id, minute, samples, low, high, mean, last
FROM sample_minute_rolled
UNION ALL
SELECT tag_id, minute, samples, low, high, mean, last
FROM sample_minute_fresh;

-- The minutes of [from_time, to_time), computed from samples.
CREATE FUNCTION sample_minutes_of(from_time timestamptz, to_time timestamptz)
RETURNS SETOF sample_minute_rolled
LANGUAGE sql STABLE
BEGIN ATOMIC
    SELECT tag_id,
           date_bin('1 minute', time, timestamptz '2000-01-01 00:00Z') AS minute,
           count(*),
           min(value),
           max(value),
           avg(value),
           (array_agg(value ORDER BY time DESC) FILTER (WHERE value IS NOT NULL))[1]
    FROM sample
    WHERE time >= from_time AND time < to_time
    GROUP BY 1, 2;
END;

-- Say in the transaction that stores samples which minutes they fall into.
CREATE FUNCTION sample_touched(minutes timestamptz[]) RETURNS void
LANGUAGE sql SECURITY DEFINER SET search_path = lineside, pg_temp
BEGIN ATOMIC
    INSERT INTO sample_dirty
    SELECT DISTINCT date_bin('1 minute', touched, timestamptz '2000-01-01 00:00Z')
    FROM unnest(minutes) AS touched;
END;

-- Roll up to two minutes ago, so that live samples have arrived; do dirty minutes again. A
-- transaction still open now is not seen, but neither are its dirty minutes: the next run has both.
CREATE FUNCTION sample_roll_up(now_time timestamptz) RETURNS void
LANGUAGE plpgsql SECURITY DEFINER SET search_path = lineside, pg_temp AS $$
DECLARE
    old_until timestamptz;
    new_until timestamptz;
    again     timestamptz[];
BEGIN
    SELECT until INTO old_until FROM sample_rollup FOR UPDATE;
    new_until := greatest(old_until, date_bin('1 minute', now_time - interval '2 minutes',
                                              timestamptz '2000-01-01 00:00Z'));
    WITH taken AS (DELETE FROM sample_dirty WHERE minute < new_until RETURNING minute)
    SELECT coalesce(array_agg(DISTINCT minute), '{}') INTO again FROM taken WHERE minute < old_until;

    DELETE FROM sample_minute_rolled WHERE minute = ANY (again);
    INSERT INTO sample_minute_rolled
    SELECT rolled.*
    FROM unnest(again) AS start, sample_minutes_of(start, start + interval '1 minute') AS rolled;
    INSERT INTO sample_minute_rolled SELECT * FROM sample_minutes_of(old_until, new_until);
    UPDATE sample_rollup SET until = new_until;
END $$;

-- Make the partitions of the days (UTC) from the one to the other; samples of those days that wait
-- in the default partition move over. Returns how many were made.
CREATE FUNCTION sample_prepare(from_time timestamptz, to_time timestamptz) RETURNS integer
LANGUAGE plpgsql SECURITY DEFINER SET search_path = lineside, pg_temp SET timezone = 'UTC' AS $$
DECLARE
    day  timestamptz;
    name text;
    made integer := 0;
BEGIN
    PERFORM pg_advisory_xact_lock('sample'::regclass::oid::bigint);
    FOR day IN SELECT generate_series(date_trunc('day', from_time), to_time, interval '1 day') LOOP
        name := 'sample_' || to_char(day, 'YYYYMMDD');
        CONTINUE WHEN to_regclass(name) IS NOT NULL;
        EXECUTE format('CREATE TABLE %I (LIKE sample INCLUDING ALL)', name);
        EXECUTE format(
            'WITH moved AS (DELETE FROM sample_default WHERE time >= %L AND time < %L RETURNING *) '
            'INSERT INTO %I SELECT * FROM moved', day, day + interval '1 day', name);
        EXECUTE format('ALTER TABLE sample ATTACH PARTITION %I FOR VALUES FROM (%L) TO (%L)',
                       name, day, day + interval '1 day');
        made := made + 1;
    END LOOP;
    RETURN made;
END $$;

-- Forget samples and minutes older than `before`, whole days (UTC) at a time. Returns how many days.
CREATE FUNCTION sample_drop_before(before timestamptz) RETURNS integer
LANGUAGE plpgsql SECURITY DEFINER SET search_path = lineside, pg_temp SET timezone = 'UTC' AS $$
DECLARE
    first_kept timestamptz := date_trunc('day', before);
    name       text;
    dropped    integer := 0;
BEGIN
    FOR name IN
        SELECT c.relname FROM pg_inherits i JOIN pg_class c ON c.oid = i.inhrelid
        WHERE i.inhparent = 'sample'::regclass AND c.relname ~ '^sample_\d{8}$'
          AND to_timestamp(right(c.relname, 8), 'YYYYMMDD') < first_kept
    LOOP
        EXECUTE format('DROP TABLE %I', name);
        dropped := dropped + 1;
    END LOOP;
    DELETE FROM sample_default WHERE time < first_kept;
    DELETE FROM sample_minute_rolled WHERE minute < first_kept;
    RETURN dropped;
END $$;
