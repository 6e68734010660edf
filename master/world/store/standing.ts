// How things stand, in a few numbers that cost next to nothing.
import type {Clocks, Standing} from '../../core/standing.ts'
import type {Sql} from './store.ts'

export type StandingRow = Standing & Clocks

/** Counts connected workers, running builds and waiting requests. */
export async function readStanding(sql: Sql): Promise<StandingRow> {
  const [row] = await sql.query<Standing & {now: Date; skewed: number}>(
    `SELECT (SELECT count(*) FROM workers WHERE connected)::int AS workers,
            (SELECT count(*) FROM workers WHERE connected AND abs(skew_ms) > 60000)::int AS skewed,
            (SELECT count(*) FROM builds WHERE state <> 'finished')::int AS building,
            (SELECT count(*) FROM requests WHERE state = 'pending')::int AS waiting,
            clock_timestamp() AS now`,
  )
  if (!row) throw new Error('the database did not count')
  const {now, ...standing} = row
  return {...standing, skewMs: Date.now() - now.getTime()}
}
