// What Prometheus is told: what the database counts when it asks, how well this master is, and what the reconciler found.
// While the database is away it is told just that, and what this process knows by itself.
import {Gauge, Registry} from 'prom-client'
import {countByCheck} from '../core/findings.ts'
import {checks} from '../world/store/checks.ts'
import {measuredOf, measures, readMeasure} from '../world/store/views/measures.ts'
import type {Needs} from './needs.ts'
import {isDatabaseAway} from './refusals.ts'

/** Adds the gauges to the registry; the returned function counts and writes everything down. */
export function observe({
  metrics: registry,
  store,
  settings,
  complaints,
  found,
}: Needs): () => Promise<string> {
  const gauge = (name: string, help: string, labelNames: readonly string[] = [], to = registry) =>
    new Gauge({name, help, labelNames, registers: [to]})
  const counts = new Registry()
  const startedAt = Date.now()
  const counted = measures.map((measure) => ({
    measure,
    one: gauge(measure.name, measure.help, measure.labels, counts),
  }))
  const databaseUp = gauge('ostler_database_up', '1 while the database answers, else 0.')
  const unwell = gauge('ostler_complaints', 'Reasons why this master is not well, as /healthz names them.')
  const findings = gauge(
    'ostler_ledger_findings',
    `Rows that prove the ledger wrong, by check, 0 when all is well; at most 100 are counted.`,
    ['check'],
  )
  const lookedAt = gauge(
    'ostler_ledger_looked_at_seconds',
    'When the ledger was proved last, in seconds since 1970; until the first time, when the master was started.',
  )
  return async () => {
    writeFindings(found())
    unwell.set((await complaints()).length)
    const isCounted = await count()
    databaseUp.set(isCounted ? 1 : 0)
    // Old numbers would look like news: while the database is away there are none.
    return (await registry.metrics()) + (isCounted ? await counts.metrics() : '')
  }

  function writeFindings({at, findings: all}: ReturnType<Needs['found']>): void {
    const names = checks.map(({name}) => name)
    for (const [check, n] of countByCheck(names, all)) findings.set({check}, n)
    lookedAt.set((at ?? startedAt) / 1000)
  }

  /** False when the database is away. */
  async function count(): Promise<boolean> {
    const names = measuredOf(settings().config)
    try {
      for (const {measure, one} of counted) {
        const values = await readMeasure(store, measure, names)
        one.reset()
        for (const {labels, value} of values) one.set(labels, value)
      }
      return true
    } catch (error) {
      if (isDatabaseAway(error as Error)) return false
      throw error
    }
  }
}
