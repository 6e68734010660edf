// The chunks of a log in an object store, and which of them make up a log. Objects never change, so a log that runs is a
// row of chunks, whose names say where they begin and end: in stored bytes, in segments, and by the CRC-32 of the text
// up to there. The row in the database says where the log stands; only chunks that lead there are read:
//
// - A master that wakes up late writes what the worker's journal holds at that place: the same bytes, cut differently at
//   most. Where a worker lost its journal and told another story, the checksums of the first one lead nowhere.
// - Chunks are merged and then removed. An object goes only after one other holds all of it, so whoever merges, and
//   however late, every byte that was held stays held.
import {combineCrc} from './crc.ts'

/** Where a log stands: what the database's row says of it. */
export interface LogState {
  readonly storedBytes: number
  readonly segments: number
  readonly crc32: number
}

/** One object: it holds the stored bytes from `begin` to `end`, which are the segments from `first` up to `last`. */
export interface Chunk {
  /** The object's name below its log's. */
  readonly name: string
  readonly begin: number
  readonly end: number
  readonly first: number
  readonly last: number
  readonly crcBegin: number
  readonly crcEnd: number
  /** The whole log with its end: a gzip member by itself. */
  readonly isWhole: boolean
}

/** What is to be read of a chunk. */
export interface Piece {
  readonly chunk: Chunk
  readonly from: number
  readonly to: number
  readonly firstSegment: number
  readonly lastSegment: number
}

/** Wide enough for a thousand tebibytes; the names of a log's chunks then sort as they lie. */
const placeDigits = 15
const place = (at: number) => String(at).padStart(placeDigits, '0')
const hex = (crc: number) => crc.toString(16).padStart(8, '0')

/** The chunk that leads from one state of a log to a later one. */
export function chunkBetween(from: LogState, to: LogState): Chunk {
  const [begin, end] = [from.storedBytes, to.storedBytes]
  return {
    name: `${place(begin)}-${place(end)}-${from.segments}-${to.segments}-${hex(from.crc32)}-${hex(to.crc32)}`,
    begin,
    end,
    first: from.segments,
    last: to.segments,
    crcBegin: from.crc32,
    crcEnd: to.crc32,
    isWhole: false,
  }
}

/** The one chunk that a finished log is packed into. */
export const wholeChunk = (log: LogState): Chunk => ({
  ...chunkBetween({storedBytes: 0, segments: 0, crc32: 0}, log),
  name: `whole-${place(log.storedBytes)}-${log.segments}-${hex(log.crc32)}`,
  isWhole: true,
})

/** The chunk of that name, or null when it is none of ours. */
export function parseChunk(name: string): Chunk | null {
  const whole = /^whole-(\d{15})-(\d{1,10})-([0-9a-f]{8})$/.exec(name)
  if (whole) return wholeChunk(stateOf(whole[1], whole[2], whole[3]))
  const match = /^(\d{15})-(\d{15})-(\d{1,10})-(\d{1,10})-([0-9a-f]{8})-([0-9a-f]{8})$/.exec(name)
  if (!match) return null
  const chunk = chunkBetween(stateOf(match[1], match[3], match[5]), stateOf(match[2], match[4], match[6]))
  return chunk.end > chunk.begin ? chunk : null
}

const stateOf = (bytes = '', segments = '', crc = ''): LogState => ({
  storedBytes: Number(bytes),
  segments: Number(segments),
  crc32: parseInt(crc, 16),
})

/** Names after this one are of chunks that begin at `at` or later. */
export const namesFrom = (at: number): string => place(at)

/** The checksum of a text after segments were added to it. */
export const crcAfter = (
  crc32: number,
  segments: readonly {readonly crc32: number; readonly bytes: number}[],
): number => segments.reduce((crc, segment) => combineCrc(crc, segment.crc32, segment.bytes), crc32)

/**
 * The pieces that make up a log as it stands, in order; null when chunks are missing. First a row of chunks from its
 * beginning to where it stands whose checksums follow each other. A reader whose row is older than a merge finds no such
 * row any more, and takes what it needs out of the merged ones.
 */
export function piecesOf(chunks: readonly Chunk[], log: LogState): readonly Piece[] | null {
  if (log.storedBytes === 0) return []
  return linked(chunks, log) ?? covering(chunks, log)
}

const stateKey = (at: number, crc: number) => `${at}-${crc}`

function linked(chunks: readonly Chunk[], log: LogState): readonly Piece[] | null {
  const reached = new Map<string, Chunk | null>([[stateKey(0, 0), null]])
  // A chunk ends after it begins, so in the order of their beginnings each one's predecessors come before it.
  for (const chunk of chunks.toSorted((a, b) => a.begin - b.begin || b.end - a.end)) {
    if (chunk.end > log.storedBytes || !reached.has(stateKey(chunk.begin, chunk.crcBegin))) continue
    const key = stateKey(chunk.end, chunk.crcEnd)
    if (!reached.has(key)) reached.set(key, chunk)
  }
  const pieces: Piece[] = []
  let last = reached.get(stateKey(log.storedBytes, log.crc32))
  if (!last) return null
  for (; last; last = reached.get(stateKey(last.begin, last.crcBegin))) pieces.push(all(last))
  return pieces.reverse()
}

const all = (chunk: Chunk): Piece => ({
  chunk,
  from: chunk.begin,
  to: chunk.end,
  firstSegment: chunk.first,
  lastSegment: chunk.last,
})

function covering(chunks: readonly Chunk[], log: LogState): readonly Piece[] | null {
  const pieces: Piece[] = []
  let [at, segment] = [0, 0]
  while (at < log.storedBytes) {
    const holding = chunks.filter(({begin, end}) => begin <= at && end > at)
    const [chunk] = holding.toSorted((a, b) => b.end - a.end)
    if (!chunk) return null
    const isEnough = chunk.end >= log.storedBytes
    const to = isEnough ? log.storedBytes : chunk.end
    const lastSegment = isEnough ? log.segments : chunk.last
    pieces.push({chunk, from: at, to, firstSegment: segment, lastSegment})
    ;[at, segment] = [to, lastSegment]
  }
  return pieces
}

/** The chunks that one other chunk holds all of: these may go. */
export const heldBy = (holder: Chunk, chunks: readonly Chunk[]): Chunk[] =>
  chunks.filter(({name, begin, end}) => name !== holder.name && begin >= holder.begin && end <= holder.end)

/** Chunks smaller than this, in bytes, are merged. */
const smallBytes = 256 * 1024
/** So many small chunks in a row are worth a merge. */
export const mergedAtLeast = 64
/** What one merge holds in memory at most, in bytes. */
const mergedBytesMax = 16 * 1024 * 1024

/** The first row of small chunks long enough to be merged, or null. */
export function mergeable(pieces: readonly Piece[], atLeast = mergedAtLeast): readonly Piece[] | null {
  let run: Piece[] = []
  let size = 0
  for (const piece of pieces) {
    const bytes = piece.to - piece.from
    const fits =
      bytes < smallBytes &&
      size + bytes <= mergedBytesMax &&
      piece.from === piece.chunk.begin &&
      isTaken(piece)
    if (!fits && run.length >= atLeast) return run
    run = fits ? [...run, piece] : []
    size = fits ? size + bytes : 0
  }
  return run.length >= atLeast ? run : null
}

const isTaken = ({chunk, to}: Piece) => to === chunk.end && !chunk.isWhole
