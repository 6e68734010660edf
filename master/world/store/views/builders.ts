// Builders with what they are doing: one query for all of them.
import type {Sql} from '../store.ts'
import {asBuild, buildColumns, type BuildRow, type BuildView} from './builds.ts'

export type BuilderState = 'idle' | 'building' | 'paused' | 'waiting'

export interface BuilderActivity {
  readonly name: string
  readonly state: BuilderState
  readonly pending: number
  readonly running: number
  readonly lastBuild: BuildView | null
}

/** What each named builder does now, in the order of the names. */
export async function readBuilders(sql: Sql, names: readonly string[]): Promise<BuilderActivity[]> {
  type Row = Omit<BuildRow, 'id'> & {
    name: string
    pending: number
    running: number
    paused: boolean
    id: string | null
  }
  const rows = await sql.query<Row>(
    `SELECT n.name, coalesce(p.pending, 0) AS pending, coalesce(r.running, 0) AS running,
            coalesce(o.paused IS NOT NULL, false) AS paused, b.*
       FROM unnest($1::text[]) WITH ORDINALITY AS n(name, place)
       LEFT JOIN builders o ON o.name = n.name
       LEFT JOIN (SELECT builder, count(*)::int AS pending FROM requests WHERE state = 'pending' GROUP BY builder) p ON p.builder = n.name
       LEFT JOIN (SELECT builder, count(*)::int AS running FROM builds WHERE state <> 'finished' GROUP BY builder) r ON r.builder = n.name
       LEFT JOIN LATERAL (SELECT ${buildColumns} FROM builds b WHERE b.builder = n.name ORDER BY b.id DESC LIMIT 1) b ON true
      ORDER BY n.place`,
    [names],
  )
  return rows.map((row) => ({
    name: row.name,
    state: stateOf(row),
    pending: row.pending,
    running: row.running,
    lastBuild: row.id === null ? null : asBuild({...row, id: row.id}),
  }))
}

export const stateOf = (row: {paused: boolean; running: number; pending: number}): BuilderState =>
  row.paused ? 'paused' : row.running > 0 ? 'building' : row.pending > 0 ? 'waiting' : 'idle'
