CREATE TABLE events (
    stream   TEXT    NOT NULL,
    sequence BIGINT  NOT NULL,
    at_ms    BIGINT  NOT NULL,
    kind     TEXT    NOT NULL,
    body     TEXT    NOT NULL,
    PRIMARY KEY (stream, sequence)
);

CREATE TABLE outbox (
    stream   TEXT    NOT NULL,
    sequence BIGINT  NOT NULL,
    position BIGINT  NOT NULL,
    kind     TEXT    NOT NULL,
    body     TEXT    NOT NULL,
    PRIMARY KEY (stream, sequence, position)
);

CREATE TABLE counters (
    name  TEXT   NOT NULL PRIMARY KEY,
    value BIGINT NOT NULL
);

CREATE TABLE repositories (
    name       TEXT   NOT NULL PRIMARY KEY,
    created_ms BIGINT NOT NULL
);

CREATE TABLE refs_seen (
    repository TEXT NOT NULL,
    name       TEXT NOT NULL,
    sha        TEXT NOT NULL,
    PRIMARY KEY (repository, name)
);

CREATE TABLE runs (
    id         BIGINT NOT NULL PRIMARY KEY,
    repository TEXT   NOT NULL,
    number     BIGINT NOT NULL,
    cause      TEXT   NOT NULL UNIQUE,
    ended      BIGINT NOT NULL,
    git_ref    TEXT   NOT NULL,
    sha        TEXT   NOT NULL,
    created_ms BIGINT NOT NULL,
    summary    TEXT   NOT NULL
);
CREATE INDEX runs_by_repository ON runs (repository, id);
CREATE UNIQUE INDEX runs_by_number ON runs (repository, number);
CREATE INDEX runs_open ON runs (ended, id);

CREATE TABLE users (
    name       TEXT   NOT NULL PRIMARY KEY,
    access     TEXT   NOT NULL,
    groups     TEXT   NOT NULL,
    created_ms BIGINT NOT NULL
);

CREATE TABLE tokens (
    hash       TEXT   NOT NULL PRIMARY KEY,
    kind       TEXT   NOT NULL,
    owner      TEXT   NOT NULL,
    label      TEXT   NOT NULL,
    run        BIGINT,
    instance   TEXT,
    attempt    BIGINT,
    created_ms BIGINT NOT NULL,
    expires_ms BIGINT
);
CREATE INDEX tokens_by_run ON tokens (run, instance);
CREATE INDEX tokens_by_owner ON tokens (owner);

CREATE TABLE pushed_images (
    run       BIGINT NOT NULL,
    instance  TEXT   NOT NULL,
    attempt   BIGINT NOT NULL,
    image     TEXT   NOT NULL,
    reference TEXT   NOT NULL,
    digest    TEXT   NOT NULL,
    at_ms     BIGINT NOT NULL
);
CREATE INDEX pushed_images_by_run ON pushed_images (run, at_ms);
