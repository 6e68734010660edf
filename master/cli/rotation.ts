// A directory of backups: what a new one is called there, how much room it wants, and which old ones may go. The names tell
// all that is known of a backup: when it was made, and whether it is whole.
import {readdir, rm, stat, statfs} from 'node:fs/promises'
import path from 'node:path'
import {Ending, exits} from './exits.ts'

const stamp = /^ostler-(\d{8}T\d{6}Z)(-incomplete)?\.tar$/
/** What a backup leaves that was killed while it was written; nobody else calls a file so. */
const partial = /^ostler-\d{8}T\d{6}Z\.tar\.\d+\.partial$/
const partialDaysMax = 1
const spareBytes = 256 * 1024 ** 2

/** `ostler-20261122T141500Z.tar` */
export const backupName = (at: Date, isWhole = true): string =>
  `ostler-${at.toISOString().replace(/[-:]|\.\d+/g, '')}${isWhole ? '' : '-incomplete'}.tar`

/**
 * The names that may be removed when `made` is there: all but the newest `keep` whole backups, and of those that are not whole
 * what is older than the oldest whole one kept. The one just made is never among them, whatever the clock says, and none is
 * when it is not whole: the last good backup stays.
 */
export function outdated(names: readonly string[], keep: number, made: string): readonly string[] {
  if (stamp.exec(made)?.[2] !== undefined) return []
  const others = names.filter((name) => name !== made && stamp.test(name)).sort()
  const whole = others.filter((name) => !name.endsWith('-incomplete.tar'))
  const kept = whole.slice(Math.max(0, whole.length - (keep - 1)))
  const oldest = kept[0] ?? made
  return others.filter((name) => !kept.includes(name) && (whole.includes(name) || name < oldest))
}

/** Where the next backup goes. Throws an Ending when the directory is none, or has less room than the last backup took. */
export async function placeFor(directory: string, at: Date): Promise<string> {
  try {
    const names = (await readdir(directory)).filter((name) => stamp.test(name)).sort()
    await removeRemains(directory, at)
    const last = names.at(-1)
    const wanted = last === undefined ? 0 : (await stat(path.join(directory, last))).size + spareBytes
    const {bavail, bsize} = await statfs(directory)
    if (bavail * bsize < wanted)
      throw new Ending(
        exits.away,
        `no backup was made: ${directory} has ${inMiB(bavail * bsize)} free, and one like the last wants ${inMiB(wanted)}`,
      )
    return path.join(directory, backupName(at))
  } catch (error) {
    if (error instanceof Ending) throw error
    throw new Ending(exits.usage, `${directory} cannot take backups: ${(error as Error).message}`)
  }
}

/** Removes what `outdated` names; answers the names. */
export async function rotate(directory: string, keep: number, made: string): Promise<readonly string[]> {
  const gone = outdated(await readdir(directory), keep, path.basename(made))
  for (const name of gone) await rm(path.join(directory, name))
  return gone
}

async function removeRemains(directory: string, at: Date): Promise<void> {
  for (const name of (await readdir(directory)).filter((each) => partial.test(each))) {
    const file = path.join(directory, name)
    const ageMs = at.getTime() - (await stat(file)).mtimeMs
    if (ageMs > partialDaysMax * 86_400_000) await rm(file, {force: true})
  }
}

const inMiB = (bytes: number): string => `${Math.floor(bytes / 1024 ** 2)} MiB`
