// Plain files in a state directory that no row names: found, set aside, never destroyed. What was only begun (uploads,
// backups) is removed.
import {mkdir, readdir, rename, rm} from 'node:fs/promises'
import path from 'node:path'
import {scratchPrefix} from '../backup/make.ts'
import {roomOf} from '../files.ts'
import {logPath, type StoredLog} from '../logs.ts'
import {keptContents} from '../store/retention.ts'
import type {Sql} from '../store/store.ts'

export interface Stray {
  /** Within the state directory. */
  readonly file: string
  readonly kind: 'stray' | 'unfinished'
}

const names = async (directory: string): Promise<string[]> => await readdir(directory).catch(() => [])

/** Files of logs whose row is not there, or says that they are gone. */
export async function* strayLogs(sql: Sql, stateDir: string): AsyncGenerator<Stray> {
  const root = roomOf(stateDir, 'logs')
  for (const shelf of await names(root)) {
    const attempts = await names(path.join(root, shelf))
    const listed = await Promise.all(
      attempts.map(async (attempt) => ({attempt, files: await names(path.join(root, shelf, attempt))})),
    )
    // The files were listed first: a row made since then is no matter.
    const rows = await sql.query<{attempt: string; step: number; name: string}>(
      'SELECT attempt, step, name FROM logs WHERE attempt = ANY($1::bigint[]) AND NOT deleted',
      [attempts.filter((attempt) => /^\d{1,18}$/.test(attempt))],
    )
    const known = new Set(rows.map(logPath))
    for (const {attempt, files} of listed)
      for (const file of files)
        if (!known.has(path.join(shelf, attempt, file.replace(/\.(gz|idx)$/, ''))))
          yield {file: path.join('logs', shelf, attempt, file), kind: 'stray'}
  }
}

/** Contents that no build has, and uploads that broke off. */
export async function* strayArtifacts(sql: Sql, stateDir: string, isAtRest: boolean): AsyncGenerator<Stray> {
  // A build that is still open may be about to name what it has uploaded.
  const open = await sql.query(`SELECT 1 FROM attempts WHERE state IN ('offered', 'running') LIMIT 1`)
  const root = roomOf(stateDir, 'artifacts')
  for (const shelf of await names(root)) {
    const found = await names(path.join(root, shelf))
    const isPartial = shelf === 'partial'
    if (isPartial ? !isAtRest : open.length > 0) continue
    const live = isPartial ? new Set<string>() : await keptContents(sql, found)
    for (const name of found.filter((each) => !live.has(each)))
      yield {file: path.join('artifacts', shelf, name), kind: isPartial ? 'unfinished' : 'stray'}
  }
}

/** What backups that broke off laid aside. */
export async function* unfinishedBackups(stateDir: string): AsyncGenerator<Stray> {
  for (const name of await names(stateDir))
    if (name.startsWith(scratchPrefix)) yield {file: name, kind: 'unfinished'}
}

export const lostAndFound = 'lost+found'

/** Moves a file out of the way, into the state directory's `lost+found`. */
export async function setAside(stateDir: string, file: string): Promise<void> {
  const to = path.join(stateDir, lostAndFound, file)
  await mkdir(path.dirname(to), {recursive: true})
  await rename(path.join(stateDir, file), to)
}

/** Moves what is there of a log's files out of the way. */
export async function setLogAside(
  stateDir: string,
  log: Pick<StoredLog, 'attempt' | 'step' | 'name'>,
): Promise<void> {
  for (const end of ['gz', 'idx'])
    await setAside(stateDir, path.join('logs', `${logPath(log)}.${end}`)).catch((error: unknown) => {
      if ((error as NodeJS.ErrnoException).code !== 'ENOENT') throw error
    })
}

export const removeUnfinished = (stateDir: string, file: string): Promise<void> =>
  rm(path.join(stateDir, file), {recursive: true, force: true})
