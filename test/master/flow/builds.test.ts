import {setTimeout as sleep} from 'node:timers/promises'
import {constants, crc32, deflateRawSync} from 'node:zlib'
import type {ExecutionContext} from 'ava'
import {builds} from '../../../master/flow/builds.ts'
import {claims} from '../../../master/flow/claims.ts'
import {Sessions} from '../../../master/flow/sessions.ts'
import {openStore} from '../../../master/world/store/database.ts'
import {enterMaster} from '../../../master/world/store/masters.ts'
import {submitBuildset} from '../../../master/world/store/buildsets.ts'
import {wishBuilder, wishWorker} from '../../../master/world/store/wishes.ts'
import type {Store} from '../../../master/world/store/store.ts'
import type {Entry} from '../../../worker/protocol/journal.ts'
import {eachDatabase, onlyPostgres} from '../../support/database.ts'
import {ScriptedWorker, openTestWorld} from '../../support/world.ts'

const yaml = `
builders:
  - {name: b, steps: [{kind: shell, name: make, command: make}]}
  - {name: s, env: {KEY: {secret: key}}, steps: [{kind: shell, name: make, command: make}]}
  - {name: m, env: {KEY: {secret: nowhere}}, steps: [{kind: shell, name: make, command: make}]}
`
const at = Date.now()
const text = Buffer.from('hello\n')
const body = deflateRawSync(text, {finishFlush: constants.Z_FULL_FLUSH})
const started: Entry[] = [
  {entry: 'buildStarted', at, executor: 'host'},
  {entry: 'stepStarted', at, step: 0, try: 1},
  {entry: 'segment', at, step: 0, log: 'stdio', offset: 0, bytes: 6, lines: 1, crc32: crc32(text)},
]
const ended = (result: 'success' | 'retry' | 'cancelled' = 'success'): Entry[] => [
  {entry: 'logEnded', at, step: 0, log: 'stdio', bytes: 6, lines: 1, crc32: crc32(text)},
  {
    entry: 'stepEnded',
    at,
    step: 0,
    try: 1,
    outcome: {outcome: 'exited', code: 0},
    result,
    summary: 'done',
    warnings: 0,
    final: true,
  },
  {entry: 'buildEnded', at, result, summary: ''},
]
const journal = [...started, ...ended()]
const bodies = [null, null, body]

async function given(t: ExecutionContext, store: Store, graceMs?: number, now?: () => number) {
  const world = await openTestWorld(t, store, yaml)
  const sessions = new Sessions(world)
  const claim = claims(world, sessions)
  const build = builds(world, sessions, graceMs, now)
  return {
    world,
    sessions,
    claim: () => claim.run(),
    build: () => build.run(),
    submit: (builder = 'b') =>
      store.transaction((tx) =>
        submitBuildset(tx, {
          reason: 'test',
          origin: 'api',
          scheduler: null,
          submittedBy: null,
          sourceStamps: [],
          properties: {},
          changeIds: [],
          builders: [{name: builder, priority: 0}],
        }),
      ),
    one: async () => {
      const [row] = await store.query<{
        state: string
        result: string
        attempt: string | null
        attempts_lost: number
        summary: string
      }>('SELECT state, result, attempt, attempts_lost, summary FROM builds ORDER BY id LIMIT 1')
      return row
    },
  }
}

eachDatabase(
  'a build is offered, recorded as it happens, and ends its request and buildset',
  async (t, store) => {
    const g = await given(t, store)
    const {buildset} = await g.submit()
    const worker = new ScriptedWorker(g.sessions, 'w')
    await worker.attach()
    await g.claim()
    const [offer] = worker.offers()
    t.is(offer?.plan.builder, 'b')
    const attempt = offer?.attempt ?? ''
    await worker.accept(attempt)
    await worker.journal(attempt, journal, 1, bodies)
    await g.build()
    t.is(worker.applied(attempt), journal.length)
    t.like(await g.one(), {state: 'finished', result: 'success'})
    const [set] = await store.query('SELECT result, completed_at FROM buildsets WHERE id = $1', [buildset])
    t.is(set?.result, 'success')
    const [log] = await store.query('SELECT bytes, lines, complete, crc32 FROM logs')
    t.deepEqual(log, {bytes: '6', lines: '1', complete: true, crc32: String(crc32(text))})
    const events = await store.query(
      `SELECT type FROM events WHERE type ~ '^(request|build|step)' ORDER BY id`,
    )
    t.deepEqual(
      events.map((event) => event.type),
      [
        'request.added',
        'build.started',
        'step.started',
        'step.finished',
        'build.finished',
        'buildset.finished',
      ],
    )
  },
)

eachDatabase('entries sent twice have their effect once', async (t, store) => {
  const g = await given(t, store)
  await g.submit()
  const worker = new ScriptedWorker(g.sessions, 'w')
  await worker.attach()
  await g.claim()
  const attempt = worker.offers()[0]?.attempt ?? ''
  await worker.journal(attempt, started, 1, bodies)
  await g.build()
  const again = await worker.attach([{attempt, last: 3, applied: 0}])
  t.deepEqual(again.welcome.attempts, [{attempt, applied: 3, verdict: 'continue'}])
  await worker.journal(attempt, journal, 1, bodies)
  await g.build()
  const [log] = await store.query('SELECT bytes, segments FROM logs')
  t.deepEqual(log, {bytes: '6', segments: 1})
  const events = await store.query(`SELECT type FROM events WHERE type LIKE 'build.%' ORDER BY id`)
  t.deepEqual(
    events.map((event) => event.type),
    ['build.started', 'build.finished'],
  )
})

eachDatabase(
  'an attempt that is not effective any more is told to stop, and changes nothing',
  async (t, store) => {
    const g = await given(t, store)
    await g.submit()
    const old = new ScriptedWorker(g.sessions, 'old')
    await old.attach()
    await g.claim()
    const attempt = old.offers()[0]?.attempt ?? ''
    await old.journal(attempt, started, 1, bodies)
    await g.build()
    await old.detach()
    await store.query(`UPDATE workers SET seen_at = now() - interval '1 hour'`)
    const sweeping = await given(t, store)
    await sweeping.build()
    t.like(await g.one(), {state: 'pending', attempt: null, attempts_lost: 1})
    const young = new ScriptedWorker(g.sessions, 'young')
    await young.attach()
    await g.claim()
    const second = young.offers()[0]?.attempt ?? ''
    t.true(Number(second) > Number(attempt), 'the fencing number grows')
    const back = await old.attach([{attempt, last: 6, applied: 3}])
    t.is(back.welcome.attempts[0]?.verdict, 'stop')
    await old.journal(attempt, ended(), 4)
    await g.build()
    t.true(old.told.some((message) => message.say === 'stop' && message.attempt === attempt))
    t.like(await g.one(), {attempt: second, result: null})
    const [refused] = await store.query('SELECT refused FROM attempts WHERE id = $1', [attempt])
    t.true(Number(refused?.refused) > 0)
  },
)

eachDatabase(
  'a lost attempt becomes another attempt of the same build, and too many losses end it',
  async (t, store) => {
    const g = await given(t, store)
    await g.submit()
    const worker = new ScriptedWorker(g.sessions, 'w')
    await worker.attach()
    for (let n = 0; n < 3; n++) {
      await g.claim()
      const attempt = worker.offers()[n]?.attempt ?? ''
      await worker.journal(attempt, [
        started[0] as Entry,
        {entry: 'buildEnded', at, result: 'retry', summary: 'the host restarted'},
      ])
      await g.build()
    }
    t.like(await g.one(), {state: 'finished', result: 'exception', attempts_lost: 3})
    const [count] = await store.query('SELECT count(*)::int AS builds FROM builds')
    t.is(count?.builds, 1)
  },
)

eachDatabase('a declined or unanswered offer goes back to the queue without blame', async (t, store) => {
  const g = await given(t, store)
  await g.submit()
  const worker = new ScriptedWorker(g.sessions, 'w')
  await worker.attach()
  await g.claim()
  await worker.decline(worker.offers()[0]?.attempt ?? '')
  t.like(await g.one(), {state: 'pending', attempt: null, attempts_lost: 0})
  await store.query('UPDATE requests SET not_before = NULL')
  await g.claim()
  await store.query(`UPDATE attempts SET accept_by = now() - interval '1 second'`)
  await g.build()
  t.like(await g.one(), {state: 'pending', attempt: null, attempts_lost: 0})
  t.is(worker.offers().length, 2)
})

eachDatabase('a journal with a hole is not applied, and the session begins anew', async (t, store) => {
  const g = await given(t, store)
  await g.submit()
  const worker = new ScriptedWorker(g.sessions, 'w')
  await worker.attach()
  await g.claim()
  const attempt = worker.offers()[0]?.attempt ?? ''
  await worker.journal(attempt, ended(), 4)
  await g.build()
  t.is(worker.applied(attempt), 0)
  t.regex(worker.closed ?? '', /came after 0/)
})

eachDatabase(
  'a cancel wish reaches the worker, and a build that nobody holds is cancelled at once',
  async (t, store) => {
    const g = await given(t, store)
    await g.submit()
    const worker = new ScriptedWorker(g.sessions, 'w')
    await worker.attach()
    await g.claim()
    const attempt = worker.offers()[0]?.attempt ?? ''
    await worker.journal(attempt, started, 1, bodies)
    await g.build()
    await store.query(
      `UPDATE builds SET cancel = '{"by": "ann", "reason": "wrong branch", "at": "2026-01-01T00:00:00Z"}'`,
    )
    g.world.bells.ring('cancels')
    await new Promise((resolve) => setTimeout(resolve, 20))
    await g.build()
    t.true(worker.told.some((message) => message.say === 'cancel' && message.reason === 'wrong branch'))
    await worker.detach()
    await store.query(`UPDATE workers SET seen_at = now() - interval '1 hour'`)
    const sweeping = await given(t, store)
    await sweeping.build()
    t.like(await g.one(), {state: 'finished', result: 'cancelled'})
  },
)

eachDatabase(
  'secrets go beside the plan and are nowhere in the database; one that is missing ends the build by name',
  async (t, store) => {
    const g = await given(t, store)
    await g.submit('s')
    await g.submit('m')
    const worker = new ScriptedWorker(g.sessions, 'w')
    await worker.attach([], {maxBuilds: 2})
    await g.claim()
    t.deepEqual(
      worker.offers().map((offer) => offer.secrets),
      [{key: 's3cret'}],
    )
    const [plans] = await store.query<{plans: string}>(
      'SELECT string_agg(plan::text, $1) AS plans FROM attempts',
      [' '],
    )
    t.false(plans?.plans.includes('s3cret'))
    const [missing] = await store.query(`SELECT result, summary FROM builds WHERE builder = 'm'`)
    t.is(missing?.result, 'exception')
    t.regex(String(missing?.summary), /nowhere/)
    const [open] = await store.query(
      `SELECT count(*)::int AS open FROM attempts WHERE state IN ('offered', 'running')`,
    )
    t.is(open?.open, 1)
  },
)

eachDatabase('a waiting request says why', async (t, store) => {
  const g = await given(t, store)
  await g.submit()
  await g.claim()
  const [row] = await store.query<{waiting: {code: string}[]}>('SELECT waiting FROM requests')
  t.is(row?.waiting[0]?.code, 'no-worker')
})

eachDatabase(
  'an attempt of which a worker was told more than the database has is begun anew: the database was set back',
  async (t, store) => {
    const {sessions, claim, build, submit, one} = await given(t, store)
    const worker = new ScriptedWorker(sessions, 'w')
    await worker.attach()
    await submit()
    await claim()
    const attempt = worker.offers()[0]?.attempt ?? ''
    await worker.journal(attempt, started, 1, bodies)
    await build()
    await worker.detach()
    const {welcome} = await worker.attach([{attempt, last: 5, applied: 4}])
    t.deepEqual(welcome.attempts, [{attempt, applied: 0, verdict: 'stop'}])
    const row = await one()
    t.deepEqual([row?.state, row?.attempt, row?.attempts_lost], ['pending', null, 1])
    // Whoever follows the log of the lost attempt is told that no more will come.
    t.deepEqual(await store.query('SELECT bytes, complete FROM logs'), [{bytes: '6', complete: true}])
    t.deepEqual(await store.query('SELECT state, waiting FROM requests'), [
      {state: 'pending', waiting: [{code: 'queued', text: 'behind other requests in the queue'}]},
    ])
    const again = await worker.attach([{attempt, last: 5, applied: 3}])
    t.is(again.welcome.attempts[0]?.verdict, 'stop')
  },
)

eachDatabase(
  'an attempt of which the database has as much as the worker was told goes on',
  async (t, store) => {
    const {sessions, claim, build, submit} = await given(t, store)
    const worker = new ScriptedWorker(sessions, 'w')
    await worker.attach()
    await submit()
    await claim()
    const attempt = worker.offers()[0]?.attempt ?? ''
    await worker.journal(attempt, started, 1, bodies)
    await build()
    await worker.detach()
    const {welcome} = await worker.attach([{attempt, last: 5, applied: 3}])
    t.deepEqual(welcome.attempts, [{attempt, applied: 3, verdict: 'continue'}])
  },
)

eachDatabase(
  'what an old master still holds of an attempt that moved on is not written',
  async (t, store) => {
    const old = await given(t, store)
    const fresh = await given(t, store)
    await old.submit()
    const before = new ScriptedWorker(old.sessions, 'w')
    await before.attach([], {instance: 'i'})
    await old.claim()
    const attempt = before.offers()[0]?.attempt ?? ''
    await before.accept(attempt)
    await before.journal(attempt, started.slice(0, 2))
    await old.build()
    // The old master has read how much is applied when the worker is at the new one already, and has told it all.
    await before.journal(attempt, started.slice(2), 3, [body])
    const after = new ScriptedWorker(fresh.sessions, 'w')
    await after.attach([{attempt, last: journal.length, applied: 2}], {instance: 'i'})
    await after.journal(attempt, journal.slice(2), 3, bodies.slice(2))
    const {ledger, logs} = old.world
    const written: unknown[] = []
    const slow = {
      ...old.world,
      ledger: {
        ...ledger,
        logsOf: async (...asked: Parameters<typeof ledger.logsOf>) => {
          await fresh.build()
          return await ledger.logsOf(...asked)
        },
      },
      logs: new Proxy(logs, {
        get: (target, name) =>
          name === 'append' ? (log: unknown) => written.push(log) : (Reflect.get(target, name) as unknown),
      }),
    }
    await builds(slow, old.sessions).run()
    t.deepEqual(written, [])
    t.truthy(before.closed)
    t.is(after.applied(attempt), journal.length)
    t.like(await old.one(), {state: 'finished', result: 'success'})
  },
)

onlyPostgres('a worker has one session, and the master it left closes the other', async (t, place) => {
  const [one, two] = await Promise.all([openStore(place), openStore(place)])
  t.teardown(() => Promise.all([one.close(), two.close()]))
  const [old, fresh] = await Promise.all([given(t, one), given(t, two)])
  for (const {world} of [old, fresh])
    await enterMaster(world.store, {id: world.master, address: '', version: '1'})
  const first = new ScriptedWorker(old.sessions, 'w')
  await first.attach([], {instance: 'i'})

  const again = new ScriptedWorker(fresh.sessions, 'w')
  t.true('session' in (await again.attach([], {instance: 'i'})))
  await old.build()
  await until(() => first.closed !== null)
  t.is(first.closed, 'a newer session of this worker')

  // Another worker of the same name has to wait until this one is gone, or answers no more.
  const answering = setInterval(() => void fresh.build(), 50)
  t.teardown(() => {
    clearInterval(answering)
  })
  const other = new ScriptedWorker(old.sessions, 'w')
  t.like(await other.attach([], {instance: 'j'}), {say: 'refused', code: 'name-in-use'})
  again.isDeaf = true
  t.true('session' in (await other.attach([], {instance: 'j'})))
  t.is(again.closed, 'terminated')
})

eachDatabase('a worker that does not answer again and again is kept away for a while', async (t, store) => {
  const g = await given(t, store)
  const worker = new ScriptedWorker(g.sessions, 'w')
  await worker.attach()
  await g.submit()
  const rest = async () =>
    (
      await store.query<{failures: number; quarantine: {reason: string} | null}>(
        'SELECT failures, quarantine FROM workers',
      )
    )[0]
  for (const failures of [1, 2, 3]) {
    await g.claim()
    await store.query(`UPDATE attempts SET accept_by = now() - interval '1 s' WHERE state = 'offered'`)
    await sweep(g)
    t.is((await rest())?.failures, failures)
  }
  t.is((await rest())?.quarantine?.reason, '3 failures in a row, the last: an offer was not answered in time')
  await g.claim()
  t.is(worker.offers().length, 3)
  const [request] = await store.query<{waiting: {code: string}[]}>('SELECT waiting FROM requests')
  t.is(request?.waiting[0]?.code, 'quarantine')

  // It comes back by itself, and a build that ends well is its pardon.
  await store.query(
    `UPDATE workers SET quarantine = quarantine || jsonb_build_object('until', now() - interval '1 s')`,
  )
  await sweep(g)
  await g.claim()
  const attempt = worker.offers()[3]?.attempt ?? ''
  await worker.journal(attempt, journal, 1, bodies)
  await g.build()
  t.deepEqual(await rest(), {failures: 0, quarantine: null})
})

eachDatabase('a pause ends when its time is over', async (t, store) => {
  const g = await given(t, store)
  const worker = new ScriptedWorker(g.sessions, 'w')
  await worker.attach()
  const actor = {who: 'ann', address: null}
  await store.transaction((tx) => wishWorker(tx, 'w', 'pause', actor, {reason: 'tea', forMs: 3_600_000}))
  await store.transaction((tx) => wishBuilder(tx, 'b', 'pause', actor, {reason: 'cake', forMs: 1}))
  await g.submit()
  await sweep(g)
  await g.claim()
  t.is(worker.offers().length, 0)
  const [request] = await store.query<{waiting: {text: string}[]}>('SELECT waiting FROM requests')
  t.regex(request?.waiting[0]?.text ?? '', /^w paused by ann until 20.*Z: tea$/)
  await store.query(`UPDATE workers SET paused = paused || jsonb_build_object('until', now())`)
  await sweep(g)
  await g.claim()
  t.is(worker.offers().length, 1)
})

/** What the stage does every few seconds: a stage that has just begun does it at once. */
const sweep = ({world, sessions}: Awaited<ReturnType<typeof given>>) => builds(world, sessions).run()

async function until(true_: () => boolean): Promise<void> {
  while (!true_()) await new Promise((resolve) => setTimeout(resolve, 10))
}

eachDatabase(
  'an offer that another living master’s worker may have accepted is left to that master',
  async (t, store) => {
    const g = await given(t, store)
    await g.submit()
    const worker = new ScriptedWorker(g.sessions, 'w')
    await worker.attach()
    await g.claim()
    await store.query(`UPDATE attempts SET accept_by = now() - interval '1 second'`)
    await enterMaster(store, {id: 'other', address: 'http://other', version: '0'})
    await store.query(`UPDATE workers SET master = 'other'`)
    await g.build()
    t.like(await g.one(), {attempt: worker.offers()[0]?.attempt ?? ''})
    // When that one is silent, nobody else would take it back.
    await store.query(`UPDATE masters SET seen_at = now() - interval '1 hour' WHERE id = 'other'`)
    await sleep(5_100)
    await g.build()
    t.like(await g.one(), {state: 'pending', attempt: null, attempts_lost: 0})
  },
)

eachDatabase(
  'a master that could not look for long gives the others time before it takes them for lost',
  async (t, store) => {
    let now = 0
    const g = await given(t, store, 0, () => now)
    await g.submit()
    const worker = new ScriptedWorker(g.sessions, 'w')
    await worker.attach()
    await g.claim()
    await g.build()
    // The database was away; the worker's connection ended meanwhile.
    await store.query(
      `UPDATE workers SET connected = false, seen_at = now() - interval '1 hour'; UPDATE attempts SET accept_by = now()`,
    )
    now += 60_000
    await g.build()
    t.like(await g.one(), {attempt: worker.offers()[0]?.attempt ?? ''})
    for (const until = now + 50_000; now < until;) {
      now += 6_000
      await g.build()
    }
    t.like(await g.one(), {state: 'pending', attempt: null})
  },
)

eachDatabase('a worker that comes back with an offer has accepted it', async (t, store) => {
  const g = await given(t, store)
  await g.submit()
  const worker = new ScriptedWorker(g.sessions, 'w')
  await worker.attach()
  await g.claim()
  const attempt = worker.offers()[0]?.attempt ?? ''
  await new ScriptedWorker(g.sessions, 'w').attach([{attempt, last: 0, applied: 0}])
  const [row] = await store.query<{state: string}>('SELECT state FROM attempts')
  t.is(row?.state, 'running')
})
