// The database goes away and comes back: the page says so and shows what it knew, running builds go on, nothing new
// starts, and what happened meanwhile is recorded in its order.
import type {Build, Page} from '../../scripts/api.ts'
import {startCluster} from '../support/cluster.ts'
import {needs} from '../support/needs.ts'
import {System} from '../support/system.ts'
import {adminToken, visit} from '../support/visit.ts'
import {builder, sh, written} from '../support/written.ts'

const test = needs('postgresql', 'chromium')

test('while the database is away the page is old and says so, and then everything is recorded', async (t) => {
  const cluster = await startCluster()
  t.teardown(() => cluster.stop())
  const steps = [
    sh('long', 'for i in $(seq 1 60); do echo "line $i"; sleep 0.1; done'),
    sh('last', 'echo end'),
  ]
  const system = await System.start(t, {
    config: () => written([builder('b', steps)], {access: {read: 'open'}}),
    databaseUrl: cluster.url,
    workers: ['w1'],
  })
  const {page, done} = await visit(t, system, {mayComplain: /503|401|Failed to load/})
  await page.goto(system.master.url)
  await page.getByText('live', {exact: true}).waitFor()
  const buildset = await system.force('force', {builder: 'b'})
  await page.locator('.block.tone-running').waitFor()
  const known = await system.api.get<Page<Build>>('/builds')

  const start = await cluster.halt()
  const banner = page.getByText('The database does not answer.')
  await banner.waitFor()
  t.is(await page.locator('.block.tone-running').count(), 1)
  const old = await fetch(`${system.master.url}/api/v1/builds`)
  t.is(old.status, 200)
  t.regex(old.headers.get('ostler-as-of') ?? '', /^20\d\d-.*Z$/)
  t.deepEqual(await old.json(), known)
  t.is(
    (await system.api.get<Page<Build>>('/builds')).items.length,
    1,
    'a caller that was known is known still',
  )
  const unknown = `${adminToken(system).slice(0, -4)}0000`
  const stranger = await fetch(`${system.master.url}/api/v1/builds`, {
    headers: {authorization: `Bearer ${unknown}`},
  })
  t.is(stranger.status, 503)
  const change = await fetch(`${system.master.url}/api/v1/schedulers/force/force`, {
    method: 'POST',
    headers: {authorization: `Bearer ${adminToken(system)}`, 'content-type': 'application/json'},
    body: '{}',
  })
  t.is(change.status, 503)
  t.regex(await change.text(), /the database does not answer; try again soon/)
  const health = await fetch(`${system.master.url}/healthz`)
  t.is(health.status, 503)
  t.regex(await health.text(), /database/)
  // A page that is opened now says so, too, and has what was known when the last one was.
  await page.reload()
  await banner.waitFor()
  await page.getByRole('link', {name: 'b', exact: true}).first().waitFor()

  await start()
  await banner.waitFor({state: 'detached'})
  const [ended] = await system.builds(buildset)
  t.like(ended, {result: 'success', attemptsLost: 0})
  t.is(
    await system.log(ended?.id ?? '', 'long'),
    Array.from({length: 60}, (_, n) => `line ${String(n + 1)}\n`).join(''),
  )
  await page.locator('.block.tone-success').waitFor()
  await done()
})

test('while the database is away, what only some may read is told to nobody new', async (t) => {
  const cluster = await startCluster()
  t.teardown(() => cluster.stop())
  const system = await System.start(t, {
    config: () => written([builder('b', [sh('s', 'true')])]),
    databaseUrl: cluster.url,
  })
  const asked = async (token: string | null) =>
    (
      await fetch(`${system.master.url}/api/v1/builds`, {
        ...(token !== null && {headers: {authorization: `Bearer ${token}`}}),
      })
    ).status
  const known = adminToken(system)
  t.is(await asked(known), 200)
  await cluster.halt()
  t.is(await asked(known), 200)
  t.is(await asked(`${known.slice(0, -4)}0000`), 503)
  t.is(await asked(null), 401)
})
