-- What a token that is for the registry only may do there, as a JSON list of texts.
ALTER TABLE tokens ADD COLUMN scopes TEXT;
