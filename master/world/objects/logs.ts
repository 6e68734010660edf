// Logs in an object store, as chunks: core/chunks.ts tells which of them make up a log. A chunk holds stored bytes and, at
// its end, their index. Each append is one object; many small ones in a row are merged while the log runs, and a log that
// will not grow any more is packed into one object that begins with its whole gzip member.
import {
  chunkBetween,
  crcAfter,
  heldBy,
  mergeable,
  mergedAtLeast,
  namesFrom,
  parseChunk,
  piecesOf,
  wholeChunk,
  type Chunk,
  type Piece,
} from '../../core/chunks.ts'
import {attemptPath, logPath, type Logs} from '../logs.ts'
import {
  appended,
  entryBytes,
  readEntries,
  trailer,
  trailerBytes,
  writeEntry,
  type IndexEntry,
  type LogName,
  type NewSegment,
  type StoredLog,
} from '../logs/member.ts'
import {LogReading, type OpenLog} from '../logs/reading.ts'
import {Recent} from './recent.ts'
import type {ObjectStore} from './store.ts'
import {ObjectMissing} from './trouble.ts'

/** Objects up to this size, in bytes, are read whole and kept for the next reader. */
const smallBytes = 256 * 1024
/** What is kept of chunks and of indexes, in bytes and in entries. */
const keptBytes = 16 * 1024 * 1024
const keptEntries = 100_000
const keptLogs = 512
/** How many small objects are fetched before they are asked for. */
const ahead = 8
/** A reader of a large object asks for this much, then for twice as much each time it goes on. */
const blockBytes = {first: 64 * 1024, most: 4 * 1024 * 1024}

/** How often a reader looks again for an object that was listed and is not there. */
const missesMax = 3

/** What is known of a log's objects. Another master may have written more, and merged or packed these. */
interface Known {
  readonly chunks: Map<string, Chunk>
  /** Appends since the last merge. */
  appends: number
  isMerging: boolean
}

export class LogObjects extends LogReading implements Logs {
  readonly packs: boolean = true
  readonly #store: ObjectStore
  readonly #say: (error: unknown) => void
  readonly #mergedAtLeast: number
  readonly #known = new Recent<Known>(keptLogs)
  readonly #bodies = new Recent<Promise<Buffer>>(keptBytes)
  readonly #indexes = new Recent<readonly IndexEntry[]>(keptEntries)
  #merging: Promise<unknown> = Promise.resolve()

  /** `say` hears of merges that failed; they are tried again with the next append. */
  constructor(store: ObjectStore, say: (error: unknown) => void = () => {}, atLeast = mergedAtLeast) {
    super()
    this.#store = store
    this.#say = say
    this.#mergedAtLeast = atLeast
  }

  async append(log: StoredLog, segments: readonly NewSegment[]): Promise<number> {
    const {stored, index, end} = appended(log, segments)
    const chunk = chunkBetween(log, {
      storedBytes: end,
      segments: log.segments + segments.length,
      crc32: crcAfter(log.crc32, segments),
    })
    const body = Buffer.concat([stored, index])
    await this.#store.put(objectOf(log, chunk), body)
    this.#keep(log, chunk, body)
    const known = this.#knownOf(log)
    if (++known.appends >= this.#mergedAtLeast && !known.isMerging) this.#mergeSoon(log, known)
    return end
  }

  /** A running log's end is in its row; `pack` writes it down. */
  async end(): Promise<void> {}

  /** Packs a log that will not grow any more into one object, and removes all its others. May be done again. */
  async pack(log: StoredLog): Promise<void> {
    const chunks = await this.#list(log)
    if (log.segments === 0 || chunks.length === 0) return await this.#removeChunks(log, chunks)
    const whole = wholeChunk(log)
    const isPacked = chunks.some(({name}) => name === whole.name)
    const pieces = piecesOf(chunks, log)
    const isOne = pieces?.length === 1 && pieces[0]?.chunk.end === log.storedBytes
    const holder = isPacked ? whole : isOne ? (pieces[0] as Piece).chunk : await this.#writeWhole(log, whole)
    await this.#removeChunks(
      log,
      chunks.filter(({name}) => name !== holder.name),
    )
  }

  async removeAttempt(attempt: string): Promise<void> {
    await this.#removeBelow(`${root}${attemptPath(attempt)}/`)
  }

  async remove(log: LogName): Promise<void> {
    this.#known.delete(folderOf(log))
    await this.#removeBelow(folderOf(log))
  }

  /** Waits for merges that have begun. */
  async settled(): Promise<void> {
    await this.#merging
  }

  protected override async *stored(log: StoredLog): AsyncGenerator<Buffer> {
    let misses = 0
    for (let at = 0; at < log.storedBytes;) {
      const pieces = await this.#pieces(log, misses > 0)
      const n = pieces.findIndex(({to}) => to > at)
      for (const next of pieces.slice(n + 1, n + 1 + ahead)) this.#fetchAhead(log, next.chunk)
      try {
        for await (const bytes of this.#bytesOf(log, pieces[n] as Piece, at)) {
          at += bytes.length
          yield bytes
        }
        misses = 0
      } catch (error) {
        // Merged or packed meanwhile: the same bytes are in another object.
        if (!(error instanceof ObjectMissing) || ++misses > missesMax) throw error
      }
    }
  }

  protected override async index(log: StoredLog): Promise<IndexEntry[]> {
    return await this.#again(log, async (pieces) => {
      const entries: IndexEntry[] = []
      for (let n = 0; n < pieces.length; n += ahead)
        for (const some of await Promise.all(
          pieces.slice(n, n + ahead).map((each) => this.#entries(log, each)),
        ))
          for (const entry of some) entries.push(entry)
      if (entries.length !== log.segments) throw damaged(log, 'its index has gaps')
      return entries
    })
  }

  protected override open(log: StoredLog): Promise<OpenLog> {
    let block: {at: number; bytes: Buffer} = {at: 0, bytes: Buffer.alloc(0)}
    let size = blockBytes.first
    const read = async (at: number, length: number): Promise<Buffer> => {
      const held = () => at >= block.at && at + length <= block.at + block.bytes.length
      if (!held()) {
        size = at === block.at + block.bytes.length ? Math.min(2 * size, blockBytes.most) : blockBytes.first
        block = await this.#again(log, (pieces) => this.#block(log, pieces, at, Math.max(size, length)))
      }
      if (!held()) throw damaged(log, `it ends at byte ${String(block.at + block.bytes.length)}`)
      return block.bytes.subarray(at - block.at, at - block.at + length)
    }
    return Promise.resolve({read, close: () => Promise.resolve()})
  }

  /** Asks again, of the objects that are there now, when others were merged or packed meanwhile. */
  async #again<T>(log: StoredLog, ask: (pieces: readonly Piece[]) => Promise<T>): Promise<T> {
    try {
      return await ask(await this.#pieces(log, false))
    } catch (error) {
      if (!(error instanceof ObjectMissing)) throw error
      return await ask(await this.#pieces(log, true))
    }
  }

  /** From what is known if that is enough, else from what is new, else from all that is there. */
  async #pieces(log: StoredLog, isNew: boolean): Promise<readonly Piece[]> {
    const known = () => piecesOf([...this.#knownOf(log).chunks.values()], log)
    const before = isNew ? null : known()
    if (before) return before
    const furthest = isNew ? 0 : Math.max(0, ...[...this.#knownOf(log).chunks.values()].map(({end}) => end))
    if (furthest > 0) {
      await this.#list(log, Math.min(furthest, log.storedBytes))
      const longer = known()
      if (longer) return longer
    }
    await this.#list(log)
    const all = known()
    if (!all) throw damaged(log, 'not all of its objects are there')
    return all
  }

  /** The log's objects that begin at `from` or later; from the beginning they replace what was known. */
  async #list(log: LogName, from = 0): Promise<Chunk[]> {
    const folder = folderOf(log)
    const found: Chunk[] = []
    for await (const page of this.#store.list(folder, from > 0 ? folder + namesFrom(from) : undefined))
      found.push(...page.flatMap(({name}) => parseChunk(name.slice(folder.length)) ?? []))
    const known = this.#knownOf(log)
    if (from === 0) known.chunks.clear()
    for (const chunk of found) known.chunks.set(chunk.name, chunk)
    return found
  }

  async *#bytesOf(log: LogName, piece: Piece, at: number): AsyncGenerator<Buffer> {
    const {chunk} = piece
    const [start, end] = [at - chunk.begin, piece.to - chunk.begin]
    if (objectBytes(chunk) <= smallBytes) yield (await this.#small(log, chunk)).subarray(start, end)
    else
      yield* (await this.#store.stream(objectOf(log, chunk), {start, end: end - 1})) as AsyncIterable<Buffer>
  }

  async #block(log: StoredLog, pieces: readonly Piece[], at: number, length: number) {
    const piece = pieces.find(({to}) => to > at)
    if (!piece) throw damaged(log, `byte ${String(at)} is not there`)
    const {chunk} = piece
    if (objectBytes(chunk) <= smallBytes) {
      const body = await this.#small(log, chunk)
      return {at: chunk.begin, bytes: body.subarray(0, piece.to - chunk.begin)}
    }
    const [start, end] = [at - chunk.begin, Math.min(at + length, piece.to) - chunk.begin]
    return {at, bytes: await this.#store.get(objectOf(log, chunk), {start, end: end - 1})}
  }

  async #entries(log: LogName, piece: Piece): Promise<readonly IndexEntry[]> {
    const {chunk} = piece
    const object = objectOf(log, chunk)
    let entries = this.#indexes.get(object)
    if (!entries) {
      const start = chunk.end - chunk.begin + (chunk.isWhole ? trailerBytes : 0)
      const isSmall = objectBytes(chunk) <= smallBytes
      const bytes = isSmall
        ? (await this.#small(log, chunk)).subarray(start)
        : await this.#store.get(object, {start, end: objectBytes(chunk) - 1})
      entries = readEntries(bytes)
      this.#indexes.set(object, entries, entries.length)
    }
    return entries.slice(piece.firstSegment - chunk.first, piece.lastSegment - chunk.first)
  }

  #small(log: LogName, chunk: Chunk): Promise<Buffer> {
    const object = objectOf(log, chunk)
    const kept = this.#bodies.get(object)
    if (kept) return kept
    const body = this.#store.get(object)
    this.#bodies.set(object, body, objectBytes(chunk))
    body.catch(() => this.#bodies.delete(object))
    return body
  }

  #fetchAhead(log: LogName, chunk: Chunk): void {
    if (objectBytes(chunk) <= smallBytes) this.#small(log, chunk).catch(() => undefined)
  }

  #keep(log: LogName, chunk: Chunk, body: Buffer): void {
    this.#knownOf(log).chunks.set(chunk.name, chunk)
    if (body.length <= smallBytes) this.#bodies.set(objectOf(log, chunk), Promise.resolve(body), body.length)
  }

  #knownOf(log: LogName): Known {
    const folder = folderOf(log)
    const found = this.#known.get(folder)
    if (found) return found
    const known: Known = {chunks: new Map(), appends: 0, isMerging: false}
    this.#known.set(folder, known, 1)
    return known
  }

  #mergeSoon(log: StoredLog, known: Known): void {
    known.isMerging = true
    known.appends = 0
    const merge = async () => {
      try {
        await this.#merge(log)
      } catch (error) {
        this.#say(error)
      } finally {
        known.isMerging = false
      }
    }
    this.#merging = Promise.all([this.#merging, merge()])
  }

  /** Merges small objects of what is committed of a log: `log` is its row, so no other story can be in them. */
  async #merge(log: StoredLog): Promise<void> {
    const chunks = await this.#list(log)
    const run = mergeable(piecesOf(chunks, log) ?? [], this.#mergedAtLeast)
    const [first, last] = [run?.[0]?.chunk, run?.at(-1)?.chunk]
    if (!run || !first || !last) return
    const bodies = await Promise.all(run.map(({chunk}) => this.#small(log, chunk)))
    const cut = (n: number) => (run[n] as Piece).to - (run[n] as Piece).from
    const merged = chunkBetween(
      {storedBytes: first.begin, segments: first.first, crc32: first.crcBegin},
      {storedBytes: last.end, segments: last.last, crc32: last.crcEnd},
    )
    const body = Buffer.concat([
      ...bodies.map((bytes, n) => bytes.subarray(0, cut(n))),
      ...bodies.map((bytes, n) => bytes.subarray(cut(n))),
    ])
    await this.#store.put(objectOf(log, merged), body)
    this.#keep(log, merged, body)
    await this.#removeChunks(log, heldBy(merged, chunks))
  }

  async #writeWhole(log: StoredLog, whole: Chunk): Promise<Chunk> {
    const index = await this.index(log)
    const last = index.at(-1)
    if (!last || last.at + last.length !== log.storedBytes || last.offset + last.bytes !== log.bytes)
      throw damaged(log, 'its index does not lead to its end')
    const entries = Buffer.alloc(index.length * entryBytes)
    for (const [n, entry] of index.entries()) writeEntry(entries, n, entry)
    const stored = this.stored(log)
    async function* member() {
      yield* stored
      yield trailer(log)
      yield entries
    }
    await this.#store.upload(objectOf(log, whole), member(), () => {})
    this.#knownOf(log).chunks.set(whole.name, whole)
    return whole
  }

  async #removeChunks(log: LogName, chunks: readonly Chunk[]): Promise<void> {
    for (const {name} of chunks) this.#knownOf(log).chunks.delete(name)
    await this.#store.remove(chunks.map((chunk) => objectOf(log, chunk)))
  }

  async #removeBelow(prefix: string): Promise<void> {
    for await (const page of this.#store.list(prefix)) await this.#store.remove(page.map(({name}) => name))
  }
}

const root = 'logs/'
const folderOf = (log: LogName) => `${root}${logPath(log)}/`
const objectOf = (log: LogName, chunk: Chunk) => folderOf(log) + chunk.name
const objectBytes = (chunk: Chunk) =>
  chunk.end - chunk.begin + (chunk.isWhole ? trailerBytes : 0) + (chunk.last - chunk.first) * entryBytes
const damaged = (log: LogName, how: string) =>
  new Error(`log ${log.attempt}/${String(log.step)}/${log.name} is damaged in the object store: ${how}`)
