// Workers as people see them: what they are, what they run, and why they get no work.
import {freeBytesFloor, skewMostMs, skewText, type Quarantine} from '../../../core/assign.ts'
import type {SpoolState} from '../../../../worker/protocol/messages.ts'
import type {Sql} from '../store.ts'
import {iso, isoOrNull} from './pages.ts'

/** What a person ordered for a worker or builder. */
export interface Order {
  by: string
  reason: string
  at: string
  until?: string | null
}

interface WorkerRow {
  readonly name: string
  readonly labels: Record<string, string>
  readonly max_builds: number
  readonly engine: string | null
  readonly version: string | null
  readonly master: string | null
  readonly connected: boolean
  readonly lost: boolean
  readonly paused: Order | null
  readonly draining: Order | null
  readonly quarantine: Quarantine | null
  readonly skew_ms: number
  readonly free_bytes: number | null
  readonly min_free_bytes: number | null
  readonly spool: SpoolState | null
  readonly hindered: string | null
  readonly refused: {readonly text: string; readonly at: string} | null
  readonly connected_at: Date | null
  readonly seen_at: Date | null
  readonly builds: string[]
}

export type WorkerState = 'connected' | 'paused' | 'draining' | 'quarantined' | 'lost' | 'offline'

const asWorker = (row: WorkerRow) => ({
  name: row.name,
  state: stateOf(row),
  labels: row.labels,
  maxBuilds: row.max_builds,
  running: row.builds.length,
  builds: row.builds,
  engine: row.engine,
  skewMs: row.skew_ms,
  freeBytes: row.free_bytes,
  spool: row.spool,
  connectedAt: row.connected ? isoOrNull(row.connected_at) : null,
  lastSeenAt: isoOrNull(row.seen_at),
  version: row.version,
  master: row.connected ? row.master : null,
  reason: reasonOf(row),
})
export type WorkerView = ReturnType<typeof asWorker>

function stateOf(row: WorkerRow): WorkerState {
  if (!row.connected) return row.lost ? 'lost' : 'offline'
  if (row.draining) return 'draining'
  if (row.paused) return 'paused'
  return row.quarantine ? 'quarantined' : 'connected'
}

const isFull = (row: WorkerRow) =>
  row.free_bytes !== null && row.free_bytes < (row.min_free_bytes ?? freeBytesFloor)

function reasonOf(row: WorkerRow): string | null {
  const said = (what: string, order: Order) =>
    `${what} by ${order.by} since ${order.at}${order.until ? ` until ${order.until}` : ''}${order.reason ? `: ${order.reason}` : ''}`
  const orders = [
    row.draining && said('drained', row.draining),
    row.paused && said('paused', row.paused),
    row.quarantine && `kept away until ${row.quarantine.until}: ${row.quarantine.reason}`,
    row.connected && Math.abs(row.skew_ms) > skewMostMs && `its clock is ${skewText(row.skew_ms)}`,
    row.connected && isFull(row) && 'it has too little free disk',
    row.connected && row.hindered && `it takes nothing new: ${row.hindered}`,
    row.connected && row.spool && spoolTrouble(row.spool),
    !row.connected && row.refused && `refused at ${row.refused.at}: ${row.refused.text}`,
  ].filter((text) => typeof text === 'string')
  if (orders.length > 0) return orders.join('; ')
  if (row.connected) return null
  if (row.seen_at === null) return 'it has never connected'
  return `not heard since ${iso(row.seen_at)}`
}

/** What a spool that is full does to builds; nothing when it has room. */
function spoolTrouble({cutting, holding}: SpoolState): string | false {
  const builds = (n: number) => (n === 1 ? '1 build' : `${String(n)} builds`)
  if (cutting > 0) return `its spool is full: the output of ${builds(cutting)} is being cut`
  return holding > 0 && `its spool is full: ${builds(holding)} must wait`
}

/** Every worker that the database knows, and every configured one that it does not know yet; or the `only` one of them. */
export async function readWorkers(
  sql: Sql,
  configured: readonly string[],
  only: string | null = null,
): Promise<WorkerView[]> {
  const rows = await sql.query<WorkerRow>(
    `SELECT n.name, coalesce(w.labels, '{}') AS labels, coalesce(w.max_builds, 1) AS max_builds, w.engine, w.version, w.master,
            coalesce(w.connected, false) AS connected, coalesce(w.lost, false) AS lost, w.paused, w.draining, w.quarantine,
            coalesce(w.skew_ms, 0) AS skew_ms, w.free_bytes::float8 AS free_bytes,
            w.min_free_bytes::float8 AS min_free_bytes, w.spool, w.hindered, w.refused,
            w.connected_at, w.seen_at,
            ARRAY(SELECT a.build_id::text FROM attempts a JOIN builds b ON b.id = a.build_id AND b.attempt = a.id
                   WHERE a.worker = n.name AND a.state IN ('offered', 'running') ORDER BY a.id) AS builds
       FROM (SELECT name FROM workers UNION SELECT unnest($1::text[])) n
       LEFT JOIN workers w ON w.name = n.name
      WHERE $2::text IS NULL OR n.name = $2
      ORDER BY n.name`,
    [configured, only],
  )
  return rows.map(asWorker)
}
