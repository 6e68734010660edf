// Beside the river: the logs of finished builds that lie in pieces become one object each. It reads the event log with a
// cursor of its own, so what one master leaves undone another does.
import {ObjectStoreTrouble} from '../world/objects/trouble.ts'
import type {EventReader} from '../world/store/retention.ts'
import {lockCursor, moveCursor, readCursor, readEvents, type StoredEvent} from '../world/store/events.ts'
import {whileHolding} from '../world/store/holding.ts'
import {logsOfBuilds, type LogRow} from '../world/store/views/logs.ts'
import type {World} from '../world/world.ts'
import type {Guard} from './changes.ts'
import type {Stage} from './river.ts'

const batchMax = 100
const slowTickMs = 5_000

/** What this stage reads of the event log: when a build has finished, none of its attempts can write any more. */
export const packing: EventReader = {reader: 'packing', types: ['build.finished']}

/** The stage; where logs need no packing it has nothing to do. */
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
    const logs = await logsOfBuilds(world.store, builds)
    for (const log of logs) await pack(world, log)
    // What retention removed meanwhile may have been written anew just after.
    const kept = new Set((await logsOfBuilds(world.store, builds)).map(({id}) => id))
    for (const log of logs) if (!kept.has(log.id)) await world.logs.remove(log)
    const {cursor} = events.at(-1) as StoredEvent
    await world.store.transaction(async (tx) => {
      await guard(tx)
      await lockCursor(tx, packing.reader)
      await moveCursor(tx, packing.reader, cursor)
    })
  }
}

/** A store that is away is tried again; one log that is damaged must not hold up the others, and stays as it is. */
async function pack(world: World, log: LogRow): Promise<void> {
  try {
    await world.logs.pack(log)
  } catch (error) {
    if (error instanceof ObjectStoreTrouble) throw error
    world.say.error({log: log.id, build: log.build, err: error}, 'a log cannot be packed')
  }
}
