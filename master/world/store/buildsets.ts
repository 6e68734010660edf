// Buildsets: one decision to build, for several builders, and its end.
import type {BuildOrigin} from '../../../config/config.ts'
import type {Property, SourceStamp} from '../../../worker/protocol/plan.ts'
import {worst} from '../../../worker/core/results.ts'
import type {Result} from '../../../worker/protocol/results.ts'
import {record} from './events.ts'
import type {Sql} from './store.ts'

export type Origin = BuildOrigin

export interface NewBuildset {
  /** What makes the decision one: a second buildset of the same key is the first. */
  readonly key?: string
  readonly reason: string
  readonly origin: Origin
  readonly scheduler: string | null
  readonly submittedBy: string | null
  readonly sourceStamps: readonly SourceStamp[]
  readonly properties: Readonly<Record<string, Property>>
  readonly changeIds: readonly string[]
  readonly builders: readonly {name: string; priority: number}[]
}

export interface Submitted {
  readonly buildset: string
  readonly requests: readonly {id: string; builder: string}[]
}

/** Records a buildset with a request for each builder. Ring `claims` after the commit. */
export async function submitBuildset(tx: Sql, b: NewBuildset): Promise<Submitted> {
  const rows = await tx.query<{buildset: string; id: string | null; builder: string}>(
    `WITH made AS (
       INSERT INTO buildsets (key, reason, origin, scheduler, submitted_by, source_stamps, properties, change_ids)
       VALUES ($1, $2, $3, $4, $5, $6, $7, $8) ON CONFLICT (key) DO NOTHING RETURNING id
     ), asked AS (
       INSERT INTO requests (buildset_id, builder, priority)
       SELECT made.id, builder, priority FROM made, unnest($9::text[], $10::int[]) AS r (builder, priority)
       RETURNING id, builder
     )
     SELECT made.id AS buildset, asked.id, asked.builder FROM made LEFT JOIN asked ON true ORDER BY asked.id`,
    [
      b.key ?? null,
      b.reason,
      b.origin,
      b.scheduler,
      b.submittedBy,
      JSON.stringify(b.sourceStamps),
      JSON.stringify(b.properties),
      b.changeIds,
      b.builders.map((builder) => builder.name),
      b.builders.map((builder) => builder.priority),
    ],
  )
  const [row] = rows
  if (!row) return await submittedBefore(tx, b.key as string)
  const {buildset} = row
  const requests = rows.flatMap(({id, builder}) => (id === null ? [] : [{id, builder}]))
  await record(
    tx,
    requests.map((request) => ({
      type: 'request.added',
      data: {request: request.id, buildset, builder: request.builder},
    })),
  )
  return {buildset, requests}
}

async function submittedBefore(tx: Sql, key: string): Promise<Submitted> {
  const rows = await tx.query<{buildset: string; id: string; builder: string}>(
    'SELECT b.id AS buildset, r.id, r.builder FROM buildsets b JOIN requests r ON r.buildset_id = b.id WHERE b.key = $1',
    [key],
  )
  return {buildset: rows[0]?.buildset ?? '', requests: rows.map(({id, builder}) => ({id, builder}))}
}

/** Ends those of the buildsets whose requests are all finished, with their worst result. */
export async function completeBuildsets(tx: Sql, ids: readonly string[]): Promise<void> {
  if (ids.length === 0) return
  // The rows are locked first, in order: two builds of one buildset that end at once must not both miss the other.
  await tx.query('SELECT id FROM buildsets WHERE id = ANY($1::bigint[]) ORDER BY id FOR UPDATE', [ids])
  const open = await tx.query<{id: string; results: Result[]}>(
    `SELECT b.id, array_agg(r.result) AS results FROM buildsets b JOIN requests r ON r.buildset_id = b.id
     WHERE b.id = ANY($1::bigint[]) AND b.completed_at IS NULL
     GROUP BY b.id HAVING bool_and(r.state = 'finished')`,
    [ids],
  )
  if (open.length === 0) return
  const ends = open.map((row) => ({id: row.id, result: worst(row.results)}))
  await tx.query(
    `UPDATE buildsets SET completed_at = now(), result = e.result
     FROM unnest($1::bigint[], $2::text[]) AS e (id, result) WHERE buildsets.id = e.id`,
    [ends.map((end) => end.id), ends.map((end) => end.result)],
  )
  await record(
    tx,
    ends.map((end) => ({type: 'buildset.finished', data: {buildset: end.id, result: end.result}})),
  )
}
