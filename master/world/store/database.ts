// Opens the store: TypeORM's DataSource over a PostgreSQL server, or over the embedded one when no URL is given.
import {AsyncLocalStorage} from 'node:async_hooks'
import {join} from 'node:path'
import {setTimeout as delay} from 'node:timers/promises'
import pg from 'pg'
import {DataSource, type EntityManager} from 'typeorm'
import {Ears} from './ears.ts'
import {entities} from './entities.ts'
import {openHearing} from './hearing.ts'
import {initialiseLite, openLite} from './lite.ts'
import {lockDirectory} from './lock.ts'
import {migrationClasses, migrationName, migrations} from './migrations.ts'
import {reachPostgres} from './reach.ts'
import type {Store, Transaction} from './store.ts'

export interface StoreOptions {
  /** A PostgreSQL server, or null for the embedded database in `stateDir`. */
  readonly url: string | null
  readonly stateDir: string
  /** Hears, in sentences, what an administrator should know: waiting for the server, lost connections. */
  readonly say?: (text: string) => void
  /** How long to wait for a server that cannot be reached yet. */
  readonly waitMs?: number
  /** Only the first so many migrations are done: 0 looks at the tables as they are; all by default. */
  readonly migrationsMost?: number
}

const poolSize = 10
/** A master that stops in the middle of a transaction must not hold its locks for ever. */
const idleInTransactionMs = 60_000
const triesMax = 5
/** Serialization failure and deadlock: the same work may well succeed now. */
const worthAnotherTry = new Set(['40001', '40P01'])

/** Opens the store and brings its tables up to date; throws an Error that says what to do when it cannot. */
export async function openStore({
  url,
  stateDir,
  say = () => undefined,
  waitMs = 60_000,
  migrationsMost = migrations.length,
}: StoreOptions): Promise<Store> {
  return url === null
    ? openEmbedded(join(stateDir, 'database'), migrationsMost, say)
    : openServer(url, waitMs, migrationsMost, say)
}

async function openServer(
  url: string,
  waitMs: number,
  migrationsMost: number,
  say: (text: string) => void,
): Promise<Store> {
  const probe = await reachPostgres(url, waitMs, say)
  try {
    // Masters that start together migrate one after another; the lock goes with the connection.
    await probe.query(`SELECT pg_advisory_lock(hashtext('ostler migrations'))`)
    const source = await openSource(say, {
      url,
      poolSize,
      migrationsMost,
      connectTimeoutMS: 10_000,
      extra: {keepAlive: true, idleTimeoutMillis: 60_000, onConnect: settle},
    })
    const ears = new Ears(reportFault(say))
    const hearing = openHearing(url, ears, say)
    return assemble('postgresql', source, {
      ears,
      attend: (channel) => hearing.attend(channel),
      async close() {
        await hearing.close()
        await source.destroy()
      },
    })
  } finally {
    await probe.end()
  }
}

async function openEmbedded(
  dir: string,
  migrationsMost: number,
  say: (text: string) => void,
): Promise<Store> {
  const lock = lockDirectory(dir, new Date())
  const ears = new Ears(reportFault(say))
  const lite = openLite(dir)
  try {
    await initialiseLite(dir)
    const onConnect = async (client: pg.ClientBase) => {
      client.on('notification', ({channel, payload}) => ears.hear(channel, payload ?? ''))
      for (const channel of ears.channels()) await client.query(`LISTEN ${pg.escapeIdentifier(channel)}`)
      ears.mayHaveMissed()
    }
    const source = await openSource(say, {
      url: 'postgres://postgres@embedded/postgres',
      poolSize: 1,
      migrationsMost,
      extra: {stream: () => lite.connect(), ssl: false, idleTimeoutMillis: 0, onConnect},
    })
    return assemble('embedded', source, {
      ears,
      async attend(channel) {
        await poolOf(source).query(
          `${ears.has(channel) ? 'LISTEN' : 'UNLISTEN'} ${pg.escapeIdentifier(channel)}`,
        )
      },
      async close() {
        await source.destroy()
        await lite.close()
        lock.release()
      },
    })
  } catch (error) {
    await lite.close()
    lock.release()
    throw error
  }
}

type Connection = {
  readonly url: string
  readonly poolSize: number
  readonly migrationsMost: number
  readonly connectTimeoutMS?: number
  readonly extra: object
}

async function openSource(
  say: (text: string) => void,
  {migrationsMost, ...connection}: Connection,
): Promise<DataSource> {
  const source = new DataSource({
    type: 'postgres',
    // Else TypeORM looks for it in node_modules, which a bundle does not have.
    driver: pg,
    applicationName: 'ostler',
    entities,
    migrations: migrationClasses.slice(0, migrationsMost),
    synchronize: false,
    installExtensions: false,
    logging: false,
    poolErrorHandler: (error: Error) => say(`a connection to the database broke: ${error.message}`),
    ...connection,
  })
  await source.initialize()
  try {
    await refuseNewer(source)
    if (migrationsMost > 0) await source.runMigrations({transaction: 'each'})
  } catch (error) {
    await source.destroy()
    throw error
  }
  return source
}

/** The program may be older than the tables after a downgrade; guessing would damage them. */
async function refuseNewer(source: DataSource): Promise<void> {
  const pool = poolOf(source)
  const {rows: tables} = await pool.query<{found: boolean}>(
    `SELECT to_regclass('migrations') IS NOT NULL AS found`,
  )
  if (tables[0]?.found !== true) return
  const known = new Set(migrations.map(migrationName))
  const {rows} = await pool.query<{name: string}>('SELECT name FROM migrations ORDER BY id')
  const newer = rows.map(({name}) => name).filter((name) => !known.has(name))
  if (newer.length > 0)
    throw new Error(
      `the database was made by a newer Ostler (it has ${newer.join(', ')}): start that version, or restore a backup`,
    )
}

async function settle(client: pg.ClientBase): Promise<void> {
  await client.query(
    `SET SESSION CHARACTERISTICS AS TRANSACTION ISOLATION LEVEL READ COMMITTED;
     SET idle_in_transaction_session_timeout = ${idleInTransactionMs}`,
  )
}

/** TypeORM keeps its pool to itself; plain SQL goes there directly, since its own query() shapes rows by command. */
const poolOf = (source: DataSource) => (source.driver as unknown as {master: pg.Pool}).master

const reportFault = (say: (text: string) => void) => (error: unknown) =>
  say(
    `a listener to the database failed: ${error instanceof Error ? (error.stack ?? error.message) : String(error)}`,
  )

interface Parts {
  readonly ears: Ears
  /** Makes the database's LISTENs agree with the ears for one channel. */
  attend(channel: string): Promise<void>
  close(): Promise<void>
}

function assemble(engine: Store['engine'], source: DataSource, parts: Parts): Store {
  const pool = poolOf(source)
  // Only where it is needed: it makes every promise of the process dearer.
  const inside = engine === 'embedded' ? new AsyncLocalStorage<{open: boolean}>() : null
  const refuseInside = () => {
    if (inside?.getStore()?.open)
      throw new Error(
        'the store is used inside a transaction of the embedded database, which has one connection: use tx',
      )
  }
  let closing: Promise<void> | null = null

  const once = async <T>(work: (tx: Transaction) => Promise<T>): Promise<T> => {
    const runner = source.createQueryRunner()
    const client = (await runner.connect()) as pg.PoolClient
    const scope = {open: true}
    try {
      await runner.startTransaction()
      const doWork = () => work(transactionOn(client, runner.manager, scope))
      const value = await (inside ? inside.run(scope, doWork) : doWork())
      scope.open = false
      await runner.commitTransaction()
      return value
    } catch (error) {
      scope.open = false
      // A connection that cannot even roll back is of no use to the next one.
      if (runner.isTransactionActive) await runner.rollbackTransaction().catch(() => client.end())
      throw error
    } finally {
      await runner.release()
    }
  }

  return {
    engine,
    async query<Row extends object>(text: string, values: readonly unknown[] = []) {
      refuseInside()
      const result = await pool.query<Row>(text, [...values])
      return result.rows
    },
    repository(entity) {
      refuseInside()
      return source.getRepository(entity)
    },
    async transaction(work) {
      refuseInside()
      for (let tries = 1; ; tries++)
        try {
          return await once(work)
        } catch (error) {
          if (tries === triesMax || !worthAnotherTry.has((error as {code?: string}).code ?? '')) throw error
          await delay(Math.random() * 20 * 2 ** tries)
        }
    },
    async listen(channel, heard) {
      refuseInside()
      parts.ears.add(channel, heard)
      await parts.attend(channel)
      return async () => {
        parts.ears.remove(channel, heard)
        if (!parts.ears.has(channel) && closing === null) await parts.attend(channel)
      }
    },
    close: () => (closing ??= parts.close()),
  }
}

/** One after another on the transaction's connection, and no longer than the transaction. */
function transactionOn(client: pg.PoolClient, manager: EntityManager, scope: {open: boolean}): Transaction {
  let last: Promise<unknown> = Promise.resolve()
  const refuseAfter = () => {
    if (!scope.open) throw new Error('this transaction is over: its tx was used after its work had returned')
  }
  return {
    async query<Row extends object>(text: string, values: readonly unknown[] = []) {
      refuseAfter()
      const result = last.then(() => client.query<Row>(text, [...values]))
      last = result.catch(() => undefined)
      return (await result).rows
    },
    repository(entity) {
      refuseAfter()
      return manager.getRepository(entity)
    },
  }
}
