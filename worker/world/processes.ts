// Ending what a build left running on the host: its processes carry the build's mark in their environment, wherever they
// went. (One that changes its environment and leaves its group escapes; only a container holds such a one.)
import {readdirSync, readFileSync} from 'node:fs'

const recentMs = 5000

/** The number of the newest process: numbers are given out in a circle. */
export function newestPid(): number {
  return Number(readFileSync('/proc/loadavg', 'utf8').trim().split(' ').at(-1))
}

export interface Since {
  readonly pid: number
  readonly at: number
}

/** Kills every process whose environment holds the text; those older than `since` are not looked at while it is recent. */
export function killMarked(mark: string, since: Since | null, now: number): number {
  let killed = 0
  const newest = newestPid()
  const isWindow = since !== null && now - since.at < recentMs
  for (const name of readdirSync('/proc')) {
    const pid = Number(name)
    if (!Number.isInteger(pid) || pid <= 1 || pid === process.pid) continue
    if (isWindow && !isBetween(pid, since.pid, newest)) continue
    if (!environment(name).includes(mark)) continue
    try {
      process.kill(pid, 'SIGKILL')
      killed++
    } catch {
      // It ended by itself meanwhile.
    }
  }
  return killed
}

const isBetween = (pid: number, from: number, to: number): boolean =>
  from <= to ? pid >= from && pid <= to : pid >= from || pid <= to

function environment(pid: string): string {
  try {
    return readFileSync(`/proc/${pid}/environ`, 'latin1')
  } catch {
    return ''
  }
}
