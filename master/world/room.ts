// Whether there is room on the disk where the master keeps its things.
import {statfsSync} from 'node:fs'

const leastBytes = 4 * 1024 * 1024

/** What an administrator must hear of the disk of this directory: nothing while it has room. */
export function roomComplaints(directory: string): string[] {
  try {
    const {bavail, bsize} = statfsSync(directory)
    if (bavail * bsize >= leastBytes) return []
    const free = (bavail * bsize) / 1024 / 1024
    return [
      `no space is left on the disk of ${directory} (${free.toFixed(1)} MiB free): logs and artifacts wait until there is room`,
    ]
  } catch (error) {
    return [`the disk of ${directory} cannot be looked at: ${(error as Error).message}`]
  }
}
