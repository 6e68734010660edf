// How the worker is, in the one line that `systemctl status` shows, and the signs of life that its watchdog wants.
import type {Attempts} from './commands/attempts.ts'
import {clockText} from './core/clocks.ts'
import {systemd} from './systemd/systemd.ts'
import type {Link} from './world/link.ts'

const everyMs = 2000

/** Keeps systemd told until the returned function is called. The event loop that stands still gives no sign of life. */
export function keepTold(link: Link, attempts: Attempts, maxBuilds: number): () => void {
  const {watchdogMs} = systemd()
  const tell = () => {
    systemd().status(standing(link, attempts, maxBuilds))
  }
  tell()
  const told = setInterval(tell, everyMs)
  const alive = watchdogMs === null ? null : setInterval(() => systemd().alive(), watchdogMs / 4)
  return () => {
    clearInterval(told)
    if (alive) clearInterval(alive)
  }
}

function standing(link: Link, attempts: Attempts, maxBuilds: number): string {
  const builds = `${attempts.running} of ${maxBuilds} builds`
  const hindrance = attempts.hindrance() ?? attempts.diskShortage()
  const clock = clockText(link.skewMs)
  const ailments = [hindrance && `takes no new ones: ${hindrance}`, clock].filter(Boolean)
  const line = link.isOpen ? `connected to ${link.master}` : `not connected: ${link.trouble}`
  return [`${line}, ${builds}`, ...ailments].join('; ')
}
