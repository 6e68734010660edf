// The processes of builds that run on this machine now, found by the mark in their environment.
import {readdirSync, readFileSync} from 'node:fs'

/** Command lines of the processes that belong to a build whose worker's or workspace's folder lies in `folder`. */
export function buildProcesses(folder: string): string[] {
  return readdirSync('/proc')
    .filter((name) => /^\d+$/.test(name))
    .flatMap((pid) => {
      try {
        const environment = readFileSync(`/proc/${pid}/environ`, 'latin1')
        if (!environment.includes('OSTLER_ATTEMPT=') || !environment.includes(folder)) return []
        return [readFileSync(`/proc/${pid}/cmdline`, 'latin1').replaceAll('\0', ' ').trim()]
      } catch {
        return [] // gone meanwhile
      }
    })
}

/** Resident memory of a process, in MiB. */
export function residentMiB(pid: number): number {
  const found = /^VmRSS:\s+(\d+) kB/m.exec(readFileSync(`/proc/${pid}/status`, 'latin1'))
  return Math.round(Number(found?.[1] ?? 0) / 1024)
}
