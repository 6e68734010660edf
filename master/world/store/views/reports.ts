// The outbox as people see it: what waits to be sent, what came through, and what was given up and why.
import type {Sql} from '../store.ts'
import {beforeId, iso, isoOrNull, paged, type Page, type Paged} from './pages.ts'

export type ReportState = 'waiting' | 'sent' | 'givenUp'

const conditions: Readonly<Record<ReportState, string>> = {
  waiting: 'o.sent_at IS NULL AND o.given_up_at IS NULL',
  sent: 'o.sent_at IS NOT NULL',
  givenUp: 'o.given_up_at IS NOT NULL AND o.sent_at IS NULL',
}

interface ReportRow {
  readonly id: string
  readonly reporter: string
  readonly event: string | null
  readonly title: string | null
  readonly link: string | null
  readonly at: string | null
  readonly recipients: string[] | null
  readonly tries: number
  readonly error: string | null
  readonly next_at: Date
  readonly sent_at: Date | null
  readonly given_up_at: Date | null
}

const asReport = (row: ReportRow) => {
  const state: ReportState = row.sent_at ? 'sent' : row.given_up_at ? 'givenUp' : 'waiting'
  return {
    id: row.id,
    reporter: row.reporter,
    event: row.event ?? '',
    title: row.title ?? '',
    link: row.link,
    at: row.at,
    recipients: row.recipients ?? [],
    state,
    tries: row.tries,
    error: row.error,
    nextAt: state === 'waiting' ? iso(row.next_at) : null,
    sentAt: isoOrNull(row.sent_at),
    givenUpAt: isoOrNull(row.given_up_at),
  }
}
export type ReportView = ReturnType<typeof asReport>

/** What reporters were to tell, newest first; null for a cursor that is none of ours. */
export async function listReports(
  sql: Sql,
  {state, reporter}: {readonly state?: ReportState | undefined; readonly reporter?: string | undefined},
  page: Page,
): Promise<Paged<ReportView> | null> {
  const before = beforeId(page.cursor)
  if (before === null) return null
  const rows = await sql.query<ReportRow>(
    `SELECT o.id, o.reporter, o.payload->>'event' AS event, o.payload->>'title' AS title, o.payload->>'link' AS link,
            o.payload->>'at' AS at, o.payload->'mail'->'to' AS recipients, o.tries, o.error, o.next_at, o.sent_at, o.given_up_at
     FROM outbox o WHERE o.id < $1 AND ($3::text IS NULL OR o.reporter = $3) ${state ? `AND ${conditions[state]}` : ''}
     ORDER BY o.id DESC LIMIT $2`,
    [before, page.limit + 1, reporter ?? null],
  )
  return paged(rows, page.limit, asReport)
}
