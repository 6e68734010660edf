// What must be true of the ledger, as a table: each check finds the rows that prove it wrong. All are asked in one
// statement, so they see one moment; each is bounded and goes through an index, however long the history is.
import type {Finding} from '../../core/findings.ts'
import type {BellName} from '../bells.ts'
import type {Sql} from './store.ts'

export interface Check {
  readonly name: string
  /** truth: holds at every moment. life: holds while masters are at work, and says nothing of a ledger at rest. */
  readonly of: 'truth' | 'life'
  /** What its rows are: `request` of `request 12`. */
  readonly noun: string
  /** What is wrong, after the row's name: `is claimed and …`. */
  readonly says: string
  /** What a person does about it. */
  readonly remedy: string
  /** Its rows' names were given by people, and are not for strangers. */
  readonly named?: true
  /** Rung at each sight of it: a lost wake-up is mended by that. */
  readonly bell?: BellName
  /** Rows `id` (text) and `mark` (text: what makes two sights of a row one case); `given` holds what the configuration says. */
  readonly sql: string
}

/** What the configuration in force says, for the checks of life. */
export interface Given {
  /** How long a worker may be away, in milliseconds, and the workers for which another time holds. */
  readonly graceMs: number
  readonly graces: Readonly<Record<string, number>>
  /** Names of schedulers with a due time, and of those that hold changes until the tree is stable. */
  readonly timed: readonly string[]
  readonly holding: readonly string[]
  readonly sources: readonly string[]
  /** The readers of the event log, with the types of events each must not miss. */
  readonly readers: readonly {readonly reader: string; readonly types: readonly string[]}[]
}

/** Given when no configuration is known: of a ledger at rest only the truths are asked. */
export const nothingGiven: Given = {graceMs: 0, graces: {}, timed: [], holding: [], sources: [], readers: []}

const repair = 'stop the masters and run `ostler fsck --repair`'
const alive = (age: string) =>
  `EXISTS (SELECT 1 FROM masters m WHERE m.id = %s AND m.seen_at > now() - interval '${age}')`
const names = (key: keyof Given) => `(SELECT jsonb_array_elements_text(g->'${key}') FROM given)`
/** What a direct backup calls itself as a holder of leases: it is no master. */
export const backupHolder = 'ostler backup'

export const checks: readonly Check[] = [
  {
    name: 'claimed-without-build',
    of: 'truth',
    noun: 'request',
    says: 'is claimed and has no build',
    remedy: `${repair}: it goes back into the queue`,
    sql: `SELECT r.id::text AS id, '' AS mark FROM requests r WHERE r.state <> 'finished' AND r.state = 'claimed'
          AND NOT EXISTS (SELECT 1 FROM builds b WHERE b.request_id = r.id)`,
  },
  {
    name: 'build-without-attempt',
    of: 'truth',
    noun: 'build',
    says: 'is not finished, has no attempt, and its request does not wait for one',
    remedy: `${repair}: its request goes back into the queue`,
    sql: `SELECT b.id::text AS id, '' AS mark FROM builds b JOIN requests r ON r.id = b.request_id
          WHERE b.state <> 'finished' AND b.attempt IS NULL AND r.state = 'claimed'`,
  },
  {
    name: 'attempt-of-pending-request',
    of: 'truth',
    noun: 'build',
    says: 'has an attempt while its request waits in the queue, so it could be given out twice',
    remedy: `${repair}: its request counts as claimed`,
    sql: `SELECT b.id::text AS id, b.attempt::text AS mark FROM builds b JOIN requests r ON r.id = b.request_id
          WHERE b.state <> 'finished' AND b.attempt IS NOT NULL AND r.state = 'pending'`,
  },
  {
    name: 'build-of-finished-request',
    of: 'truth',
    noun: 'build',
    says: 'is not finished, yet its request is',
    remedy: `${repair}: it ends with its request’s result`,
    sql: `SELECT b.id::text AS id, '' AS mark FROM builds b JOIN requests r ON r.id = b.request_id
          WHERE b.state <> 'finished' AND r.state = 'finished'`,
  },
  {
    name: 'request-of-finished-build',
    of: 'truth',
    noun: 'request',
    says: 'is not finished, yet its build is',
    remedy: `${repair}: it ends with its build’s result`,
    sql: `SELECT r.id::text AS id, '' AS mark FROM requests r WHERE r.state <> 'finished'
          AND EXISTS (SELECT 1 FROM builds b WHERE b.request_id = r.id AND b.state = 'finished')
          AND NOT EXISTS (SELECT 1 FROM builds b WHERE b.request_id = r.id AND b.state <> 'finished')`,
  },
  {
    name: 'effective-attempt-over',
    of: 'truth',
    noun: 'build',
    says: 'is not finished, yet its effective attempt is over',
    remedy: `${repair}: its request goes back into the queue`,
    sql: `SELECT b.id::text AS id, b.attempt::text AS mark FROM builds b LEFT JOIN attempts a ON a.id = b.attempt
          WHERE b.state <> 'finished' AND b.attempt IS NOT NULL
            AND (a.id IS NULL OR a.build_id <> b.id OR a.state NOT IN ('offered', 'running'))`,
  },
  {
    name: 'attempt-not-effective',
    of: 'truth',
    noun: 'attempt',
    says: 'is open, yet not its build’s effective one',
    remedy: `${repair}: it ends as lost`,
    sql: `SELECT a.id::text AS id, '' AS mark FROM attempts a JOIN builds b ON b.id = a.build_id
          WHERE a.state IN ('offered', 'running') AND (b.state = 'finished' OR b.attempt IS DISTINCT FROM a.id)`,
  },
  {
    name: 'offer-overdue',
    of: 'life',
    noun: 'attempt',
    says: 'was offered and not accepted in time, and nobody has taken the offer back',
    remedy: 'look in the masters’ logs for what keeps the stage “builds” from its work',
    bell: 'builds',
    sql: `SELECT a.id::text AS id, '' AS mark FROM attempts a WHERE a.state IN ('offered', 'running')
          AND a.state = 'offered' AND a.accept_by < now() - interval '1 minute'`,
  },
  {
    name: 'attempt-without-worker',
    of: 'life',
    noun: 'attempt',
    says: 'is open on a worker that has been away for longer than its grace',
    remedy: 'look in the masters’ logs for what keeps the stage “builds” from its work',
    bell: 'builds',
    sql: `SELECT a.id::text AS id, '' AS mark FROM attempts a LEFT JOIN workers w ON w.name = a.worker, given
          WHERE a.state IN ('offered', 'running') AND (w.name IS NULL OR NOT w.connected
            AND coalesce(w.seen_at, '-infinity') < now() - interval '1 minute'
              - coalesce((g->'graces'->>w.name)::float8, (g->>'graceMs')::float8) * interval '1 millisecond')`,
  },
  {
    name: 'worker-of-dead-master',
    of: 'life',
    noun: 'worker',
    named: true,
    says: 'counts as connected to a master that has not been heard of',
    remedy: 'look in the masters’ logs for what keeps the stage “builds” from its work',
    bell: 'builds',
    sql: `SELECT w.name AS id, w.session::text AS mark FROM workers w
          WHERE w.connected AND NOT ${alive('80 seconds').replace('%s', 'w.master')}`,
  },
  {
    name: 'worker-silent',
    of: 'life',
    noun: 'worker',
    named: true,
    says: 'counts as connected and has not been heard of for five minutes',
    remedy: 'restart the master it is connected to',
    bell: 'builds',
    sql: `SELECT w.name AS id, w.session::text AS mark FROM workers w
          WHERE w.connected AND w.seen_at < now() - interval '5 minutes'`,
  },
  {
    name: 'buildset-complete-too-early',
    of: 'truth',
    noun: 'request',
    says: 'is not finished, yet its buildset is complete',
    remedy: 'cancel it, or let it finish: a buildset’s result never changes',
    sql: `SELECT r.id::text AS id, '' AS mark FROM requests r JOIN buildsets s ON s.id = r.buildset_id
          WHERE r.state <> 'finished' AND s.completed_at IS NOT NULL`,
  },
  {
    name: 'buildset-not-completed',
    of: 'truth',
    noun: 'buildset',
    says: 'is not complete, yet all its requests are finished',
    remedy: `${repair}: it ends with their worst result`,
    sql: `SELECT s.id::text AS id, '' AS mark FROM buildsets s WHERE s.completed_at IS NULL
          AND NOT EXISTS (SELECT 1 FROM requests r WHERE r.buildset_id = s.id AND r.state <> 'finished')`,
  },
  {
    name: 'log-left-open',
    of: 'truth',
    noun: 'log',
    says: 'is not complete, yet its attempt is over',
    remedy: `${repair}: it ends where it is`,
    sql: `SELECT l.id::text AS id, '' AS mark FROM logs l JOIN attempts a ON a.id = l.attempt
          WHERE NOT l.complete AND NOT l.deleted AND a.state NOT IN ('offered', 'running')`,
  },
  {
    name: 'request-without-reason',
    of: 'truth',
    noun: 'request',
    says: 'waits and does not say why',
    remedy: `${repair}: it says that it is in the queue`,
    bell: 'claims',
    sql: `SELECT r.id::text AS id, '' AS mark FROM requests r
          WHERE r.state <> 'finished' AND r.state = 'pending' AND r.waiting = '[]'`,
  },
  {
    name: 'cursor-ahead',
    of: 'truth',
    noun: 'cursor',
    says: 'is beyond the newest event, so its reader would miss what comes next',
    remedy: `${repair}: it is set to the newest event`,
    sql: `SELECT c.reader AS id, '' AS mark FROM cursors c, events_id_seq q WHERE c.id > q.last_value`,
  },
  {
    name: 'cursor-behind',
    of: 'life',
    noun: 'cursor',
    says: 'has an event before it that is older than five minutes and was not read',
    remedy: 'look in the masters’ logs for what keeps the stage of this name from its work',
    bell: 'events',
    sql: `SELECT DISTINCT n->>'reader' AS id, '' AS mark
          FROM given, jsonb_array_elements(g->'readers') n
          LEFT JOIN cursors c ON c.reader = n->>'reader', jsonb_array_elements_text(n->'types') t (type),
          LATERAL (SELECT at FROM events e WHERE e.type = t.type AND e.id > coalesce(c.id, 0) ORDER BY e.id LIMIT 1) e
          WHERE e.at < now() - interval '5 minutes'`,
  },
  {
    name: 'report-stuck',
    of: 'life',
    noun: 'report',
    says: 'has been due for five minutes and nobody has tried to send it',
    remedy: 'look in the masters’ logs for what keeps the stage “reports” from its work',
    bell: 'reports',
    sql: `SELECT o.id::text AS id, o.tries::text AS mark FROM outbox o
          WHERE o.sent_at IS NULL AND o.given_up_at IS NULL AND o.next_at < now() - interval '5 minutes'`,
  },
  {
    name: 'lease-of-dead-master',
    of: 'life',
    noun: 'lease',
    named: true,
    says: 'is held by a master that has not been heard of',
    remedy: 'stop the process that its holder names: it no longer tells the database that it lives',
    sql: `SELECT l.name AS id, l.holder || l.fence AS mark FROM leases l WHERE l.until > now()
          AND l.holder NOT LIKE '${backupHolder}%' AND NOT ${alive('80 seconds').replace('%s', 'l.holder')}`,
  },
  {
    name: 'lease-too-long',
    of: 'truth',
    noun: 'lease',
    named: true,
    says: 'is held for far longer than any lease is given: the database’s clock was set back',
    remedy: `set the database’s clock right, or ${repair}: it ends now`,
    sql: `SELECT l.name AS id, l.fence::text AS mark FROM leases l WHERE l.until > now() + interval '10 minutes'`,
  },
  {
    name: 'push-unsettled',
    of: 'life',
    noun: 'promotion',
    says: 'was pushed more than ten minutes ago and nobody has seen how that ended',
    remedy: 'see whether its repository can be read; the rule goes on by itself once it can',
    bell: 'promotions',
    sql: `SELECT p.id::text AS id, coalesce(p.landed, '') AS mark FROM promotions p
          WHERE p.state = 'pushing' AND greatest(p.decided_at, p.checked_at) < now() - interval '10 minutes'`,
  },
  {
    name: 'scheduler-overdue',
    of: 'life',
    noun: 'scheduler',
    named: true,
    says: 'has been due for five minutes',
    remedy: 'look in the masters’ logs for what keeps the stage “schedules” from its work',
    bell: 'schedules',
    sql: `SELECT s.name AS id, s.due_at::text AS mark FROM schedulers s
          WHERE s.due_at < now() - interval '5 minutes' AND s.name IN ${names('timed')}`,
  },
  {
    name: 'held-change-forgotten',
    of: 'life',
    noun: 'scheduler',
    named: true,
    says: 'holds changes and is never due',
    remedy: 'push to the branch once more, or force its builders',
    sql: `SELECT s.name AS id, '' AS mark FROM schedulers s WHERE s.due_at IS NULL AND s.name IN ${names('holding')}
          AND EXISTS (SELECT 1 FROM scheduler_changes h WHERE h.scheduler = s.name)`,
  },
  {
    name: 'source-not-polled',
    of: 'life',
    noun: 'source',
    named: true,
    says: 'has been due to be polled for an hour',
    remedy: 'look in the masters’ logs for what keeps the stage “changes” from its work',
    bell: 'changes',
    sql: `SELECT r.source AS id, r.next_poll_at::text AS mark FROM repositories r
          WHERE r.next_poll_at < now() - interval '1 hour' AND r.source IN ${names('sources')}`,
  },
  {
    name: 'builder-number-behind',
    of: 'truth',
    noun: 'builder',
    named: true,
    says: 'would give a build a number that one has already',
    remedy: `${repair}: it counts on from the greatest number`,
    sql: `SELECT n.name AS id, '' AS mark FROM builders n
          WHERE n.last_number < (SELECT max(b.number) FROM builds b WHERE b.builder = n.name)`,
  },
  {
    name: 'numbers-behind',
    of: 'truth',
    noun: 'table',
    says: 'would give a row a number that one has already',
    remedy: `${repair}: it counts on from the greatest number`,
    sql: `SELECT 'attempts' AS id, '' AS mark FROM attempts_id_seq q WHERE q.last_value < (SELECT max(id) FROM attempts)
          UNION ALL SELECT 'events', '' FROM events_id_seq q WHERE q.last_value < (SELECT max(id) FROM events)`,
  },
]

/** So many rows of one check are looked for. */
export const rowsMax = 100

const statement = (asked: readonly Check[]) =>
  `WITH given AS (SELECT $1::jsonb AS g)\n${asked
    .map(({name, sql}) => `(SELECT '${name}' AS "check", id AS row, mark FROM (${sql} LIMIT ${rowsMax}) x)`)
    .join('\nUNION ALL\n')}`

/** What is wrong with the ledger at this moment: of its truths only, or also of its life. */
export async function readFindings(sql: Sql, of: 'truth' | 'life', given: Given): Promise<Finding[]> {
  const asked = of === 'life' ? checks : checks.filter((check) => check.of === 'truth')
  return await sql.query<{check: string; row: string; mark: string}>(statement(asked), [
    JSON.stringify(given),
  ])
}
