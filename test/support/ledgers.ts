// A small, sound ledger as rows, and how to break each truth that the checks hold: for the reconciler and `ostler fsck`.
import type {Given} from '../../master/world/store/checks.ts'
import type {Sql} from '../../master/world/store/store.ts'

/** What a configuration would say of the ledger below. */
export const given: Given = {
  graceMs: 600_000,
  graces: {},
  timed: ['nightly', 'main'],
  holding: ['main'],
  sources: ['sample'],
  readers: [
    {reader: 'schedules', types: ['change.added']},
    {reader: 'reports', types: ['build.finished']},
  ],
}

/** Request 1 waits, 2 runs as build 1 (attempt 1, worker w), 3 is finished as build 2 (attempt 2); a master lives. */
export async function stock(sql: Sql): Promise<void> {
  for (const text of stockSql.split(';\n')) if (text.trim() !== '') await sql.query(text)
}

const stockSql = `
INSERT INTO masters (id) VALUES ('m');
INSERT INTO workers (name, master, connected, session, seen_at) VALUES ('w', 'm', true, 1, now());
INSERT INTO builders (name, last_number) VALUES ('b', 2);
INSERT INTO buildsets (reason, origin, source_stamps) SELECT 'why', 'force', '[]' FROM generate_series(1, 3);
UPDATE buildsets SET completed_at = now(), result = 'success' WHERE id = 3;
INSERT INTO requests (buildset_id, builder, state, waiting) VALUES (1, 'b', 'pending', '[{"code": "queued", "text": "so"}]'),
  (2, 'b', 'claimed', '[]'), (3, 'b', 'finished', '[]');
UPDATE requests SET result = 'success', finished_at = now() WHERE id = 3;
INSERT INTO builds (request_id, buildset_id, builder, number, state, source_stamps, origin, reason, worker)
  VALUES (2, 2, 'b', 1, 'running', '[]', 'force', 'why', 'w'), (3, 3, 'b', 2, 'finished', '[]', 'force', 'why', 'w');
INSERT INTO attempts (build_id, worker, state, plan, accept_by) VALUES (1, 'w', 'running', '{}', now()), (2, 'w', 'finished', '{}', now());
UPDATE builds SET attempt = id, result = CASE WHEN id = 2 THEN 'success' END;
INSERT INTO logs (build_id, attempt, step, name, complete) VALUES (1, 1, 0, 'stdio', false), (2, 2, 0, 'stdio', true);
SELECT record_events('{change.added,build.finished}', '{"{}","{}"}');
INSERT INTO cursors (reader, id) VALUES ('schedules', 2), ('reports', 2);
INSERT INTO leases (name, holder, until) VALUES ('retention', 'm', now() + interval '10 seconds');
INSERT INTO schedulers (name, due_at) VALUES ('nightly', now() + interval '1 hour'), ('main', NULL);
INSERT INTO repositories (source, url) VALUES ('sample', 'x');
INSERT INTO outbox (reporter, event_id, payload) VALUES ('r', 2, '{}');
INSERT INTO promotions (rule, kind, source, from_branch, to_branch, verdict, reasons, evidence, state, actor)
  VALUES ('stable', 'fastForward', 'sample', 'main', 'stable', 'promote', '[]', 'null', 'pushing', 'build');
INSERT INTO changes (source, repository, branch, revision, author, message) VALUES ('sample', 'x', 'main', 'abc', 'a', 'm')
`

export interface Breakage {
  readonly check: string
  readonly row: string
  readonly sql: string
  /** False where `ostler fsck --repair` leaves the row to a person, or the check is of a ledger with masters only. */
  readonly mended: boolean
}

const breakage = (check: string, row: string, sql: string, mended = true): Breakage => ({
  check,
  row,
  sql,
  mended,
})

export const breakages: readonly Breakage[] = [
  breakage('claimed-without-build', '1', `UPDATE requests SET state = 'claimed' WHERE id = 1`),
  breakage(
    'build-without-attempt',
    '1',
    `WITH a AS (UPDATE attempts SET state = 'lost' WHERE id = 1), l AS (UPDATE logs SET complete = true)
     UPDATE builds SET attempt = NULL WHERE id = 1`,
  ),
  breakage(
    'attempt-of-pending-request',
    '1',
    `UPDATE requests SET state = 'pending', waiting = DEFAULT WHERE id = 2`,
  ),
  breakage(
    'build-of-finished-request',
    '1',
    `WITH s AS (UPDATE buildsets SET completed_at = now(), result = 'failure' WHERE id = 2)
     UPDATE requests SET state = 'finished', result = 'failure' WHERE id = 2`,
  ),
  breakage(
    'request-of-finished-build',
    '3',
    `WITH s AS (UPDATE buildsets SET completed_at = NULL, result = NULL WHERE id = 3)
     UPDATE requests SET state = 'claimed', result = NULL WHERE id = 3`,
  ),
  breakage(
    'effective-attempt-over',
    '1',
    `WITH l AS (UPDATE logs SET complete = true) UPDATE attempts SET state = 'lost' WHERE id = 1`,
  ),
  breakage('attempt-not-effective', '2', `UPDATE attempts SET state = 'running' WHERE id = 2`),
  breakage(
    'offer-overdue',
    '1',
    `UPDATE attempts SET state = 'offered', accept_by = now() - interval '2 minutes' WHERE id = 1`,
    false,
  ),
  breakage(
    'attempt-without-worker',
    '1',
    `UPDATE workers SET connected = false, seen_at = now() - interval '12 minutes'`,
    false,
  ),
  breakage('worker-of-dead-master', 'w', `UPDATE workers SET master = 'gone'`, false),
  breakage('worker-silent', 'w', `UPDATE workers SET seen_at = now() - interval '6 minutes'`, false),
  breakage(
    'buildset-complete-too-early',
    '1',
    `UPDATE buildsets SET completed_at = now(), result = 'success' WHERE id = 1`,
    false,
  ),
  breakage(
    'buildset-not-completed',
    '3',
    `UPDATE buildsets SET completed_at = NULL, result = NULL WHERE id = 3`,
  ),
  breakage('log-left-open', '2', `UPDATE logs SET complete = false WHERE id = 2`),
  breakage('request-without-reason', '1', `UPDATE requests SET waiting = '[]' WHERE id = 1`),
  breakage(
    'cursor-ahead',
    'reports',
    `UPDATE cursors SET id = (SELECT last_value + 1 FROM events_id_seq) WHERE reader = 'reports'`,
  ),
  breakage(
    'cursor-behind',
    'schedules',
    `WITH c AS (UPDATE cursors SET id = 0 WHERE reader = 'schedules') UPDATE events SET at = now() - interval '6 minutes'`,
    false,
  ),
  breakage('report-stuck', '1', `UPDATE outbox SET next_at = now() - interval '6 minutes'`, false),
  breakage('lease-of-dead-master', 'retention', `UPDATE leases SET holder = 'gone'`, false),
  breakage('lease-too-long', 'retention', `UPDATE leases SET until = now() + interval '1 hour'`),
  breakage('push-unsettled', '1', `UPDATE promotions SET decided_at = now() - interval '1 hour', checked_at = now() - interval '1 hour'`, false), // prettier-ignore
  breakage('scheduler-overdue', 'nightly', `UPDATE schedulers SET due_at = now() - interval '6 minutes' WHERE name = 'nightly'`, false), // prettier-ignore
  breakage('held-change-forgotten', 'main', `INSERT INTO scheduler_changes (scheduler, change_id, branch) VALUES ('main', 1, 'main')`, false), // prettier-ignore
  breakage(
    'source-not-polled',
    'sample',
    `UPDATE repositories SET next_poll_at = now() - interval '2 hours'`,
    false,
  ),
  breakage('builder-number-behind', 'b', `UPDATE builders SET last_number = 1`),
  breakage('numbers-behind', 'attempts', `SELECT setval('attempts_id_seq', 1)`),
]
