-- What a repository was last told about a tag of an image that it has or follows.
CREATE TABLE packages_seen (
    repository TEXT NOT NULL,
    image      TEXT NOT NULL,
    tag        TEXT NOT NULL,
    digest     TEXT NOT NULL,
    PRIMARY KEY (repository, image, tag)
);
