-- Samples on TimescaleDB: a hypertable, compressed after a day, and minutes as a continuous aggregate.
-- Same names, columns and answers as on plain PostgreSQL.

-- Numbers and booleans (0, 1) stand in `value`; strings and JSON in `text`. An integer beyond
-- +-2^53 has its rounded value in `value` and its exact digits in `text`.
CREATE TABLE sample (
    tag_id     integer NOT NULL,
    time       timestamptz NOT NULL,
    value      double precision,
    text       text,
    quality    smallint NOT NULL DEFAULT 192,
    historical boolean NOT NULL DEFAULT false
);
-- A day: what 1,000 tags bring at 8 changes a second (700 million rows) compresses to a few GB, and
-- retention is by whole chunks.
SELECT public.create_hypertable(
    'sample', public.by_range('time', INTERVAL '1 day'), create_default_indexes => false);
CREATE INDEX sample_by_tag ON sample (tag_id, time DESC);

-- One tag over time is the main question, and neighbours in time are alike: both compress best so.
ALTER TABLE sample SET (
    timescaledb.compress,
    timescaledb.compress_segmentby = 'tag_id',
    timescaledb.compress_orderby = 'time DESC'
);
SELECT public.add_compression_policy('sample', INTERVAL '1 day');

CREATE MATERIALIZED VIEW sample_minute
WITH (timescaledb.continuous, timescaledb.materialized_only = false) AS
SELECT tag_id,
       public.time_bucket(INTERVAL '1 minute', time) AS minute,
       count(*) AS samples,
       min(value) AS low,
       max(value) AS high,
       avg(value) AS mean,
       public.last(value, time) FILTER (WHERE value IS NOT NULL) AS last
FROM sample
GROUP BY 1, 2
WITH NO DATA;
-- A backlog may be days old: its minutes are refreshed too, while its chunks are still there.
SELECT public.add_continuous_aggregate_policy('sample_minute',
    start_offset => INTERVAL '14 days',
    end_offset => INTERVAL '2 minutes',
    schedule_interval => INTERVAL '1 minute');

-- TimescaleDB keeps its own account of changed minutes, rolls up by policy and makes chunks itself.
CREATE FUNCTION sample_touched(minutes timestamptz[]) RETURNS void
LANGUAGE sql AS 'SELECT';

CREATE FUNCTION sample_roll_up(now_time timestamptz) RETURNS void
LANGUAGE sql AS 'SELECT';

CREATE FUNCTION sample_prepare(from_time timestamptz, to_time timestamptz) RETURNS integer
LANGUAGE sql AS 'SELECT 0';

-- Forget samples and minutes older than `before`, whole days (UTC) at a time. Returns how many days.
CREATE FUNCTION sample_drop_before(before timestamptz) RETURNS integer
LANGUAGE plpgsql SECURITY DEFINER SET search_path = lineside, pg_temp SET timezone = 'UTC' AS $$
DECLARE
    first_kept timestamptz := date_trunc('day', before);
    dropped    integer;
BEGIN
    SELECT count(*) INTO dropped FROM public.drop_chunks('sample', older_than => first_kept);
    PERFORM public.drop_chunks('sample_minute', older_than => first_kept);
    RETURN dropped;
END $$;
