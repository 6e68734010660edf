// Changes and their sources as people and programs see them.
import type {Sql} from '../store.ts'
import {beforeId, iso, isoOrNull, paged, type Page, type Paged} from './pages.ts'

interface ChangeRow {
  readonly id: string
  readonly source: string
  readonly repository: string
  readonly branch: string
  readonly revision: string
  readonly author: string
  readonly message: string
  readonly files: string[]
  readonly files_more: number
  readonly link: string | null
  readonly committed_at: Date | null
  readonly recorded_at: Date
}

const columns =
  'c.id, c.source, c.repository, c.branch, c.revision, c.author, c.message, c.files, c.files_more, c.link, c.committed_at, c.recorded_at'

/** A page's worth of a commit message: some are megabytes. */
const messageMax = 20_000

const asChange = (row: ChangeRow) => ({
  id: row.id,
  source: row.source,
  repository: row.repository,
  branch: row.branch,
  revision: row.revision,
  author: row.author,
  message: row.message,
  files: row.files,
  filesMore: row.files_more,
  link: row.link,
  committedAt: isoOrNull(row.committed_at),
  recordedAt: iso(row.recorded_at),
})
export type ChangeView = ReturnType<typeof asChange>

export interface ChangeFilter {
  readonly source?: string | undefined
  readonly branch?: string | undefined
  readonly build?: string | undefined
}

/** The changes that match every given field, with long messages cut; null for a cursor that is none of ours. */
export async function listChanges(
  sql: Sql,
  filter: ChangeFilter,
  page: Page,
): Promise<Paged<ChangeView> | null> {
  const before = beforeId(page.cursor)
  if (before === null) return null
  const values: unknown[] = [before, page.limit + 1]
  const where = ['c.id < $1']
  if (filter.source !== undefined) where.push(`c.source = $${values.push(filter.source)}`)
  if (filter.branch !== undefined) where.push(`c.branch = $${values.push(filter.branch)}`)
  if (filter.build !== undefined)
    where.push(
      `c.id = ANY((SELECT s.change_ids FROM builds b JOIN buildsets s ON s.id = b.buildset_id WHERE b.id = $${values.push(filter.build)})::bigint[])`,
    )
  const rows = await sql.query<ChangeRow>(
    `SELECT ${columns.replace('c.message', `left(c.message, ${messageMax}) AS message`)} FROM changes c
      WHERE ${where.join(' AND ')} ORDER BY c.id DESC LIMIT $2`,
    values,
  )
  return paged(rows, page.limit, asChange)
}

export async function readChange(sql: Sql, id: string): Promise<ChangeView | null> {
  const [row] = await sql.query<ChangeRow>(`SELECT ${columns} FROM changes c WHERE c.id = $1`, [id])
  return row ? asChange(row) : null
}

export interface SourceStanding {
  readonly source: string
  readonly polledAt: string | null
  readonly nextPollAt: string | null
  readonly failures: number
  readonly error: string | null
  readonly branches: Record<string, string>
}

export async function readSources(sql: Sql): Promise<SourceStanding[]> {
  type Row = {
    source: string
    polled_at: Date | null
    next_poll_at: Date | null
    failures: number
    error: string | null
    refs: Record<string, string>
  }
  const rows = await sql.query<Row>(
    'SELECT source, polled_at, next_poll_at, failures, error, refs FROM repositories',
  )
  return rows.map((row) => ({
    source: row.source,
    polledAt: isoOrNull(row.polled_at),
    nextPollAt: isoOrNull(row.next_poll_at),
    failures: row.failures,
    error: row.error,
    branches: row.refs,
  }))
}
