// The clock's tick: node-cron rings a bell each minute, in UTC and nothing else. What is due is computed elsewhere by a
// pure calendar in the configured time zone, from due times that are stored, so a missed tick loses nothing.
import {schedule} from 'node-cron'
import type {Bells} from './bells.ts'

/** Rings once a minute; returns how to stop. */
export function startClock(bells: Bells): () => Promise<void> {
  const task = schedule(
    '* * * * *',
    () => {
      bells.ringHere('ticks')
    },
    {timezone: 'UTC', noOverlap: true},
  )
  return async () => {
    await task.destroy()
  }
}
