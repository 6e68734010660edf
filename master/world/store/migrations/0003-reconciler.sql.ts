// What the reconciler looks for every minute is found by these, however long the history is. Logs of attempts that the
// master ended itself (lost, given up) were left open; such a log is over with its attempt.
export const up = `
CREATE INDEX requests_open ON requests (id) WHERE state <> 'finished';
CREATE INDEX buildsets_open ON buildsets (id) WHERE completed_at IS NULL;
CREATE INDEX logs_open ON logs (id) WHERE NOT complete AND NOT deleted;
UPDATE logs SET complete = true FROM attempts a
WHERE a.id = logs.attempt AND NOT logs.complete AND a.state NOT IN ('offered', 'running');
`
