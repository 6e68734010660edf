// What people wish, stored before anything is done about it: an end to a build or request, a worker at rest. The
// stages of the river carry the wishes out.
import {audit, type Actor} from './audit.ts'
import {completeBuildsets, type Origin} from './buildsets.ts'
import {record} from './events.ts'
import type {Sql} from './store.ts'
import {apiTime} from './text.ts'

const order = (who: string, reason: string) =>
  `jsonb_build_object('by', ${who}::text, 'reason', ${reason}::text, 'at', ${apiTime('now()')})`
/** The same with an end, a number of milliseconds from now. */
const orderUntil = (who: string, reason: string, forMs: string) =>
  `${order(who, reason)} || jsonb_build_object('until', ${apiTime(`now() + ${forMs}::float8 * interval '1 millisecond'`)})`

export type CancelAnswer = 'asked' | 'finished' | 'unknown'

/** Stores the wish that a build ends; asking twice is asking once. Ring `cancels` after the commit. */
export async function cancelBuild(tx: Sql, id: string, actor: Actor, reason: string): Promise<CancelAnswer> {
  const rows = await tx.query<{state: string; cancel: unknown; builder: string; number: number}>(
    'SELECT state, cancel, builder, number FROM builds WHERE id = $1 FOR UPDATE',
    [id],
  )
  const build = rows[0]
  if (!build) return 'unknown'
  if (build.state === 'finished') return 'finished'
  if (build.cancel !== null) return 'asked'
  await tx.query(`UPDATE builds SET cancel = ${order('$2', '$3')} WHERE id = $1`, [id, actor.who, reason])
  await audit(tx, actor, 'build.cancel', id, {builder: build.builder, number: build.number, reason})
  return 'asked'
}

/** Ends a waiting request at once, or stores the wish that its running build ends. Ring `cancels` after the commit. */
export async function cancelRequest(
  tx: Sql,
  id: string,
  actor: Actor,
  reason: string,
): Promise<CancelAnswer> {
  const [request] = await tx.query<{state: string; buildset_id: string; builder: string}>(
    'SELECT state, buildset_id, builder FROM requests WHERE id = $1 FOR UPDATE',
    [id],
  )
  if (!request) return 'unknown'
  if (request.state === 'finished') return 'finished'
  await tx.query(
    `UPDATE builds SET cancel = ${order('$2', '$3')} WHERE request_id = $1 AND state <> 'finished' AND cancel IS NULL`,
    [id, actor.who, reason],
  )
  const open = await tx.query(`SELECT 1 FROM builds WHERE request_id = $1 AND state <> 'finished' LIMIT 1`, [
    id,
  ])
  if (request.state === 'pending' && open.length === 0) {
    await tx.query(
      `UPDATE requests SET state = 'finished', result = 'cancelled', finished_at = now(), waiting = '[]' WHERE id = $1`,
      [id],
    )
    await record(tx, [
      {
        type: 'request.cancelled',
        data: {request: id, buildset: request.buildset_id, builder: request.builder},
      },
    ])
    await completeBuildsets(tx, [request.buildset_id])
  }
  await audit(tx, actor, 'request.cancel', id, {builder: request.builder, reason})
  return 'asked'
}

/** How somebody wants a rest: why, and for how many milliseconds (null until it is ended). */
export interface Rest {
  readonly reason: string
  readonly forMs: number | null
}

export type WorkerWish = 'pause' | 'drain' | 'resume'

/** Stores what a person wants of a worker. False when there is no such worker. Ring `claims` after the commit. */
export async function wishWorker(
  tx: Sql,
  name: string,
  wish: WorkerWish,
  actor: Actor,
  {reason, forMs}: Rest,
): Promise<boolean> {
  const set = {
    pause: `paused = ${orderUntil('$2', '$3', '$4')}`,
    drain: `draining = ${order('$2', '$3')}`,
    resume: 'paused = NULL, draining = NULL, quarantine = NULL, failures = 0',
  }[wish]
  const values = {pause: [name, actor.who, reason, forMs], drain: [name, actor.who, reason], resume: [name]}[
    wish
  ]
  const rows = await tx.query(`UPDATE workers SET ${set} WHERE name = $1 RETURNING name`, values)
  if (rows.length === 0) return false
  await record(tx, [
    {
      type: `worker.${{pause: 'paused', drain: 'draining', resume: 'resumed'}[wish]}`,
      data: {worker: name, by: actor.who, reason},
    },
  ])
  await audit(tx, actor, `worker.${wish}`, name, {reason})
  return true
}

/** Makes a configured worker known before it has ever connected, so that it can be paused. */
export async function knowWorker(tx: Sql, name: string): Promise<void> {
  await tx.query('INSERT INTO workers (name) VALUES ($1) ON CONFLICT DO NOTHING', [name])
}

/** Stops or starts giving a builder's requests to workers. Ring `claims` after the commit. */
export async function wishBuilder(
  tx: Sql,
  name: string,
  wish: 'pause' | 'resume',
  actor: Actor,
  {reason, forMs}: Rest,
): Promise<void> {
  await tx.query(
    `INSERT INTO builders (name, paused) VALUES ($1, ${wish === 'pause' ? orderUntil('$2', '$3', '$4') : 'NULL'})
     ON CONFLICT (name) DO UPDATE SET paused = excluded.paused`,
    wish === 'pause' ? [name, actor.who, reason, forMs] : [name],
  )
  await audit(tx, actor, `builder.${wish}`, name, {reason})
}

export interface RebuildBasis {
  readonly builder: string
  readonly number: number
  readonly origin: Origin
  readonly source_stamps: {repository: string; branch: string | null; revision: string | null}[]
  readonly got_revision: string | null
  readonly properties: Record<string, never>
  readonly change_ids: string[]
}

/** What a build was made from: the properties it was asked with, not those its steps set. */
export async function readRebuildBasis(sql: Sql, build: string): Promise<RebuildBasis | null> {
  const [row] = await sql.query<RebuildBasis>(
    `SELECT b.builder, b.number, b.origin, b.source_stamps, b.got_revision, s.properties, s.change_ids::text[] AS change_ids
       FROM builds b JOIN buildsets s ON s.id = b.buildset_id WHERE b.id = $1`,
    [build],
  )
  return row ?? null
}
