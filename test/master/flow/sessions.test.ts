import {builds} from '../../../master/flow/builds.ts'
import {claims} from '../../../master/flow/claims.ts'
import {Sessions} from '../../../master/flow/sessions.ts'
import {submitBuildset} from '../../../master/world/store/buildsets.ts'
import type {Store} from '../../../master/world/store/store.ts'
import {eachDatabase} from '../../support/database.ts'
import {ScriptedWorker, openTestWorld} from '../../support/world.ts'
import type {ExecutionContext} from 'ava'

const yaml = `
builders:
  - {name: b, steps: [{kind: shell, name: make, command: make}]}
`

/** A master's sessions, with a stage that sweeps at its first run. */
async function given(t: ExecutionContext, store: Store) {
  const world = await openTestWorld(t, store, yaml)
  const sessions = new Sessions(world)
  return {
    world,
    sessions,
    claim: () => claims(world, sessions).run(),
    sweep: () => builds(world, sessions).run(),
    worker: async () => {
      const [row] = await store.query<{connected: boolean; lost: boolean; session: string}>(
        'SELECT connected, lost, session FROM workers',
      )
      return row
    },
    events: async (type: string) =>
      (await store.query('SELECT 1 FROM events WHERE type = $1', [type])).length,
    submit: () =>
      store.transaction(
        (tx) =>
        submitBuildset(tx, {
          reason: 'test', origin: 'api', scheduler: null, submittedBy: null, sourceStamps: [], properties: {}, changeIds: [],
          builders: [{name: 'b', priority: 0}],
        }), // prettier-ignore
      ),
  }
}

eachDatabase('whoever was taken for gone is connected again once its session beats', async (t, store) => {
  const g = await given(t, store)
  const worker = new ScriptedWorker(g.sessions, 'w')
  await worker.attach()
  await store.query('UPDATE workers SET connected = false, lost = true')
  await worker.beat()
  await g.sweep()
  t.like(await g.worker(), {connected: true, lost: false})
  t.is(await g.events('worker.connected'), 2)
  await worker.beat()
  await g.sweep()
  t.is(await g.events('worker.connected'), 2)
})

eachDatabase('a late beat of a session that ended connects nobody', async (t, store) => {
  const g = await given(t, store)
  const worker = new ScriptedWorker(g.sessions, 'w')
  await worker.attach()
  await worker.beat()
  const beats = g.sessions.takeBeats()
  await worker.detach()
  await g.world.ledger.writeBeats(store, g.world.master, beats)
  t.like(await g.worker(), {connected: false})
})

eachDatabase('a session is ended when its worker has a newer one elsewhere', async (t, store) => {
  const [here, elsewhere] = [await given(t, store), await given(t, store)]
  const old = new ScriptedWorker(here.sessions, 'w')
  const fresh = new ScriptedWorker(elsewhere.sessions, 'w')
  await old.attach()
  await fresh.attach()
  await fresh.beat()
  await elsewhere.sweep()
  await here.sweep()
  // Sessions are looked after beside the stage.
  for (let n = 0; n < 200 && old.closed === null; n++) await new Promise((resolve) => setTimeout(resolve, 20))
  t.regex(old.closed ?? '', /newer session/)
  t.is(fresh.closed, null)
  t.like(await here.worker(), {connected: true, session: '2'})
})

eachDatabase(
  'the end of a session that the database did not take is recorded by the next sweep',
  async (t, store) => {
    const g = await given(t, store)
    let isAway = false
    const transaction: Store['transaction'] = (work) =>
      isAway ? Promise.reject(new Error('the database is away')) : store.transaction(work)
    const world = {...g.world, store: {...store, transaction}}
    const sessions = new Sessions(world)
    const worker = new ScriptedWorker(sessions, 'w')
    await worker.attach()
    isAway = true
    await t.throwsAsync(worker.detach(), {message: /away/})
    isAway = false
    t.like(await g.worker(), {connected: true})
    await builds(world, sessions).run()
    t.like(await g.worker(), {connected: false})
  },
)

eachDatabase('sessions that end together are recorded together', async (t, store) => {
  const g = await given(t, store)
  const taken: number[] = []
  const ledger: typeof g.world.ledger = {
    ...g.world.ledger,
    detachWorkers: (tx, ends) => {
      taken.push(ends.length)
      return g.world.ledger.detachWorkers(tx, ends)
    },
  }
  const sessions = new Sessions({...g.world, ledger})
  const workers = Array.from({length: 50}, (_, n) => new ScriptedWorker(sessions, `w${n}`))
  for (const worker of workers) await worker.attach()
  await Promise.all(workers.map((worker) => worker.detach()))
  t.deepEqual(taken, [1, 49])
  t.is((await store.query('SELECT 1 FROM workers WHERE connected')).length, 0)
})

eachDatabase(
  'what a worker came back without is given up once it has answered the welcome, not by its hello alone',
  async (t, store) => {
    const g = await given(t, store)
    await g.submit()
    const worker = new ScriptedWorker(g.sessions, 'w')
    await worker.attach()
    await g.claim()
    const attempt = worker.offers()[0]?.attempt ?? ''
    await worker.accept(attempt)
    await g.sweep()
    // A hello from before the offer, which lay in a connection that is dead.
    const [master] = [await given(t, store)]
    await new ScriptedWorker(master.sessions, 'w').attach()
    const [kept] = await store.query('SELECT state FROM attempts')
    t.is(kept?.['state'], 'running')
    const again = new ScriptedWorker(g.sessions, 'w')
    await again.attach()
    await again.beat()
    const [given2] = await store.query('SELECT state FROM attempts')
    t.is(given2?.['state'], 'lost')
  },
)
