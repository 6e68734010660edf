// The event log. Serial numbers are not commit order: a transaction may take number 7, and commit after 8 was read.
// So a writer first takes a shared lock that names the newest number then given out: all its own are above it, and
// the lock goes when the transaction has ended. A reader asks for the newest number given out, then for those locks,
// and reads no further than the least of them; every lower number is decided by then. Only writers of this database
// count, so that a long transaction of another application on the same server holds nothing up.
import type {Sql} from './store.ts'

export interface NewEvent {
  readonly type: string
  readonly data: object
}

export interface Cursor {
  readonly id: string
}

export interface StoredEvent {
  readonly cursor: Cursor
  readonly at: Date
  readonly type: string
  readonly data: Record<string, unknown>
}

export const cursorStart: Cursor = {id: '0'}
export const cursorText = (cursor: Cursor): string => cursor.id

/** The cursor of `cursorText`'s text, or null when it is not one. */
export function parseCursor(text: string): Cursor | null {
  return /^\d{1,18}$/.test(text) ? {id: text} : null
}

/** Writes events in the transaction of what they tell. */
export async function record(tx: Sql, events: readonly NewEvent[]): Promise<void> {
  if (events.length === 0) return
  await tx.query('SELECT record_events($1::text[], $2::text[])', [
    events.map((event) => event.type),
    events.map((event) => JSON.stringify(event.data)),
  ])
}

/**
 * Events after a cursor, in the one order every reader sees; of the named types only, or of all. `held` tells that later
 * ones are on their way: look again in some milliseconds.
 */
export async function readEvents(
  sql: Sql,
  after: Cursor | null,
  limit: number,
  types: readonly string[] | null = null,
): Promise<{events: StoredEvent[]; held: boolean}> {
  const {settled, held} = await decided(sql)
  const rows = await sql.query<{id: string; at: Date; type: string; data: Record<string, unknown>}>(
    `SELECT id, at, type, data FROM events WHERE id > $1 AND id <= $2 ${types ? 'AND type = ANY($4::text[])' : ''}
     ORDER BY id LIMIT $3`,
    [(after ?? cursorStart).id, settled, limit, ...(types ? [types] : [])],
  )
  return {
    events: rows.map((row) => ({cursor: {id: row.id}, at: row.at, type: row.type, data: row.data})),
    held,
  }
}

/** Up to which number every event is decided, and whether later ones are on their way. Asked before, not with, the reading. */
async function decided(sql: Sql): Promise<{settled: string; held: boolean}> {
  const [row] = await sql.query<{settled: string; held: boolean}>(
    'SELECT settled, held FROM events_decided()',
  )
  return row ?? {settled: '0', held: false}
}

/** Where a reader that only wants news begins: after everything that may be read now. */
export async function newestCursor(sql: Sql): Promise<Cursor> {
  return {id: (await decided(sql)).settled}
}

/** A reader's durable cursor as it is now. */
export async function readCursor(sql: Sql, reader: string): Promise<Cursor> {
  const [known] = await sql.query<Cursor>('SELECT id FROM cursors WHERE reader = $1', [reader])
  return known ?? cursorStart
}

/** A reader's durable cursor, locked until the transaction ends: one reader of that name at a time. */
export async function lockCursor(tx: Sql, reader: string): Promise<Cursor> {
  const lock = () => tx.query<Cursor>('SELECT id FROM cursors WHERE reader = $1 FOR UPDATE', [reader])
  const [known] = await lock()
  if (known) return known
  await tx.query('INSERT INTO cursors (reader, id) VALUES ($1, 0) ON CONFLICT DO NOTHING', [reader])
  const [made] = await lock()
  return made ?? cursorStart
}

export async function moveCursor(tx: Sql, reader: string, to: Cursor): Promise<void> {
  await tx.query('UPDATE cursors SET id = $2 WHERE reader = $1', [reader, to.id])
}
