// The first schema. SQL of PostgreSQL 15: it runs on the server and on the embedded database alike.
// Times are timestamptz by the database's clock; ids that order things are identities; jsonb holds what is only
// carried, never what is searched.
export const up = `
CREATE TABLE masters (
  id text PRIMARY KEY,
  started_at timestamptz NOT NULL DEFAULT now(),
  seen_at timestamptz NOT NULL DEFAULT now()
);

-- The event log; events.ts tells how its readers never step over a number that commits late.
CREATE TABLE events (
  id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
  at timestamptz NOT NULL DEFAULT now(),
  type text NOT NULL,
  data jsonb NOT NULL
);
CREATE INDEX events_by_type ON events (type, id);

-- 71 marks these locks among others; the lower 48 bits are the newest number given out before.
CREATE FUNCTION record_events(types text[], data text[]) RETURNS void LANGUAGE plpgsql AS $$
BEGIN
  PERFORM pg_advisory_xact_lock_shared(
    (71::bigint << 48) | (SELECT CASE WHEN is_called THEN last_value ELSE 0 END FROM events_id_seq));
  INSERT INTO events (type, data) SELECT e.t, e.d::jsonb FROM unnest(types, data) AS e (t, d);
END $$;
CREATE FUNCTION events_decided(OUT settled bigint, OUT held boolean) LANGUAGE plpgsql AS $$
DECLARE
  newest bigint;
  lowest bigint;
BEGIN
  SELECT CASE WHEN is_called THEN last_value ELSE 0 END INTO newest FROM events_id_seq;
  SELECT min(((classid::bigint << 32) | objid::bigint) & ((1::bigint << 48) - 1)) INTO lowest FROM pg_locks
  WHERE locktype = 'advisory' AND objsubid = 1 AND classid::bigint >> 16 = 71
    AND database = (SELECT oid FROM pg_database WHERE datname = current_database());
  settled := least(newest, lowest);
  held := settled < newest;
END $$;

CREATE TABLE cursors (
  reader text PRIMARY KEY,
  id bigint NOT NULL
);

CREATE TABLE leases (
  name text PRIMARY KEY,
  holder text NOT NULL,
  fence bigint NOT NULL DEFAULT 1,
  until timestamptz NOT NULL
);

CREATE TABLE config_versions (
  id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
  hash text NOT NULL,
  loaded_at timestamptz NOT NULL DEFAULT now(),
  config jsonb NOT NULL
);

-- What a poller knows of a repository.
CREATE TABLE repositories (
  source text PRIMARY KEY,
  url text NOT NULL,
  refs jsonb NOT NULL DEFAULT '{}',
  -- The branch patterns that refs were read with: a branch that a new pattern lets in is not a push.
  watched text[] NOT NULL DEFAULT '{}',
  polled_at timestamptz,
  next_poll_at timestamptz NOT NULL DEFAULT now(),
  failures integer NOT NULL DEFAULT 0,
  error text
);

CREATE TABLE changes (
  id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
  source text NOT NULL,
  repository text NOT NULL,
  branch text NOT NULL,
  revision text NOT NULL,
  parents text[] NOT NULL DEFAULT '{}',
  author text NOT NULL,
  message text NOT NULL,
  files text[] NOT NULL DEFAULT '{}',
  files_more integer NOT NULL DEFAULT 0,
  link text,
  committed_at timestamptz,
  recorded_at timestamptz NOT NULL DEFAULT now(),
  UNIQUE (source, branch, revision)
);
CREATE INDEX changes_recent ON changes (recorded_at DESC, id DESC);

CREATE TABLE hook_deliveries (
  source text NOT NULL,
  delivery text NOT NULL,
  at timestamptz NOT NULL DEFAULT now(),
  answer jsonb NOT NULL,
  PRIMARY KEY (source, delivery)
);

-- A scheduler's memory: its next due time, and the changes it holds until the tree is stable.
CREATE TABLE schedulers (
  name text PRIMARY KEY,
  due_at timestamptz,
  fingerprint text NOT NULL DEFAULT '',
  last_fired_at timestamptz,
  last_revision text
);
CREATE TABLE scheduler_changes (
  scheduler text NOT NULL,
  change_id bigint NOT NULL REFERENCES changes ON DELETE CASCADE,
  branch text NOT NULL,
  held_at timestamptz NOT NULL DEFAULT now(),
  PRIMARY KEY (scheduler, change_id)
);

CREATE TABLE buildsets (
  id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
  key text UNIQUE,
  reason text NOT NULL,
  origin text NOT NULL,
  scheduler text,
  submitted_by text,
  source_stamps jsonb NOT NULL,
  properties jsonb NOT NULL DEFAULT '{}',
  change_ids bigint[] NOT NULL DEFAULT '{}',
  submitted_at timestamptz NOT NULL DEFAULT now(),
  completed_at timestamptz,
  result text
);

CREATE TABLE requests (
  id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
  buildset_id bigint NOT NULL REFERENCES buildsets ON DELETE CASCADE,
  builder text NOT NULL,
  priority integer NOT NULL DEFAULT 0,
  state text NOT NULL DEFAULT 'pending' CHECK (state IN ('pending', 'claimed', 'finished')),
  submitted_at timestamptz NOT NULL DEFAULT now(),
  not_before timestamptz,
  finished_at timestamptz,
  result text,
  waiting jsonb NOT NULL DEFAULT '[{"code": "queued", "text": "behind other requests in the queue"}]'
);
CREATE INDEX requests_queue ON requests (builder, priority DESC, submitted_at, id) WHERE state = 'pending';
CREATE INDEX requests_buildset ON requests (buildset_id);

-- The counter behind a builder's build numbers, and what people did to the builder.
CREATE TABLE builders (
  name text PRIMARY KEY,
  last_number integer NOT NULL DEFAULT 0,
  paused jsonb
);

CREATE TABLE builds (
  id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
  request_id bigint NOT NULL REFERENCES requests ON DELETE CASCADE,
  buildset_id bigint NOT NULL,
  builder text NOT NULL,
  number integer NOT NULL,
  state text NOT NULL DEFAULT 'pending' CHECK (state IN ('pending', 'running', 'finished')),
  result text,
  summary text NOT NULL DEFAULT '',
  worker text,
  attempt bigint,
  attempts_lost integer NOT NULL DEFAULT 0,
  executor text,
  repository text,
  branch text,
  revision text,
  got_revision text,
  source_stamps jsonb NOT NULL,
  origin text NOT NULL,
  reason text NOT NULL,
  properties jsonb NOT NULL DEFAULT '{}',
  cancel jsonb,
  config_version bigint,
  created_at timestamptz NOT NULL DEFAULT now(),
  started_at timestamptz,
  finished_at timestamptz,
  UNIQUE (builder, number)
);
CREATE INDEX builds_open ON builds (id) WHERE state <> 'finished';
CREATE INDEX builds_by_builder ON builds (builder, id DESC);
CREATE INDEX builds_by_request ON builds (request_id);
CREATE INDEX builds_by_revision ON builds (got_revision, builder, id DESC);
CREATE INDEX builds_by_time ON builds (started_at DESC, id DESC);
CREATE INDEX builds_by_finish ON builds (builder, finished_at DESC, id DESC) WHERE state = 'finished';

-- One try of a build on one worker. The id is the fencing number: builds.attempt names the effective one.
CREATE TABLE attempts (
  id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
  build_id bigint NOT NULL REFERENCES builds ON DELETE CASCADE,
  worker text NOT NULL,
  state text NOT NULL DEFAULT 'offered' CHECK (state IN ('offered', 'running', 'finished', 'lost', 'declined')),
  applied integer NOT NULL DEFAULT 0,
  plan jsonb NOT NULL,
  offered_at timestamptz NOT NULL DEFAULT now(),
  accept_by timestamptz NOT NULL,
  accepted_at timestamptz,
  ended_at timestamptz,
  refused integer NOT NULL DEFAULT 0
);
CREATE INDEX attempts_open ON attempts (worker) WHERE state IN ('offered', 'running');
CREATE INDEX attempts_by_build ON attempts (build_id);

CREATE TABLE steps (
  build_id bigint NOT NULL REFERENCES builds ON DELETE CASCADE,
  attempt bigint NOT NULL,
  number integer NOT NULL,
  name text NOT NULL,
  kind text NOT NULL,
  state text NOT NULL DEFAULT 'pending' CHECK (state IN ('pending', 'running', 'finished')),
  result text,
  summary text NOT NULL DEFAULT '',
  tries integer NOT NULL DEFAULT 0,
  warnings integer NOT NULL DEFAULT 0,
  tests jsonb,
  started_at timestamptz,
  finished_at timestamptz,
  PRIMARY KEY (build_id, attempt, number)
);

-- A log's file holds a gzip header and its segments; stored_bytes says how much of the file counts.
CREATE TABLE logs (
  id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
  build_id bigint NOT NULL REFERENCES builds ON DELETE CASCADE,
  attempt bigint NOT NULL,
  step integer NOT NULL,
  name text NOT NULL,
  bytes bigint NOT NULL DEFAULT 0,
  lines bigint NOT NULL DEFAULT 0,
  segments integer NOT NULL DEFAULT 0,
  stored_bytes bigint NOT NULL DEFAULT 0,
  crc32 bigint NOT NULL DEFAULT 0,
  complete boolean NOT NULL DEFAULT false,
  deleted boolean NOT NULL DEFAULT false,
  UNIQUE (attempt, step, name)
);
CREATE INDEX logs_by_build ON logs (build_id);

CREATE TABLE artifacts (
  id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
  build_id bigint NOT NULL REFERENCES builds ON DELETE CASCADE,
  attempt bigint NOT NULL,
  step integer NOT NULL,
  name text NOT NULL,
  path text NOT NULL,
  bytes bigint NOT NULL,
  sha256 text NOT NULL,
  at timestamptz NOT NULL DEFAULT now(),
  deleted boolean NOT NULL DEFAULT false
);
CREATE INDEX artifacts_by_build ON artifacts (build_id);
CREATE INDEX artifacts_by_hash ON artifacts (sha256);

CREATE TABLE workers (
  name text PRIMARY KEY,
  labels jsonb NOT NULL DEFAULT '{}',
  max_builds integer NOT NULL DEFAULT 1,
  engine text,
  version text,
  master text,
  session bigint NOT NULL DEFAULT 0,
  connected boolean NOT NULL DEFAULT false,
  lost boolean NOT NULL DEFAULT false,
  paused jsonb,
  draining jsonb,
  skew_ms double precision NOT NULL DEFAULT 0,
  free_bytes bigint,
  min_free_bytes bigint,
  connected_at timestamptz,
  seen_at timestamptz,
  declined integer NOT NULL DEFAULT 0
);

CREATE TABLE tokens (
  id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
  kind text NOT NULL CHECK (kind IN ('user', 'worker')),
  name text NOT NULL,
  role text CHECK (role IN ('viewer', 'developer', 'operator', 'admin')),
  hash text NOT NULL UNIQUE,
  hint text NOT NULL,
  created_at timestamptz NOT NULL DEFAULT now(),
  created_by text,
  used_at timestamptz,
  revoked_at timestamptz
);

CREATE TABLE sessions (
  hash text PRIMARY KEY,
  token_id bigint NOT NULL REFERENCES tokens ON DELETE CASCADE,
  created_at timestamptz NOT NULL DEFAULT now(),
  until timestamptz NOT NULL
);

CREATE TABLE audit (
  id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
  at timestamptz NOT NULL DEFAULT now(),
  who text NOT NULL,
  address text,
  action text NOT NULL,
  target text NOT NULL,
  data jsonb NOT NULL DEFAULT '{}'
);

-- Every decision of a promotion rule, with its evidence. A row is written before the push (state pushing) and
-- settled after it, so that a crash between leaves a plan to reconcile.
CREATE TABLE promotions (
  id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
  rule text NOT NULL,
  kind text NOT NULL,
  source text NOT NULL,
  from_branch text NOT NULL,
  to_branch text NOT NULL,
  from_tip text,
  to_tip text,
  candidate text,
  landed text,
  verdict text NOT NULL CHECK (verdict IN ('promote', 'wait', 'refuse', 'current')),
  reasons jsonb NOT NULL,
  evidence jsonb NOT NULL,
  state text NOT NULL CHECK (state IN ('decided', 'pushing', 'done', 'raced', 'failed', 'conflict')),
  error text,
  actor text NOT NULL,
  lag_commits integer,
  lag_seconds double precision,
  decided_at timestamptz NOT NULL DEFAULT now(),
  checked_at timestamptz NOT NULL DEFAULT now(),
  settled_at timestamptz
);
CREATE INDEX promotions_by_rule ON promotions (rule, id DESC);
CREATE INDEX promotions_done ON promotions (settled_at DESC) WHERE state = 'done';
CREATE INDEX promotions_pushing ON promotions (id) WHERE state = 'pushing';

CREATE TABLE outbox (
  id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
  reporter text NOT NULL,
  event_id bigint NOT NULL,
  payload jsonb NOT NULL,
  tries integer NOT NULL DEFAULT 0,
  next_at timestamptz NOT NULL DEFAULT now(),
  sent_at timestamptz,
  given_up_at timestamptz,
  error text,
  UNIQUE (reporter, event_id)
);
CREATE INDEX outbox_due ON outbox (next_at) WHERE sent_at IS NULL AND given_up_at IS NULL;
`
