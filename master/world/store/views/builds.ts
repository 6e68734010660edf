// Builds and their steps as people and programs see them.
import type {Property, SourceStamp} from '../../../../worker/protocol/plan.ts'
import type {Result} from '../../../../worker/protocol/results.ts'
import type {Origin} from '../buildsets.ts'
import type {Sql} from '../store.ts'
import {beforeId, iso, isoOrNull, paged, type Page, type Paged} from './pages.ts'

export type State = 'pending' | 'running' | 'finished'

export interface BuildRow {
  readonly id: string
  readonly builder: string
  readonly number: number
  readonly state: State
  readonly result: Result | null
  readonly summary: string
  readonly worker: string | null
  readonly attempt: string | null
  readonly attempts_lost: number
  readonly executor: string | null
  readonly source_stamps: SourceStamp[]
  readonly repository: string | null
  readonly branch: string | null
  readonly got_revision: string | null
  readonly origin: Origin
  readonly reason: string
  readonly properties: Record<string, Property>
  readonly cancel: {by: string; reason: string; at: string} | null
  readonly created_at: Date
  readonly started_at: Date | null
  readonly finished_at: Date | null
  readonly request_id: string
  readonly buildset_id: string
}

export const buildColumns = `b.id, b.builder, b.number, b.state, b.result, b.summary, b.worker, b.attempt, b.attempts_lost,
  b.executor, b.source_stamps, b.repository, b.branch, b.got_revision, b.origin, b.reason, b.properties, b.cancel, b.created_at, b.started_at,
  b.finished_at, b.request_id, b.buildset_id`

export const asBuild = (row: BuildRow) => ({
  id: row.id,
  builder: row.builder,
  number: row.number,
  state: row.state,
  result: row.result,
  summary: row.summary,
  worker: row.worker,
  attempt: row.attempt,
  attemptsLost: row.attempts_lost,
  executor: row.executor,
  sourceStamps: row.source_stamps,
  repository: row.repository,
  branch: row.branch,
  gotRevision: row.got_revision,
  origin: row.origin,
  reason: row.reason,
  properties: row.properties,
  cancelled: row.cancel,
  createdAt: iso(row.created_at),
  startedAt: isoOrNull(row.started_at),
  finishedAt: isoOrNull(row.finished_at),
  request: row.request_id,
  buildset: row.buildset_id,
})
export type BuildView = ReturnType<typeof asBuild>

export interface BuildFilter {
  readonly builder?: string | undefined
  readonly branch?: string | undefined
  readonly revision?: string | undefined
  readonly result?: Result | undefined
  readonly state?: State | undefined
  readonly worker?: string | undefined
  readonly origin?: Origin | undefined
}

/** The builds that match every given field; null for a cursor that is none of ours. */
export async function listBuilds(
  sql: Sql,
  filter: BuildFilter,
  page: Page,
): Promise<Paged<BuildView> | null> {
  const before = beforeId(page.cursor)
  if (before === null) return null
  const values: unknown[] = [before, page.limit + 1]
  const where = ['b.id < $1']
  const equal = (column: string, value: string | undefined) => {
    if (value === undefined) return
    values.push(value)
    where.push(`${column} = $${values.length}`)
  }
  equal('b.builder', filter.builder)
  equal('b.branch', filter.branch)
  equal('b.result', filter.result)
  equal('b.worker', filter.worker)
  equal('b.origin', filter.origin)
  if (filter.state === 'finished') equal('b.state', 'finished')
  // Written so that the planner sees the index of unfinished builds.
  if (filter.state === 'pending' || filter.state === 'running') {
    where.push(`b.state <> 'finished'`)
    equal('b.state', filter.state)
  }
  if (filter.revision !== undefined) {
    values.push(filter.revision)
    where.push(
      `(b.got_revision = $${values.length} OR (b.got_revision IS NULL AND b.revision = $${values.length}))`,
    )
  }
  const rows = await sql.query<BuildRow>(
    `SELECT ${buildColumns} FROM builds b WHERE ${where.join(' AND ')} ORDER BY b.id DESC LIMIT $2`,
    values,
  )
  return paged(rows, page.limit, asBuild)
}

/** The finished builds of a builder, the one that finished last first; null for a cursor that is none of ours. */
export async function listFinished(
  sql: Sql,
  filter: {
    readonly builder: string
    readonly branch?: string | undefined
    readonly revision?: string | undefined
    readonly result?: Result | undefined
    readonly origin?: Origin | undefined
  },
  page: Page,
): Promise<Paged<BuildView> | null> {
  const before = readPlace(page.cursor)
  if (before === undefined) return null
  const values: unknown[] = [filter.builder, page.limit + 1]
  const where = [`b.state = 'finished'`, 'b.builder = $1']
  const given = (value: unknown) => `$${values.push(value)}`
  if (before)
    where.push(
      `(b.finished_at, b.id) < (to_timestamp(${given(before.microseconds)}::numeric / 1000000), ${given(before.id)}::bigint)`,
    )
  for (const [column, value] of [
    ['b.branch', filter.branch],
    ['b.result', filter.result],
    ['b.origin', filter.origin],
    ['b.got_revision', filter.revision],
  ] as const)
    if (value !== undefined) where.push(`${column} = ${given(value)}`)
  const rows = await sql.query<BuildRow & {microseconds: string}>(
    `SELECT ${buildColumns}, (extract(epoch FROM b.finished_at) * 1000000)::bigint::text AS microseconds
     FROM builds b WHERE ${where.join(' AND ')} ORDER BY b.finished_at DESC, b.id DESC LIMIT $2`,
    values,
  )
  const last = rows.length > page.limit ? rows[page.limit - 1] : undefined
  return {
    items: rows.slice(0, page.limit).map(asBuild),
    next: last ? Buffer.from(`${last.microseconds}.${last.id}`).toString('base64url') : null,
  }
}

/** Where a page of finished builds begins; null at the beginning, undefined for a cursor that is none of ours. */
function readPlace(cursor: string | null): {microseconds: string; id: string} | null | undefined {
  if (cursor === null) return null
  const [, microseconds, id] =
    /^(\d{1,17})\.([1-9]\d{0,17})$/.exec(Buffer.from(cursor, 'base64url').toString()) ?? []
  return microseconds === undefined || id === undefined ? undefined : {microseconds, id}
}

export async function readBuild(sql: Sql, id: string): Promise<BuildView | null> {
  const [row] = await sql.query<BuildRow>(`SELECT ${buildColumns} FROM builds b WHERE b.id = $1`, [id])
  return row ? asBuild(row) : null
}

/** A build by what people call it. */
export async function readBuildByNumber(
  sql: Sql,
  builder: string,
  number: number,
): Promise<BuildView | null> {
  const [row] = await sql.query<BuildRow>(
    `SELECT ${buildColumns} FROM builds b WHERE b.builder = $1 AND b.number = $2`,
    [builder, number],
  )
  return row ? asBuild(row) : null
}

interface Tests {
  passed: number
  failed: number
  skipped: number
  failures: {name: string; text: string}[]
}

interface StepRow {
  readonly number: number
  readonly name: string
  readonly kind: string
  readonly state: State
  readonly result: Result | null
  readonly summary: string
  readonly started_at: Date | null
  readonly finished_at: Date | null
  readonly tries: number
  readonly warnings: number
  readonly tests: Tests | null
  readonly logs: {id: string; name: string; lines: number; bytes: number; complete: boolean}[]
}

/** The steps of a build's effective attempt, in order, each with its logs. */
export async function readSteps(sql: Sql, build: string) {
  const rows = await sql.query<StepRow>(
    `SELECT s.number, s.name, s.kind, s.state, s.result, s.summary, s.started_at, s.finished_at, s.tries, s.warnings, s.tests,
            coalesce(l.logs, '[]') AS logs
       FROM builds b
       JOIN steps s ON s.build_id = b.id AND s.attempt = b.attempt
       LEFT JOIN (
         SELECT step, jsonb_agg(jsonb_build_object('id', id::text, 'name', name, 'lines', lines, 'bytes', bytes, 'complete', complete) ORDER BY id) AS logs
           FROM logs
          WHERE build_id = $1 AND attempt = (SELECT attempt FROM builds WHERE id = $1) AND NOT deleted
          GROUP BY step
       ) l ON l.step = s.number
      WHERE b.id = $1
      ORDER BY s.number`,
    [build],
  )
  return rows.map((row) => ({
    number: row.number,
    name: row.name,
    kind: row.kind,
    state: row.state,
    result: row.result,
    summary: row.summary,
    startedAt: isoOrNull(row.started_at),
    finishedAt: isoOrNull(row.finished_at),
    attempts: row.tries,
    warnings: row.warnings,
    tests: row.tests,
    logs: row.logs,
  }))
}
