// The cut in the middle of an output file that nobody takes: which bytes are gone, noted beside the file before they go, so
// that a new start of the worker knows as much. The blocks are given back to the disk by punching a hole (fallocate): the
// step writes on where it was, and every offset stays what it is.
import {execFile} from 'node:child_process'
import {readFileSync, readSync, renameSync, rmSync, writeFileSync} from 'node:fs'
import {join} from 'node:path'
import {promisify} from 'node:util'
import {diskFullOf} from './spool.ts'

export interface Cut {
  /** The bytes `from` to `to` of the output are left out. */
  readonly from: number
  readonly to: number
  /** Line feeds among them, and lines that look like warnings. */
  readonly lines: number
  readonly warnings: number
  /** What stands before and after it are whole lines. */
  readonly beginsLine: boolean
  readonly endsLine: boolean
}

const pieceBytes = 256 * 1024
const lineFeed = 10
const blockBytes = 4096

const noteOf = (path: string): string => `${path}.cut`

/**
 * The cut that an earlier life noted; null when there is none, or when reading has passed it. Throws when there is one that
 * cannot be read: without it the hole would be taken for output.
 */
export function readCut(path: string, position: number): Cut | null {
  let text: string
  try {
    text = readFileSync(noteOf(path), 'utf8')
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return null
    throw error
  }
  const cut = JSON.parse(text) as Cut
  return cut.to > position ? cut : null
}

/** Notes a cut; from then on its bytes are not read. Throws DiskFull. */
export function writeCut(path: string, cut: Cut): void {
  const fresh = `${noteOf(path)}.new`
  try {
    writeFileSync(fresh, JSON.stringify(cut))
    renameSync(fresh, noteOf(path))
  } catch (error) {
    throw diskFullOf(error) ?? error
  }
}

/** Reading has passed the cut. */
export const dropCut = (path: string): void => rmSync(noteOf(path), {force: true})

/** Where the line that `at` is in ends, if it does so within some bytes: the place behind its line feed. */
export function endOfLine(file: number, at: number, within: number): number | null {
  const buffer = Buffer.alloc(within)
  const count = readSync(file, buffer, 0, within, at)
  const found = buffer.subarray(0, count).indexOf(lineFeed)
  return found < 0 ? null : at + found + 1
}

/**
 * Makes a cut longer, up to the last line's end before `upTo`; the bytes are looked at once more on their way out, for
 * their lines, and by `countWarnings` which is given whole lines.
 */
export async function lengthen(
  file: number,
  cut: Cut,
  upTo: number,
  countWarnings: (lines: Buffer) => number,
): Promise<Cut> {
  const buffer = Buffer.alloc(pieceBytes)
  let {to, lines, warnings, endsLine} = cut
  while (to < upTo) {
    const count = readSync(file, buffer, 0, Math.min(pieceBytes, upTo - to), to)
    if (count === 0) break
    const end = buffer.subarray(0, count).lastIndexOf(lineFeed) + 1
    const isLast = to + count >= upTo
    // A line longer than a piece is cut where it is.
    const done = buffer.subarray(0, end > 0 ? end : count)
    if (end === 0 && isLast && to > cut.to) break
    lines += countLines(done)
    warnings += countWarnings(done)
    endsLine = end > 0
    to += done.length
    if (isLast) break
    await new Promise((resolve) => setImmediate(resolve))
  }
  return {...cut, to, lines, warnings, endsLine}
}

/** Gives the blocks of some bytes back to the disk. Rejects when they cannot be. */
export async function punch(path: string, from: number, to: number): Promise<void> {
  if (to - from < blockBytes) return
  const at = ['--offset', String(from), '--length', String(to - from)]
  await promisify(execFile)('fallocate', ['--punch-hole', ...at, path])
}

/** Why holes cannot be punched there; null when they can. */
export async function whyNoHoles(dir: string): Promise<string | null> {
  const path = join(dir, 'hole')
  try {
    writeFileSync(path, Buffer.alloc(2 * blockBytes, 1))
    await punch(path, 0, blockBytes)
    return readFileSync(path)[0] === 0 ? null : 'a hole was punched, yet the bytes are still there'
  } catch (error) {
    return (error as Error).message.trim().split('\n').at(-1) ?? ''
  } finally {
    rmSync(path, {force: true})
  }
}

/** How many line feeds there are. */
export function countLines(bytes: Uint8Array): number {
  let lines = 0
  for (let at = 0; at < bytes.length; at++) if (bytes[at] === lineFeed) lines++
  return lines
}
