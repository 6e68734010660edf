// The masters of this database: each tells of itself every few seconds; one that is silent for long is taken for dead.
import type {Sql} from './store.ts'

/** A master unheard for this long, in milliseconds, has lost its workers' connections. */
export const masterDeadMs = 20_000
const forgottenAfter = '1 day'

export interface MasterSelf {
  readonly id: string
  readonly address: string
  readonly version: string
}

/** Writes down that a master is there, and forgets those that have been gone for long. */
export async function enterMaster(sql: Sql, {id, address, version}: MasterSelf): Promise<void> {
  await sql.query(`DELETE FROM masters WHERE seen_at < now() - interval '${forgottenAfter}'`)
  await sql.query(
    `INSERT INTO masters (id, address, version) VALUES ($1, $2, $3)
     ON CONFLICT (id) DO UPDATE SET seen_at = now(), address = excluded.address, version = excluded.version`,
    [id, address, version],
  )
}

/** Which configuration a master works by. */
export async function writeMasterConfig(sql: Sql, id: string, hash: string): Promise<void> {
  await sql.query(
    `INSERT INTO masters (id, config_hash) VALUES ($1, $2)
     ON CONFLICT (id) DO UPDATE SET seen_at = now(), config_hash = excluded.config_hash`,
    [id, hash],
  )
}

/** A master that ends says so: nobody has to wait until it is taken for dead. */
export async function leaveMasters(sql: Sql, id: string): Promise<void> {
  await sql.query('DELETE FROM masters WHERE id = $1', [id])
}

/** The masters heard of lately: while there is one, nobody else may change what they keep. */
export async function livingMasters(sql: Sql): Promise<string[]> {
  const rows = await sql.query<{id: string}>(
    `SELECT id FROM masters WHERE seen_at > now() - $1 * interval '1 millisecond' ORDER BY id`,
    [masterDeadMs],
  )
  return rows.map(({id}) => id)
}

export interface MasterRow {
  readonly id: string
  readonly address: string | null
  readonly version: string | null
  readonly startedAt: Date
  readonly seenAt: Date
  readonly alive: boolean
  readonly configHash: string | null
  /** How many workers are connected to it. */
  readonly workers: number
}

/** Every master heard of within a day, the oldest first. */
export async function readMasters(sql: Sql): Promise<MasterRow[]> {
  return await sql.query<MasterRow>(
    `SELECT id, address, version, started_at AS "startedAt", seen_at AS "seenAt", config_hash AS "configHash",
            seen_at > now() - $1 * interval '1 millisecond' AS alive,
            (SELECT count(*) FROM workers w WHERE w.master = masters.id AND w.connected)::int AS workers
     FROM masters ORDER BY started_at, id`,
    [masterDeadMs],
  )
}

/** Whether these masters do not all work by one configuration. */
export const disagree = (masters: readonly Pick<MasterRow, 'configHash'>[]): boolean =>
  new Set(masters.flatMap(({configHash}) => configHash ?? [])).size > 1

export const disagreement = 'the masters work by different configurations: give them one, and reload'
