// The storm: a schedule of blows that follows from a seed, and how each is dealt.
import {setTimeout as sleep} from 'node:timers/promises'
import {Chance} from './chance.ts'
import type {Fleet, Member} from './fleet.ts'

const weights = {
  masterKilled: 5,
  masterFrozen: 2,
  workerKilled: 5,
  workerFrozen: 2,
  wiresReset: 3,
  wireStalled: 3,
  wireTrickling: 2,
  databaseCrashed: 0.4,
  backendKilled: 0.4,
  connectionsEnded: 1,
} as const
export type BlowKind = keyof typeof weights

export interface Blow {
  readonly kind: BlowKind
  /** How long after the one before. */
  readonly afterMs: number
  /** Whom of those that it may hit. */
  readonly target: number
  /** How long until it is over. */
  readonly forMs: number
}

/** The blows of a seed, one after another, for ever. */
export function* blows(seed: number, paceMs: number): Generator<Blow> {
  const chance = new Chance(seed)
  for (;;) {
    const kind = chance.weighed(weights)
    const isLong = chance.next() < 0.03
    const [least, most] = isLong ? lastsLong[kind] : lasts[kind]
    yield {
      kind,
      afterMs: chance.between(Math.round(paceMs / 4), Math.round((paceMs * 7) / 4)),
      target: chance.between(0, 1_000_000),
      forMs: chance.between(least, most),
    }
  }
}

const lasts: Readonly<Record<BlowKind, readonly [number, number]>> = {
  masterKilled: [50, 1_500],
  masterFrozen: [500, 6_000],
  workerKilled: [50, 1_500],
  workerFrozen: [500, 6_000],
  wiresReset: [0, 0],
  wireStalled: [500, 6_000],
  wireTrickling: [2_000, 8_000],
  databaseCrashed: [200, 3_000],
  backendKilled: [0, 0],
  connectionsEnded: [0, 0],
}
/** Now and then longer than the others' patience: then somebody else takes over. */
const lastsLong: Readonly<Record<BlowKind, readonly [number, number]>> = {
  ...lasts,
  masterFrozen: [21_000, 30_000],
  workerFrozen: [25_000, 35_000],
  workerKilled: [5_000, 10_000],
  masterKilled: [5_000, 10_000],
  databaseCrashed: [8_000, 12_000],
}

export type Counts = Record<BlowKind, number>

export class Storm {
  readonly counts = Object.fromEntries(Object.keys(weights).map((kind) => [kind, 0])) as Counts
  private readonly fleet: Fleet
  private readonly under = new Set<Promise<unknown>>()
  private isOver = false
  private isDatabaseDown = false

  constructor(fleet: Fleet) {
    this.fleet = fleet
  }

  /** Deals blows until `end`. */
  async rage(seed: number, paceMs: number): Promise<void> {
    for (const blow of blows(seed, paceMs)) {
      await sleep(blow.afterMs)
      if (this.isOver) return
      const dealt = this.deal(blow).catch((error: unknown) => {
        this.fleet.faults.push(`${blow.kind}: ${String(error)}`)
      })
      this.under.add(dealt)
      void dealt.finally(() => this.under.delete(dealt))
    }
  }

  /** Nobody is hit any more; resolves when all are up again. */
  async end(): Promise<void> {
    this.isOver = true
    await Promise.all(this.under)
  }

  private async deal(blow: Blow): Promise<void> {
    const {fleet} = this
    switch (blow.kind) {
      case 'masterKilled':
        return this.kill(fleet.masters, blow, (member) => fleet.startMaster(member))
      case 'workerKilled':
        return this.kill(fleet.workers, blow, async (member) => fleet.startWorker(member))
      case 'masterFrozen':
        return this.freeze(fleet.masters, blow)
      case 'workerFrozen':
        return this.freeze(fleet.workers, blow)
      case 'wiresReset':
      case 'wireStalled':
      case 'wireTrickling':
        return this.cut(blow)
      case 'databaseCrashed':
      case 'backendKilled':
      case 'connectionsEnded':
        return this.hitDatabase(blow)
    }
  }

  private async kill<M extends Member>(
    members: readonly M[],
    {kind, target, forMs}: Blow,
    start: (member: M) => Promise<void>,
  ): Promise<void> {
    const member = members[target % members.length]
    if (!member || member.isBusy) return
    member.isBusy = true
    // It may be starting still: that is as good a moment as any.
    await member.process?.kill()
    this.counts[kind]++
    await sleep(forMs)
    await start(member)
    member.isBusy = false
  }

  private async freeze(members: readonly Member[], {kind, target, forMs}: Blow): Promise<void> {
    const member = members[target % members.length]
    if (!member?.process || member.isBusy) return
    member.isBusy = true
    member.process.child.kill('SIGSTOP')
    this.counts[kind]++
    await this.pause(forMs)
    member.process.child.kill('SIGCONT')
    member.isBusy = false
  }

  private async cut({kind, target, forMs}: Blow): Promise<void> {
    const wire = this.fleet.wires[target % this.fleet.wires.length]
    if (!wire) return
    this.counts[kind]++
    if (kind === 'wireStalled') {
      wire.stall()
      await this.pause(forMs)
      // Half of them lose what was stalled.
      if (target % 2 === 0) wire.reset()
      else wire.resume()
      return
    }
    if (kind === 'wireTrickling') wire.trickle(2_000)
    wire.reset()
    if (kind !== 'wireTrickling') return
    await this.pause(forMs)
    wire.trickle(null)
    wire.reset()
  }

  private async hitDatabase({kind, target, forMs}: Blow): Promise<void> {
    if (this.isDatabaseDown) return
    this.isDatabaseDown = true
    const {fleet} = this
    if (kind === 'databaseCrashed') await fleet.crashDatabase(forMs)
    else if (kind === 'connectionsEnded')
      await fleet.rows(
        `SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name LIKE 'ostler%'`,
      )
    else {
      const backends = await fleet.rows<{pid: number}>(
        `SELECT pid FROM pg_stat_activity WHERE application_name LIKE 'ostler%' ORDER BY pid`,
      )
      const backend = backends[target % Math.max(1, backends.length)]
      if (backend) process.kill(backend.pid, 'SIGKILL')
    }
    this.counts[kind]++
    this.isDatabaseDown = false
  }

  /** As long as it lasts, or until the storm is over. */
  private async pause(forMs: number): Promise<void> {
    const until = performance.now() + forMs
    while (!this.isOver && performance.now() < until) await sleep(Math.min(200, forMs))
  }
}
