// From a step's output to log segments: mask, count, compress, journal.
import {promisify} from 'node:util'
import {constants, crc32, deflateRaw, deflateRawSync} from 'node:zlib'
import {RE2JS} from 're2js'
import type {Attempt} from './attempt.ts'
import {countLines} from './cut.ts'
import type {Mark} from './spool.ts'

const syncDeflateMax = 4096
const warningLineMax = 8192
const options = {level: 1, finishFlush: constants.Z_FULL_FLUSH}
const deflate = promisify<Buffer, object, Buffer>(deflateRaw)

/** Output that is not in the log. */
export interface LeftOut {
  readonly bytes: number
  readonly lines: number
  readonly warnings: number
  /** What stands before it is no whole line. */
  readonly isInLine: boolean
}

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

  /** Says in the log that a part of the output, up to `to`, is left out, and goes on behind it. */
  async leaveOut(
    part: Mark['part'],
    to: number,
    {bytes, lines, warnings, isInLine}: LeftOut,
    why: string,
  ): Promise<void> {
    const text = `--- ${bytes} bytes in ${lines} lines of output are left out here: ${why} ---`
    const words = Buffer.from(`${isInLine ? '\n' : ''}\u001b[2m${text}\u001b[0m\n`)
    const mark = {...this.mark, part, at: to, warnings: this.mark.warnings + warnings, line: ''}
    await this.put(words, mark, false)
  }

  /** How many bytes of some output end in no begun secret. */
  maskable(raw: Buffer): number {
    return this.attempt.mask(raw, false).used
  }

  /** How many of these whole lines look like warnings. */
  readonly countWarnings = (lines: Buffer): number =>
    this.warningPattern
      ? lines
          .toString('latin1')
          .split('\n')
          .filter((line) => line !== '' && this.looksBad(line)).length
      : 0

  /** Closes the log with its totals, once; a log in which nothing was written does not exist. */
  end(at: number): void {
    const {bytes, mark, isOver} = this.attempt.log ?? {bytes: 0}
    if (bytes === 0 || !mark || isOver) return
    const {lines, crc32} = mark
    this.attempt.record({entry: 'logEnded', at, step: this.step, log: 'stdio', bytes, lines, crc32})
  }

  private async put(bytes: Buffer, mark: Mark, isOutput = true): Promise<void> {
    const body =
      bytes.length <= syncDeflateMax ? deflateRawSync(bytes, options) : await deflate(bytes, options)
    const lines = countLines(bytes)
    const before = this.attempt.log
    const warned = this.warningPattern && isOutput ? this.warned(mark, bytes) : {}
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
