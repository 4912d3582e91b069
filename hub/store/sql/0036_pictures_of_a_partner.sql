-- A car maker's pictures are its suppliers', and a supplier sees them as their owner: the policies ask for either,
-- which two indexes answer together. Without this one a tenant of few pictures, or none, had all of them read.
CREATE INDEX inspection_picture_newest_shared ON inspection_picture (partner, id);
