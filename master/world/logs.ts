// Logs on disk. A log is two files: `.gz`, one gzip member made of a header and full-flushed segments as the worker
// sent them (plus its end once complete), and `.idx`, 40 bytes for each segment. The row in the database says how
// much of both counts: bytes beyond are a write that was never committed, and are written over. So appending at a
// fixed place is idempotent, and nothing here ever parses log text on the way in.
import {createReadStream, constants as files} from 'node:fs'
import {mkdir, open, rm, truncate} from 'node:fs/promises'
import type {FileHandle} from 'node:fs/promises'
import path from 'node:path'
import {promisify} from 'node:util'
import {constants, crc32, inflateRaw} from 'node:zlib'

const inflate = promisify(inflateRaw)

/** The text of a segment. */
export const inflateSegment = (body: Uint8Array): Promise<Buffer> =>
  inflate(body, {finishFlush: constants.Z_SYNC_FLUSH, maxOutputLength: segmentTextMax})

/** What the database knows of a log; numbers count what is committed. */
export interface StoredLog {
  readonly attempt: string
  readonly step: number
  readonly name: string
  readonly bytes: number
  readonly lines: number
  readonly segments: number
  readonly storedBytes: number
  readonly crc32: number
  readonly complete: boolean
}

/** One segment to append: `body` is raw deflate ended by a full flush. */
export interface NewSegment {
  readonly bytes: number
  readonly lines: number
  readonly body: Uint8Array
}

interface IndexEntry {
  readonly at: number
  readonly length: number
  readonly offset: number
  readonly bytes: number
  readonly line: number
  readonly lines: number
}

const entryBytes = 40
const gzipHeader = Buffer.from([0x1f, 0x8b, 8, 0, 0, 0, 0, 0, 0, 0xff])
/** What is stored before the first segment. */
export const storedHeadBytes = gzipHeader.length
const lastBlock = Buffer.from([0x03, 0x00])
/** What one answer of lines may hold, in bytes of text: a line of 200 MB is cut, not loaded. */
export const linesBytesMax = 4 * 1024 * 1024
/** A segment whose text would inflate to more than this is not one of ours. */
const segmentTextMax = 16 * 1024 * 1024

/** The doors of a store of logs: files of this host or of several, or a model of them. */
export type Logs = Pick<LogFiles, keyof LogFiles>

export class LogFiles {
  readonly #root: string
  constructor(root: string) {
    this.#root = root
  }

  /**
   * Writes segments after what is committed of the log, and makes them durable when `durable`.
   * Returns the length of the `.gz` that the caller must commit as `storedBytes`.
   */
  async append(log: StoredLog, segments: readonly NewSegment[], durable: boolean): Promise<number> {
    const base = this.#base(log)
    if (log.segments === 0) await mkdir(path.dirname(base), {recursive: true})
    let at = log.storedBytes === 0 ? gzipHeader.length : log.storedBytes
    let {bytes: offset, lines: line} = log
    const pieces: Uint8Array[] = log.storedBytes === 0 ? [gzipHeader] : []
    const index = Buffer.alloc(segments.length * entryBytes)
    for (const [n, segment] of segments.entries()) {
      writeEntry(index, n, {
        at,
        length: segment.body.length,
        offset,
        bytes: segment.bytes,
        line,
        lines: segment.lines,
      })
      pieces.push(segment.body)
      at += segment.body.length
      offset += segment.bytes
      line += segment.lines
    }
    await writeAt(`${base}.gz`, log.storedBytes, Buffer.concat(pieces), durable)
    await writeAt(`${base}.idx`, log.segments * entryBytes, index, durable)
    return at
  }

  /** Ends the gzip member, so that the file alone is a whole `.gz`. */
  async end(log: StoredLog): Promise<void> {
    if (log.segments === 0) return
    const end = trailer(log)
    await writeAt(`${this.#base(log)}.gz`, log.storedBytes, end, false)
    await truncate(`${this.#base(log)}.gz`, log.storedBytes + end.length)
  }

  /** The log as one gzip member; of a running log, what is committed so far. */
  async *readGzip(log: StoredLog): AsyncGenerator<Buffer> {
    if (log.segments === 0) yield gzipHeader
    else yield* createReadStream(`${this.#base(log)}.gz`, {end: log.storedBytes - 1}) as AsyncIterable<Buffer>
    yield trailer(log)
  }

  /** The log's text, segment by segment. */
  async *readText(log: StoredLog): AsyncGenerator<Buffer> {
    if (log.segments === 0) return
    const index = await this.#index(log)
    yield* this.#texts(log, index)
  }

  /**
   * The segments as they were appended, one by one: what another store of logs needs to have the same log. Throws at the
   * first place where files and index disagree.
   */
  async *readSegments(log: StoredLog): AsyncGenerator<NewSegment> {
    if (log.segments === 0) return
    const index = await this.#index(log)
    const file = await open(`${this.#base(log)}.gz`)
    try {
      const head = Buffer.alloc(gzipHeader.length)
      await file.read(head, 0, head.length, 0)
      if (!head.equals(gzipHeader)) throw new Error('its file does not begin like a log')
      let next = {at: head.length, offset: 0, line: 0}
      for (const [n, entry] of index.entries()) {
        if (entry.at !== next.at || entry.offset !== next.offset || entry.line !== next.line)
          throw new Error(`its index is wrong at segment ${String(n)}`)
        yield {bytes: entry.bytes, lines: entry.lines, body: await bodyOf(file, entry)}
        next = {
          at: entry.at + entry.length,
          offset: entry.offset + entry.bytes,
          line: entry.line + entry.lines,
        }
      }
    } finally {
      await file.close()
    }
  }

  /** The log's text from byte `offset` on. */
  async *readFrom(log: StoredLog, offset: number): AsyncGenerator<Buffer> {
    if (log.segments === 0 || offset >= log.bytes) return
    const index = await this.#index(log)
    const first = index.findIndex((entry) => entry.offset + entry.bytes > offset)
    if (first < 0) return
    let toSkip = offset - (index[first] as IndexEntry).offset
    for await (const text of this.#texts(log, index.slice(first))) {
      yield toSkip > 0 ? text.subarray(toSkip) : text
      toSkip = 0
    }
  }

  /** The byte at which line `line` (0 is the first) begins; the end of the log when it has no such line yet. */
  async offsetOfLine(log: StoredLog, line: number): Promise<number> {
    if (line <= 0 || log.segments === 0) return 0
    if (line > log.lines) return log.bytes
    const index = await this.#index(log)
    const first = segmentOfLine(index, line)
    const entry = index[first] as IndexEntry
    let toSkip = line - entry.line
    for await (const text of this.#texts(log, [entry])) {
      let start = 0
      for (; toSkip > 0; toSkip--) start = text.indexOf(10, start) + 1
      return entry.offset + start
    }
    return log.bytes
  }

  /**
   * At most `count` lines from line `from` (0 is the first), with their line feeds; the last may be an unfinished one.
   * Cut at `linesBytesMax` bytes; `next` is the line after the last whole one given.
   */
  async readLines(log: StoredLog, from: number, count: number): Promise<{text: Buffer; next: number}> {
    if (log.segments === 0 || count < 1) return {text: Buffer.alloc(0), next: from}
    const index = await this.#index(log)
    const pieces: Buffer[] = []
    let size = 0
    let toTake = count
    const first = segmentOfLine(index, from)
    let toSkip = from - (index[first] as IndexEntry).line
    for await (const text of this.#texts(log, index.slice(first))) {
      let start = 0
      while (toSkip > 0) {
        const feed = text.indexOf(10, start)
        if (feed < 0) break
        start = feed + 1
        toSkip--
      }
      if (toSkip > 0) continue
      let end = start
      while (toTake > 0) {
        const feed = text.indexOf(10, end)
        if (feed < 0) {
          end = text.length
          break
        }
        end = feed + 1
        toTake--
      }
      const piece = text.subarray(start, Math.min(end, start + linesBytesMax - size))
      pieces.push(piece)
      size += piece.length
      if (toTake === 0 || size >= linesBytesMax) break
    }
    return {text: Buffer.concat(pieces), next: from + (count - toTake)}
  }

  /** The numbers (from 0) of lines that hold `needle`, at most `limit`, from line `from`; upper and lower case are the same. */
  async search(log: StoredLog, needle: string, from: number, limit: number): Promise<number[]> {
    if (log.segments === 0 || needle === '') return []
    const found: number[] = []
    const index = await this.#index(log)
    const sought = needle.toLowerCase()
    // Of a line that goes on in the next segment no more is kept than a match may reach back.
    const reach = 4 * needle.length
    let line = 0
    let tail = ''
    let isFound = false
    const note = () => {
      if (isFound && line >= from) found.push(line)
    }
    for await (const text of this.#texts(log, index)) {
      for (const [n, part] of text.toString('latin1').split('\n').entries()) {
        if (n > 0) {
          note()
          if (found.length >= limit) return found
          line++
          tail = ''
          isFound = false
        }
        const piece = tail + part
        isFound ||= line >= from && holds(piece, sought)
        tail = piece.slice(-reach)
      }
    }
    note()
    return found
  }

  /** Removes all logs of an attempt; one that has none is no error. */
  async removeAttempt(attempt: string): Promise<void> {
    await rm(this.#shelf(attempt), {recursive: true, force: true})
  }

  /** Removes a log's files; a log that has none is no error. */
  async remove(log: Pick<StoredLog, 'attempt' | 'step' | 'name'>): Promise<void> {
    const base = this.#base(log)
    await rm(`${base}.gz`, {force: true})
    await rm(`${base}.idx`, {force: true})
  }

  async *#texts(log: StoredLog, index: readonly IndexEntry[]): AsyncGenerator<Buffer> {
    const file = await open(`${this.#base(log)}.gz`)
    try {
      for (const entry of index) yield await textOf(file, entry)
    } finally {
      await file.close()
    }
  }

  async #index(log: StoredLog): Promise<IndexEntry[]> {
    const file = await open(`${this.#base(log)}.idx`)
    try {
      const bytes = Buffer.alloc(log.segments * entryBytes)
      const {bytesRead} = await file.read(bytes, 0, bytes.length, 0)
      if (bytesRead < bytes.length)
        throw new Error(`the index of log ${log.attempt}/${log.step}/${log.name} is cut off`)
      return Array.from({length: log.segments}, (_, n) => readEntry(bytes, n))
    } finally {
      await file.close()
    }
  }

  #base(log: Pick<StoredLog, 'attempt' | 'step' | 'name'>): string {
    return path.join(this.#root, baseName(log))
  }

  #shelf(attempt: string): string {
    return path.join(this.#root, shelfName(attempt))
  }
}

function shelfName(attempt: string): string {
  const number = BigInt(attempt)
  return path.join((number % 256n).toString(16).padStart(2, '0'), number.toString())
}

/**
 * What a log's files are called below the root, without their ends. Names come from workers: they are data, so the
 * file's name is made from a checksum of it.
 */
export const baseName = ({attempt, step, name}: Pick<StoredLog, 'attempt' | 'step' | 'name'>): string =>
  path.join(shelfName(attempt), `${String(step)}-${crc32(name).toString(16).padStart(8, '0')}`)

const holds = (latin1Line: string, sought: string) =>
  Buffer.from(latin1Line, 'latin1').toString('utf8').toLowerCase().includes(sought)

/** The segment that holds the line feed before the line, so where the line begins: at its end, or within it. */
function segmentOfLine(index: readonly IndexEntry[], line: number): number {
  let low = 0
  let high = index.length - 1
  while (low < high) {
    const middle = (low + high) >> 1
    const entry = index[middle] as IndexEntry
    if (entry.line + entry.lines < line) low = middle + 1
    else high = middle
  }
  return low
}

async function textOf(file: FileHandle, entry: IndexEntry): Promise<Buffer> {
  return await inflateSegment(await bodyOf(file, entry))
}

async function bodyOf(file: FileHandle, entry: IndexEntry): Promise<Buffer> {
  if (entry.length > segmentTextMax) throw new Error('the index is damaged: a segment is too long to be one')
  const body = Buffer.alloc(entry.length)
  const {bytesRead} = await file.read(body, 0, entry.length, entry.at)
  if (bytesRead < entry.length) throw new Error('the file is cut off within what is committed of it')
  return body
}

function trailer(log: StoredLog): Buffer {
  const end = Buffer.alloc(8)
  end.writeUInt32LE(log.crc32, 0)
  end.writeUInt32LE(log.bytes % 2 ** 32, 4)
  return Buffer.concat([lastBlock, end])
}

function writeEntry(to: Buffer, n: number, entry: IndexEntry): void {
  const base = n * entryBytes
  to.writeBigUInt64LE(BigInt(entry.at), base)
  to.writeBigUInt64LE(BigInt(entry.offset), base + 8)
  to.writeBigUInt64LE(BigInt(entry.line), base + 16)
  to.writeUInt32LE(entry.length, base + 24)
  to.writeUInt32LE(entry.bytes, base + 28)
  to.writeUInt32LE(entry.lines, base + 32)
}

function readEntry(from: Buffer, n: number): IndexEntry {
  const base = n * entryBytes
  return {
    at: Number(from.readBigUInt64LE(base)),
    offset: Number(from.readBigUInt64LE(base + 8)),
    line: Number(from.readBigUInt64LE(base + 16)),
    length: from.readUInt32LE(base + 24),
    bytes: from.readUInt32LE(base + 28),
    lines: from.readUInt32LE(base + 32),
  }
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
