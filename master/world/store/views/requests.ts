// Build requests and buildsets: what was asked for, and why it is not running yet.
import type {Property, SourceStamp} from '../../../../worker/protocol/plan.ts'
import type {Result} from '../../../../worker/protocol/results.ts'
import type {Origin} from '../buildsets.ts'
import type {Sql} from '../store.ts'
import {beforeId, iso, paged, type Page, type Paged} from './pages.ts'

export type RequestState = 'pending' | 'claimed' | 'finished'
export interface Wait {
  code: string
  text: string
}

interface RequestRow {
  readonly id: string
  readonly buildset_id: string
  readonly builder: string
  readonly priority: number
  readonly state: RequestState
  readonly submitted_at: Date
  readonly result: Result | null
  readonly reason: string
  readonly source_stamps: SourceStamp[]
  readonly waiting: Wait[]
  readonly builds: string[]
}

const requestColumns = `r.id, r.buildset_id, r.builder, r.priority, r.state, r.submitted_at, r.result, s.reason, s.source_stamps, r.waiting,
  ARRAY(SELECT b.id::text FROM builds b WHERE b.request_id = r.id ORDER BY b.id) AS builds`

const asRequest = (row: RequestRow) => ({
  id: row.id,
  buildset: row.buildset_id,
  builder: row.builder,
  priority: row.priority,
  state: row.state,
  submittedAt: iso(row.submitted_at),
  result: row.result,
  reason: row.reason,
  sourceStamps: row.source_stamps,
  waiting: row.state === 'pending' ? row.waiting : [],
  builds: row.builds,
})
export type RequestView = ReturnType<typeof asRequest>

export interface RequestFilter {
  readonly state?: RequestState | undefined
  readonly builder?: string | undefined
}

/** The requests that match every given field; null for a cursor that is none of ours. */
export async function listRequests(
  sql: Sql,
  filter: RequestFilter,
  page: Page,
): Promise<Paged<RequestView> | null> {
  const before = beforeId(page.cursor)
  if (before === null) return null
  const values: unknown[] = [before, page.limit + 1]
  const where = ['r.id < $1']
  // The state as a literal, so that the planner sees the index of pending requests.
  if (filter.state !== undefined) where.push(`r.state = '${filter.state}'`)
  if (filter.builder !== undefined) where.push(`r.builder = $${values.push(filter.builder)}`)
  const rows = await sql.query<RequestRow>(
    `SELECT ${requestColumns} FROM requests r JOIN buildsets s ON s.id = r.buildset_id
      WHERE ${where.join(' AND ')} ORDER BY r.id DESC LIMIT $2`,
    values,
  )
  return paged(rows, page.limit, asRequest)
}

export async function readRequest(sql: Sql, id: string): Promise<RequestView | null> {
  const [row] = await sql.query<RequestRow>(
    `SELECT ${requestColumns} FROM requests r JOIN buildsets s ON s.id = r.buildset_id WHERE r.id = $1`,
    [id],
  )
  return row ? asRequest(row) : null
}

/** The requests that wait, the next to run first, at most `limit`. */
export async function readPending(sql: Sql, limit: number): Promise<RequestView[]> {
  const rows = await sql.query<RequestRow>(
    `SELECT ${requestColumns} FROM requests r JOIN buildsets s ON s.id = r.buildset_id
      WHERE r.state = 'pending' ORDER BY r.priority DESC, r.submitted_at, r.id LIMIT $1`,
    [limit],
  )
  return rows.map(asRequest)
}

interface BuildsetRow {
  readonly id: string
  readonly reason: string
  readonly origin: Origin
  readonly scheduler: string | null
  readonly completed_at: Date | null
  readonly result: Result | null
  readonly submitted_at: Date
  readonly source_stamps: SourceStamp[]
  readonly properties: Record<string, Property>
  readonly requests: {id: string; builder: string; state: string; result: Result | null; builds: string[]}[]
}

const buildsetColumns = `s.id, s.reason, s.origin, s.scheduler, s.completed_at, s.result, s.submitted_at, s.source_stamps, s.properties,
  (SELECT coalesce(jsonb_agg(jsonb_build_object('id', r.id::text, 'builder', r.builder, 'state', r.state, 'result', r.result,
     'builds', ARRAY(SELECT b.id::text FROM builds b WHERE b.request_id = r.id ORDER BY b.id)) ORDER BY r.id), '[]')
     FROM requests r WHERE r.buildset_id = s.id) AS requests`

const asBuildset = (row: BuildsetRow) => ({
  id: row.id,
  reason: row.reason,
  origin: row.origin,
  scheduler: row.scheduler,
  complete: row.completed_at !== null,
  result: row.result,
  submittedAt: iso(row.submitted_at),
  sourceStamps: row.source_stamps,
  properties: row.properties,
  requests: row.requests,
})
export type BuildsetView = ReturnType<typeof asBuildset>

export async function listBuildsets(sql: Sql, page: Page): Promise<Paged<BuildsetView> | null> {
  const before = beforeId(page.cursor)
  if (before === null) return null
  const rows = await sql.query<BuildsetRow>(
    `SELECT ${buildsetColumns} FROM buildsets s WHERE s.id < $1 ORDER BY s.id DESC LIMIT $2`,
    [before, page.limit + 1],
  )
  return paged(rows, page.limit, asBuildset)
}

export async function readBuildset(sql: Sql, id: string): Promise<BuildsetView | null> {
  const [row] = await sql.query<BuildsetRow>(`SELECT ${buildsetColumns} FROM buildsets s WHERE s.id = $1`, [
    id,
  ])
  return row ? asBuildset(row) : null
}
