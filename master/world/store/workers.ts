// Workers: who is connected where, what they can, and who is lost.
import type {Hold, WorkerState} from '../../core/assign.ts'
import type {Hello} from '../../../worker/protocol/messages.ts'
import {record} from './events.ts'
import type {Sql} from './store.ts'
import {cleanText} from './text.ts'

export interface Attachment {
  readonly hello: Hello
  readonly master: string
  readonly skewMs: number
  /** What the configuration says in the hello's stead. */
  readonly labels: Readonly<Record<string, string>>
  readonly maxBuilds: number
}

/** Notes a worker as connected to this master, in a session newer than all before. Returns the session's number. */
export async function attachWorker(tx: Sql, a: Attachment): Promise<string> {
  const [row] = await tx.query<{session: string}>(
    `INSERT INTO workers AS w (name, labels, max_builds, engine, version, master, session, connected, skew_ms, free_bytes,
                               min_free_bytes, connected_at, seen_at)
     VALUES ($1, $2, $3, $4, $5, $6, 1, true, $7, $8, $9, now(), now())
     ON CONFLICT (name) DO UPDATE SET labels = excluded.labels, max_builds = excluded.max_builds,
       engine = excluded.engine, version = excluded.version, master = excluded.master, session = w.session + 1,
       connected = true, lost = false, skew_ms = excluded.skew_ms, free_bytes = excluded.free_bytes,
       min_free_bytes = excluded.min_free_bytes, connected_at = now(), seen_at = now()
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
    ],
  )
  await record(tx, [{type: 'worker.connected', data: {worker: a.hello.worker}}])
  return (row as {session: string}).session
}

/** Notes that a session ended; a newer session of the worker is left alone. No beat of it counts any more. */
export async function detachWorker(tx: Sql, worker: string, session: string): Promise<void> {
  const rows = await tx.query(
    `WITH ended AS (SELECT name, connected FROM workers WHERE name = $1 AND session = $2 AND master IS NOT NULL FOR UPDATE)
     UPDATE workers SET connected = false, seen_at = now(), master = NULL FROM ended WHERE workers.name = ended.name
     RETURNING ended.connected`,
    [worker, session],
  )
  if (rows.some((row) => row['connected'])) await record(tx, [{type: 'worker.disconnected', data: {worker}}])
}

export interface Beat {
  readonly worker: string
  readonly session: string
  readonly skewMs: number
  readonly freeBytes: number | null
}

/**
 * Writes down the newest beats of many workers at once, and that this master lives. Whose session beats is connected, even
 * if another master took this one for dead meanwhile, as after a time without the database. Returns those whose session is
 * not the worker's newest any more.
 */
export async function writeBeats(sql: Sql, master: string, beats: readonly Beat[]): Promise<Beat[]> {
  await sql.query('INSERT INTO masters (id) VALUES ($1) ON CONFLICT (id) DO UPDATE SET seen_at = now()', [
    master,
  ])
  if (beats.length === 0) return []
  const rows = await sql.query<{name: string}>(
    `WITH named AS (SELECT * FROM unnest($1::text[], $2::bigint[], $3::float8[], $4::bigint[]) AS b (name, session, skew, free)
     ), beating AS (
       SELECT b.*, w.connected FROM named b JOIN workers w ON w.name = b.name AND w.session = b.session AND w.master = $5
       ORDER BY b.name FOR UPDATE OF w
     ), written AS (
       UPDATE workers SET seen_at = now(), skew_ms = b.skew, free_bytes = b.free, connected = true, lost = false
       FROM beating b WHERE workers.name = b.name
     ), back AS (
       SELECT array_agg('worker.connected'::text) AS types, array_agg(jsonb_build_object('worker', name)::text) AS data
       FROM beating WHERE NOT connected HAVING count(*) > 0
     )
     SELECT b.name FROM named b JOIN workers w ON w.name = b.name AND w.session > b.session
     UNION ALL SELECT '' FROM (SELECT record_events(types, data) FROM back OFFSET 0) told`,
    [
      beats.map((beat) => beat.worker),
      beats.map((beat) => beat.session),
      beats.map((beat) => beat.skewMs),
      beats.map((beat) => beat.freeBytes),
      master,
    ],
  )
  return beats.filter((beat) => rows.some((row) => row.name === beat.worker))
}

/** Whether a session is the worker's newest; until the transaction ends it stays so. */
export async function holdSession(tx: Sql, worker: string, session: string): Promise<boolean> {
  const rows = await tx.query('SELECT 1 FROM workers WHERE name = $1 AND session = $2 FOR UPDATE', [
    worker,
    session,
  ])
  return rows.length > 0
}

/** Every worker that ever connected, as the assignment sees it. */
export async function workerStates(sql: Sql, here: ReadonlySet<string>): Promise<WorkerState[]> {
  const rows = await sql.query<{
    name: string
    labels: Record<string, string>
    max_builds: number
    engine: string | null
    connected: boolean
    paused: Hold | null
    draining: Hold | null
    free_bytes: string | null
    min_free_bytes: string | null
    running: string
  }>(
    `SELECT w.name, w.labels, w.max_builds, w.engine, w.connected, w.paused, w.draining, w.free_bytes, w.min_free_bytes,
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
    here: here.has(row.name),
    paused: row.paused,
    draining: row.draining,
    freeBytes: row.free_bytes === null ? null : Number(row.free_bytes),
    minFreeBytes: row.min_free_bytes === null ? null : Number(row.min_free_bytes),
  }))
}

/** Marks workers as gone whose master is gone without having said so. */
export async function disownWorkers(tx: Sql, deadAfterMs: number): Promise<void> {
  const rows = await tx.query<{name: string}>(
    `UPDATE workers SET connected = false, seen_at = now() WHERE connected AND NOT EXISTS (
       SELECT 1 FROM masters m WHERE m.id = workers.master AND m.seen_at > now() - $1 * interval '1 millisecond')
     RETURNING name`,
    [deadAfterMs],
  )
  await record(
    tx,
    rows.map((row) => ({type: 'worker.disconnected', data: {worker: row.name}})),
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
    lost.map((row) => ({type: 'worker.lost', data: {worker: row.name}})),
  )
  return await tx.query(
    `SELECT id AS attempt, worker FROM attempts WHERE worker = ANY($1::text[]) AND state IN ('offered', 'running')`,
    [lost.map((row) => row.name)],
  )
}
