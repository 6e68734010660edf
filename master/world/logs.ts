// Logs on disk, of this host or shared by several. A log is two files: `.gz`, the gzip member as far as it has come, and
// `.idx`, its index. The row in the database says how much of both counts: bytes beyond are a write that was never
// committed, and are written over. So appending at a fixed place is idempotent, and nothing here ever parses log text on
// the way in.
import {createReadStream, constants as files} from 'node:fs'
import {mkdir, open, rm, truncate} from 'node:fs/promises'
import path from 'node:path'
import {crc32} from 'node:zlib'
import {
  appended,
  entryBytes,
  readEntries,
  trailer,
  type IndexEntry,
  type LogName,
  type NewSegment,
  type StoredLog,
} from './logs/member.ts'
import {LogReading, type OpenLog} from './logs/reading.ts'

export type {NewSegment, StoredLog} from './logs/member.ts'
export {linesBytesMax} from './logs/reading.ts'

/** The doors of a store of logs: files of this host or of several, objects of a store, or a model of them. */
export type Logs = Pick<LogFiles, keyof LogFiles>

export class LogFiles extends LogReading {
  /** Whether finished logs are to be packed. */
  readonly packs: boolean = false
  readonly #root: string
  constructor(root: string) {
    super()
    this.#root = root
  }

  /**
   * Writes segments after what is committed of the log, and makes them durable when `durable`.
   * Returns the length of the stored bytes that the caller must commit as `storedBytes`.
   */
  async append(log: StoredLog, segments: readonly NewSegment[], durable: boolean): Promise<number> {
    const base = this.#base(log)
    if (log.segments === 0) await mkdir(path.dirname(base), {recursive: true})
    const {stored, index, end} = appended(log, segments)
    await writeAt(`${base}.gz`, log.storedBytes, stored, durable)
    await writeAt(`${base}.idx`, log.segments * entryBytes, index, durable)
    return end
  }

  /** Ends the gzip member, so that the file alone is a whole `.gz`. */
  async end(log: StoredLog): Promise<void> {
    if (log.segments === 0) return
    const end = trailer(log)
    await writeAt(`${this.#base(log)}.gz`, log.storedBytes, end, false)
    await truncate(`${this.#base(log)}.gz`, log.storedBytes + end.length)
  }

  /** Makes a log that will not grow any more one whole; files are that already. */
  async pack(_log: StoredLog): Promise<void> {}

  /** Removes all logs of an attempt; one that has none is no error. */
  async removeAttempt(attempt: string): Promise<void> {
    await rm(this.#shelf(attempt), {recursive: true, force: true})
  }

  /** Removes a log; one that is not there is no error. */
  async remove(log: LogName): Promise<void> {
    const base = this.#base(log)
    await rm(`${base}.gz`, {force: true})
    await rm(`${base}.idx`, {force: true})
  }

  protected override stored(log: StoredLog): AsyncIterable<Buffer> {
    return createReadStream(`${this.#base(log)}.gz`, {end: log.storedBytes - 1}) as AsyncIterable<Buffer>
  }

  protected override async open(log: StoredLog): Promise<OpenLog> {
    const file = await open(`${this.#base(log)}.gz`)
    return {
      async read(at, length) {
        const bytes = Buffer.alloc(length)
        const {bytesRead} = await file.read(bytes, 0, length, at)
        if (bytesRead < length) throw new Error('its file is cut off within what is committed')
        return bytes
      },
      close: () => file.close(),
    }
  }

  protected override async index(log: StoredLog): Promise<IndexEntry[]> {
    const file = await open(`${this.#base(log)}.idx`)
    try {
      const bytes = Buffer.alloc(log.segments * entryBytes)
      const {bytesRead} = await file.read(bytes, 0, bytes.length, 0)
      if (bytesRead < bytes.length)
        throw new Error(`the index of log ${log.attempt}/${log.step}/${log.name} is cut off`)
      return readEntries(bytes)
    } finally {
      await file.close()
    }
  }

  #base(log: LogName): string {
    return path.join(this.#root, logPath(log))
  }

  #shelf(attempt: string): string {
    return path.join(this.#root, attemptPath(attempt))
  }
}

/** Where the logs of an attempt lie below their root: at most 256 shelves, so that none gets too long. */
export function attemptPath(attempt: string): string {
  const number = BigInt(attempt)
  return `${(number % 256n).toString(16).padStart(2, '0')}/${number.toString()}`
}

/** Where a log lies. Names come from workers: they are data, so its path is made from a checksum of its name. */
export function logPath({attempt, step, name}: LogName): string {
  return `${attemptPath(attempt)}/${step}-${crc32(name).toString(16).padStart(8, '0')}`
}

async function writeAt(file: string, at: number, bytes: Buffer, durable: boolean): Promise<void> {
  // Never cut off: another master may have written on meanwhile, and what both write at one place is the same.
  const handle = await open(file, at === 0 ? files.O_RDWR | files.O_CREAT : files.O_RDWR, 0o640)
  try {
    let done = 0
    while (done < bytes.length) {
      const {bytesWritten} = await handle.write(bytes, done, bytes.length - done, at + done)
      done += bytesWritten
    }
    if (durable) await handle.datasync()
  } finally {
    await handle.close()
  }
}
