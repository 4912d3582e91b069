-- What a serial was read from, and which form of codes it follows: text, form (null: none), parts.
-- A result without it was not held against any form.
ALTER TABLE inspection_result ADD COLUMN code jsonb;
