// The event log. Serial numbers are not commit order: a transaction may take number 7, and commit after 8 was read.
// So a row also carries its transaction's number, and a reader takes rows in the order (xid, id), and only those of
// transactions older than every one still running: what it has not seen then lies all after its cursor.
import type {Sql} from './store.ts'

export interface NewEvent {
  readonly type: string
  readonly data: object
}

export interface Cursor {
  readonly xid: string
  readonly id: string
}

export interface StoredEvent {
  readonly cursor: Cursor
  readonly at: Date
  readonly type: string
  readonly data: Record<string, unknown>
}

export const cursorStart: Cursor = {xid: '0', id: '0'}
export const cursorText = (cursor: Cursor): string => `${cursor.xid}-${cursor.id}`

/** The cursor of `cursorText`'s text, or null when it is not one. */
export function parseCursor(text: string): Cursor | null {
  const match = /^(\d{1,18})-(\d{1,18})$/.exec(text)
  return match ? {xid: match[1] as string, id: match[2] as string} : null
}

/** Writes events in the transaction of what they tell. */
export async function record(tx: Sql, events: readonly NewEvent[]): Promise<void> {
  if (events.length === 0) return
  await tx.query(
    'INSERT INTO events (type, data) SELECT type, data::jsonb FROM unnest($1::text[], $2::text[]) AS e (type, data)',
    [events.map((event) => event.type), events.map((event) => JSON.stringify(event.data))],
  )
}

/**
 * Events after a cursor, in the one order every reader sees; of the named types only, or of all. `held` tells that later ones are already visible but
 * may not be read yet, because an older transaction is still running: look again in some milliseconds.
 */
export async function readEvents(
  sql: Sql,
  after: Cursor | null,
  limit: number,
  types: readonly string[] | null = null,
): Promise<{events: StoredEvent[]; held: boolean}> {
  const {xid, id} = after ?? cursorStart
  const rows = await sql.query<{
    xid: string
    id: string
    at: Date
    type: string
    data: Record<string, unknown>
    ready: boolean
  }>(
    `SELECT xid, id, at, type, data, xid < pg_snapshot_xmin(pg_current_snapshot())::text::bigint AS ready
     FROM events WHERE (xid, id) > ($1::bigint, $2::bigint) ${types ? 'AND type = ANY($4::text[])' : ''}
     ORDER BY xid, id LIMIT $3`,
    types ? [xid, id, limit, types] : [xid, id, limit],
  )
  const held = rows.findIndex((row) => !row.ready)
  const ready = held < 0 ? rows : rows.slice(0, held)
  return {
    events: ready.map((row) => ({
      cursor: {xid: row.xid, id: row.id},
      at: row.at,
      type: row.type,
      data: row.data,
    })),
    held: held >= 0,
  }
}

/** Where a reader that only wants news begins: after everything that may be read now. */
export async function newestCursor(sql: Sql): Promise<Cursor> {
  const [row] = await sql.query<Cursor>(
    `SELECT xid, id FROM events WHERE xid < pg_snapshot_xmin(pg_current_snapshot())::text::bigint
     ORDER BY xid DESC, id DESC LIMIT 1`,
  )
  return row ?? cursorStart
}

/** A reader's durable cursor, locked until the transaction ends: one reader of that name at a time. */
export async function lockCursor(tx: Sql, reader: string): Promise<Cursor> {
  const lock = () => tx.query<Cursor>('SELECT xid, id FROM cursors WHERE reader = $1 FOR UPDATE', [reader])
  const [known] = await lock()
  if (known) return known
  await tx.query('INSERT INTO cursors (reader, xid, id) VALUES ($1, 0, 0) ON CONFLICT DO NOTHING', [reader])
  const [made] = await lock()
  return made ?? cursorStart
}

export async function moveCursor(tx: Sql, reader: string, to: Cursor): Promise<void> {
  await tx.query('UPDATE cursors SET xid = $2, id = $3 WHERE reader = $1', [reader, to.xid, to.id])
}
