// Workers: who is connected where, what they can, and who is lost.
import type {Hold, Quarantine, WorkerState} from '../../core/assign.ts'
import type {Hello, SpoolState} from '../../../worker/protocol/messages.ts'
import {record} from './events.ts'
import {quarantineRule} from '../../core/assign.ts'
import {masterDeadMs} from './masters.ts'
import type {Sql} from './store.ts'
import {apiTime, cleanText} from './text.ts'

export interface Attachment {
  readonly hello: Hello
  readonly master: string
  readonly skewMs: number
  /** What the configuration says in the hello's stead. */
  readonly labels: Readonly<Record<string, string>>
  readonly maxBuilds: number
}

export interface SessionKey {
  readonly worker: string
  readonly session: string
}

/** Notes a worker as connected to this master, in a session newer than all before. Returns the session's number. */
export async function attachWorker(tx: Sql, a: Attachment): Promise<string> {
  const [row] = await tx.query<{session: string}>(
    `INSERT INTO workers AS w (name, labels, max_builds, engine, version, master, session, connected, skew_ms, free_bytes,
                               min_free_bytes, instance, spool, hindered, connected_at, seen_at)
     VALUES ($1, $2, $3, $4, $5, $6, 1, true, $7, $8, $9, $10, $11, $12, now(), now())
     ON CONFLICT (name) DO UPDATE SET labels = excluded.labels, max_builds = excluded.max_builds,
       engine = excluded.engine, version = excluded.version, master = excluded.master, session = w.session + 1,
       connected = true, lost = false, skew_ms = excluded.skew_ms, free_bytes = excluded.free_bytes,
       min_free_bytes = excluded.min_free_bytes, instance = excluded.instance, knocked_at = NULL, answered_at = NULL,
       spool = excluded.spool, hindered = excluded.hindered, refused = NULL, connected_at = now(), seen_at = now()
     RETURNING session`,
    [
      a.hello.worker,
      JSON.stringify(a.labels),
      a.maxBuilds,
      a.hello.engine && cleanText(a.hello.engine),
      cleanText(a.hello.version),
      a.master,
      a.skewMs,
      a.hello.freeBytes,
      a.hello.minFreeBytes ?? null,
      a.hello.instance ?? null,
      a.hello.spool ? JSON.stringify(a.hello.spool) : null,
      a.hello.hindered ? cleanText(a.hello.hindered) : null,
    ],
  )
  await record(tx, [{type: 'worker.connected', data: {worker: a.hello.worker}}])
  return (row as {session: string}).session
}

/** Notes why a worker was refused, for who looks for it; the next time that it is let in forgets it. */
export async function noteRefusal(sql: Sql, worker: string, text: string): Promise<void> {
  await sql.query(
    `INSERT INTO workers (name, refused) VALUES ($1, jsonb_build_object('text', $2::text, 'at', ${apiTime('now()')}))
     ON CONFLICT (name) DO UPDATE SET refused = excluded.refused`,
    [worker, cleanText(text)],
  )
}

/** Notes that sessions ended; a newer session of a worker is left alone. No beat of them counts any more. */
export async function detachWorkers(tx: Sql, ends: readonly SessionKey[]): Promise<void> {
  const rows = await tx.query<{name: string; connected: boolean}>(
    `WITH ended AS (
       SELECT w.name, w.connected FROM workers w
       JOIN unnest($1::text[], $2::bigint[]) AS e (name, session) ON e.name = w.name AND e.session = w.session
       WHERE w.master IS NOT NULL ORDER BY w.name FOR UPDATE OF w)
     UPDATE workers SET connected = false, seen_at = now(), master = NULL FROM ended WHERE workers.name = ended.name
     RETURNING workers.name, ended.connected`,
    [ends.map(({worker}) => worker), ends.map(({session}) => session)],
  )
  const gone = byName(rows.filter(({connected}) => connected))
  await record(
    tx,
    gone.map(({name}) => ({type: 'worker.disconnected', data: {worker: name}})),
  )
}

/** What a statement returns has no order, and what is told of it shall have one. */
const byName = <T extends {name: string}>(rows: readonly T[]): T[] =>
  [...rows].sort((a, b) => (a.name < b.name ? -1 : 1))

export interface Beat {
  readonly worker: string
  readonly session: string
  readonly skewMs: number
  readonly freeBytes: number | null
  /** null for a worker that tells nothing of it. */
  readonly spool: SpoolState | null
  /** Why it wants no new builds now; null when it does. */
  readonly hindered: string | null
}

/**
 * Writes down the newest beats of many workers at once, and that this master lives. Whose session beats is connected, even
 * if another master took this one for dead meanwhile, as after a time without the database.
 */
export async function writeBeats(sql: Sql, master: string, beats: readonly Beat[]): Promise<void> {
  await sql.query('INSERT INTO masters (id) VALUES ($1) ON CONFLICT (id) DO UPDATE SET seen_at = now()', [
    master,
  ])
  if (beats.length === 0) return
  await sql.query(
    `WITH beating AS (
       SELECT b.*, w.connected
       FROM unnest($1::text[], $2::bigint[], $3::float8[], $4::bigint[], $6::text[], $7::text[])
         AS b (name, session, skew, free, spool, hindered)
       JOIN workers w ON w.name = b.name AND w.session = b.session AND w.master = $5
       ORDER BY b.name FOR UPDATE OF w
     ), written AS (
       UPDATE workers SET seen_at = now(), skew_ms = b.skew, free_bytes = b.free, connected = true, lost = false,
         spool = b.spool::jsonb, hindered = b.hindered
       FROM beating b WHERE workers.name = b.name
     ), back AS (
       SELECT array_agg('worker.connected'::text) AS types, array_agg(jsonb_build_object('worker', name)::text) AS data
       FROM beating WHERE NOT connected HAVING count(*) > 0
     )
     SELECT record_events(types, data) FROM back`,
    [
      beats.map((beat) => beat.worker),
      beats.map((beat) => beat.session),
      beats.map((beat) => beat.skewMs),
      beats.map((beat) => beat.freeBytes),
      master,
      beats.map((beat) => beat.spool && JSON.stringify(beat.spool)),
      beats.map((beat) => beat.hindered && cleanText(beat.hindered)),
    ],
  )
}

/** Whether a session is the worker's newest; until the transaction ends it stays so. */
export async function holdSession(tx: Sql, worker: string, session: string): Promise<boolean> {
  const rows = await tx.query('SELECT 1 FROM workers WHERE name = $1 AND session = $2 FOR UPDATE', [
    worker,
    session,
  ])
  return rows.length > 0
}

/** Those of a master's sessions that a newer one has taken the place of: their worker speaks with another master now. */
export async function superseded(sql: Sql, sessions: readonly SessionKey[]): Promise<string[]> {
  if (sessions.length === 0) return []
  const rows = await sql.query<{name: string}>(
    `SELECT w.name FROM workers w JOIN unnest($1::text[], $2::bigint[]) AS s (name, session) ON s.name = w.name
     WHERE w.session > s.session`,
    [sessions.map(({worker}) => worker), sessions.map(({session}) => session)],
  )
  return rows.map((row) => row.name)
}

/**
 * Asks the living master that has another worker of this name whether that one still answers. False when there is none to
 * ask: nobody is connected, or it is the same worker, whose old line may hang. Ring `workers` after it.
 */
export async function knock(
  sql: Sql,
  {worker, instance, master}: {worker: string; instance: string | null; master: string},
): Promise<boolean> {
  const rows = await sql.query(
    `UPDATE workers SET knocked_at = clock_timestamp(), answered_at = NULL
     WHERE name = $1 AND connected AND master <> $2 AND instance IS DISTINCT FROM $3 AND EXISTS (
       SELECT 1 FROM masters m WHERE m.id = workers.master AND m.seen_at > now() - $4 * interval '1 millisecond')
     RETURNING name`,
    [worker, master, instance, masterDeadMs],
  )
  return rows.length > 0
}

/** The workers of a master that another one asks after. */
export async function knockedOn(sql: Sql, master: string): Promise<string[]> {
  const rows = await sql.query<{name: string}>(
    'SELECT name FROM workers WHERE master = $1 AND connected AND knocked_at IS NOT NULL AND answered_at IS NULL',
    [master],
  )
  return rows.map((row) => row.name)
}

/** Says that a worker still answers. Ring `workers` after it. */
export async function answerKnock(sql: Sql, master: string, worker: string): Promise<void> {
  await sql.query(
    'UPDATE workers SET answered_at = clock_timestamp() WHERE name = $1 AND master = $2 AND connected',
    [worker, master],
  )
}

/** What has come of a knock: `alive`, `gone`, or null while there is no answer. */
export async function knockAnswer(sql: Sql, worker: string): Promise<'alive' | 'gone' | null> {
  const [row] = await sql.query<{connected: boolean; answered: boolean}>(
    'SELECT connected, answered_at IS NOT NULL AS answered FROM workers WHERE name = $1',
    [worker],
  )
  if (!row?.connected) return 'gone'
  return row.answered ? 'alive' : null
}

/** Every worker that ever connected, as the assignment of this master sees it; `here` are those connected to it. */
export async function workerStates(
  sql: Sql,
  master: string,
  here: ReadonlySet<string>,
): Promise<WorkerState[]> {
  const rows = await sql.query<{
    name: string
    labels: Record<string, string>
    max_builds: number
    engine: string | null
    connected: boolean
    paused: Hold | null
    draining: Hold | null
    quarantine: Quarantine | null
    skew_ms: number
    free_bytes: string | null
    min_free_bytes: string | null
    hindered: string | null
    running: string
    master: string | null
  }>(
    `SELECT w.name, w.master, w.labels, w.max_builds, w.engine, w.connected, w.paused, w.draining, w.quarantine,
            w.skew_ms, w.free_bytes, w.min_free_bytes, w.hindered,
            (SELECT count(*) FROM attempts a WHERE a.worker = w.name AND a.state IN ('offered', 'running')) AS running
     FROM workers w ORDER BY w.name`,
  )
  return rows.map((row) => ({
    name: row.name,
    labels: row.labels,
    maxBuilds: row.max_builds,
    running: Number(row.running),
    engine: row.engine,
    connected: row.connected,
    // A worker that has moved on may still seem to be here.
    here: row.master === master && here.has(row.name),
    paused: row.paused,
    draining: row.draining,
    quarantine: row.quarantine,
    skewMs: row.skew_ms,
    freeBytes: row.free_bytes === null ? null : Number(row.free_bytes),
    minFreeBytes: row.min_free_bytes === null ? null : Number(row.min_free_bytes),
    hindered: row.hindered,
  }))
}

/** A worker of this master that has not beaten for so long, in milliseconds, has no session any more. */
const silentMs = 60_000

/**
 * Marks workers as gone whose master is gone without having said so, and those of this master whose end could not be
 * written down when it came.
 */
export async function disownWorkers(tx: Sql, master: string, deadAfterMs: number): Promise<void> {
  const rows = await tx.query<{name: string}>(
    `UPDATE workers SET connected = false, seen_at = now() WHERE connected AND (
       (master = $2 AND seen_at < now() - $3 * interval '1 millisecond') OR NOT EXISTS (
         SELECT 1 FROM masters m WHERE m.id = workers.master AND m.seen_at > now() - $1 * interval '1 millisecond'))
     RETURNING name`,
    [deadAfterMs, master, silentMs],
  )
  await record(
    tx,
    byName(rows).map((row) => ({type: 'worker.disconnected', data: {worker: row.name}})),
  )
}

/** Workers unheard for longer than their grace that still hold attempts: they are lost now. Returns the attempts. */
export async function loseWorkers(
  tx: Sql,
  graceMs: number,
  graces: Readonly<Record<string, number>>,
): Promise<{attempt: string; worker: string}[]> {
  const lost = await tx.query<{name: string}>(
    `UPDATE workers SET lost = true WHERE NOT connected AND NOT lost
       AND seen_at < now() - coalesce(($2::jsonb->>name)::float8, $1) * interval '1 millisecond'
       AND EXISTS (SELECT 1 FROM attempts a WHERE a.worker = workers.name AND a.state IN ('offered', 'running'))
     RETURNING name`,
    [graceMs, JSON.stringify(graces)],
  )
  if (lost.length === 0) return []
  await record(
    tx,
    byName(lost).map((row) => ({type: 'worker.lost', data: {worker: row.name}})),
  )
  return await tx.query(
    `SELECT id AS attempt, worker FROM attempts WHERE worker = ANY($1::text[]) AND state IN ('offered', 'running')`,
    [lost.map((row) => row.name)],
  )
}

/** Counts a failure of each worker; after some in a row it is kept away for a while, ever longer. */
export async function blame(tx: Sql, workers: readonly string[], reason: string): Promise<void> {
  if (workers.length === 0) return
  const {after, firstMs, mostMs} = quarantineRule
  const rows = await tx.query<{name: string; failures: number; until: string | null}>(
    `UPDATE workers SET failures = failures + 1,
       quarantine = CASE WHEN failures + 1 < $3 THEN quarantine ELSE jsonb_build_object(
         'reason', (failures + 1)::text || ' failures in a row, the last: ' || $2::text, 'at', ${apiTime('now()')},
         'until', ${apiTime(`now() + least($4 * 2 ^ (failures + 1 - $3), $5) * interval '1 millisecond'`)}) END
     WHERE name = ANY($1::text[]) RETURNING name, failures, quarantine->>'until' AS until`,
    [workers, cleanText(reason), after, firstMs, mostMs],
  )
  await record(
    tx,
    byName(rows)
      .filter(({failures}) => failures >= after)
      .map(({name, until}) => ({type: 'worker.quarantined', data: {worker: name, reason, until}})),
  )
}

/** Ends the pauses and quarantines whose time is over. Returns how many; ring `claims` and `events` after the commit. */
export async function endHolds(tx: Sql): Promise<number> {
  const over = (column: string) => `(${column}->>'until')::timestamptz <= now()`
  const builders = await tx.query(`UPDATE builders SET paused = NULL WHERE ${over('paused')} RETURNING name`)
  const workers = await tx.query<{name: string}>(
    `UPDATE workers SET paused = CASE WHEN ${over('paused')} THEN NULL ELSE paused END,
            quarantine = CASE WHEN ${over('quarantine')} THEN NULL ELSE quarantine END
     WHERE ${over('paused')} OR ${over('quarantine')} RETURNING name`,
  )
  await record(
    tx,
    byName(workers).map(({name}) => ({type: 'worker.resumed', data: {worker: name, by: 'time'}})),
  )
  return builders.length + workers.length
}
