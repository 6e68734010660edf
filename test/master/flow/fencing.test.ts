// What a worker says counts once, in the name of the one session and the one attempt that are in force at the moment of
// writing, and is acknowledged only then.
import {constants, crc32, deflateRawSync} from 'node:zlib'
import type {ExecutionContext} from 'ava'
import {builds} from '../../../master/flow/builds.ts'
import {claims} from '../../../master/flow/claims.ts'
import {Sessions} from '../../../master/flow/sessions.ts'
import {submitBuildset, type NewBuildset} from '../../../master/world/store/buildsets.ts'
import type {Sql, Store} from '../../../master/world/store/store.ts'
import type {Entry} from '../../../worker/protocol/journal.ts'
import {eachDatabase, onlyPostgres, withStore} from '../../support/database.ts'
import {openTestWorld, ScriptedWorker, type TestWorld} from '../../support/world.ts'

const yaml = 'builders: [{name: b, steps: [{kind: shell, name: make, command: make}]}]'
const at = Date.now()
const text = Buffer.from('hello\n')
const bodies = [null, null, deflateRawSync(text, {finishFlush: constants.Z_FULL_FLUSH})]
const log = {step: 0, log: 'stdio', bytes: 6, lines: 1, crc32: crc32(text)}
const journal: readonly Entry[] = [
  {entry: 'buildStarted', at, executor: 'host'},
  {entry: 'stepStarted', at, step: 0, try: 1},
  {entry: 'segment', at, ...log, offset: 0},
  {entry: 'logEnded', at, ...log},
  {entry: 'buildEnded', at, result: 'success', summary: ''},
]

async function master(t: ExecutionContext, store: Store) {
  const world = await openTestWorld(t, store, yaml)
  const sessions = new Sessions(world)
  return {world, sessions, build: () => builds(world, sessions).run()}
}

/** A build that was offered to a worker of this master. */
async function offered(t: ExecutionContext, store: Store) {
  const {world, sessions, build} = await master(t, store)
  const submission: NewBuildset = {
    reason: 'test',
    origin: 'api',
    scheduler: null,
    submittedBy: null,
    sourceStamps: [],
    properties: {},
    changeIds: [],
    builders: [{name: 'b', priority: 0}],
  }
  await store.transaction((tx) => submitBuildset(tx, submission))
  const worker = new ScriptedWorker(sessions, 'w')
  await worker.attach([], {instance: 'i'})
  await claims(world, sessions).run()
  return {world, sessions, build, worker, attempt: worker.offers()[0]?.attempt ?? ''}
}

/** The same world, where something happens after attempts were read and before anything is written. */
function betweenReadingAndWriting(world: TestWorld, meanwhile: () => Promise<unknown>): TestWorld {
  const logsOf: typeof world.ledger.logsOf = async (...asked) => {
    await meanwhile()
    return await world.ledger.logsOf(...asked)
  }
  return {...world, ledger: {...world.ledger, logsOf}}
}

async function isWaitingForALock(store: Store): Promise<void> {
  const waiting = `SELECT 1 FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'`
  while ((await store.query(waiting)).length === 0) await new Promise((resolve) => setTimeout(resolve, 10))
}

const theBuild = async (store: Store) =>
  (await store.query('SELECT state, result, attempts_lost, summary FROM builds'))[0]
const eventsOf = async (store: Store, types: string) =>
  (await store.query<{type: string}>('SELECT type FROM events WHERE type ~ $1 ORDER BY id', [types])).map(
    ({type}) => type,
  )

eachDatabase('an attempt that is given up between reading and writing changes nothing', async (t, store) => {
  const {world, sessions, worker, attempt} = await offered(t, store)
  await worker.journal(attempt, journal, 1, bodies)
  const moved = betweenReadingAndWriting(world, () =>
    store.transaction((tx) => world.ledger.retry(tx, [attempt], 'lost')),
  )
  await builds(moved, sessions).run()
  t.like(await theBuild(store), {state: 'pending', result: null, attempts_lost: 1})
  t.is(worker.applied(attempt), 0)
  t.deepEqual(await eventsOf(store, '^(build|step)'), ['build.retried'])
})

eachDatabase('an attempt that ended while it was being given up stays as it ended', async (t, store) => {
  const {world, build, worker, attempt} = await offered(t, store)
  await worker.journal(attempt, journal, 1, bodies)
  await build()
  const attempts = () => store.query<object>('SELECT state, ended_at FROM attempts')
  const before = await attempts()
  t.is(await store.transaction((tx) => world.ledger.retry(tx, [attempt], 'lost')), 0)
  t.like(before[0], {state: 'finished'})
  t.deepEqual(await attempts(), before)
  t.like(await theBuild(store), {state: 'finished', result: 'success', attempts_lost: 0})
})

eachDatabase('what another master applied meanwhile is not applied again', async (t, store) => {
  const {world, sessions, worker, attempt} = await offered(t, store)
  const fresh = await master(t, store)
  await worker.journal(attempt, journal.slice(0, 2))
  const again = new ScriptedWorker(fresh.sessions, 'w')
  await again.attach([{attempt, last: 2, applied: 0}], {instance: 'i'})
  await again.journal(attempt, journal.slice(0, 2))
  await builds(betweenReadingAndWriting(world, fresh.build), sessions).run()
  t.is(again.applied(attempt), 2)
  t.deepEqual(await eventsOf(store, '^(build|step)'), ['build.started', 'step.started'])
})

eachDatabase(
  'a worker whose entries are refused in writing dials again, and none is missing',
  async (t, store) => {
    const {world, sessions, build, worker, attempt} = await offered(t, store)
    const quiet = journal.filter((entry) => !('log' in entry))
    await worker.journal(attempt, quiet)
    // Another master still had the first entry, of an earlier session, and records it now.
    const late = betweenReadingAndWriting(world, () => store.query('UPDATE attempts SET applied = 1'))
    await builds(late, sessions).run()
    t.is(worker.closed, 'another master records this attempt')
    t.is(worker.applied(attempt), 0)
    await worker.attach([{attempt, last: quiet.length, applied: 1}], {instance: 'i'})
    await worker.journal(attempt, quiet.slice(1), 2)
    await build()
    t.is(worker.applied(attempt), quiet.length)
  },
)

onlyPostgres('a log whose row another master is just making is not passed over', async (t, place) => {
  await withStore(t, place, async (store) => {
    const {build, worker, attempt} = await offered(t, store)
    await worker.journal(attempt, journal, 1, bodies)
    let recording: Promise<unknown> = Promise.resolve()
    await store.transaction(async (tx) => {
      await tx.query(`INSERT INTO logs (build_id, attempt, step, name) VALUES (1, $1, 0, 'stdio')`, [attempt])
      recording = build()
      await isWaitingForALock(store)
    })
    await recording
    t.is(worker.closed, 'another master records this attempt')
    t.is(worker.applied(attempt), 0)
    await worker.attach([{attempt, last: journal.length, applied: 0}], {instance: 'i'})
    await worker.journal(attempt, journal, 1, bodies)
    await build()
    t.is(worker.applied(attempt), journal.length)
    t.like((await store.query('SELECT bytes, complete FROM logs'))[0], {bytes: '6', complete: true})
  })
})

eachDatabase('a worker is told applied only when it is committed', async (t, store) => {
  const {world, sessions, worker, attempt} = await offered(t, store)
  await worker.journal(attempt, journal, 1, bodies)
  let isAway = true
  const transaction: Store['transaction'] = (work) =>
    store.transaction(async (tx) => {
      const done = await work(tx)
      if (isAway) throw new Error('the server went away')
      return done
    })
  const failing = new Proxy(store, {
    get: (target, key) => {
      const value: unknown = key === 'transaction' ? transaction : Reflect.get(target, key, target)
      return typeof value === 'function' ? (value.bind(target) as unknown) : value
    },
  })
  const stage = builds({...world, store: failing}, sessions)
  await t.throwsAsync(stage.run(), {message: 'the server went away'})
  t.is(worker.applied(attempt), 0)
  isAway = false
  await stage.run()
  t.is(worker.applied(attempt), journal.length)
  t.like(await theBuild(store), {state: 'finished', result: 'success'})
})

eachDatabase(
  'what an older session of a worker still says does not count, nor does its end',
  async (t, store) => {
    const {sessions, build, worker: older, attempt} = await offered(t, store)
    const newer = new ScriptedWorker(sessions, 'w')
    await newer.attach([{attempt, last: 0, applied: 0}], {instance: 'i'})
    await older.journal(attempt, journal, 1, bodies)
    await build()
    t.like(await theBuild(store), {state: 'pending', result: null})
    await older.detach()
    const [row] = await store.query(`SELECT connected FROM workers WHERE name = 'w'`)
    t.true(row?.connected)
    await newer.journal(attempt, journal, 1, bodies)
    await build()
    t.is(newer.applied(attempt), journal.length)
  },
)

eachDatabase('the result of a build never changes, nor is it told twice', async (t, store) => {
  const {world, build, worker, attempt} = await offered(t, store)
  await worker.journal(attempt, journal, 1, bodies)
  await build()
  const late = {build: '1', result: 'cancelled', summary: 'too late', at: null}
  await store.transaction((tx: Sql) => world.ledger.finish(tx, [late]))
  t.like(await theBuild(store), {state: 'finished', result: 'success', summary: ''})
  t.deepEqual(await eventsOf(store, 'finished'), ['build.finished', 'buildset.finished'])
})
