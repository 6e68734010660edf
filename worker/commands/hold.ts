// Holding a step: its processes are stopped while there is no room for its output, as a full pipe would stop them, and go on
// when there is. The file ID.held tells a new start of the worker that they are stopped.
import {existsSync, readFileSync, rmSync, writeFileSync} from 'node:fs'
import {join} from 'node:path'
import {diskFullOf, type Mark} from '../world/spool.ts'
import type {Valve} from '../world/follow.ts'
import type {Supervisor} from '../world/supervisor.ts'
import type {Run} from './supervised.ts'

/** The supervisor looks through all processes for each signal: a step is not stopped and let go more often than this. */
const holdMinMs = 200
/** A shorter stop is nothing to speak of in a log. */
const tellMs = 5000

export class Hold implements Valve {
  private readonly run: Run
  private readonly supervisor: Supervisor
  private readonly file: string
  private readonly parts = new Set<Mark['part']>()
  /** When the step was stopped. */
  private since: number | null = null
  private releasedAt = 0
  private heldMs = 0
  private isOver = false

  constructor(run: Run, supervisor: Supervisor) {
    this.run = run
    this.supervisor = supervisor
    this.file = join(run.ground.here, `${run.id}.held`)
    if (!existsSync(this.file)) return
    // An earlier life held it: whether it still must be held shows at the first look.
    this.since = Number(readFileSync(this.file, 'utf8')) || Date.now()
    this.parts.add('out')
    run.quota.isHolding = true
  }

  isHeld(part: Mark['part']): boolean {
    return this.parts.has(part)
  }

  hold(part: Mark['part'], isHeld: boolean): void {
    if (this.isOver) return
    const now = Date.now()
    if (!isHeld && this.since !== null && now >= this.since && now - this.since < holdMinMs) return
    if (isHeld) this.parts.add(part)
    else this.parts.delete(part)
    if (this.parts.size > 0 && this.since === null) this.stop(now)
    // An order that is not taken now is given again at the next look.
    else if (this.parts.size === 0 && this.since !== null && !this.release(now)) this.parts.add(part)
  }

  /** The last moment at which the step could not speak; 0 when it always could. */
  get lastHeldAt(): number {
    return this.since === null ? this.releasedAt : Date.now()
  }

  /** The step is ended, or has ended: it is never held again. */
  end(): void {
    if (this.since !== null) this.release(Date.now())
    this.parts.clear()
    this.isOver = true
  }

  /** Says in the log how long the step was held, if that was long. */
  async tell(): Promise<void> {
    if (this.heldMs < tellMs) return
    const seconds = Math.round(this.heldMs / 1000)
    await this.run.log.say(
      `--- the step was held for ${seconds} s: its output was not taken, and this worker keeps ${this.run.quota.shareBytes} bytes of a build at most ---`,
    )
  }

  private stop(now: number): void {
    try {
      writeFileSync(this.file, String(now))
    } catch (error) {
      throw diskFullOf(error) ?? error
    }
    this.since = now
    this.run.quota.isHolding = true
    this.signal('STOP')
  }

  private release(now: number): boolean {
    if (!this.signal('CONT')) return false
    rmSync(this.file, {force: true})
    this.heldMs += Math.max(0, now - (this.since ?? now))
    this.since = null
    this.releasedAt = now
    this.run.quota.isHolding = false
    return true
  }

  private signal(signal: 'STOP' | 'CONT'): boolean {
    return this.supervisor.signal(this.run.id, signal, this.run.mark, this.run.ground.inside)
  }
}
