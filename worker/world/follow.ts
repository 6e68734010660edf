// The following of the file that a step writes into its log. The file is the buffer: what is not read yet lies on the disk,
// as much of it as the build's quota allows. What was read, and what is cut, is given back to the disk.
import {closeSync, fstatSync, openSync, readSync, watch, type FSWatcher} from 'node:fs'
import {setTimeout as sleep} from 'node:timers/promises'
import {isOutOfDescriptors} from '../core/descriptors.ts'
import {keptAtEnds, measuresFor} from '../core/backlog.ts'
import {countLines, dropCut, endOfLine, lengthen, punch, readCut, writeCut, type Cut} from './cut.ts'
import {patiently} from './descriptors.ts'
import type {StepLog} from './logs.ts'
import {warn} from './print.ts'
import type {Quota} from './quota.ts'
import type {Mark} from './spool.ts'

/** What stops a step's processes and lets them go on. */
export interface Valve {
  /** Whether the step is held for this part of its output. */
  isHeld(part: Mark['part']): boolean
  hold(part: Mark['part'], isHeld: boolean): void
}

export interface Following {
  readonly path: string
  readonly part: Mark['part']
  readonly log: StepLog
  readonly quota: Quota
  readonly valve: Valve
  /** How many files the step's output is spread over: each has its part of the room. */
  readonly parts: number
  /** Ends all waiting: nobody wants the output any more. */
  readonly dropped: AbortSignal
}

const pieceBytes = 256 * 1024
const cutMs = 100
const firstLookMs = 20
const punchAgainMs = 5000
/** Bytes that were read are given back to the disk when they are so many, or a build's whole room. */
const spentMax = 32 * 1024 * 1024
/** A cut begins at a line's end if there is one so near, and no secret that is printed on one line is longer. */
const lineMax = 64 * 1024

const guarding = {policy: 'truncate', isStalled: true} as const

/** Follows a growing file into a log. */
export class Follow {
  private readonly given: Following
  private position: number
  private tail: Buffer = Buffer.alloc(0)
  private cut: Cut | null
  /** The bytes before this are not on the disk any more: those that were read, and those of the cut. */
  private spentTo = 0
  private cutTo = 0
  private file: number | null = null
  private buffer: Buffer | null = null
  private watcher: FSWatcher | null = null
  private timer: NodeJS.Timeout | null = null
  private drained: Promise<unknown> = Promise.resolve()
  private isOver = false
  /** The disk took nothing back: not before this is it asked again. */
  private punchAgainAt = 0
  /** Not read before the step ends: only its room is watched. */
  private isGuarding = false
  private seen = 0
  /** What went wrong while reading; it ends the step. */
  onFault: (error: unknown) => void = () => undefined

  constructor(given: Following) {
    const {path, part, log} = given
    this.given = given
    this.position = log.mark.part === part ? log.mark.at : 0
    this.cut = readCut(path, this.position)
    this.cutTo = this.cut?.from ?? 0
  }

  /** Begins to follow: a step that is over at once costs no watching. */
  start(): void {
    this.timer = setTimeout(() => this.look(), firstLookMs)
  }

  /** Leaves the file unread, but holds it to its room. */
  guard(): void {
    this.isGuarding = true
    this.start()
  }

  /** Reads what is left, to the end. */
  async finish(): Promise<void> {
    this.isOver = true
    this.rest()
    await this.drained
    const file = await patiently(() => this.open())
    if (file !== null) {
      await this.settle(file)
      while ((await this.readPiece(file)) !== 'nothing');
      if (this.tail.length > 0) await this.feed(this.tail, true)
    }
    this.close()
  }

  /** Stops following and leaves the rest. */
  async abandon(): Promise<void> {
    this.isOver = true
    this.rest()
    await this.drained.catch(() => undefined)
    this.close()
  }

  /** Reads now; busy files are looked at every `cutMs`, quiet ones when they stir. */
  private look(): void {
    this.rest()
    if (this.isOver) return
    this.drained = this.drain().then(
      (some) => {
        if (this.isOver) return
        const {valve, part, quota} = this.given
        const isWaiting = !this.isGuarding && !quota.mayRead()
        if (some || isWaiting || valve.isHeld(part)) this.timer = setTimeout(() => this.look(), cutMs)
        else this.listen()
      },
      (error: unknown) => {
        if (!isOutOfDescriptors(error)) this.onFault(error)
        else if (!this.isOver) this.timer = setTimeout(() => this.look(), cutMs)
      },
    )
  }

  private listen(): void {
    try {
      this.watcher = watch(this.given.path, () => this.look())
      this.watcher.on('error', () => undefined)
    } catch {
      this.timer = setTimeout(() => this.look(), cutMs)
      return
    }
    if (!this.isGuarding && this.size() > this.at) this.look()
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
      this.file ??= openSync(this.given.path, 'r')
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== 'ENOENT') throw error
    }
    return this.file
  }

  private close(): void {
    if (this.file !== null) closeSync(this.file)
    this.file = null
    this.given.quota.note(this.given.part, 0, false)
  }

  /** The byte that is read next. */
  private get at(): number {
    return this.position + this.tail.length
  }

  private get room(): number {
    return this.given.quota.room / this.given.parts
  }

  /** Bytes that are to be read, and those that lie on the disk for it: what is cut may do so for a while. */
  private unread(size: number): {toRead: number; onDisk: number} {
    const {cut} = this
    if (!cut) return {toRead: size - this.at, onDisk: size - this.at}
    const before = cut.from - this.at
    return {toRead: before + size - cut.to, onDisk: before + size - this.cutTo}
  }

  /** Reads what may be read now; tells whether there was anything. */
  private async drain(): Promise<boolean> {
    const file = this.size() === 0 ? null : this.open()
    if (file === null) return false
    let some = this.isGuarding && this.hasGrown(file)
    for (;;) {
      await this.keepToRoom(file)
      if (this.isOver || this.isGuarding || !this.given.quota.mayRead()) return some
      const read = await this.readPiece(file)
      some ||= read !== 'nothing'
      if (read !== 'whole') return some
    }
  }

  private async readPiece(file: number): Promise<'nothing' | 'part' | 'whole'> {
    const {cut} = this
    if (cut && this.at >= cut.from) {
      await this.cross(file, cut)
      return 'whole'
    }
    this.buffer ??= Buffer.alloc(pieceBytes)
    const wanted = Math.min(pieceBytes, (cut?.from ?? Infinity) - this.at)
    const count = readSync(file, this.buffer, 0, wanted, this.at)
    if (count === 0) return 'nothing'
    const piece = this.buffer.subarray(0, count)
    await this.feed(this.tail.length > 0 ? Buffer.concat([this.tail, piece]) : piece, false)
    return count < wanted ? 'part' : 'whole'
  }

  private hasGrown(file: number): boolean {
    const {size} = fstatSync(file)
    const hasGrown = size > this.seen
    this.seen = size
    return hasGrown
  }

  private async feed(input: Buffer, last: boolean): Promise<void> {
    const used = await this.given.log.write(this.given.part, this.position, input, last)
    this.tail = used === input.length ? Buffer.alloc(0) : Buffer.from(input.subarray(used))
    this.position += used
  }

  /** Cuts, holds or releases the step as its output has room. */
  private async keepToRoom(file: number): Promise<void> {
    const {quota, valve, part} = this.given
    const {room} = this
    await this.reclaim()
    const {onDisk: unread} = this.unread(fstatSync(file).size)
    quota.note(part, unread, this.cut !== null)
    const isHeld = valve.isHeld(part)
    // Holding the step would make no room for what is read only when it has ended.
    const {policy, isStalled} = this.isGuarding ? guarding : quota
    const measures = measuresFor({unread, room, policy, isStalled, isHeld})
    if (measures.holds && !isHeld && !this.isGuarding) valve.hold(part, true)
    if (measures.cuts) {
      await this.shorten(file, room)
      await this.reclaim()
    }
    if (!measures.holds && isHeld) valve.hold(part, false)
  }

  /** The step has ended: reads what may be read, or cuts it, until the rest fits. */
  private async settle(file: number): Promise<void> {
    const {quota, part, dropped} = this.given
    for (;;) {
      const {toRead: unread} = this.unread(fstatSync(file).size)
      quota.note(part, unread, this.cut !== null)
      const {policy, isStalled} = quota
      const {cuts, holds} = measuresFor({unread, room: this.room, policy, isStalled, isHeld: false})
      if (cuts) await this.shorten(file, this.room)
      else if (!holds) return
      else if (quota.mayRead()) await this.readPiece(file)
      else await sleep(cutMs, null, {signal: dropped})
    }
  }

  /** Takes the middle out of what is unread. */
  private async shorten(file: number, room: number): Promise<void> {
    const {path, log, quota} = this.given
    const keep = keptAtEnds(room)
    const cut = this.cut ?? this.beginning(file, this.position + Math.max(this.tail.length, keep), room)
    const longer = await lengthen(file, cut, fstatSync(file).size - keep, log.countWarnings)
    if (longer.to <= cut.to) return
    writeCut(path, longer)
    quota.cutBytes += longer.to - cut.to
    if (!this.cut) {
      this.cutTo = cut.from
      warn('output.cut', {file: path, from: cut.from, room: Math.round(room)})
    }
    this.cut = longer
  }

  private beginning(file: number, at: number, room: number): Cut {
    const end = endOfLine(file, at, Math.min(lineMax, Math.floor(room / 8)))
    const from = end ?? at
    return {from, to: from, lines: 0, warnings: 0, beginsLine: end !== null, endsLine: true}
  }

  /** Gives what was read and what is cut back to the disk; where that fails it lies there, and is counted, until it works. */
  private async reclaim(): Promise<void> {
    const {path, quota} = this.given
    const {position, cut} = this
    if (performance.now() < this.punchAgainAt) return
    quota.noteFree(path)
    try {
      if (position - this.spentTo > Math.min(spentMax, quota.shareBytes)) {
        await punch(path, this.spentTo, position)
        quota.noteFree(path, position - this.spentTo)
        this.spentTo = position
      }
      if (cut && cut.to > this.cutTo) {
        await punch(path, this.cutTo, cut.to)
        quota.noteFree(path, cut.to - this.cutTo)
        this.cutTo = cut.to
      }
    } catch (error) {
      warn('output.kept', {file: path, text: (error as Error).message})
      this.punchAgainAt = performance.now() + punchAgainMs
    }
  }

  /** Goes over the cut, and says so in the log. */
  private async cross(file: number, cut: Cut): Promise<void> {
    const {path, part, log, quota} = this.given
    // A line's end is no place where a secret begins; anywhere else what is unsure goes with the cut.
    if (this.tail.length > 0 && cut.beginsLine) await this.feed(this.tail, true)
    const lost = this.tail
    const from = this.position
    const {to, lines} = cut.endsLine ? {to: cut.to, lines: 0} : this.afterLine(file, cut.to)
    const leftOut = {
      bytes: to - from,
      lines: cut.lines + lines + countLines(lost),
      warnings: cut.warnings,
      isInLine: !cut.beginsLine,
    }
    this.tail = Buffer.alloc(0)
    this.cut = null
    await log.leaveOut(part, to, leftOut, `this worker keeps ${quota.shareBytes} bytes of a build at most`)
    this.position = to
    dropCut(path)
  }

  /** The next place that is in no secret: behind a line's end, or so far on that one which began before the cut has ended. */
  private afterLine(file: number, at: number): {to: number; lines: number} {
    const end = endOfLine(file, at, lineMax)
    if (end !== null) return {to: end, lines: 1}
    const buffer = Buffer.alloc(lineMax)
    const count = readSync(file, buffer, 0, lineMax, at)
    return {to: at + this.given.log.maskable(buffer.subarray(0, count)), lines: 0}
  }
}
