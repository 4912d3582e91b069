-- What a person said of a result, such as why it is out of limits.
ALTER TABLE inspection_result ADD COLUMN reason text;
