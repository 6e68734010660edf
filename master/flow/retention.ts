// Beside the river: what is older than the configuration keeps goes, an hour at the latest after its time, and so do old
// notes of the river's own.
import {leastAgeMs, sentence, type Sentence} from '../core/retention.ts'
import type {Guard} from './changes.ts'
import {whileHolding} from '../world/store/holding.ts'
import {
  agedBuilds,
  attemptsWithLogs,
  keptContents,
  markGone,
  removeBuilds,
  removeNotes,
  retentionLease,
  type EventReader,
} from '../world/store/retention.ts'
import type {World} from '../world/world.ts'
import {packing} from './packing.ts'
import {reportedEvents} from './reports.ts'
import type {Stage} from './river.ts'
import {scheduledEvents} from './schedules.ts'

const hourMs = 3_600_000
const batchMax = 200
/** Content this young may belong to a build whose journal has not come yet. */
const youngMs = hourMs

const readers: readonly EventReader[] = [
  {reader: 'schedules', types: scheduledEvents},
  {reader: 'reports', types: reportedEvents},
]

export function retention(world: World): Stage {
  return {
    name: 'retention',
    hears: ['config'],
    slowTickMs: hourMs,
    async run() {
      await whileHolding(world.store, world.master, retentionLease, (guard) => clear(world, guard))
      return null
    },
  }
}

async function clear(world: World, guard: Guard): Promise<void> {
  const rules = world.settings().config.retention
  const least = leastAgeMs(rules)
  const total = {builds: 0, logs: 0, artifacts: 0}
  for (let after = '0'; least !== null;) {
    const aged = await agedBuilds(world.store, {after, leastAgeMs: least, limit: batchMax})
    const gone = await carryOut(
      world,
      guard,
      aged.flatMap((build) => sentence(build, rules) ?? []),
    )
    for (const part of ['builds', 'logs', 'artifacts'] as const) total[part] += gone[part]
    after = aged.at(-1)?.id ?? after
    if (aged.length < batchMax) break
  }
  await world.artifacts.sweep((hashes) => keptContents(world.store, hashes), youngMs)
  await world.store.transaction(async (tx) => {
    await guard(tx)
    await removeNotes(tx, world.logs.packs ? [...readers, packing] : readers)
  })
  if (total.builds + total.logs + total.artifacts > 0)
    world.say.info(total, 'removed what is older than the configuration keeps')
}

async function carryOut(world: World, guard: Guard, sentences: readonly Sentence[]) {
  const idsOf = (fits: (each: Sentence) => boolean) => sentences.filter(fits).map(({id}) => id)
  for (const attempt of await attemptsWithLogs(
    world.store,
    idsOf(({logs}) => logs),
  ))
    await world.logs.removeAttempt(attempt)
  return await world.store.transaction(async (tx) => {
    await guard(tx)
    const parts = await markGone(tx, {
      logs: idsOf(({logs}) => logs),
      artifacts: idsOf(({artifacts}) => artifacts),
    })
    return {
      ...parts,
      builds: await removeBuilds(
        tx,
        idsOf(({goes}) => goes === 'build'),
      ),
    }
  })
}
