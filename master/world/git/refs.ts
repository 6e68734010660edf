// Names on their way to and from git: revisions and branches, and the locks that a killed git leaves in a mirror.
import {readdir, rm} from 'node:fs/promises'
import {join} from 'node:path'
import {GitFault} from './command.ts'

/** The branches of a repository, and those that are not used, each with the reason. */
export interface Fetched {
  readonly refs: Readonly<Record<string, string>>
  readonly refused: readonly {readonly branch: string; readonly because: string}[]
}

/** A whole object name; anything else never gets near git's command line. */
export function revisionOf(text: string): string {
  const name = text.trim()
  if (!/^([0-9a-f]{40}|[0-9a-f]{64})$/.test(name))
    throw new GitFault('failed', `${JSON.stringify(name.slice(0, 80))} is not a full revision`)
  return name
}

/** The lines of an output, without empty ones. */
export const lines = (out: string) => out.split('\n').filter((line) => line !== '')

/** Sorts out the branches whose names would be a danger further on: to a command line, or to text. */
export function readRefs(out: string): Fetched {
  const refs: Record<string, string> = Object.create(null) as Record<string, string>
  const refused: {branch: string; because: string}[] = []
  for (const line of lines(out)) {
    const branch = line.slice(line.indexOf(' ') + 1).slice('refs/heads/'.length)
    if (branch.startsWith('-'))
      refused.push({branch, because: 'a name that begins with - can be read as an option'})
    else if (branch.includes('\uFFFD')) refused.push({branch, because: 'its name is not UTF-8'})
    else refs[branch] = revisionOf(line.slice(0, line.indexOf(' ')))
  }
  return {refs, refused}
}

/** Locks that a killed git left behind. Nobody else works in the mirror: the state directory has one master. */
export async function dropLocks(mirror: string): Promise<void> {
  const entries = await readdir(mirror, {recursive: true, withFileTypes: true})
  const locks = entries.filter((entry) => entry.isFile() && entry.name.endsWith('.lock'))
  for (const lock of locks) await rm(join(lock.parentPath, lock.name), {force: true})
}
