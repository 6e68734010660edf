// The database as masters reach it: over a network, with transactions that fail, commits whose answer is lost, and
// times in which it is away. The rows are the model's; what is committed is the truth that the promises are held to.
import type {Store, Transaction} from '../../master/world/store/store.ts'
import {type Clockwork, lifeOf, type Node} from './clockwork.ts'
import type {ModelSql} from './model/statement.ts'
import {DatabaseError, Tables, type Change, type View, type Work} from './model/tables.ts'
import type {Random} from './random.ts'

/** How likely each mishap is, for each commit or statement. */
export interface StoreFaults {
  readonly serialization: number
  readonly refusedCommit: number
  readonly lostAnswer: number
  readonly crashAfterCommit: number
  readonly brokenStatement: number
  /** A commit that is answered and was not made: what no database may do, for a test that this is found out. */
  readonly lyingCommit: number
}

export const noStoreFaults: StoreFaults = {
  serialization: 0,
  refusedCommit: 0,
  lostAnswer: 0,
  crashAfterCommit: 0,
  brokenStatement: 0,
  lyingCommit: 0,
}

const triesMax = 5
const idleInTransactionMs = 60_000
const gone = (what: string) => new DatabaseError('08006', `the connection to the database broke (${what})`)

interface Ear {
  readonly node: Node
  readonly life: number
  readonly channel: string
  readonly heard: (payload: string) => void
}

/** The one database of all masters. */
export class Database {
  readonly tables = new Tables()
  readonly clock: Clockwork
  readonly random: Random
  faults: StoreFaults = noStoreFaults
  isAway = false
  /** How far its clock is from true time. */
  skewMs = 0
  lostNotices = 0
  onCommit: (changes: readonly Change[]) => void = () => undefined
  counts = {commits: 0, lostAnswers: 0, serialization: 0, refused: 0}
  readonly open = new Set<Work>()
  private ears: Ear[] = []

  constructor(clock: Clockwork, random: Random) {
    this.clock = clock
    this.random = random
  }

  get now(): number {
    return Date.UTC(2026, 0, 1) + this.clock.now + this.skewMs
  }

  /** Until when a node's way to the database is slow. */
  readonly slow = new Map<Node, number>()

  latency(node: Node | null = null): number {
    if (node && (this.slow.get(node) ?? 0) > this.clock.now) return this.random.between(100, 2500)
    return this.random.chance(0.01) ? this.random.between(20, 1500) : this.random.between(0.2, 3)
  }

  /** Goes away: what was open is rolled back. */
  leave(): void {
    this.isAway = true
    for (const work of [...this.open]) this.end(work)
  }

  /** Comes back: who listens is told that it may have missed something. */
  comeBack(): void {
    this.isAway = false
    for (const ear of this.ears) this.deliver(ear, '')
  }

  end(work: Work): void {
    this.open.delete(work)
    this.tables.end(work)
  }

  commit(work: Work): void {
    this.open.delete(work)
    this.counts.commits++
    const changes = this.tables.commit(work)
    if (changes.length > 0) this.onCommit(changes)
  }

  listen(ear: Ear): () => void {
    this.ears.push(ear)
    return () => (this.ears = this.ears.filter((each) => each !== ear))
  }

  notify(channel: string, payload: string): void {
    this.ears = this.ears.filter(({node, life}) => node.isAlive && node.life === life)
    for (const ear of this.ears) if (ear.channel === channel) this.deliver(ear, payload)
  }

  private deliver(ear: Ear, payload: string): void {
    if (this.random.chance(this.lostNotices)) return
    this.clock.later(this.latency(), null, () =>
      this.clock.hand(ear.node, ear.life, () => ear.heard(payload)),
    )
  }
}

interface Reply<T> {
  readonly value: (value: T) => void
  readonly fail: (error: Error) => void
}

/** One master's door to it, for one life of the master. */
export class ModelStore implements Store, ModelSql {
  readonly engine = 'postgresql'
  private readonly database: Database
  private readonly node: Node
  private readonly life: number
  private readonly works = new Set<Work>()

  constructor(database: Database, node: Node) {
    this.database = database
    this.node = node
    this.life = lifeOf(node)
  }

  /** Its process is gone: the database notices soon, and rolls back. */
  abandon(): void {
    const {clock} = this.database
    for (const work of this.works) clock.later(this.database.latency(), null, () => this.database.end(work))
  }

  async query<Row extends object>(text: string, values: readonly unknown[] = []): Promise<Row[]> {
    if (!text.includes('pg_notify')) throw new DatabaseError('0A000', `the model does not know: ${text}`)
    return await this.ask<Row[]>('notify', ({value}) => {
      this.database.notify(String(values[0]), String(values[1]))
      value([])
    })
  }

  repository(): never {
    throw new Error('the model has no repositories')
  }

  async statement<T>(name: string, work: (view: View) => T): Promise<T> {
    return await this.ask<T>(name, (reply) => {
      const own = this.begin()
      this.attempt(own, name, work, {
        value: (value) => {
          this.works.delete(own)
          this.database.commit(own)
          reply.value(value)
        },
        fail: (error) => {
          this.works.delete(own)
          this.database.end(own)
          reply.fail(error)
        },
      })
    })
  }

  async transaction<T>(work: (tx: Transaction) => Promise<T>): Promise<T> {
    for (let tries = 1; ; tries++)
      try {
        return await this.once(work)
      } catch (error) {
        const {code} = error as {code?: string}
        if (tries === triesMax || (code !== '40001' && code !== '40P01')) throw error
        await new Promise((resolve) => setTimeout(resolve, Math.random() * 20 * 2 ** tries))
      }
  }

  listen(channel: string, heard: (payload: string) => void): Promise<() => Promise<void>> {
    const silence = this.database.listen({node: this.node, life: this.life, channel, heard})
    return Promise.resolve(async () => silence())
  }

  close(): Promise<void> {
    return Promise.resolve()
  }

  private begin(): Work {
    const work = this.database.tables.begin(this.database.now)
    this.works.add(work)
    this.database.open.add(work)
    return work
  }

  private async once<T>(run: (tx: Transaction) => Promise<T>): Promise<T> {
    // BEGIN travels with the first statement.
    let own: Work | null = null
    let idle: {isCancelled: boolean} | null = null
    const {clock, tables} = this.database
    let last: Promise<unknown> = Promise.resolve()
    // A connection that breaks takes its transaction with it.
    const broken = () => {
      if (own) this.database.end(own)
    }
    const tx = {
      query: () => Promise.reject(new DatabaseError('0A000', 'the model knows statements only')),
      repository: this.repository,
      statement: <S>(name: string, work: (view: View) => S) => {
        const result = last.then(() =>
          this.ask<S>(
            name,
            (reply) => {
              const mine = (own ??= this.begin())
              if (mine.isOver) return reply.fail(gone('the transaction was ended'))
              idle ??= clock.later(
                idleInTransactionMs,
                null,
                () => this.works.has(mine) && this.database.end(mine),
              )
              this.attempt(own, name, work, reply)
            },
            broken,
          ),
        )
        last = result.catch(() => undefined)
        return result
      },
    }
    try {
      const value = await run(tx)
      await this.ask<null>(
        'commit',
        (reply) => {
          own ??= tables.begin(this.database.now)
          this.commit(own, reply)
        },
        broken,
      )
      return value
    } catch (error) {
      const failed = own as Work | null
      if (failed && !failed.isOver)
        await this.ask<null>(
          'rollback',
          ({value}) => {
            this.database.end(failed)
            value(null)
          },
          broken,
        ).catch(() => undefined)
      throw error
    } finally {
      const mine = own as Work | null
      if (mine) this.works.delete(mine)
      const timer = idle as {isCancelled: boolean} | null
      if (timer) timer.isCancelled = true
    }
  }

  private commit(work: Work, reply: Reply<null>): void {
    const {random, faults, clock, counts} = this.database
    if (work.isOver) return reply.fail(gone('the transaction was ended'))
    if (random.chance(faults.serialization)) {
      counts.serialization++
      this.database.end(work)
      return reply.fail(new DatabaseError('40001', 'could not serialize access'))
    }
    if (random.chance(faults.refusedCommit)) {
      counts.refused++
      this.database.end(work)
      return reply.fail(gone('before the commit'))
    }
    if (random.chance(faults.lyingCommit)) {
      this.database.end(work)
      return reply.value(null)
    }
    this.database.commit(work)
    if (random.chance(faults.crashAfterCommit)) return clock.crash(this.node, 'right after a commit')
    if (random.chance(faults.lostAnswer)) {
      counts.lostAnswers++
      clock.say(`${this.node.name}: the commit's answer is lost`)
      return reply.fail(gone('after the commit'))
    }
    reply.value(null)
  }

  /** Runs a statement, again and again while it must wait. */
  private attempt<T>(own: Work, name: string, work: (view: View) => T, reply: Reply<T>): void {
    const {tables, clock} = this.database
    try {
      const done = tables.run(own, work, () =>
        clock.later(0, null, () => {
          if (own.isOver) reply.fail(gone('while it waited'))
          else this.attempt(own, name, work, reply)
        }),
      )
      if (done) reply.value(done.value)
      else clock.say(`${this.node.name} waits for a row: ${name}`)
    } catch (error) {
      if (!(error instanceof DatabaseError)) throw error
      // An error ends the transaction; its locks go with the rollback that follows.
      reply.fail(error)
    }
  }

  /** Sends something to the database and awaits the answer, which a dead master never hears. */
  private ask<T>(
    name: string,
    act: (reply: Reply<T>) => void,
    onBroken: () => void = () => undefined,
  ): Promise<T> {
    const {clock, random, faults} = this.database
    return new Promise<T>((resolve, reject) => {
      const {node, life} = this
      if (!node.isAlive || node.life !== life) return
      clock.later(this.database.latency(node), null, () => {
        const hand = (settle: () => void) => clock.hand(node, life, settle)
        if (this.database.isAway) return hand(() => reject(gone('it is away')))
        if (!node.isAlive || node.life !== life) return // its connection is gone with it
        clock.say(`${node.name} > ${name}`)
        if (random.chance(faults.brokenStatement)) {
          onBroken()
          return hand(() => reject(gone('a statement')))
        }
        act({value: (value) => hand(() => resolve(value)), fail: (error) => hand(() => reject(error))})
      })
    })
  }
}
