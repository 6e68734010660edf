// The door to the database. Everything of the master that reads or writes facts takes one of these two.

/** Something that runs SQL: the store itself (each statement its own transaction) or an open transaction. */
export interface Sql {
  /** Rows as objects with the database's column names; bigint comes as text, timestamptz as Date, jsonb parsed. */
  query<Row extends object = Record<string, unknown>>(text: string, values?: readonly unknown[]): Promise<Row[]>
}

export interface Store extends Sql {
  readonly engine: 'postgresql' | 'embedded'
  /**
   * Runs `work` in one READ COMMITTED transaction. A serialization failure or deadlock runs it again (up to 5 times),
   * so `work` must have no effect outside its transaction. The embedded database has a single connection: using the
   * store itself inside `work` would wait for ever, so only `tx` may be used there.
   */
  transaction<T>(work: (tx: Sql) => Promise<T>): Promise<T>
  /** Calls back with the payload of each NOTIFY on the channel, from this or another master. Returns how to end it. */
  listen(channel: string, heard: (payload: string) => void): Promise<() => Promise<void>>
  close(): Promise<void>
}
