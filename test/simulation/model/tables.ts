// A small database in memory, with what matters of PostgreSQL at READ COMMITTED: a statement sees what is committed
// and its own transaction's writes, a row that another transaction has written must be waited for, SKIP LOCKED passes
// over it, a circle of waiting ends in a deadlock error, `now()` is when the transaction began.
import type {Schema} from './rows.ts'

export type TableName = keyof Schema

/** A row that was changed by a commit; null where there was or is none. */
export interface Change<T extends TableName = TableName> {
  readonly table: T
  readonly id: string
  readonly before: Schema[T] | null
  readonly after: Schema[T] | null
}

/** The statement must wait for another transaction. */
class Blocked extends Error {
  readonly by: Work
  constructor(by: Work) {
    super('blocked')
    this.by = by
  }
}

/** Without a stack, which is dear, and nobody asks where in the model an error was made. */
export class DatabaseError extends Error {
  readonly code: string
  constructor(code: string, message: string) {
    const {stackTraceLimit} = Error
    Error.stackTraceLimit = 0
    super(message)
    Error.stackTraceLimit = stackTraceLimit
    this.code = code
  }
}

/** A transaction that is open. */
export interface Work {
  readonly number: number
  readonly beganAt: number
  readonly writes: Map<string, {table: TableName; id: string; row: object}>
  readonly locks: Set<string>
  waitsFor: Work | null
  isOver: boolean
  /** What waits for its end. */
  readonly waiters: (() => void)[]
}

const tableNames: readonly TableName[] = [
  'buildsets', 'requests', 'builders', 'builds', 'attempts', 'steps', 'logs', 'artifacts', 'workers', 'masters', 'events',
] // prettier-ignore

export class Tables {
  /** Counts commits that changed something. */
  version = 0
  private readonly committed = new Map<TableName, Map<string, object>>(
    tableNames.map((name) => [name, new Map()]),
  )
  private readonly holders = new Map<string, Work>()
  private readonly sequences = new Map<string, number>()
  private works = 0

  begin(now: number): Work {
    return {
      number: ++this.works, beganAt: now, writes: new Map(), locks: new Set(), waitsFor: null, isOver: false, waiters: [],
    } // prettier-ignore
  }

  /**
   * Runs a statement whole or not at all. Null when it must wait: `again` is called once the other transaction is over.
   * Throws a deadlock as PostgreSQL would.
   */
  run<T>(work: Work, statement: (view: View) => T, again: () => void): {value: T} | null {
    const view = new View(this, work)
    try {
      const value = statement(view)
      view.keep()
      return {value}
    } catch (error) {
      view.undo()
      if (!(error instanceof Blocked)) throw error
      for (let other: Work | null = error.by; other; other = other.waitsFor)
        if (other === work) throw new DatabaseError('40P01', 'deadlock detected')
      work.waitsFor = error.by
      error.by.waiters.push(() => {
        work.waitsFor = null
        again()
      })
      return null
    }
  }

  commit(work: Work): Change[] {
    const changes = [...work.writes.values()].map(({table, id, row}) => {
      const rows = this.rowsOf(table)
      const change = {table, id, before: rows.get(id) ?? null, after: row} as Change
      rows.set(id, row)
      return change
    })
    if (changes.length > 0) this.version++
    this.end(work)
    return changes
  }

  /** Ends a transaction; without a commit nothing of it stays. */
  end(work: Work): void {
    if (work.isOver) return
    work.isOver = true
    for (const key of work.locks) if (this.holders.get(key) === work) this.holders.delete(key)
    for (const waiter of work.waiters.splice(0)) waiter()
  }

  /** A committed row. */
  get<T extends TableName>(table: T, id: string): Schema[T] | undefined {
    return this.rowsOf(table).get(id) as Schema[T] | undefined
  }

  /** All committed rows of a table. */
  all<T extends TableName>(table: T): IterableIterator<Schema[T]> {
    return this.rowsOf(table).values() as IterableIterator<Schema[T]>
  }

  rowsOf(table: TableName): Map<string, object> {
    return this.committed.get(table) as Map<string, object>
  }

  holder(key: string): Work | undefined {
    return this.holders.get(key)
  }

  hold(key: string, work: Work): void {
    this.holders.set(key, work)
    work.locks.add(key)
  }

  /** The next number of an identity; gone even when the transaction is rolled back, as in PostgreSQL. */
  next(sequence: string): string {
    const number = (this.sequences.get(sequence) ?? 0) + 1
    this.sequences.set(sequence, number)
    return String(number)
  }
}

/** What one statement sees and does. */
export class View {
  private readonly tables: Tables
  private readonly work: Work
  private readonly written = new Map<string, {table: TableName; id: string; row: object}>()

  constructor(tables: Tables, work: Work) {
    this.tables = tables
    this.work = work
  }

  get now(): number {
    return this.work.beganAt
  }

  get<T extends TableName>(table: T, id: string | null): Schema[T] | undefined {
    if (id === null) return undefined
    const key = keyOf(table, id)
    const own = this.written.get(key) ?? this.work.writes.get(key)
    return (own?.row ?? this.tables.get(table, id)) as Schema[T] | undefined
  }

  /** Rows in the order of their making. */
  all<T extends TableName>(table: T): Schema[T][] {
    const committed = this.tables.rowsOf(table)
    if (this.work.writes.size + this.written.size === 0) return [...committed.values()] as Schema[T][]
    const rows = new Map(committed)
    for (const own of [this.work.writes, this.written])
      for (const write of own.values()) if (write.table === table) rows.set(write.id, write.row)
    return [...rows.values()] as Schema[T][]
  }

  /** Writes a row, which is then this transaction's until it ends. */
  put<T extends TableName>(table: T, row: Schema[T]): void {
    this.lock(table, row.id)
    this.written.set(keyOf(table, row.id), {table, id: row.id, row})
  }

  /** FOR UPDATE. */
  lock(table: TableName, id: string): void {
    const key = keyOf(table, id)
    const holder = this.tables.holder(key)
    if (holder && holder !== this.work) throw new Blocked(holder)
    if (!holder) this.tables.hold(key, this.work)
  }

  /** Whether SKIP LOCKED passes over it. */
  isLocked(table: TableName, id: string): boolean {
    const holder = this.tables.holder(keyOf(table, id))
    return holder !== undefined && holder !== this.work
  }

  next(sequence: string): string {
    return this.tables.next(sequence)
  }

  event(type: string, data: object): void {
    const id = this.next('events')
    this.written.set(keyOf('events', id), {table: 'events', id, row: {id, type, data}})
  }

  keep(): void {
    for (const [key, write] of this.written) this.work.writes.set(key, write)
  }

  /** A failed statement keeps its locks, as in PostgreSQL; what it wrote is gone. */
  undo(): void {
    this.written.clear()
  }
}

const keyOf = (table: TableName, id: string) => `${table} ${id}`
