-- Whose images are whose: the first repository whose `sluice.yaml` names one has it.
CREATE TABLE image_claims (
    image      TEXT NOT NULL PRIMARY KEY,
    repository TEXT NOT NULL
);
CREATE INDEX image_claims_by_repository ON image_claims (repository);
