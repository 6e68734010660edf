// The attempts that this worker holds: takes them on, performs them, sends what their journals say, drops what is over.
import {mkdirSync, readdirSync, rmSync} from 'node:fs'
import {join} from 'node:path'
import type {Hello, MasterMessage, Offer, SpoolState, Welcome} from '../protocol/messages.ts'
import {Attempt} from '../world/attempt.ts'
import type {Disk} from '../world/disk.ts'
import type {Link} from '../world/link.ts'
import {note, warn} from '../world/print.ts'
import {Quota, type SpoolRule} from '../world/quota.ts'
import {split} from '../world/spool.ts'
import type {Workspaces} from '../world/workspaces.ts'
import {about, perform, type Tools} from './perform.ts'

/** Bytes that may be under way to the master. */
const windowBytes = 8 * 1024 * 1024

interface Held {
  readonly attempt: Attempt
  readonly quota: Quota
  /** The last entry sent on this connection. */
  sent: number
  readonly underWay: {readonly seq: number; readonly bytes: number}[]
  isOver: boolean
}

export interface Capacity {
  readonly maxBuilds: number
  readonly minFreeBytes: number
  readonly spool: SpoolRule
  /** Why there are fewer than so many file descriptors; null when there are enough. */
  readonly shortage: (min?: number) => string | null
}

export class Attempts {
  private readonly dir: string
  private readonly held = new Map<string, Held>()
  private readonly tools: Tools
  private readonly workspaces: Workspaces
  private readonly disk: Disk
  private readonly capacity: Capacity
  private link: Link | null = null
  private underWayBytes = 0
  private isDraining = false
  /** Bytes cut out of the output of builds that are not held any more. */
  private cutBytes = 0

  constructor(
    stateDir: string,
    tools: Pick<Tools, 'place' | 'store' | 'hands'>,
    workspaces: Workspaces,
    disk: Disk,
    capacity: Capacity,
  ) {
    this.dir = join(stateDir, 'attempts')
    mkdirSync(this.dir, {recursive: true, mode: 0o700})
    this.tools = {
      ...tools,
      freeBytes: () => disk.freeBytes(),
      shortage: capacity.shortage,
      quota: (attempt) => this.held.get(attempt.fence)?.quota ?? new Quota(attempt.journal, capacity.spool),
    }
    this.workspaces = workspaces
    this.disk = disk
    this.capacity = capacity
  }

  get fences(): ReadonlySet<string> {
    return new Set(this.held.keys())
  }

  /** How many builds run here. */
  get running(): number {
    return [...this.held.values()].filter(({isOver}) => !isOver).length
  }

  /** Finds the attempts of an earlier life again; `goOn` sets them going. */
  find(): void {
    for (const fence of readdirSync(this.dir)) {
      const attempt = Attempt.find(this.dir, fence, this.disk.makeRoom)
      if (attempt) {
        this.workspaces.claim(attempt.workspace)
        this.hold(attempt)
      } else rmSync(join(this.dir, fence), {recursive: true, force: true})
    }
  }

  goOn(link: Link): void {
    this.link = link
    for (const held of this.held.values()) {
      note('attempt.found', {
        ...about(held.attempt),
        last: held.attempt.journal.last,
      })
      this.run(held)
    }
  }

  standing(): Hello['attempts'] {
    return [...this.held.values()].map(({attempt}) => {
      const {last, applied} = attempt.journal
      return {attempt: attempt.fence, last, applied}
    })
  }

  /** Why no new build is wanted here, beside what is told of the disk; null when one is. */
  hindrance(): string | null {
    if (this.isDraining) return 'it stops when its builds are over'
    return this.capacity.shortage()
  }

  /** What waits on this disk for the master, and what is done about it. */
  spool(): SpoolState {
    const {maxBuilds, spool} = this.capacity
    const quotas = [...this.held.values()].map(({quota}) => quota)
    const sum = (of: (quota: Quota) => number): number => quotas.reduce((sum, quota) => sum + of(quota), 0)
    return {
      bytes: sum(({bytes}) => bytes),
      limitBytes: spool.shareBytes * maxBuilds,
      policy: spool.policy,
      cutting: sum(({isCutting}) => Number(isCutting)),
      holding: sum(({isHolding}) => Number(isHolding)),
      cutBytes: this.cutBytes + sum(({cutBytes}) => cutBytes),
    }
  }

  /** Both sides have said where they stand: what is not applied is sent again. */
  welcome({attempts}: Welcome): void {
    this.underWayBytes = 0
    for (const held of this.held.values()) {
      held.underWay.length = 0
      held.sent = held.attempt.journal.applied
    }
    for (const {attempt, applied, verdict} of attempts) {
      const held = this.held.get(attempt)
      if (!held) continue
      held.attempt.journal.leap(applied)
      held.attempt.journal.forget(applied)
      held.quota.moved()
      held.sent = held.attempt.journal.applied
      if (verdict === 'stop') this.stop(held, 'the master has given it up')
      else if (verdict === 'cancel') held.attempt.cancel('cancelled while the worker was away')
      this.settle(held)
    }
    this.pump()
  }

  hear(message: MasterMessage): void {
    if (message.say === 'offer') return this.offered(message)
    if (!('attempt' in message)) return
    const held = this.held.get(message.attempt)
    if (!held) return
    switch (message.say) {
      case 'applied':
        return this.applied(held, message.upTo)
      case 'cancel':
        note('attempt.cancel', {...about(held.attempt), reason: message.reason})
        return held.attempt.cancel(message.reason)
      case 'stop':
        return this.stop(held, message.reason)
    }
  }

  /** Ends every build here, to be tried again elsewhere, and waits a little for the master to know. */
  async endAll(waitMs: number): Promise<void> {
    this.isDraining = true
    for (const {attempt} of this.held.values()) attempt.dropped.abort('the worker was stopped')
    const until = Date.now() + waitMs
    while (this.held.size > 0 && Date.now() < until) await new Promise((resolve) => setTimeout(resolve, 20))
  }

  /** Takes nothing new and waits until every build is over and told; says now and then that it still waits. */
  async drained(waiting: () => void): Promise<void> {
    this.drain()
    note('worker.drain', {held: this.held.size})
    for (let looks = 0; this.held.size > 0; looks++) {
      if (looks % 100 === 0) waiting()
      await new Promise((resolve) => setTimeout(resolve, 100))
    }
  }

  /** From now on every offer is declined. */
  drain(): void {
    this.isDraining = true
  }

  private offered({attempt: fence, plan, secrets}: Offer): void {
    if (this.held.has(fence)) return this.link?.send({say: 'accept', attempt: fence})
    const refusal = this.refusal(plan.container !== null)
    if (refusal) {
      note('offer.declined', {attempt: fence, build: plan.build, ...refusal})
      return this.link?.send({say: 'decline', attempt: fence, ...refusal})
    }
    const workspace = this.workspaces.take(plan.workspace)
    try {
      const held = this.hold(Attempt.take(this.dir, {fence, plan, secrets, workspace}, this.disk.makeRoom))
      this.link?.send({say: 'accept', attempt: fence})
      note('attempt.accepted', {attempt: fence, build: plan.build, builder: plan.builder, workspace})
      this.run(held)
    } catch (error) {
      this.workspaces.release(workspace)
      rmSync(join(this.dir, fence), {recursive: true, force: true})
      const text = (error as Error).message
      warn('offer.declined', {attempt: fence, build: plan.build, text})
      this.link?.send({
        say: 'decline',
        attempt: fence,
        code: /ENOSPC|EDQUOT/.test(text) ? 'disk' : 'broken',
        text,
      })
    }
  }

  private refusal(needsEngine: boolean): {code: string; text: string} | null {
    const {maxBuilds, minFreeBytes} = this.capacity
    const {running} = this
    if (this.isDraining) return {code: 'draining', text: 'the worker is stopping'}
    if (running >= maxBuilds) return {code: 'full', text: `${running} of ${maxBuilds} builds are running`}
    if (needsEngine && !this.tools.place.engine)
      return {code: 'engine', text: `this worker has no container engine: ${this.tools.place.whyNoEngine}`}
    const free = this.disk.freeBytes()
    if (free !== null && free < minFreeBytes)
      return {code: 'disk', text: `${free} bytes are free in the state directory, ${minFreeBytes} are wanted`}
    const hindrance = this.hindrance()
    if (hindrance !== null) return {code: 'hindered', text: hindrance}
    this.disk.keepReserve()
    return null
  }

  private hold(attempt: Attempt): Held {
    const {journal} = attempt
    const quota = new Quota(journal, this.capacity.spool)
    const held: Held = {attempt, quota, sent: journal.applied, underWay: [], isOver: false}
    this.held.set(attempt.fence, held)
    attempt.onRecord = () => {
      if (journal.applied >= journal.last - 1) quota.moved()
      this.pumpOne(held)
    }
    return held
  }

  private run(held: Held): void {
    const {attempt} = held
    perform(attempt, this.tools)
      .catch((error: unknown) =>
        warn('attempt.failed', {...about(attempt), text: (error as Error).stack ?? String(error)}),
      )
      .finally(() => {
        held.isOver = true
        this.workspaces.release(attempt.workspace)
        note('attempt.over', {
          ...about(attempt),
          result: attempt.state.endedAt === null ? null : attempt.state.result,
        })
        this.settle(held)
      })
      .catch((error: unknown) => warn('attempt.failed', {...about(attempt), text: String(error)}))
  }

  private stop(held: Held, reason: string): void {
    note('attempt.stop', {...about(held.attempt), reason})
    held.attempt.dropped.abort()
    this.settle(held)
  }

  private applied(held: Held, upTo: number): void {
    if (upTo > held.attempt.journal.applied) held.quota.moved()
    held.attempt.journal.forget(upTo)
    while (held.underWay[0] && held.underWay[0].seq <= upTo)
      this.underWayBytes -= held.underWay.shift()?.bytes ?? 0
    this.settle(held)
    this.pump()
  }

  /** Drops an attempt of which nothing lives and nothing is left to tell. */
  private settle(held: Held): void {
    const {attempt, isOver} = held
    if (!isOver || this.held.get(attempt.fence) !== held) return
    const {endedAt} = attempt.state
    const isTold = endedAt !== null && attempt.journal.applied >= attempt.journal.last
    const isStopped = attempt.dropped.signal.aborted && endedAt === null
    if (!isTold && !isStopped && !(attempt.dropped.signal.aborted && isDropped(attempt))) return
    this.held.delete(attempt.fence)
    this.cutBytes += held.quota.cutBytes
    for (const {bytes} of held.underWay) this.underWayBytes -= bytes
    attempt.remove().catch((error: unknown) => warn('attempt.left', {...about(attempt), text: String(error)}))
  }

  private pump(): void {
    for (const held of this.held.values()) this.pumpOne(held)
  }

  private pumpOne(held: Held): void {
    const {link} = this
    const {journal} = held.attempt
    while (link?.isOpen && held.sent < journal.last && this.underWayBytes < windowBytes) {
      const frame = journal.frame(held.sent + 1)
      if (!frame) return
      const {header, body} = split(frame)
      link.sendFrame(body.length > 0 ? frame : header)
      held.sent++
      held.underWay.push({seq: held.sent, bytes: frame.length})
      this.underWayBytes += frame.length
    }
  }
}

/** Whether the master wants to hear no more of it. */
const isDropped = ({dropped}: Attempt): boolean => typeof dropped.signal.reason !== 'string'
