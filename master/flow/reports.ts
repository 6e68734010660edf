// Stage "reports": reads the event log, writes what each reporter wants to tell into the outbox, and sends it.
import {reportedTypes} from '../../config/kinds/reporter.ts'
import {lockCursor, moveCursor, readEvents} from '../world/store/events.ts'
import {remindOfConflicts} from '../world/store/news.ts'
import {addReports, nextDueMs, takeDue} from '../world/store/outbox.ts'
import type {World} from '../world/world.ts'
import {lettersOf} from './letters.ts'
import type {Stage} from './river.ts'
import {holdFor, send} from './sending.ts'

const batchMax = 200
const sendMax = 20
const heldMs = 10
const slowTickMs = 30_000
const remindEveryMs = 60_000
/** What this stage reads of the event log. */
export const reportedEvents = reportedTypes

export function reports(world: World): Stage {
  let lookedAt = -Infinity
  let remindedAt = -Infinity
  return {
    name: 'reports',
    hears: ['reports', 'config'],
    slowTickMs,
    async run() {
      // With nobody to tell, the cursor follows now and then: a reporter that comes later begins about there.
      if (
        world.settings().config.reporters.length === 0 &&
        performance.now() - lookedAt < slowTickMs - heldMs
      )
        return null
      lookedAt = performance.now()
      if (lookedAt - remindedAt >= remindEveryMs) {
        await remind(world)
        remindedAt = lookedAt
      }
      const held = await fillOutbox(world)
      await emptyOutbox(world)
      return held ? heldMs : await nextDueMs(world.store)
    },
  }
}

/** A conflict that still stands is an event again, once a day. */
async function remind(world: World): Promise<void> {
  const rules = world.settings().config.promotions.rules.map(({name}) => name)
  if (rules.length === 0) return
  const reminded = await world.store.transaction(async (tx) => {
    await lockCursor(tx, 'reports')
    return await remindOfConflicts(tx, rules)
  })
  if (reminded > 0) world.bells.ring('events')
}

async function fillOutbox(world: World): Promise<boolean> {
  const {config} = world.settings()
  for (;;) {
    const {more, held} = await world.store.transaction(async (tx) => {
      const cursor = await lockCursor(tx, 'reports')
      const {events, held} = await readEvents(tx, cursor, batchMax, reportedEvents)
      const last = events.at(-1)
      if (!last) return {more: false, held}
      await addReports(tx, await lettersOf(tx, config, events))
      await moveCursor(tx, 'reports', last.cursor)
      return {more: events.length === batchMax, held}
    })
    if (!more) return held
  }
}

async function emptyOutbox(world: World): Promise<void> {
  for (;;) {
    const due = await world.store.transaction((tx) => takeDue(tx, sendMax, holdFor(world)))
    await Promise.all(due.map((report) => send(world, report)))
    if (due.length < sendMax) return
  }
}
