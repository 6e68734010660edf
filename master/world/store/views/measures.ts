// What is counted for Prometheus, as a table: each measure is one question to the database, bounded by what is open,
// configured or recent, however long the history is.
import type {Config} from '../../../../config/config.ts'
import {masterDeadMs} from '../masters.ts'
import type {Sql} from '../store.ts'

/** Configured names, for which a measure has a value also while there is nothing to count. */
export interface Measured {
  readonly builders: readonly string[]
  readonly rules: readonly string[]
}

export const measuredOf = ({builders, promotions}: Config): Measured => ({
  builders: builders.map(({name}) => name),
  rules: promotions.rules.map(({name}) => name),
})

/** One gauge. Its rows hold a `value` (float8) and a text for each label. */
export interface Measure {
  readonly name: string
  /** What it counts and its unit, as Prometheus shows it. */
  readonly help: string
  readonly labels: readonly string[]
  /** Which names `$1` stands for, if it has it. */
  readonly of?: keyof Measured
  readonly sql: string
}

const worker = (name: string, help: string, value: string, where = 'true'): Measure => ({
  name: `ostler_worker_${name}`,
  help,
  labels: ['worker'],
  sql: `SELECT name AS worker, (${value})::float8 AS value FROM workers WHERE ${where}`,
})
const spool = (name: string, help: string, key: string): Measure =>
  worker(`spool_${name}`, help, `spool->>'${key}'`, 'spool IS NOT NULL AND connected')

const rule = (name: string, help: string, value: string, from: string): Measure => ({
  name: `ostler_promotion_${name}`,
  help,
  labels: ['rule'],
  of: 'rules',
  sql: `SELECT n.rule, (${value})::float8 AS value FROM unnest($1::text[]) AS n (rule) ${from}`,
})
/** The decision that says how things stand: dry runs are not stored. */
const lastDecision = `JOIN LATERAL (SELECT * FROM promotions p WHERE p.rule = n.rule ORDER BY p.id DESC LIMIT 1) p ON true`

const lastHour = `FROM unnest($1::text[]) AS n (builder) JOIN builds b ON b.builder = n.builder AND b.state = 'finished'
  AND b.finished_at > now() - interval '1 hour'`

export const measures: readonly Measure[] = [
  {
    name: 'ostler_requests_pending',
    help: 'Build requests that wait.',
    labels: ['builder'],
    sql: `SELECT builder, count(*)::float8 AS value FROM requests WHERE state = 'pending' GROUP BY builder`,
  },
  {
    name: 'ostler_request_oldest_seconds',
    help: 'How long the oldest pending request has waited.',
    labels: [],
    sql: `SELECT coalesce(max(extract(epoch FROM now() - submitted_at)), 0)::float8 AS value FROM requests WHERE state = 'pending'`,
  },
  {
    name: 'ostler_builds_open',
    help: 'Builds that are not finished.',
    labels: ['builder', 'state'],
    sql: `SELECT builder, state, count(*)::float8 AS value FROM builds WHERE state <> 'finished' GROUP BY builder, state`,
  },
  {
    name: 'ostler_build_oldest_seconds',
    help: 'How long the oldest unfinished build has run.',
    labels: ['builder'],
    sql: `SELECT builder, extract(epoch FROM now() - min(started_at))::float8 AS value FROM builds
           WHERE state <> 'finished' AND started_at IS NOT NULL GROUP BY builder`,
  },
  {
    name: 'ostler_builds_last_hour',
    help: 'Builds that finished within the last hour.',
    labels: ['builder', 'result'],
    of: 'builders',
    sql: `SELECT b.builder, b.result, count(*)::float8 AS value ${lastHour} GROUP BY b.builder, b.result`,
  },
  {
    name: 'ostler_build_seconds_last_hour',
    help: 'How long the builds took, together, that finished within the last hour.',
    labels: ['builder'],
    of: 'builders',
    sql: `SELECT b.builder, sum(extract(epoch FROM b.finished_at - b.started_at))::float8 AS value ${lastHour}
           AND b.started_at IS NOT NULL GROUP BY b.builder`,
  },
  {
    name: 'ostler_workers',
    help: 'Workers by state.',
    labels: ['state'],
    sql: `SELECT CASE WHEN NOT connected AND lost THEN 'lost' WHEN NOT connected THEN 'offline' WHEN draining IS NOT NULL THEN 'draining'
                      WHEN paused IS NOT NULL THEN 'paused' WHEN quarantine IS NOT NULL THEN 'quarantined' ELSE 'connected' END AS state,
                 count(*)::float8 AS value FROM workers GROUP BY 1`,
  },
  // Who revokes a worker's token has retired it: it is missed no more.
  worker(
    'connected',
    '1 while the worker is connected to a master, else 0; not of those whose token was revoked.',
    'connected::int',
    `connected OR EXISTS (SELECT 1 FROM tokens t WHERE t.kind = 'worker' AND t.name = workers.name AND t.revoked_at IS NULL)`,
  ),
  worker(
    'hindered',
    '1 while the worker takes nothing new for a reason of its own, else 0.',
    '(hindered IS NOT NULL)::int',
  ),
  worker(
    'skew_seconds',
    'How far the worker’s clock is ahead of the database’s.',
    'skew_ms / 1000',
    'connected',
  ),
  worker(
    'free_bytes',
    'Room on the disk of the worker.',
    'free_bytes',
    'connected AND free_bytes IS NOT NULL',
  ),
  worker(
    'free_bytes_floor',
    'With less room than this the worker takes nothing new.',
    'min_free_bytes',
    'connected AND min_free_bytes IS NOT NULL',
  ),
  spool('bytes', 'Output that waits on a worker for a master.', 'bytes'),
  spool('limit_bytes', 'How much output may wait on a worker.', 'limitBytes'),
  spool('cut_bytes', 'Output cut for want of room since a worker was started.', 'cutBytes'),
  spool('holding', 'Builds held for want of room for their output.', 'holding'),
  {
    name: 'ostler_masters',
    help: 'Masters that share this database and are alive.',
    labels: [],
    sql: `SELECT count(*)::float8 AS value FROM masters WHERE seen_at > now() - ${String(masterDeadMs)} * interval '1 millisecond'`,
  },
  {
    name: 'ostler_notices_waiting',
    help: 'Notices that are still to be delivered.',
    labels: ['reporter'],
    sql: `SELECT reporter, count(*)::float8 AS value FROM outbox WHERE sent_at IS NULL AND given_up_at IS NULL GROUP BY reporter`,
  },
  {
    name: 'ostler_notices_given_up',
    help: 'Notices of the last 30 days that could not be delivered: ostler reports lists them.',
    labels: ['reporter'],
    sql: `SELECT reporter, count(*)::float8 AS value FROM outbox WHERE sent_at IS NULL AND given_up_at IS NOT NULL GROUP BY reporter`,
  },
  rule(
    'held',
    'Holds in force on the rule: nothing is promoted.',
    'count(c.id)',
    `LEFT JOIN promotion_controls c ON c.rule = n.rule AND c.kind = 'hold' AND c.ended_at IS NULL
       AND (c.until IS NULL OR c.until > now()) GROUP BY n.rule`,
  ),
  rule(
    'troubled',
    '1 while the last decision of the rule came to a conflict or a push that failed, else 0.',
    `(p.state = 'failed' OR p.state = 'conflict' AND p.resolved_at IS NULL)::int`,
    lastDecision,
  ),
  rule(
    'lag_commits',
    'Commits that the rule’s source has and its target has not.',
    'p.lag_commits',
    `${lastDecision} WHERE p.lag_commits IS NOT NULL`,
  ),
  rule(
    'lag_seconds',
    'Age of the oldest commit that the rule’s target has not.',
    'p.lag_seconds',
    `${lastDecision} WHERE p.lag_seconds IS NOT NULL`,
  ),
  rule(
    'decided_seconds',
    'When the rule was last looked at, in seconds since 1970.',
    'extract(epoch FROM p.checked_at)',
    lastDecision,
  ),
]

export interface Value {
  readonly labels: Readonly<Record<string, string>>
  readonly value: number
}

/** What a measure comes to now. */
export async function readMeasure(
  sql: Sql,
  {labels, of, sql: text}: Measure,
  names: Measured,
): Promise<Value[]> {
  const rows = await sql.query<Record<string, string | number | null>>(text, of ? [names[of]] : [])
  return rows.map((row) => ({
    labels: Object.fromEntries(labels.map((label) => [label, String(row[label] ?? '')])),
    value: Number(row['value']),
  }))
}
