// Several masters: what each tells of itself, and whose worker a session is. Workers that fail are kept away for a while.
export const up = `
ALTER TABLE masters ADD COLUMN address text, ADD COLUMN version text, ADD COLUMN config_hash text;

-- The worker's state directory; and another master's question whether the session still lives, with its answer.
ALTER TABLE workers ADD COLUMN instance text, ADD COLUMN knocked_at timestamptz, ADD COLUMN answered_at timestamptz;

-- How often it failed since it last ended a build, and what that led to: {reason, at, until}.
ALTER TABLE workers ADD COLUMN failures integer NOT NULL DEFAULT 0, ADD COLUMN quarantine jsonb;
`
