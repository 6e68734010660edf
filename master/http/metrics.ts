// What Prometheus is told of the queue and the workers, counted when it asks, and of what the reconciler found.
import {Gauge} from 'prom-client'
import {countByCheck} from '../core/findings.ts'
import type {SpoolState} from '../../worker/protocol/messages.ts'
import {checks} from '../world/store/checks.ts'
import type {Needs} from './needs.ts'

/** Adds the gauges to the registry; the returned function counts and writes everything down. */
export function observe({metrics: registry, store, found}: Needs): () => Promise<string> {
  const gauge = (name: string, help: string, labelNames: string[] = []) =>
    new Gauge({name, help, labelNames, registers: [registry]})
  const pending = gauge('ostler_requests_pending', 'Build requests that wait.', ['builder'])
  const oldest = gauge('ostler_request_oldest_seconds', 'How long the oldest pending request has waited.')
  const open = gauge('ostler_builds_open', 'Builds that are not finished.', ['builder', 'state'])
  const workers = gauge('ostler_workers', 'Workers by state.', ['state'])
  const spool = {
    bytes: gauge('ostler_worker_spool_bytes', 'Output that waits on a worker for a master.', ['worker']),
    limitBytes: gauge('ostler_worker_spool_limit_bytes', 'How much output may wait on a worker.', ['worker']),
    cutBytes: gauge(
      'ostler_worker_spool_cut_bytes',
      'Output cut for want of room since a worker was started.',
      ['worker'],
    ),
    holding: gauge('ostler_worker_spool_holding', 'Builds held for want of room for their output.', [
      'worker',
    ]),
  }
  const findings = gauge(
    'ostler_ledger_findings',
    `Rows that prove the ledger wrong, by check, 0 when all is well; at most 100 are counted.`,
    ['check'],
  )
  const lookedAt = gauge(
    'ostler_ledger_looked_at_seconds',
    'When the ledger was proved last, in seconds since 1970.',
  )
  return async () => {
    writeFindings(found())
    return await writeCounts()
  }

  function writeFindings({at, findings: all}: ReturnType<Needs['found']>): void {
    const names = checks.map(({name}) => name)
    for (const [check, n] of countByCheck(names, all)) findings.set({check}, n)
    lookedAt.set((at ?? 0) / 1000)
  }

  async function writeCounts(): Promise<string> {
    const queue = await store.query<{builder: string; n: number; seconds: number}>(
      `SELECT builder, count(*)::int AS n, max(extract(epoch FROM now() - submitted_at))::float8 AS seconds
         FROM requests WHERE state = 'pending' GROUP BY builder`,
    )
    const builds = await store.query<{builder: string; state: string; n: number}>(
      `SELECT builder, state, count(*)::int AS n FROM builds WHERE state <> 'finished' GROUP BY builder, state`,
    )
    const states = await store.query<{state: string; n: number}>(
      `SELECT CASE WHEN NOT connected AND lost THEN 'lost' WHEN NOT connected THEN 'offline' WHEN draining IS NOT NULL THEN 'draining'
                   WHEN paused IS NOT NULL THEN 'paused' ELSE 'connected' END AS state, count(*)::int AS n
         FROM workers GROUP BY 1`,
    )
    for (const one of [pending, open, workers]) one.reset()
    for (const {builder, n} of queue) pending.set({builder}, n)
    oldest.set(Math.max(0, ...queue.map((row) => row.seconds)))
    for (const {builder, state, n} of builds) open.set({builder, state}, n)
    for (const {state, n} of states) workers.set({state}, n)
    await writeSpools()
    return await registry.metrics()
  }

  async function writeSpools(): Promise<void> {
    const told = await store.query<{name: string; spool: SpoolState}>(
      'SELECT name, spool FROM workers WHERE spool IS NOT NULL AND connected',
    )
    for (const [what, one] of Object.entries(spool)) {
      one.reset()
      for (const {name, spool: state} of told) one.set({worker: name}, state[what as keyof typeof spool])
    }
  }
}
