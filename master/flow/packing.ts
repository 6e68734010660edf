// Beside the river: the logs of finished builds that lie in pieces become one object each. It reads the event log with a
// cursor of its own, so what one master leaves undone another does.
import type {EventReader} from '../world/store/retention.ts'
import {lockCursor, moveCursor, readCursor, readEvents, type StoredEvent} from '../world/store/events.ts'
import {whileHolding} from '../world/store/holding.ts'
import {logsOfBuilds} from '../world/store/views/logs.ts'
import type {World} from '../world/world.ts'
import type {Guard} from './changes.ts'
import type {Stage} from './river.ts'

const batchMax = 100
const slowTickMs = 5_000

/** What this stage reads of the event log: when a build has finished, none of its attempts can write any more. */
export const packing: EventReader = {reader: 'packing', types: ['build.finished']}

/** The stage, where logs are to be packed; elsewhere it has nothing to do. */
export function packs(world: World): Stage {
  return {
    name: packing.reader,
    hears: [],
    slowTickMs,
    async run() {
      if (!world.logs.packs || (await news(world)).length === 0) return null
      await whileHolding(world.store, world.master, packing.reader, (guard) => packAll(world, guard))
      return null
    },
  }
}

async function news(world: World): Promise<readonly StoredEvent[]> {
  const cursor = await readCursor(world.store, packing.reader)
  return (await readEvents(world.store, cursor, batchMax, packing.types)).events
}

async function packAll(world: World, guard: Guard): Promise<void> {
  for (let events = await news(world); events.length > 0; events = await news(world)) {
    const builds = events.flatMap(({data}) => (typeof data.build === 'string' ? [data.build] : []))
    for (const log of await logsOfBuilds(world.store, builds)) await world.logs.pack(log)
    const {cursor} = events.at(-1) as StoredEvent
    await world.store.transaction(async (tx) => {
      await guard(tx)
      await lockCursor(tx, packing.reader)
      await moveCursor(tx, packing.reader, cursor)
    })
  }
}
