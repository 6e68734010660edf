// Restoring a backup: the archive is read whole and proved first; then tables and files come back within one
// transaction, into an empty place or over what is there when that is wanted. An older backup gets the tables it was
// made with, and then the migrations since.
import {Readable} from 'node:stream'
import {ArtifactMismatch, type Artifacts} from '../artifacts.ts'
import {combineCrc} from '../../core/crc.ts'
import type {Logs, NewSegment, StoredLog} from '../logs.ts'
import {livingMasters} from '../store/masters.ts'
import {migrationName, migrations} from '../store/migrations.ts'
import type {Sql, Store} from '../store/store.ts'
import {readLog} from '../store/views/logs.ts'
import {
  bytesOf,
  formatNow,
  readEntries,
  unpackLines,
  unpackSegments,
  verifyArchive,
  type Contents,
  type Manifest,
} from './archive.ts'
import {awaken, dropTables, openLoader, setNumbers, tablesWithRows} from './tables.ts'
import {BadArchive, type TarEntry} from './tar.ts'

/** The backup is not restored here, for a reason that the message tells; nothing was changed. */
export class RestoreRefused extends Error {
  override readonly name = 'RestoreRefused'
}

export interface RestoreTarget {
  /** Opens the database with its tables as they were after these many migrations; all without a number. */
  readonly open: (migrationsMost?: number) => Promise<Store>
  readonly logs: Logs
  readonly artifacts: Artifacts
  /** Why files that are there already keep the backup from being restored, or null. */
  readonly inTheWay: () => Promise<string | null>
}

export interface Restored {
  readonly manifest: Manifest
  readonly contents: Contents
  /** Artifacts of the archive whose bytes are not what their name says, and logs that are cut; their rows say that they are gone. */
  readonly damaged: readonly {what: 'log' | 'artifact'; id: string}[]
}

/** Restores the backup in a file. Throws BadArchive or RestoreRefused before anything was changed. */
export async function restoreBackup(
  file: string,
  target: RestoreTarget,
  overwrite: boolean,
): Promise<Restored> {
  const {manifest, contents} = await verifyArchive(file)
  const migrationsMost = knownMigrations(manifest)
  const way = overwrite ? null : await target.inTheWay()
  if (way !== null) throw new RestoreRefused(way)
  const store = await openAsOf(target, migrationsMost, overwrite)
  let damaged: Restored['damaged']
  try {
    damaged = await store.transaction((tx) => load(tx, file, manifest, contents, target))
  } finally {
    await store.close()
  }
  // What has come since the backup was made is done to the restored tables.
  if (migrationsMost < migrations.length) await (await target.open()).close()
  return {manifest, contents, damaged}
}

/** How many of our migrations the backup's tables had; refuses what a newer or another Ostler made. */
function knownMigrations({format, version, migrations: had}: Manifest): number {
  const known = migrations.map(migrationName)
  const newer = had.filter((name) => !known.includes(name))
  if (format > formatNow || newer.length > 0)
    throw new RestoreRefused(
      `it was made by a newer Ostler (${version}${newer.length > 0 ? `, with ${newer.join(', ')}` : ''}): restore it with that version`,
    )
  if (had.length === 0 || had.some((name, n) => name !== known[n]))
    throw new BadArchive('its list of migrations is none that Ostler ever had')
  return had.length
}

/** The database with the tables that the backup was made with, once it is known that they may be written. */
async function openAsOf(target: RestoreTarget, migrationsMost: number, overwrite: boolean): Promise<Store> {
  const store = await target.open(0)
  try {
    const [table] = await store.query<{found: boolean}>(
      `SELECT to_regclass('migrations') IS NOT NULL AS found`,
    )
    if (table?.found) {
      await refuseOccupied(store, overwrite)
      await store.transaction(dropTables)
    }
  } finally {
    await store.close()
  }
  return await target.open(migrationsMost)
}

async function refuseOccupied(store: Store, overwrite: boolean): Promise<void> {
  // The lock of the embedded database has told that nobody else has it open.
  const living = store.engine === 'embedded' ? [] : await livingMasters(store)
  if (living.length > 0)
    throw new RestoreRefused(`masters are at work on this database (${living.join(', ')}): stop them first`)
  const occupied = overwrite ? [] : await tablesWithRows(store)
  if (occupied.length > 0)
    throw new RestoreRefused(
      `the database is not empty (${occupied.join(', ')}): restore into an empty one, or give --overwrite to replace all it has`,
    )
}

async function load(
  tx: Sql,
  file: string,
  manifest: Manifest,
  contents: Contents,
  target: RestoreTarget,
): Promise<Restored['damaged']> {
  const loadRows = await openLoader(tx, manifest.tables)
  const rows: Record<string, number> = Object.fromEntries(manifest.tables.map(({name}) => [name, 0]))
  const logs = openLogs(tx, target.logs)
  const wrong: {what: 'log' | 'artifact'; id: string}[] = contents.missing.map(({what, id}) => ({what, id}))
  for await (const entry of readEntries(file)) {
    const [room, name = '', part] = entry.name.split('/')
    if (room !== 'logs') await logs.finish()
    if (room === 'tables') {
      const lines = await unpackLines(await bytesOf(entry))
      await loadRows(name, lines)
      rows[name] = (rows[name] ?? 0) + lines.length
    } else if (room === 'logs') await logs.add(name, part ?? '', unpackSegments(await bytesOf(entry)))
    else if (room === 'artifacts' && !(await storeArtifact(target.artifacts, entry, name)))
      wrong.push({what: 'artifact', id: name})
  }
  for (const [name, count] of Object.entries(contents.rows))
    if (rows[name] !== count)
      throw new BadArchive(`it holds ${String(rows[name])} rows of ${name}, not ${String(count)} as it says`)
  wrong.push(...logs.cut.map((id) => ({what: 'log' as const, id})))
  await markGone(tx, wrong)
  await setNumbers(tx, contents.numbers)
  await awaken(tx, manifest.madeAt)
  return wrong
}

/** Logs come in parts, one after the other. */
function openLogs(tx: Sql, files: Logs) {
  let now: {id: string; wanted: StoredLog; log: StoredLog} | null = null
  const cut: string[] = []
  const finish = async () => {
    if (now === null) return
    const {id, wanted, log} = now
    now = null
    if (log.segments !== wanted.segments || log.bytes !== wanted.bytes || log.lines !== wanted.lines) {
      cut.push(id)
      return
    }
    if (log.storedBytes !== wanted.storedBytes)
      await tx.query('UPDATE logs SET stored_bytes = $2 WHERE id = $1', [id, log.storedBytes])
    if (wanted.complete) await files.end({...wanted, storedBytes: log.storedBytes})
  }
  return {
    cut,
    finish,
    async add(id: string, part: string, segments: readonly NewSegment[]) {
      if (now?.id !== id) {
        await finish()
        const wanted = /^\d{1,18}$/.test(id) ? await readLog(tx, id) : null
        if (!wanted || Number(part) !== 1) throw new BadArchive(`it holds a log ${id} that no row names`)
        const empty = {bytes: 0, lines: 0, segments: 0, storedBytes: 0, crc32: 0, complete: false}
        now = {id, wanted, log: {...wanted, ...empty}}
      }
      const storedBytes = await files.append(now.log, segments, false)
      now.log = {
        ...now.log,
        storedBytes,
        segments: now.log.segments + segments.length,
        bytes: now.log.bytes + segments.reduce((sum, {bytes}) => sum + bytes, 0),
        lines: now.log.lines + segments.reduce((sum, {lines}) => sum + lines, 0),
        crc32: segments.reduce((crc, {crc32, bytes}) => combineCrc(crc, crc32, bytes), now.log.crc32),
      }
    },
  }
}

/** False when the bytes are not those of the name: they were damaged before the backup was made. */
async function storeArtifact(artifacts: Artifacts, entry: TarEntry, sha256: string): Promise<boolean> {
  try {
    await artifacts.store(sha256, entry.size, Readable.from(entry.body))
    return true
  } catch (error) {
    if (error instanceof ArtifactMismatch) return false
    throw error
  }
}

/** Rows whose bytes did not come back say so. */
async function markGone(tx: Sql, wrong: readonly {what: 'log' | 'artifact'; id: string}[]): Promise<void> {
  const ids = (what: 'log' | 'artifact') => wrong.filter((each) => each.what === what).map(({id}) => id)
  await tx.query('UPDATE logs SET deleted = true WHERE id = ANY($1::bigint[])', [ids('log')])
  await tx.query('UPDATE artifacts SET deleted = true WHERE sha256 = ANY($1::text[])', [ids('artifact')])
}
