// Making a backup while masters run. The tables are read in one view of one moment and laid aside on disk, so that the
// view (with the embedded database, its only connection) is held no longer than that takes; then the bytes of the logs
// and artifacts that this view names follow: what is committed of a log never changes. Retention waits meanwhile.
import {createReadStream} from 'node:fs'
import {mkdtemp, open, rm, type FileHandle} from 'node:fs/promises'
import path from 'node:path'
import {createInterface} from 'node:readline'
import {Readable, type Writable} from 'node:stream'
import {pipeline} from 'node:stream/promises'
import {setTimeout as sleep} from 'node:timers/promises'
import type {Artifacts} from '../artifacts.ts'
import type {Logs, NewSegment, StoredLog} from '../logs.ts'
import {whileHolding} from '../store/holding.ts'
import {retentionLease} from '../store/retention.ts'
import type {Sql, Store} from '../store/store.ts'
import {
  archiveOf,
  entryOf,
  formatNow,
  jsonEntry,
  names,
  packLines,
  packSegments,
  type Contents,
  type Entry,
  type Manifest,
  type Missing,
} from './archive.ts'
import {backedUpTables, dumpTable, freezeView, inBatches, readNumbers} from './tables.ts'

export interface BackupSource {
  readonly store: Store
  readonly logs: Logs
  readonly artifacts: Artifacts
  /** Who makes it, as a holder of leases. */
  readonly holder: string
  readonly version: string
  /** Where the tables are laid aside meanwhile. */
  readonly scratch: string
}

/** What scratch directories are called; one left by a crash is nobody's. */
export const scratchPrefix = 'backup-'
const leaseWaitMs = 60_000
const partBytes = 1024 * 1024

/** Writes a backup and ends the stream; answers what it came to. When it fails, the stream is destroyed. */
export async function writeBackup(source: BackupSource, out: Writable): Promise<Contents> {
  // It may fail long before anything is written to it.
  let fault: Error | null = null
  out.once('error', (error) => (fault = error))
  for (const until = performance.now() + leaseWaitMs; ;) {
    const made = await whileHolding(source.store, source.holder, retentionLease, () =>
      write(source, out).catch((error: unknown) => {
        throw fault ?? error
      }),
    )
    if (made !== null) return made
    if (performance.now() > until) throw new Error('old builds are being removed just now; try again later')
    await sleep(200)
  }
}

async function write(source: BackupSource, out: Writable): Promise<Contents> {
  const scratch = await mkdtemp(path.join(source.scratch, scratchPrefix))
  const side = await openSide(scratch)
  try {
    const atMs = Date.now()
    const {manifest, rows} = await source.store.transaction((tx) => layAside(source, tx, side, atMs))
    const contents: {-readonly [Key in keyof Contents]: Contents[Key]} & {missing: Missing[]} = {
      rows,
      logs: 0,
      artifacts: 0,
      numbers: await readNumbers(source.store),
      missing: [],
    }
    async function* entries(): AsyncGenerator<Entry> {
      yield jsonEntry(names.manifest, manifest)
      yield* side.parts()
      for await (const log of side.list<StoredLog & {id: string}>('logs'))
        yield* logEntries(source, log, contents)
      for await (const artifact of side.list<KeptArtifact>('artifacts'))
        yield* artifactEntries(source, artifact, contents)
      yield jsonEntry(names.contents, contents)
    }
    await pipeline(Readable.from(archiveOf(entries(), atMs), {objectMode: false}), out)
    return contents
  } finally {
    await side.close()
    await rm(scratch, {recursive: true, force: true})
  }
}

interface KeptArtifact {
  readonly sha256: string
  readonly bytes: number
}

async function layAside(
  {store, version}: BackupSource,
  tx: Sql,
  side: Side,
  atMs: number,
): Promise<{manifest: Manifest; rows: Record<string, number>}> {
  await freezeView(tx)
  const migrations = await tx.query<{name: string}>('SELECT name FROM migrations ORDER BY id')
  const tables = await backedUpTables(tx)
  const rows: Record<string, number> = {}
  for (const table of tables) {
    rows[table.name] = 0
    let part = 0
    for await (const lines of dumpTable(tx, table)) {
      await side.add(`tables/${table.name}/${numbered(++part)}.gz`, await packLines(lines))
      rows[table.name] = (rows[table.name] ?? 0) + lines.length
    }
  }
  for (const [list, query] of Object.entries(lists))
    for await (const batch of inBatches<{line: string}>(tx, query, ({line}) => line.length))
      await side.note(
        list as keyof typeof lists,
        batch.map(({line}) => line),
      )
  const manifest = {
    format: formatNow,
    version,
    madeAt: new Date(atMs).toISOString(),
    engine: store.engine,
    migrations: migrations.map(({name}) => name),
    tables,
  }
  return {manifest, rows}
}

/** What files the view names, a JSON line each. */
const lists = {
  logs: `SELECT json_build_object('id', id::text, 'attempt', attempt::text, 'step', step, 'name', name, 'bytes', bytes,
           'lines', lines, 'segments', segments, 'storedBytes', stored_bytes, 'crc32', crc32, 'complete', complete)::text AS line
         FROM logs WHERE NOT deleted AND segments > 0 ORDER BY id`,
  artifacts: `SELECT json_build_object('sha256', sha256, 'bytes', max(bytes))::text AS line
              FROM artifacts WHERE NOT deleted GROUP BY sha256 ORDER BY sha256`,
}

async function* logEntries(
  {logs}: BackupSource,
  log: StoredLog & {id: string},
  contents: {logs: number; missing: Missing[]},
): AsyncGenerator<Entry> {
  let part = 0
  let gathered: NewSegment[] = []
  let size = 0
  const taken = () => {
    const entry = entryOf(`logs/${log.id}/${numbered(++part)}`, packSegments(gathered))
    gathered = []
    size = 0
    return entry
  }
  try {
    for await (const segment of logs.readSegments(log)) {
      gathered.push(segment)
      size += segment.body.length
      if (size >= partBytes) yield taken()
    }
    if (gathered.length > 0) yield taken()
    contents.logs++
  } catch (error) {
    contents.missing.push({what: 'log', id: log.id, why: (error as Error).message})
  }
}

async function* artifactEntries(
  {artifacts}: BackupSource,
  {sha256, bytes}: KeptArtifact,
  contents: {artifacts: number; missing: Missing[]},
): AsyncGenerator<Entry> {
  const size = await artifacts.size(sha256)
  if (size !== bytes) {
    const why =
      size === null ? 'its file is not there' : `its file has ${String(size)} bytes, not ${String(bytes)}`
    contents.missing.push({what: 'artifact', id: sha256, why})
    return
  }
  yield {name: `artifacts/${sha256}`, size, body: size === 0 ? [] : await artifacts.read(sha256)}
  contents.artifacts++
}

const numbered = (part: number) => String(part).padStart(6, '0')

type Side = Awaited<ReturnType<typeof openSide>>

/** What is laid aside on disk: the tables' parts one after the other, and the lists of files. */
async function openSide(scratch: string) {
  const tables = await open(path.join(scratch, 'tables'), 'wx+', 0o600)
  const noted: Record<keyof typeof lists, FileHandle> = {
    logs: await open(path.join(scratch, 'logs'), 'wx', 0o600),
    artifacts: await open(path.join(scratch, 'artifacts'), 'wx', 0o600),
  }
  const places: {name: string; at: number; size: number}[] = []
  let end = 0
  return {
    async add(name: string, bytes: Buffer) {
      await tables.appendFile(bytes)
      places.push({name, at: end, size: bytes.length})
      end += bytes.length
    },
    async note(list: keyof typeof lists, lines: readonly string[]) {
      await noted[list].appendFile(lines.map((line) => `${line}\n`).join(''))
    },
    async *parts(): AsyncGenerator<Entry> {
      for (const {name, at, size} of places) {
        const bytes = Buffer.alloc(size)
        await tables.read(bytes, 0, size, at)
        yield entryOf(name, bytes)
      }
    },
    async *list<Row>(list: keyof typeof lists): AsyncGenerator<Row> {
      const lines = createInterface({input: createReadStream(path.join(scratch, list)), crlfDelay: Infinity})
      for await (const line of lines) yield JSON.parse(line) as Row
    },
    async close() {
      for (const file of [tables, noted.logs, noted.artifacts]) await file.close()
    },
  }
}
