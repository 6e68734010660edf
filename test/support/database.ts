// A store for each test, on PostgreSQL and on the embedded database: a clone of one that was migrated once.
import test, {type ExecutionContext} from 'ava'
import {createHash} from 'node:crypto'
import {existsSync} from 'node:fs'
import {cp, mkdtemp, readdir, rename, rm} from 'node:fs/promises'
import {tmpdir} from 'node:os'
import {dirname, join} from 'node:path'
import {fileURLToPath} from 'node:url'
import pg from 'pg'
import {openStore} from '../../master/world/store/database.ts'
import {migrations} from '../../master/world/store/migrations.ts'
import type {Store} from '../../master/world/store/store.ts'
import {startCluster, type Cluster} from './cluster.ts'
import {needs} from './needs.ts'

/** Where a test's database is; open it with `openStore`, and as often as the test likes. */
export interface Place {
  readonly url: string | null
  readonly stateDir: string
}
type Run = (t: ExecutionContext, store: Store, place: Place) => Promise<unknown>

const givenUrl = process.env['OSTLER_TEST_POSTGRES_URL']
const postgresTest = needs('postgresql')

/** Runs the test once per database, with an opened store whose tables are empty. */
export function eachDatabase(title: string, run: Run): void {
  eachPlace(title, (t, place) => withStore(t, place, (store) => run(t, store, place)))
}

/** Opens the store for as long as `run` takes. */
export async function withStore(
  t: ExecutionContext,
  place: Place,
  run: (store: Store) => Promise<unknown>,
): Promise<void> {
  const store = await openStore({...place, say: (text) => t.log(text)})
  try {
    await run(store)
  } finally {
    await store.close()
  }
}

/** The same for tests that open and close the database themselves. */
export function eachPlace(title: string, run: (t: ExecutionContext, place: Place) => Promise<unknown>): void {
  postgresTest(`${title} (PostgreSQL)`, (t) => onPostgres((place) => run(t, place)))
  test(`${title} (embedded)`, (t) => onEmbedded((place) => run(t, place)))
}

/** For truths about PostgreSQL only. */
export function onlyPostgres(
  title: string,
  run: (t: ExecutionContext, place: Place) => Promise<unknown>,
): void {
  postgresTest(`${title} (PostgreSQL)`, (t) => onPostgres((place) => run(t, place)))
}

/** For truths about the embedded database only. */
export function onlyEmbedded(
  title: string,
  run: (t: ExecutionContext, place: Place) => Promise<unknown>,
): void {
  test(`${title} (embedded)`, (t) => onEmbedded((place) => run(t, place)))
}

/** The same while no other test of the file runs. */
export function onlyEmbeddedAlone(
  title: string,
  run: (t: ExecutionContext, place: Place) => Promise<unknown>,
): void {
  test.serial(`${title} (embedded)`, (t) => onEmbedded((place) => run(t, place)))
}

const schema = createHash('sha256').update(JSON.stringify(migrations)).digest('hex').slice(0, 12)

let server: Promise<{admin: pg.Pool; template: string}> | null = null
let clones = 0

async function onPostgres(run: (place: Place) => Promise<unknown>): Promise<void> {
  const {admin, template} = await (server ??= preparedServer())
  const name = `ostler_test_${process.pid}_${++clones}`
  await admin.query(`CREATE DATABASE ${name} TEMPLATE ${template}`)
  const stateDir = await mkdtemp(join(tmpdir(), 'ostler-test-'))
  try {
    await run({url: databaseUrl(admin.options.connectionString ?? '', name), stateDir})
  } finally {
    await admin.query(`DROP DATABASE ${name} WITH (FORCE)`)
    await rm(stateDir, {recursive: true, force: true})
  }
}

/** An empty database on the tests' PostgreSQL, for a master that makes its tables itself. */
export async function emptyDatabase(): Promise<{url: string; drop: () => Promise<void>}> {
  const {admin} = await (server ??= preparedServer())
  const name = `ostler_test_${process.pid}_${++clones}`
  await admin.query(`CREATE DATABASE ${name}`)
  return {
    url: databaseUrl(admin.options.connectionString ?? '', name),
    drop: async () => {
      await admin.query(`DROP DATABASE ${name} WITH (FORCE)`)
    },
  }
}

/** The server given by the environment, or one of this process's own, with a migrated database to clone. */
async function preparedServer(): Promise<{admin: pg.Pool; template: string}> {
  const url = givenUrl ?? (await ownCluster()).url
  // Idle connections must not keep the test process alive.
  const admin = new pg.Pool({connectionString: url, max: 1, allowExitOnIdle: true})
  admin.on('error', () => undefined)
  const template = `ostler_template_${schema}`
  const client = await admin.connect()
  try {
    await client.query(`SELECT pg_advisory_lock(hashtext('ostler test template'))`)
    const {rowCount} = await client.query('SELECT 1 FROM pg_database WHERE datname = $1', [template])
    if (rowCount === 0) {
      await client.query(`CREATE DATABASE ${template}_new`)
      const store = await openStore({url: databaseUrl(url, `${template}_new`), stateDir: tmpdir()})
      await store.close()
      await client.query(`ALTER DATABASE ${template}_new RENAME TO ${template}`)
    }
    await client.query('SELECT pg_advisory_unlock_all()')
  } finally {
    client.release()
  }
  return {admin, template}
}

let cluster: Promise<Cluster> | null = null
const ownCluster = () => (cluster ??= startCluster())

function databaseUrl(url: string, database: string): string {
  const changed = new URL(url)
  changed.pathname = `/${database}`
  return changed.href
}

/** Each embedded database takes its 100 MB while it is open. */
const embeddedMax = 2
let embeddedOpen = 0
const embeddedQueue: (() => void)[] = []
let image: Promise<string> | null = null

async function onEmbedded(run: (place: Place) => Promise<unknown>): Promise<void> {
  if (embeddedOpen >= embeddedMax) await new Promise<void>((resolve) => embeddedQueue.push(resolve))
  else embeddedOpen++
  try {
    const from = await (image ??= preparedImage())
    const stateDir = await mkdtemp(join(tmpdir(), 'ostler-test-'))
    try {
      await cp(from, join(stateDir, 'database'), {recursive: true})
      await run({url: null, stateDir})
    } finally {
      await rm(stateDir, {recursive: true, force: true})
    }
  } finally {
    const next = embeddedQueue.shift()
    if (next) next()
    else embeddedOpen--
  }
}

/** A migrated directory beside the compiled tests, made by the first test process that needs it. */
async function preparedImage(): Promise<string> {
  const dist = dirname(dirname(dirname(fileURLToPath(import.meta.url))))
  const ready = join(dist, `.embedded-${schema}`)
  if (existsSync(ready)) return ready
  for (const old of await readdir(dist))
    if (old.startsWith('.embedded-') && !old.startsWith(`.embedded-${schema}`))
      await rm(join(dist, old), {recursive: true, force: true})
  const draft = await mkdtemp(`${ready}.`)
  const store = await openStore({url: null, stateDir: draft})
  await store.close()
  // Whoever comes second keeps the first one's.
  await rename(join(draft, 'database'), ready).catch(() => undefined)
  await rm(draft, {recursive: true, force: true})
  return ready
}
