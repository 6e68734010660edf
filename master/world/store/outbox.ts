// The outbox of the reporters: what is to be sent, and how often it was tried. A report is written with the reader's
// cursor, so an event is reported once; it is sent until the other side took it.
import type {Sql} from './store.ts'

export interface NewReport {
  readonly reporter: string
  readonly eventId: string
  readonly payload: object
}

export interface DueReport {
  readonly id: string
  readonly reporter: string
  readonly payload: Record<string, unknown>
  readonly tries: number
}

export async function addReports(tx: Sql, reports: readonly NewReport[]): Promise<void> {
  if (reports.length === 0) return
  await tx.query(
    `INSERT INTO outbox (reporter, event_id, payload)
     SELECT reporter, event, payload::jsonb FROM unnest($1::text[], $2::bigint[], $3::text[]) AS n (reporter, event, payload)
     ON CONFLICT DO NOTHING`,
    [
      reports.map((report) => report.reporter),
      reports.map((report) => report.eventId),
      reports.map((report) => JSON.stringify(report.payload)),
    ],
  )
}

/** Takes reports that are due, for `holdMs`: a master that dies while sending leaves them to be sent again. */
export async function takeDue(tx: Sql, most: number, holdMs: number): Promise<DueReport[]> {
  return await tx.query(
    `UPDATE outbox SET tries = tries + 1, next_at = now() + $2 * interval '1 millisecond'
     WHERE id IN (SELECT id FROM outbox WHERE sent_at IS NULL AND given_up_at IS NULL AND next_at <= now()
                  ORDER BY next_at LIMIT $1 FOR UPDATE SKIP LOCKED)
     RETURNING id, reporter, payload, tries`,
    [most, holdMs],
  )
}

export async function markSent(sql: Sql, id: string): Promise<void> {
  await sql.query('UPDATE outbox SET sent_at = now(), error = NULL WHERE id = $1', [id])
}

/** Notes a failed try: again after `againMs`, or never when null. */
export async function markFailed(sql: Sql, id: string, error: string, againMs: number | null): Promise<void> {
  await sql.query(
    `UPDATE outbox SET error = $2, next_at = now() + coalesce($3, 0) * interval '1 millisecond',
            given_up_at = CASE WHEN $3::float8 IS NULL THEN now() END WHERE id = $1`,
    [id, error, againMs],
  )
}

/** In how many milliseconds the next report is due; null for none. */
export async function nextDueMs(sql: Sql): Promise<number | null> {
  const [row] = await sql.query<{ms: number | null}>(
    `SELECT (extract(epoch FROM min(next_at) - now()) * 1000)::float8 AS ms FROM outbox
     WHERE sent_at IS NULL AND given_up_at IS NULL`,
  )
  return row?.ms ?? null
}

/** What a report tells of a build. */
export interface ReportedBuild {
  readonly id: string
  readonly builder: string
  readonly number: number
  readonly result: string | null
  readonly summary: string
  readonly branch: string | null
  readonly revision: string | null
  readonly worker: string | null
  readonly reason: string
  /** The result of the last build of this builder and branch before it that was good or bad. */
  readonly before: string | null
}

export async function reportedBuilds(sql: Sql, ids: readonly string[]): Promise<Map<string, ReportedBuild>> {
  const rows = await sql.query<ReportedBuild>(
    `SELECT b.id, b.builder, b.number, b.result, b.summary, b.branch, coalesce(b.got_revision, b.revision) AS revision,
            b.worker, b.reason,
            (SELECT p.result FROM builds p WHERE p.builder = b.builder AND p.id < b.id AND p.state = 'finished'
               AND p.branch IS NOT DISTINCT FROM b.branch AND p.result IN ('success', 'warnings', 'failure', 'exception')
             ORDER BY p.id DESC LIMIT 1) AS before
     FROM builds b WHERE b.id = ANY($1::bigint[])`,
    [ids],
  )
  return new Map(rows.map((row) => [row.id, row]))
}
