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

/** Which of these matters the reporter was told of already. Whoever asks holds the reader's cursor, so no answer grows old. */
export async function toldMatters(
  tx: Sql,
  reporter: string,
  matters: readonly string[],
): Promise<ReadonlySet<string>> {
  if (matters.length === 0) return new Set()
  const rows = await tx.query<{matter: string}>(
    `SELECT DISTINCT payload->>'matter' AS matter FROM outbox WHERE reporter = $1 AND payload->>'matter' = ANY($2::text[])`,
    [reporter, matters],
  )
  return new Set(rows.map(({matter}) => matter))
}

export interface Hold {
  readonly usualMs: number
  /** For the reporters of these names, which take longer. */
  readonly slow: readonly string[]
  readonly slowMs: number
}

/** Takes reports that are due and holds them meanwhile: a master that dies while sending leaves them to be sent again. */
export async function takeDue(tx: Sql, most: number, {usualMs, slow, slowMs}: Hold): Promise<DueReport[]> {
  return await tx.query(
    `UPDATE outbox SET tries = tries + 1,
       next_at = now() + CASE WHEN reporter = ANY($3::text[]) THEN $4 ELSE $2 END::float8 * interval '1 millisecond'
     WHERE id IN (SELECT id FROM outbox WHERE sent_at IS NULL AND given_up_at IS NULL AND next_at <= now()
                  ORDER BY next_at LIMIT $1 FOR UPDATE SKIP LOCKED)
     RETURNING id, reporter, payload, tries`,
    [most, usualMs, slow, slowMs],
  )
}

/** The other side has it; `note` says what was not quite right. */
export async function markSent(sql: Sql, id: string, note: string | null = null): Promise<void> {
  await sql.query('UPDATE outbox SET sent_at = now(), error = $2 WHERE id = $1', [id, note])
}

/** A mail that some have: remembers who has not, so that a later try goes to them alone. */
export async function markLeft(sql: Sql, id: string, left: readonly string[]): Promise<void> {
  await sql.query(`UPDATE outbox SET payload = jsonb_set(payload, '{mail,left}', $2::jsonb) WHERE id = $1`, [
    id,
    JSON.stringify(left),
  ])
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

/** Has one that was given up, or waits for its next try, sent now; ring `reports` after the commit. False when there is none such. */
export async function sendAgain(tx: Sql, id: string): Promise<boolean> {
  const rows = await tx.query(
    'UPDATE outbox SET given_up_at = NULL, tries = 0, next_at = now() WHERE id = $1 AND sent_at IS NULL RETURNING id',
    [id],
  )
  return rows.length > 0
}
