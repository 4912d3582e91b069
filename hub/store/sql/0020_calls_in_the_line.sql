-- Calls whose car is in the line, by when they are required: what a stop or another takt times anew.
CREATE INDEX jis_call_in_line ON jis_call (plant, line, required_at) WHERE car = 'released';
