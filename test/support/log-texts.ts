// Logs for tests of their stores: a row as the database would have it, and texts appended to it as the stage that records
// journals does.
import fc from 'fast-check'
import {constants, crc32, deflateRawSync} from 'node:zlib'
import {combineCrc} from '../../master/core/crc.ts'
import type {Logs, NewSegment, StoredLog} from '../../master/world/logs.ts'

export const emptyLog = (attempt: string): StoredLog => ({
  attempt,
  step: 0,
  name: 'stdio',
  bytes: 0,
  lines: 0,
  segments: 0,
  storedBytes: 0,
  crc32: 0,
  complete: false,
})

export const segmentOf = (text: Buffer): NewSegment => ({
  bytes: text.length,
  lines: text.filter((byte) => byte === 10).length,
  crc32: crc32(text),
  body: deflateRawSync(text, {level: 1, finishFlush: constants.Z_FULL_FLUSH}),
})

/** The row after segments were appended that end at `storedBytes`. */
export const grown = (log: StoredLog, segments: readonly NewSegment[], storedBytes: number): StoredLog =>
  segments.reduce(
    (now, {bytes, lines, crc32: crc}) => ({
      ...now,
      bytes: now.bytes + bytes,
      lines: now.lines + lines,
      segments: now.segments + 1,
      crc32: combineCrc(now.crc32, crc, bytes),
    }),
    {...log, storedBytes},
  )

/** Appends texts in one write. */
export async function appendAll(logs: Logs, log: StoredLog, texts: readonly Buffer[]): Promise<StoredLog> {
  const segments = texts.map(segmentOf)
  return grown(log, segments, await logs.append(log, segments, false))
}

/** Appends texts, each in a write of its own. */
export async function appendEach(logs: Logs, log: StoredLog, texts: readonly Buffer[]): Promise<StoredLog> {
  let now = log
  for (const text of texts) now = await appendAll(logs, now, [text])
  return now
}

export async function collect(stream: AsyncIterable<Uint8Array>): Promise<Buffer> {
  const pieces: Uint8Array[] = []
  for await (const piece of stream) pieces.push(piece)
  return Buffer.concat(pieces)
}

/** Bytes of every value, with many line feeds. */
export const textBytes = fc
  .uint8Array({minLength: 1, maxLength: 60})
  .map((bytes) => Buffer.from(bytes.map((byte) => (byte % 7 === 0 ? 10 : byte))))
