// Reading logs, wherever they lie: as the gzip member they are, as text from any line or byte on, and by search. Segments
// inflate each by itself, so nothing is read that was not asked for.
import {promisify} from 'node:util'
import {constants, crc32, inflateRaw} from 'node:zlib'
import {gzipHeader, trailer, type IndexEntry, type NewSegment, type StoredLog} from './member.ts'

const inflate = promisify(inflateRaw)

/** What one answer of lines may hold, in bytes of text: a line of 200 MB is cut, not loaded. */
export const linesBytesMax = 4 * 1024 * 1024
/** A segment whose text would inflate to more than this is not one of ours. */
const segmentTextMax = 16 * 1024 * 1024

/** The text of a segment. */
export const inflateSegment = (body: Uint8Array): Promise<Buffer> =>
  inflate(body, {finishFlush: constants.Z_SYNC_FLUSH, maxOutputLength: segmentTextMax})

/** A log's stored bytes, by place. */
export interface OpenLog {
  read(at: number, length: number): Promise<Buffer>
  close(): Promise<void>
}

export abstract class LogReading {
  /** The log's stored bytes as they lie. */
  protected abstract stored(log: StoredLog): AsyncIterable<Buffer>
  protected abstract index(log: StoredLog): Promise<readonly IndexEntry[]>
  protected abstract open(log: StoredLog): Promise<OpenLog>

  /** The log as one gzip member; of a running log, what is committed so far. */
  async *readGzip(log: StoredLog): AsyncGenerator<Buffer> {
    if (log.segments === 0) yield gzipHeader
    else yield* this.stored(log)
    yield trailer(log)
  }

  /** The log's text, segment by segment. */
  async *readText(log: StoredLog): AsyncGenerator<Buffer> {
    if (log.segments === 0) return
    const index = await this.index(log)
    yield* this.#texts(log, index)
  }

  /**
   * The segments as they were appended, one by one: what another store of logs needs to have the same log. Throws at the
   * first place where bytes and index disagree.
   */
  async *readSegments(log: StoredLog): AsyncGenerator<NewSegment> {
    if (log.segments === 0) return
    const index = await this.index(log)
    const opened = await this.open(log)
    try {
      const head = await opened.read(0, gzipHeader.length)
      if (!head.equals(gzipHeader)) throw new Error('its file does not begin like a log')
      let next = {at: head.length, offset: 0, line: 0}
      for (const [n, entry] of index.entries()) {
        if (entry.at !== next.at || entry.offset !== next.offset || entry.line !== next.line)
          throw new Error(`its index is wrong at segment ${String(n)}`)
        const body = await opened.read(entry.at, entry.length)
        const text = await inflateSegment(body)
        yield {bytes: entry.bytes, lines: entry.lines, crc32: crc32(text), body}
        next = {
          at: entry.at + entry.length,
          offset: entry.offset + entry.bytes,
          line: entry.line + entry.lines,
        }
      }
    } finally {
      await opened.close()
    }
  }

  /** The log's text from byte `offset` on. */
  async *readFrom(log: StoredLog, offset: number): AsyncGenerator<Buffer> {
    if (log.segments === 0 || offset >= log.bytes) return
    const index = await this.index(log)
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
    const index = await this.index(log)
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
    const index = await this.index(log)
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
    const index = await this.index(log)
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

  async *#texts(log: StoredLog, index: readonly IndexEntry[]): AsyncGenerator<Buffer> {
    const opened = await this.open(log)
    try {
      for (const entry of index) yield await textOf(opened, entry)
    } finally {
      await opened.close()
    }
  }
}

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

async function textOf(opened: OpenLog, entry: IndexEntry): Promise<Buffer> {
  const body = await opened.read(entry.at, entry.length)
  return await inflate(body, {finishFlush: constants.Z_SYNC_FLUSH, maxOutputLength: segmentTextMax})
}
