// Ending what a build left running on the host: its processes carry the build's mark in their environment, wherever they
// went. (One that changes its environment and leaves its group escapes; only a container holds such a one.)
import {readdirSync, readFileSync, readlinkSync} from 'node:fs'
import {setTimeout as sleep} from 'node:timers/promises'
import {isOutOfDescriptors} from '../core/descriptors.ts'
import {patiently} from './descriptors.ts'

const recentMs = 5000

/** The number of the newest process: numbers are given out in a circle. */
export function newestPid(): number {
  return Number(readFileSync('/proc/loadavg', 'utf8').trim().split(' ').at(-1))
}

export interface Since {
  readonly pid: number
  readonly at: number
}

const passesMax = 5
const pauseMs = 2

/**
 * Kills every process whose environment holds the text; those older than `since` are not looked at while it is recent. Looks
 * again while it finds some, or one that is just becoming another program and shows no environment: they may have begun more.
 */
export async function killMarked(mark: string, since: Since | null, now: number): Promise<number> {
  let killed = 0
  for (let pass = 1; pass <= passesMax; pass++) {
    const found = await patiently(() => killOnce(mark, since, now))
    killed += found.killed
    if (found.killed === 0 && !found.isUnsure) break
    await sleep(pauseMs)
  }
  return killed
}

function killOnce(mark: string, since: Since | null, now: number): {killed: number; isUnsure: boolean} {
  let killed = 0
  let isUnsure = false
  const newest = newestPid()
  const isWindow = since !== null && now - since.at < recentMs
  for (const name of readdirSync('/proc')) {
    const pid = Number(name)
    if (!Number.isInteger(pid) || pid <= 1 || pid === process.pid) continue
    if (isWindow && !isBetween(pid, since.pid, newest)) continue
    const text = environment(name)
    isUnsure ||= isWindow && text === '' && hasProgram(name)
    if (!text?.includes(mark)) continue
    try {
      process.kill(pid, 'SIGKILL')
      killed++
    } catch {
      // It ended by itself meanwhile.
    }
  }
  return {killed, isUnsure}
}

/** False for what has ended, and for the kernel's own. */
function hasProgram(pid: string): boolean {
  try {
    return readlinkSync(`/proc/${pid}/exe`) !== ''
  } catch {
    return false
  }
}

const isBetween = (pid: number, from: number, to: number): boolean =>
  from <= to ? pid >= from && pid <= to : pid >= from || pid <= to

/** Null for a process that is gone, or that is not ours to look at. */
function environment(pid: string): string | null {
  try {
    return readFileSync(`/proc/${pid}/environ`, 'latin1')
  } catch (error) {
    if (isOutOfDescriptors(error)) throw error
    return null
  }
}
