// Whether what the rows name can be read and is what they say: logs segment by segment, artifacts by their SHA-256.
import {createHash} from 'node:crypto'
import {crc32} from 'node:zlib'
import type {Artifacts} from '../artifacts.ts'
import type {Logs, StoredLog} from '../logs.ts'
import {gzipHeader} from '../logs/member.ts'
import {inflateSegment} from '../logs/reading.ts'

/** A log as far as it is good. */
export type GoodPart = Pick<StoredLog, 'segments' | 'bytes' | 'lines' | 'storedBytes' | 'crc32'>

export interface LogCheck {
  /** What is wrong with it, or null. */
  readonly fault: string | null
  readonly good: GoodPart
}

/** Reads a log whole: its index, each segment's length and lines, and the CRC-32 of all its text. */
export async function checkLog(logs: Logs, log: StoredLog): Promise<LogCheck> {
  let good: GoodPart = {segments: 0, bytes: 0, lines: 0, storedBytes: 0, crc32: 0}
  try {
    for await (const {body, bytes, lines} of logs.readSegments(log)) {
      const text = await inflateSegment(body)
      if (text.length !== bytes || feedsIn(text) !== lines)
        throw new Error(`segment ${String(good.segments)} does not hold what its index says`)
      good = {
        segments: good.segments + 1,
        bytes: good.bytes + bytes,
        lines: good.lines + lines,
        storedBytes: (good.storedBytes || gzipHeader.length) + body.length,
        crc32: crc32(text, good.crc32),
      }
    }
  } catch (error) {
    return {fault: reasonOf(error), good}
  }
  const wrong = (['segments', 'bytes', 'lines', 'storedBytes', 'crc32'] as const).filter(
    (key) => good[key] !== log[key],
  )
  return {
    fault: wrong.length === 0 ? null : `its row has another number of ${wrong.join(', ')} than its files`,
    good,
  }
}

function feedsIn(text: Buffer): number {
  let feeds = 0
  for (let at = text.indexOf(10); at >= 0; at = text.indexOf(10, at + 1)) feeds++
  return feeds
}

/** What is wrong with stored content, or null. */
export async function checkArtifact(
  artifacts: Artifacts,
  sha256: string,
  bytes: number,
): Promise<string | null> {
  const size = await artifacts.size(sha256)
  if (size === null) return 'its file is not there'
  if (size !== bytes) return `its file has ${String(size)} bytes, not ${String(bytes)}`
  const hash = createHash('sha256')
  try {
    for await (const piece of await artifacts.read(sha256)) hash.update(piece as Buffer)
  } catch (error) {
    return reasonOf(error)
  }
  return hash.digest('hex') === sha256 ? null : 'its file holds other bytes than its name says'
}

function reasonOf(error: unknown): string {
  const {code, message} = error as NodeJS.ErrnoException
  if (code === 'ENOENT') return 'its files are not there'
  return code?.startsWith('Z_') ? `a segment does not inflate: ${message}` : message
}
