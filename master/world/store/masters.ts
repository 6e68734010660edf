// Masters: which of them live, as far as the database has heard.
import type {Sql} from './store.ts'

/** A master unheard for this long, in milliseconds, is gone. */
export const masterDeadMs = 20_000

/** The masters heard of lately. */
export async function livingMasters(sql: Sql): Promise<string[]> {
  const rows = await sql.query<{id: string}>(
    `SELECT id FROM masters WHERE seen_at > now() - $1 * interval '1 millisecond' ORDER BY id`,
    [masterDeadMs],
  )
  return rows.map(({id}) => id)
}

/** A master that stops says so: nobody need wait until it counts as gone. */
export async function leaveMasters(sql: Sql, master: string): Promise<void> {
  await sql.query('DELETE FROM masters WHERE id = $1', [master])
}
