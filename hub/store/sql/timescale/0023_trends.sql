-- Trends on TimescaleDB: minutes, hours and days as continuous aggregates, each of the one below it,
-- with what is not aggregated yet computed when read.
-- Same names, columns and answers as on plain PostgreSQL.

DROP VIEW sample_minute_view;
DROP MATERIALIZED VIEW sample_minute;
DROP FUNCTION sample_roll_up, sample_drop_before;

-- What is kept of samples, finest first: each class before `kept_since` has been let go, or is about
-- to be. The time to which one is aggregated TimescaleDB knows itself.
CREATE TABLE sample_class (
    class      text PRIMARY KEY,
    width      interval NOT NULL,                           -- of a bucket; 0: samples themselves
    kept_since timestamptz NOT NULL DEFAULT '-infinity'
);
INSERT INTO sample_class VALUES
    ('sample', '0'), ('minute', '1 minute'), ('hour', '1 hour'), ('day', '1 day');

-- All of it adds up: the hour of minutes is the hour of samples. `numbers` are the samples with a
-- number, which all columns from `total` on are of; NaN is none. Of several lowest, highest or first
-- the earliest counts, of several last at the same time the greatest: an array's order is that of its
-- first element, then of its second, and min of arrays needs no sorting as `first` of a sort would.
-- A week of minutes to a chunk, half a year of hours, ten years of days: few chunks, each a small part
-- of what is kept.
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
    level record;
BEGIN
    FOR level IN SELECT * FROM (VALUES
        ('minute', 'sample', 'time', of_samples, '7 days'),
        ('hour', 'sample_minute', 'bucket', of_buckets, '180 days'),
        ('day', 'sample_hour', 'bucket', of_buckets, '3650 days')
    ) AS _ (class, finer, at, columns, chunk) LOOP
        EXECUTE format(
            'CREATE MATERIALIZED VIEW sample_%1$s WITH (timescaledb.continuous,'
            ' timescaledb.materialized_only = false, timescaledb.chunk_interval = %2$L) AS'
            ' SELECT tag_id, public.time_bucket(INTERVAL %3$L, %4$I) AS bucket, %5$s'
            ' FROM %6$I GROUP BY 1, 2 WITH NO DATA',
            level.class, level.chunk, '1 ' || level.class, level.at, level.columns, level.finer);
    END LOOP;
END $do$;

-- Neighbours in time are alike: so compress what is read by tag and time.
ALTER MATERIALIZED VIEW sample_minute SET (
    timescaledb.compress, timescaledb.compress_segmentby = 'tag_id',
    timescaledb.compress_orderby = 'bucket DESC');
ALTER MATERIALIZED VIEW sample_hour SET (
    timescaledb.compress, timescaledb.compress_segmentby = 'tag_id',
    timescaledb.compress_orderby = 'bucket DESC');

-- TimescaleDB aggregates by policy, which `hub/store/policies.py` sets: there is never more to do.
CREATE FUNCTION sample_roll_up(now_time timestamptz) RETURNS boolean
LANGUAGE sql AS 'SELECT false';

-- How far each class is aggregated; null: nothing is to be. Before the first refresh TimescaleDB says
-- the beginning of its time.
CREATE VIEW sample_state AS
SELECT c.class, c.width, c.kept_since,
       CASE WHEN w.at > timestamptz '0001-01-01' THEN w.at
            WHEN w.at IS NOT NULL THEN '-infinity' END AS aggregated_until
FROM sample_class c
LEFT JOIN _timescaledb_catalog.continuous_agg a
    ON a.user_view_schema = 'lineside' AND a.user_view_name = 'sample_' || c.class
LEFT JOIN LATERAL (
    SELECT _timescaledb_functions.to_timestamp(
        _timescaledb_functions.cagg_watermark(a.mat_hypertable_id))
) AS w (at) ON true;

-- Let go of a class older than `before`, whole chunks at a time; not of what the next coarser class
-- has not aggregated yet. Returns how many chunks went.
CREATE FUNCTION sample_let_go(which text, before timestamptz) RETURNS integer
LANGUAGE plpgsql SECURITY DEFINER SET search_path = lineside, pg_temp SET timezone = 'UTC' AS $$
DECLARE
    first_kept timestamptz;
    dropped    integer;
BEGIN
    SELECT date_trunc('day', least(before, min(coarser.aggregated_until))) INTO first_kept
    FROM sample_class c
    LEFT JOIN sample_state coarser ON coarser.width > c.width
    WHERE c.class = which;
    IF first_kept = '-infinity' THEN
        RETURN 0;
    END IF;
    UPDATE sample_class SET kept_since = first_kept WHERE class = which AND kept_since < first_kept;
    SELECT count(*) INTO dropped
    FROM public.drop_chunks(CASE which WHEN 'sample' THEN 'sample' ELSE 'sample_' || which END,
                            older_than => first_kept);
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
