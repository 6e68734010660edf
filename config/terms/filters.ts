// Which changes a scheduler or reporter is about: by source, branch and touched files.
import {matchesGlob} from './globs.ts'

/** What filters look at. */
export interface Filterable {
  readonly source: string
  readonly branch: string
  readonly files: readonly string[]
  /** How many more files the change touched than `files` lists. */
  readonly filesMore: number
}

/** Whether one of the files matters: it matches a glob, and none that begins with `!`. No globs: every change does. */
export function touches(files: readonly string[], globs: readonly string[]): boolean {
  if (globs.length === 0) return true
  const refused = globs.filter((glob) => glob.startsWith('!')).map((glob) => glob.slice(1))
  const wanted = globs.filter((glob) => !glob.startsWith('!'))
  return files.some(
    (file) =>
      (wanted.length === 0 || wanted.some((glob) => matchesGlob(file, glob))) &&
      !refused.some((glob) => matchesGlob(file, glob)),
  )
}

/** Whether a change passes. One whose files are not all known passes a filter of files: better built than missed. */
export function passes(
  change: Filterable,
  source: string,
  branch: string,
  files: readonly string[],
): boolean {
  if (change.source !== source || !matchesGlob(change.branch, branch)) return false
  return change.filesMore > 0 || touches(change.files, files)
}
