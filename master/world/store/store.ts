// The door to the database. Everything of the master that reads or writes facts takes one of these.
import type {EntitySchema, ObjectLiteral, Repository} from 'typeorm'

/** Something that runs SQL: the store itself (each statement its own transaction) or an open transaction. */
export interface Sql {
  /**
   * Rows as objects with the database's column names; bigint comes as text, timestamptz as Date, jsonb parsed.
   * A JavaScript array is a PostgreSQL array to `pg`: give jsonb as JSON.stringify's text. Text from outside goes
   * through text.ts first.
   */
  query<Row extends object = Record<string, unknown>>(
    text: string,
    values?: readonly unknown[],
  ): Promise<Row[]>
}

/** Something that also maps the nouns: TypeORM's repositories, for plain reading and writing by key. */
export interface Transaction extends Sql {
  repository<Row extends ObjectLiteral>(entity: EntitySchema<Row>): Repository<Row>
}

export interface Store extends Transaction {
  readonly engine: 'postgresql' | 'embedded'
  /**
   * Runs `work` in one READ COMMITTED transaction. A serialization failure or deadlock runs it again (up to 5 times),
   * so `work` must have no effect outside its transaction. The embedded database has a single connection: using the
   * store itself inside `work` would wait for ever, so only `tx` may be used there.
   */
  transaction<T>(work: (tx: Transaction) => Promise<T>): Promise<T>
  /**
   * Calls back with the payload of each NOTIFY on the channel, from this or another master, and with an empty payload
   * after a broken connection was mended, since notifications may have been lost meanwhile. Returns how to end it.
   */
  listen(channel: string, heard: (payload: string) => void): Promise<() => Promise<void>>
  close(): Promise<void>
}
