// The journal of an attempt on disk: append-only records of `u32 little-endian length + frame`, the frame being the wire's
// binary form (header JSON + body). Written before anything is sent; a tail torn by a crash is cut off at the next start.
// It is not synced: it outlives the worker's process, and a host that lost power has lost the attempt anyway.
import {
  closeSync,
  existsSync,
  fstatSync,
  ftruncateSync,
  openSync,
  readSync,
  renameSync,
  writeSync,
} from 'node:fs'
import {entryShape, type Entry} from '../protocol/journal.ts'
import {encodeBinary} from '../protocol/frames.ts'

/** Where the reading of a step's output stands after a segment: kept with it, so that a new start goes on exactly there. */
export interface Mark {
  /** Of the log's text so far. */
  readonly lines: number
  readonly crc32: number
  /** Which part of the try's output comes next, and from which byte of it. */
  readonly part: 'out' | 'value'
  readonly at: number
  readonly warnings: number
  /** The begun line, when warnings are looked for. */
  readonly line: string
}

export interface Kept {
  readonly seq: number
  readonly entry: Entry
  readonly mark: Mark | null
}

interface Pending {
  readonly seq: number
  readonly offset: number
  readonly length: number
  /** The frame while it is worth keeping in memory. */
  frame: Buffer | null
}

/** The disk has no room for the journal. */
export class DiskFull extends Error {
  override readonly name = 'DiskFull'
}

/** What a system call's error says of the disk: that it is full, or null for anything else. */
export function diskFullOf(error: unknown): DiskFull | null {
  const {code = '', message} = error as NodeJS.ErrnoException
  return ['ENOSPC', 'EDQUOT'].includes(code) ? new DiskFull(`the worker's disk is full: ${message}`) : null
}

const framesInMemoryMax = 8 * 1024 * 1024
const spentMax = 32 * 1024 * 1024
const headerBytes = 4

export class Journal {
  /** The number of the last entry, and of the last one that the master has applied. */
  last = 0
  applied = 0
  private file: number
  private size = 0
  private inMemory = 0
  private pending: Pending[] = []
  private readonly path: string
  private readonly attempt: string
  /** Makes room on a full disk, once; false when there is none to make. */
  private readonly makeRoom: () => boolean

  private constructor(path: string, attempt: string, makeRoom: () => boolean) {
    this.path = path
    this.attempt = attempt
    this.makeRoom = makeRoom
    this.file = openSync(path, existsSync(path) ? 'r+' : 'w+', 0o600)
  }

  /** Opens or begins a journal; `kept` is all it holds. */
  static open(path: string, attempt: string, makeRoom: () => boolean): {journal: Journal; kept: Kept[]} {
    const journal = new Journal(path, attempt, makeRoom)
    return {journal, kept: journal.load()}
  }

  /** Writes one entry; it is in the kernel's hands when this returns. Throws DiskFull, and then nothing was written. */
  append(entry: Entry, body: Uint8Array | null = null, mark: Mark | null = null): void {
    const seq = this.last + 1
    const header = {say: 'journal', attempt: this.attempt, seq, entry, ...(mark && {mark})}
    const frame = Buffer.from(encodeBinary(header, body ?? new Uint8Array(0)).buffer)
    // The reserve is for what must be said, not for output.
    this.write(frame, body === null)
    this.last = seq
    const keep = this.inMemory + frame.length <= framesInMemoryMax
    if (keep) this.inMemory += frame.length
    this.pending.push({
      seq,
      offset: this.size + headerBytes,
      length: frame.length,
      frame: keep ? frame : null,
    })
    this.size += headerBytes + frame.length
  }

  /** The frame of an entry that is not yet applied. */
  frame(seq: number): Buffer | null {
    const first = this.pending[0]
    const near = first && this.pending[seq - first.seq]
    // Numbers have a gap after a leap.
    const found = near?.seq === seq ? near : this.pending.find((each) => each.seq === seq)
    if (!found) return null
    if (found.frame) return found.frame
    const frame = Buffer.alloc(found.length)
    readSync(this.file, frame, 0, found.length, found.offset)
    return frame
  }

  get unappliedBytes(): number {
    const first = this.pending[0]
    return first ? this.size - first.offset : 0
  }

  /** The master has everything up to here. */
  forget(upTo: number): void {
    this.applied = Math.max(this.applied, Math.min(upTo, this.last))
    let count = 0
    for (const {seq, frame} of this.pending) {
      if (seq > this.applied) break
      if (frame) this.inMemory -= frame.length
      count++
    }
    this.pending.splice(0, count)
    if (this.size - this.unappliedBytes > spentMax) this.compact()
  }

  /** The master knows more than this disk does (it was set back): go on after its number. */
  leap(applied: number): void {
    if (applied <= this.last) return
    this.last = applied
    this.applied = applied
    this.pending = []
  }

  close(): void {
    closeSync(this.file)
  }

  private write(frame: Buffer, isVital: boolean): void {
    const length = Buffer.alloc(headerBytes)
    length.writeUInt32LE(frame.length)
    const record = Buffer.concat([length, frame])
    for (const again of [true, false]) {
      try {
        let done = 0
        while (done < record.length)
          done += writeSync(this.file, record, done, record.length - done, this.size + done)
        return
      } catch (error) {
        ftruncateSync(this.file, this.size)
        const isFull = diskFullOf(error)
        if (!isFull) throw error
        if (!again || !isVital || !this.makeRoom()) throw isFull
      }
    }
  }

  private load(): Kept[] {
    const kept: Kept[] = []
    const total = fstatSync(this.file).size
    this.size = 0
    for (const {offset, frame} of records(this.file, total)) {
      const record = parse(frame)
      if (!record) break
      kept.push(record)
      if (record.spent) this.applied = Math.max(this.applied, record.seq)
      if (!record.spent)
        this.pending.push({seq: record.seq, offset: offset + headerBytes, length: frame.length, frame: null})
      this.last = record.seq
      this.size = offset + headerBytes + frame.length
    }
    // Numbers have no gaps among what is not spent: whatever lies before the last spent one was applied with it.
    this.pending = this.pending.filter(({seq}) => seq > this.applied)
    if (this.size < total) ftruncateSync(this.file, this.size)
    return kept
  }

  /** Writes the journal anew without the bodies of segments that the master has. */
  private compact(): void {
    const fresh = `${this.path}.new`
    const file = openSync(fresh, 'w+', 0o600)
    let size = 0
    const pending: Pending[] = []
    for (const {frame} of records(this.file, this.size)) {
      const record = parse(frame)
      if (!record) break
      const spent = record.seq <= this.applied && record.entry.entry === 'segment'
      const header = {
        say: 'journal',
        attempt: this.attempt,
        seq: record.seq,
        entry: record.entry,
        mark: record.mark,
      }
      const kept = spent
        ? Buffer.from(encodeBinary({...header, spent: true}, new Uint8Array(0)).buffer)
        : frame
      const length = Buffer.alloc(headerBytes)
      length.writeUInt32LE(kept.length)
      writeSync(file, Buffer.concat([length, kept]), 0, headerBytes + kept.length, size)
      if (record.seq > this.applied)
        pending.push({seq: record.seq, offset: size + headerBytes, length: kept.length, frame: null})
      size += headerBytes + kept.length
    }
    renameSync(fresh, this.path)
    closeSync(this.file)
    this.file = file
    this.size = size
    this.pending = pending
    this.inMemory = 0
  }
}

/** Whole records of a file, as far as they are whole. */
function* records(file: number, total: number): Generator<{offset: number; frame: Buffer}> {
  const length = Buffer.alloc(headerBytes)
  let offset = 0
  while (offset + headerBytes <= total) {
    readSync(file, length, 0, headerBytes, offset)
    const size = length.readUInt32LE()
    if (size < headerBytes || offset + headerBytes + size > total) return
    const frame = Buffer.alloc(size)
    readSync(file, frame, 0, size, offset + headerBytes)
    yield {offset, frame}
    offset += headerBytes + size
  }
}

function parse(frame: Buffer): (Kept & {spent: boolean}) | null {
  try {
    const {header} = split(frame)
    const {seq, entry, mark, spent} = JSON.parse(header) as {
      seq: number
      entry: unknown
      mark?: Mark
      spent?: boolean
    }
    return {seq, entry: entryShape.parse(entry), mark: mark ?? null, spent: spent === true}
  } catch {
    return null
  }
}

/** A stored frame's header, as JSON text, and its body. */
export function split(frame: Buffer): {header: string; body: Buffer} {
  const length = frame.readUInt32LE()
  return {header: frame.toString('utf8', 4, 4 + length), body: frame.subarray(4 + length)}
}
