// The sessions of the workers connected to this master: what they say is queued for the stage that records it, and
// what the stages tell them goes out here.
import type {
  Hello,
  JournalMessage,
  MasterMessage,
  Offer,
  WorkerMessage,
} from '../../worker/protocol/messages.ts'
import {commonVersion, ownVersions} from '../../worker/core/versions.ts'
import {refuseVersion, type Attached, type Refused, type Session, type WorkerDesk} from '../world/desk.ts'
import type {Beat, SessionKey} from '../world/store/workers.ts'
import {hasRival, type OpenSession} from './rivals.ts'
import type {OpenAttempt} from '../world/store/attempts.ts'
import type {World} from '../world/world.ts'

/** One thing a worker reported, waiting to be recorded. */
export type Report =
  | {readonly report: 'accepted'; readonly worker: string; readonly attempt: string}
  | {
      readonly report: 'journal'
      readonly worker: string
      readonly attempt: string
      readonly seq: number
      readonly entry: JournalMessage['entry']
      readonly body: Uint8Array | null
    }

const beatSeconds = 10
/**
 * How long what nobody waits for may lie before it is recorded, in milliseconds: many entries then cost one commit.
 * Short enough for a person who follows a log.
 */
const gatherMs = 25
/** Log bytes that may wait to be recorded before workers are made to wait. */
const queuedBytesMax = 32 * 1024 * 1024
/** Log bytes that are recorded without waiting for more. */
const gatheredBytesMax = 1024 * 1024
/** Ends of sessions that are recorded in one transaction. */
const endsAtOnce = 200
/** A declined build is offered again after this long, in milliseconds. */
const declinedPauseMs = 2_000

interface Connected {
  readonly session: Session
  readonly number: string
  /** Open attempts that the hello did not name. */
  missing: readonly OpenAttempt[]
}

export class Sessions implements WorkerDesk {
  readonly #world: World
  readonly #connected = new Map<string, Connected>()
  readonly #beats = new Map<string, Beat>()
  readonly #skews = new Map<string, number>()
  /** Ends of sessions that could not be recorded yet: a worker must not stay connected that is not. */
  readonly #ended = new Set<SessionKey>()
  #settling: Promise<void> | null = null
  readonly #queue: Report[] = []
  #queuedBytes = 0
  #gathering: NodeJS.Timeout | null = null
  #roomMade: (() => void)[] = []

  constructor(world: World) {
    this.#world = world
  }

  /** Names of the workers connected here. */
  get here(): ReadonlySet<string> {
    return new Set(this.#connected.keys())
  }

  /** Every session of this master. */
  get open(): readonly OpenSession[] {
    return [...this.#connected].map(([worker, {session, number}]) => ({
      worker,
      session: number,
      way: session,
    }))
  }

  /** Tells a worker something; false when it is not connected here, and then the next hello settles it. */
  tell(worker: string, message: MasterMessage): boolean {
    const connected = this.#connected.get(worker)
    connected?.session.send(message)
    return connected !== undefined
  }

  offer(worker: string, offer: Omit<Offer, 'say'>): boolean {
    return this.tell(worker, {say: 'offer', ...offer})
  }

  /** Ends a session whose two sides disagree: the worker dials again and both say where they stand. */
  resync(worker: string, reason: string): void {
    this.#connected.get(worker)?.session.close(1008, reason.slice(0, 120))
  }

  /** Takes the oldest reports out of the queue, at most `count`. */
  take(count: number): readonly Report[] {
    return this.#queue.splice(0, count)
  }

  /** Puts reports back that could not be recorded now: they are the oldest again. */
  putBack(reports: readonly Report[]): void {
    this.#queue.unshift(...reports)
  }

  /** Reports that were taken are recorded: there is room for as many bytes of logs again. */
  recorded(reports: readonly Report[]): void {
    this.#queuedBytes -= bytesOf(reports)
    if (this.#queuedBytes >= queuedBytesMax) return
    const waiting = this.#roomMade
    this.#roomMade = []
    for (const go of waiting) go()
  }

  /** The newest beat of each worker since the last call. */
  takeBeats(): Beat[] {
    const beats = [...this.#beats.values()]
    this.#beats.clear()
    return beats
  }

  async attach(hello: Hello, session: Session): Promise<Attached | Refused> {
    const protocol = commonVersion(hello.protocols, ownVersions)
    if (protocol === null) return refuseVersion(hello) as Refused
    if (await hasRival(this.#world, hello)) return refuseName(hello)
    const skewMs = hello.now - Date.now()
    const configured = this.#world.settings().config.workers.find((worker) => worker.name === hello.worker)
    const {number, attempts, missing} = await this.#world.store.transaction(async (tx) => {
      const session = await this.#world.ledger.attachWorker(tx, {
        hello,
        master: this.#world.master,
        skewMs,
        labels: {...hello.labels, ...configured?.labels},
        maxBuilds: configured?.maxBuilds ?? hello.maxBuilds,
      })
      const held = new Map(hello.attempts.map((attempt) => [attempt.attempt, attempt]))
      const known = await this.#world.ledger.openAttemptsOf(tx, hello.worker)
      // What the worker was told is recorded is gone: the database was set back (a restored backup, a power cut). The
      // worker does not have those entries any more either, so the attempt cannot be completed.
      const behind = known.filter((one) => one.applied < (held.get(one.attempt)?.applied ?? 0))
      await this.#world.ledger.retry(
        tx,
        behind.map(({attempt}) => attempt),
        'the database was set back to before what was recorded of it',
      )
      const open = known.filter((one) => !behind.includes(one))
      // Who holds an attempt has accepted it, though its answer was lost.
      await this.#world.ledger.accept(
        tx,
        open.filter(({attempt, effective}) => effective && held.has(attempt)).map(({attempt}) => attempt),
      )
      const missing = open.filter(({attempt}) => !held.has(attempt))
      return {number: session, attempts: hello.attempts.map(({attempt}) => standing(attempt, open)), missing}
    })
    this.#connected.get(hello.worker)?.session.close(4000, 'a newer session of this worker')
    this.#forget(hello.worker)
    this.#connected.set(hello.worker, {session, number, missing})
    this.#skews.set(hello.worker, skewMs)
    this.#world.say.info(
      {worker: hello.worker, version: hello.version, engine: hello.engine},
      'worker connected',
    )
    for (const bell of ['events', 'claims', 'workers'] as const) this.#world.bells.ring(bell)
    return {
      session: number,
      welcome: {say: 'welcome', protocol, master: this.#world.master, now: Date.now(), beatSeconds, attempts},
    }
  }

  async said(
    worker: string,
    session: string,
    message: WorkerMessage,
    body: Uint8Array | null,
  ): Promise<void> {
    const connected = this.#connected.get(worker)
    if (connected?.number !== session) return // an older session's last words
    if (connected.missing.length > 0) await this.#settleMissing(worker, connected)
    switch (message.say) {
      case 'beat':
        this.#beats.set(worker, {
          worker,
          session,
          skewMs: this.#smoothSkew(worker, message.now - Date.now()),
          freeBytes: message.freeBytes,
          spool: message.spool ?? null,
          hindered: message.hindered ?? null,
        })
        return
      case 'accept':
        this.#queue.push({report: 'accepted', worker, attempt: message.attempt})
        this.#gather()
        return
      case 'decline':
        this.#world.say.warn(
          {worker, attempt: message.attempt, code: message.code},
          `declined: ${message.text}`,
        )
        await this.#world.store.transaction(async (tx) => {
          await this.#world.ledger.withdraw(tx, [message.attempt], declinedPauseMs)
          if (message.code === 'broken') await this.#world.ledger.blame(tx, [worker], message.text)
        })
        this.#world.bells.ring('claims')
        return
      case 'journal':
        this.#queue.push({
          report: 'journal',
          worker,
          attempt: message.attempt,
          seq: message.seq,
          entry: message.entry,
          body,
        })
        this.#queuedBytes += body?.length ?? 0
        if (message.entry.entry === 'buildEnded' || this.#queuedBytes >= gatheredBytesMax) this.#ringNow()
        else this.#gather()
        if (this.#queuedBytes >= queuedBytesMax) await new Promise<void>((go) => this.#roomMade.push(go))
        return
      case 'hello':
        this.resync(worker, 'a second hello')
    }
  }

  async detached(worker: string, session: string): Promise<void> {
    if (this.#connected.get(worker)?.number === session) {
      this.#connected.delete(worker)
      this.#beats.delete(worker)
    }
    this.#ended.add({worker, session})
    this.#world.say.info({worker}, 'worker disconnected')
    await this.settleEnds()
  }

  /** Records the ends of sessions; those that the database does not take now are for the next call. */
  async settleEnds(): Promise<void> {
    while (this.#ended.size > 0) {
      this.#settling ??= this.#settleSome().finally(() => (this.#settling = null))
      await this.#settling
    }
  }

  /** When a network breaks, many end at once: they go together. */
  async #settleSome(): Promise<void> {
    const ends = [...this.#ended].slice(0, endsAtOnce)
    await this.#world.store.transaction((tx) => this.#world.ledger.detachWorkers(tx, ends))
    for (const end of ends) this.#ended.delete(end)
    this.#world.bells.ring('events')
    this.#world.bells.ring('claims')
  }

  /**
   * Gives up the attempts that the worker came back without. Only now that it has answered the welcome: a hello may lie in
   * a dead connection while its worker goes on elsewhere, and then it knows nothing of what was begun there.
   */
  async #settleMissing(worker: string, connected: Connected): Promise<void> {
    const {missing, number} = connected
    const those = (state: OpenAttempt['state']) =>
      missing.filter((one) => one.state === state).map(({attempt}) => attempt)
    await this.#world.store.transaction(async (tx) => {
      if (!(await this.#world.ledger.holdSession(tx, worker, number))) return
      // An offer that never arrived is nobody's fault; a running attempt that the worker does not know is lost.
      await this.#world.ledger.withdraw(tx, those('offered'), 0)
      await this.#world.ledger.retry(tx, those('running'), `${worker} came back without it`)
    })
    connected.missing = []
    for (const bell of ['claims', 'events', 'reports'] as const) this.#world.bells.ring(bell)
  }

  #gather(): void {
    this.#gathering ??= setTimeout(() => this.#ringNow(), gatherMs)
  }

  #ringNow(): void {
    if (this.#gathering) clearTimeout(this.#gathering)
    this.#gathering = null
    this.#world.bells.ringHere('builds')
  }

  /** Reports of an ended session are dropped: the worker sends again what was not acknowledged. */
  #forget(worker: string): void {
    const gone = this.#queue.filter((report) => report.worker === worker)
    if (gone.length === 0) return
    const kept = this.#queue.filter((report) => report.worker !== worker)
    this.#queue.splice(0, this.#queue.length, ...kept)
    this.recorded(gone)
  }

  /** One slow frame must not look like a wrong clock, so the smallest change of several beats wins slowly. */
  #smoothSkew(worker: string, measured: number): number {
    const before = this.#skews.get(worker) ?? measured
    const skew = Math.abs(measured - before) > 5_000 ? measured : before * 0.8 + measured * 0.2
    this.#skews.set(worker, skew)
    return skew
  }
}

const bytesOf = (reports: readonly Report[]) =>
  reports.reduce((sum, report) => sum + (report.report === 'journal' ? (report.body?.length ?? 0) : 0), 0)

function standing(attempt: string, open: readonly OpenAttempt[]): Attached['welcome']['attempts'][number] {
  const known = open.find((candidate) => candidate.attempt === attempt)
  if (!known?.effective) return {attempt, applied: 0, verdict: 'stop'}
  return {attempt, applied: known.applied, verdict: known.cancel ? 'cancel' : 'continue'}
}

const refuseName = ({worker}: Hello): Refused => ({
  say: 'refused',
  code: 'name-in-use',
  text: `a worker named ${worker} is connected to another master already`,
})
