// A log's stored form: one gzip member made of a header, full-flushed segments as the worker sent them, and an end; and
// the index beside it, 40 bytes for each segment.

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

/** What names a log among those of its attempt. */
export type LogName = Pick<StoredLog, 'attempt' | 'step' | 'name'>

/** One segment to append: `body` is raw deflate ended by a full flush, `crc32` that of its text. */
export interface NewSegment {
  readonly bytes: number
  readonly lines: number
  readonly crc32: number
  readonly body: Uint8Array
}

export interface IndexEntry {
  readonly at: number
  readonly length: number
  readonly offset: number
  readonly bytes: number
  readonly line: number
  readonly lines: number
}

export const entryBytes = 40
export const gzipHeader = Buffer.from([0x1f, 0x8b, 8, 0, 0, 0, 0, 0, 0, 0xff])
const lastBlock = Buffer.from([0x03, 0x00])

/** What is written to append segments to a log: the new stored bytes and index, and where the stored bytes then end. */
export function appended(
  log: StoredLog,
  segments: readonly NewSegment[],
): {stored: Buffer; index: Buffer; end: number} {
  let at = log.storedBytes === 0 ? gzipHeader.length : log.storedBytes
  let {bytes: offset, lines: line} = log
  const pieces: Uint8Array[] = log.storedBytes === 0 ? [gzipHeader] : []
  const index = Buffer.alloc(segments.length * entryBytes)
  for (const [n, {bytes, lines, body}] of segments.entries()) {
    writeEntry(index, n, {at, length: body.length, offset, bytes, line, lines})
    pieces.push(body)
    at += body.length
    offset += bytes
    line += lines
  }
  return {stored: Buffer.concat(pieces), index, end: at}
}

/** What ends the gzip member: a last, empty block and the checksum. */
export function trailer(log: Pick<StoredLog, 'crc32' | 'bytes'>): Buffer {
  const end = Buffer.alloc(8)
  end.writeUInt32LE(log.crc32, 0)
  end.writeUInt32LE(log.bytes % 2 ** 32, 4)
  return Buffer.concat([lastBlock, end])
}

export const trailerBytes = lastBlock.length + 8

export function writeEntry(to: Buffer, n: number, entry: IndexEntry): void {
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

/** The entries of an index. */
export const readEntries = (bytes: Buffer): IndexEntry[] =>
  Array.from({length: Math.floor(bytes.length / entryBytes)}, (_, n) => readEntry(bytes, n))
