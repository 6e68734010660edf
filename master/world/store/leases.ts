// Leases: what only one master may do at a time is done by the one that holds its lease. Each taking has a greater
// fence, so that a master which slept through its lease cannot act on it. The database's clock decides.
import type {Sql} from './store.ts'

export interface Lease {
  readonly name: string
  readonly holder: string
  /** Greater with each taking, for ever; as text, since it is a bigint. */
  readonly fence: string
}

/** Thrown into a transaction whose lease is not held any more. */
export class LeaseLost extends Error {
  constructor(lease: Lease) {
    super(`${lease.holder} does not hold the lease ${lease.name} with fence ${lease.fence} any more`)
    this.name = 'LeaseLost'
  }
}

const untilSql = `clock_timestamp() + make_interval(secs => $3::double precision / 1000)`

/** Takes the lease if nobody holds it (not even this holder, whose earlier self may still be at work), else null. */
export async function takeLease(
  sql: Sql,
  name: string,
  holder: string,
  ttlMs: number,
): Promise<Lease | null> {
  const rows = await sql.query<{fence: string}>(
    `INSERT INTO leases AS held (name, holder, until) VALUES ($1, $2, ${untilSql})
     ON CONFLICT (name) DO UPDATE SET holder = excluded.holder, fence = held.fence + 1, until = excluded.until
       WHERE held.until <= clock_timestamp()
     RETURNING fence`,
    [name, holder, ttlMs],
  )
  return rows[0] ? {name, holder, fence: rows[0].fence} : null
}

/** Holds the lease for `ttlMs` from now; false when it is not held any more, and then it has to be taken anew. */
export async function renewLease(sql: Sql, lease: Lease, ttlMs: number): Promise<boolean> {
  const rows = await sql.query(
    `UPDATE leases SET until = ${untilSql}
     WHERE name = $1 AND holder = $2 AND fence = $4 AND until > clock_timestamp() RETURNING name`,
    [lease.name, lease.holder, ttlMs, lease.fence],
  )
  return rows.length === 1
}

/** Gives the lease back, so that the next one need not wait for its end. The row stays, since fences only grow. */
export async function releaseLease(sql: Sql, lease: Lease): Promise<void> {
  await sql.query(
    `UPDATE leases SET until = clock_timestamp() WHERE name = $1 AND holder = $2 AND fence = $3`,
    [lease.name, lease.holder, lease.fence],
  )
}

/**
 * Throws LeaseLost in a transaction that must only act while the lease is held. It also keeps anybody from taking
 * the lease until this transaction ends, so keep that short.
 */
export async function heldIn(tx: Sql, lease: Lease): Promise<void> {
  const rows = await tx.query(
    `SELECT 1 FROM leases WHERE name = $1 AND holder = $2 AND fence = $3 AND until > clock_timestamp() FOR SHARE`,
    [lease.name, lease.holder, lease.fence],
  )
  if (rows.length === 0) throw new LeaseLost(lease)
}
