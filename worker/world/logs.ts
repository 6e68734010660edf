// From a step's output to log segments: mask, count, compress, journal. And the following of the file that the step writes,
// which is the buffer: what is not read yet costs nothing but disk.
import {closeSync, fstatSync, openSync, readSync, watch, type FSWatcher} from 'node:fs'
import {promisify} from 'node:util'
import {constants, crc32, deflateRaw, deflateRawSync} from 'node:zlib'
import {RE2JS} from 're2js'
import type {Attempt} from './attempt.ts'
import type {Mark} from './spool.ts'

const pieceBytes = 256 * 1024
const cutMs = 100
const firstLookMs = 20
const syncDeflateMax = 4096
const warningLineMax = 8192
const lineFeed = 10
const options = {level: 1, finishFlush: constants.Z_FULL_FLUSH}
const deflate = promisify<Buffer, object, Buffer>(deflateRaw)

/** The log `stdio` of a step's current try. One writer at a time. */
export class StepLog {
  private readonly attempt: Attempt
  private readonly step: number
  private readonly warningPattern: RE2JS | null

  constructor(attempt: Attempt, step: number) {
    this.attempt = attempt
    this.step = step
    const pattern = attempt.plan.steps[step]?.warningPattern
    this.warningPattern = pattern ? RE2JS.compile(pattern) : null
  }

  get mark(): Mark {
    return this.attempt.log?.mark ?? {lines: 0, crc32: 0, part: 'out', at: 0, warnings: 0, line: ''}
  }

  /** How many lines of the try look like warnings, the last one too when nothing ends it. */
  get warnings(): number {
    const {warnings, line} = this.mark
    return warnings + (line !== '' && this.looksBad(line) ? 1 : 0)
  }

  /** Whether nothing was written since the try began. */
  get isFresh(): boolean {
    return this.attempt.log?.isFresh ?? true
  }

  /** Writes a line of the worker's own, dim. A log that ended before a crash gets no more of them: it was said before. */
  async say(text: string): Promise<void> {
    if (this.attempt.log?.isOver) return
    const mask = this.attempt.mask(Buffer.from(`\u001b[2m${text}\u001b[0m\n`), true)
    await this.put(Buffer.from(mask.bytes), this.mark)
  }

  /** Masks and writes output that begins at `at` of a part; gives back how much of it is done. */
  async write(part: Mark['part'], at: number, raw: Buffer, last: boolean): Promise<number> {
    const {bytes, used} = this.attempt.mask(raw, last)
    if (bytes.length > 0)
      await this.put(Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length), {
        ...this.mark,
        part,
        at: at + used,
      })
    return used
  }

  /** Closes the log with its totals, once; a log in which nothing was written does not exist. */
  end(at: number): void {
    const {bytes, mark, isOver} = this.attempt.log ?? {bytes: 0}
    if (bytes === 0 || !mark || isOver) return
    const {lines, crc32} = mark
    this.attempt.record({entry: 'logEnded', at, step: this.step, log: 'stdio', bytes, lines, crc32})
  }

  private async put(bytes: Buffer, mark: Mark): Promise<void> {
    const body =
      bytes.length <= syncDeflateMax ? deflateRawSync(bytes, options) : await deflate(bytes, options)
    const lines = countLines(bytes)
    const before = this.attempt.log
    const warned = this.warningPattern ? this.warned(mark, bytes) : {}
    this.attempt.record(
      {
        entry: 'segment',
        at: Date.now(),
        step: this.step,
        log: 'stdio',
        offset: before?.bytes ?? 0,
        bytes: bytes.length,
        lines,
        crc32: crc32(bytes),
      },
      body,
      {...mark, lines: mark.lines + lines, crc32: crc32(bytes, mark.crc32), ...warned},
    )
  }

  private warned(mark: Mark, bytes: Buffer): {warnings: number; line: string} {
    const lines = (mark.line + bytes.toString('latin1')).split('\n')
    const line = (lines.pop() ?? '').slice(0, warningLineMax)
    return {warnings: mark.warnings + lines.filter((each) => this.looksBad(each)).length, line}
  }

  /** `line` has a character for each byte. */
  private looksBad(line: string): boolean {
    const text = Buffer.from(line.slice(0, warningLineMax), 'latin1').toString()
    return this.warningPattern?.matcher(text).find() ?? false
  }
}

/** Follows a growing file into a log. */
export class Follow {
  private readonly path: string
  private readonly part: Mark['part']
  private readonly log: StepLog
  /** False while the spool has enough: reading then waits, and the file holds the rest. */
  private readonly mayRead: () => boolean
  private position: number
  private tail: Buffer = Buffer.alloc(0)
  private file: number | null = null
  private buffer: Buffer | null = null
  private watcher: FSWatcher | null = null
  private timer: NodeJS.Timeout | null = null
  private drained: Promise<unknown> = Promise.resolve()
  private isOver = false
  /** What went wrong while reading; it ends the step. */
  onFault: (error: unknown) => void = () => undefined

  constructor(path: string, part: Mark['part'], log: StepLog, mayRead: () => boolean) {
    this.path = path
    this.part = part
    this.log = log
    this.mayRead = mayRead
    this.position = log.mark.part === part ? log.mark.at : 0
  }

  /** Begins to follow: a step that is over at once costs no watching. */
  start(): void {
    this.timer = setTimeout(() => this.look(), firstLookMs)
  }

  /** Reads what is left, to the end. */
  async finish(): Promise<void> {
    this.isOver = true
    this.rest()
    await this.drained
    await this.drain(true)
    if (this.file !== null) closeSync(this.file)
    this.file = null
  }

  /** Stops following and leaves the rest. */
  async abandon(): Promise<void> {
    this.isOver = true
    this.rest()
    await this.drained.catch(() => undefined)
    if (this.file !== null) closeSync(this.file)
    this.file = null
  }

  /** Reads now; busy files are looked at every `cutMs`, quiet ones when they stir. */
  private look(): void {
    this.rest()
    if (this.isOver) return
    this.drained = this.drain(false).then(
      (some) => {
        if (this.isOver) return
        if (some || !this.mayRead()) this.timer = setTimeout(() => this.look(), cutMs)
        else this.listen()
      },
      (error: unknown) => this.onFault(error),
    )
  }

  private listen(): void {
    try {
      this.watcher = watch(this.path, () => this.look())
      this.watcher.on('error', () => undefined)
    } catch {
      this.timer = setTimeout(() => this.look(), cutMs)
      return
    }
    if (this.size() > this.position + this.tail.length) this.look()
  }

  private rest(): void {
    if (this.timer) clearTimeout(this.timer)
    this.watcher?.close()
    this.timer = this.watcher = null
  }

  private size(): number {
    return this.open() === null ? 0 : fstatSync(this.file as number).size
  }

  private open(): number | null {
    try {
      this.file ??= openSync(this.path, 'r')
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== 'ENOENT') throw error
    }
    return this.file
  }

  private async drain(toTheEnd: boolean): Promise<boolean> {
    let some = false
    const file = this.size() === 0 ? null : this.open()
    if (file === null) return false
    this.buffer ??= Buffer.alloc(pieceBytes)
    while (toTheEnd || (!this.isOver && this.mayRead())) {
      const count = readSync(file, this.buffer, 0, pieceBytes, this.position + this.tail.length)
      if (count === 0) break
      some = true
      const piece = this.buffer.subarray(0, count)
      await this.feed(this.tail.length > 0 ? Buffer.concat([this.tail, piece]) : piece, false)
      if (count < pieceBytes && !toTheEnd) break
    }
    if (toTheEnd && this.tail.length > 0) await this.feed(this.tail, true)
    return some
  }

  private async feed(input: Buffer, last: boolean): Promise<void> {
    const used = await this.log.write(this.part, this.position, input, last)
    this.tail = used === input.length ? Buffer.alloc(0) : Buffer.from(input.subarray(used))
    this.position += used
  }
}

function countLines(bytes: Uint8Array): number {
  let lines = 0
  for (let at = 0; at < bytes.length; at++) if (bytes[at] === lineFeed) lines++
  return lines
}
