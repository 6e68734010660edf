// What systemd is told of a running master: its status line, kept true, and the signs of life that its watchdog wants.
import {standingText} from '../core/standing.ts'
import {systemd} from '../../worker/systemd/systemd.ts'
import type {Pulse} from './pulse.ts'

interface Vitals {
  readonly pulse: Pulse
  /** Where the database is, for people. */
  readonly database: string
  /** Reasons why this master is not well. */
  readonly complaints: () => readonly string[]
}

const statusMs = 2_000

/** Keeps systemd told until the returned function is called. */
export function keepTold({pulse, database, complaints}: Vitals): () => void {
  const {watchdogMs} = systemd()
  const tell = () => {
    const standing = pulse.standing()
    const away = standing === null ? ['database: it does not answer'] : []
    systemd().status(standingText(standing, database, [...away, ...complaints()]))
  }
  // An event loop that stands still does not come here; a database loop that does is given no sign of life either.
  const feed = () => {
    if (watchdogMs !== null && performance.now() - pulse.turnedAt() < watchdogMs) systemd().alive()
  }
  tell()
  const told = setInterval(tell, statusMs)
  const fed = watchdogMs === null ? null : setInterval(feed, watchdogMs / 4)
  return () => {
    clearInterval(told)
    if (fed) clearInterval(fed)
  }
}
