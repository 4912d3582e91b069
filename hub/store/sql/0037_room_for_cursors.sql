-- Each commit of ingest moves the cursor and the counts of every gateway it has heard. With room on its page for the
-- next version a row is changed without touching its indexes, and the page is tidied as it goes; without it two of
-- three changes went to another page, and 500 cursors took two megabytes.
ALTER TABLE stream_cursor SET (fillfactor = 25);
ALTER TABLE gateway_traffic SET (fillfactor = 25);
