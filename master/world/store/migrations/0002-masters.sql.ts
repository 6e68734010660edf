// Several masters: what each tells of itself, and whose worker a session is.
export const up = `
ALTER TABLE masters ADD COLUMN address text, ADD COLUMN version text, ADD COLUMN config_hash text;

-- The worker's state directory; and another master's question whether the session still lives, with its answer.
ALTER TABLE workers ADD COLUMN instance text, ADD COLUMN knocked_at timestamptz, ADD COLUMN answered_at timestamptz;
`
