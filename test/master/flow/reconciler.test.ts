import {Registry} from 'prom-client'
import test from 'ava'
import {reconciler} from '../../../master/flow/reconciler.ts'
import {complaintsOf, findingText} from '../../../master/world/findings.ts'
import {checks, readFindings} from '../../../master/world/store/checks.ts'
import {eachDatabase} from '../../support/database.ts'
import {breakages, given, stock} from '../../support/ledgers.ts'
import {openTestWorld} from '../../support/world.ts'
import {eachFront} from '../http/front.ts'

const yaml = `
changeSources: []
workers: [{name: w}]
builders: [{name: b, steps: [{kind: shell, name: s, command: 'true'}]}]
schedulers: [{kind: force, name: force, builders: [b]}]
`

test('every check is broken by a test', (t) => {
  t.deepEqual(new Set(breakages.map(({check}) => check)), new Set(checks.map(({name}) => name)))
})

eachDatabase(
  'each truth of the ledger that is broken is found, and a sound ledger has no findings',
  async (t, store) => {
    await stock(store)
    t.deepEqual(await readFindings(store, 'life', given), [])
    for (const {check, row, sql} of breakages) {
      const undo = new Error('undo')
      const found = store.transaction(async (tx) => {
        await tx.query(sql)
        const findings = await readFindings(tx, 'life', given)
        t.deepEqual(
          findings.filter((one) => one.check === check).map((one) => one.row),
          [row],
          check,
        )
        throw undo
      })
      t.is(await t.throwsAsync(found), undo)
      if (check === 'numbers-behind') await store.query(`SELECT setval('attempts_id_seq', 2)`)
    }
    t.deepEqual(await readFindings(store, 'life', given), [])
  },
)

eachDatabase('of a ledger at rest only the truths are asked', async (t, store) => {
  await stock(store)
  await store.query(`UPDATE workers SET master = 'gone'`)
  t.deepEqual(await readFindings(store, 'truth', given), [])
  t.is((await readFindings(store, 'life', given)).length, 1)
})

eachDatabase(
  'the reconciler believes what it saw twice, tells it with its remedy, and sees it go',
  async (t, store) => {
    await stock(store)
    const world = await openTestWorld(t, store, yaml)
    const {stage, found} = reconciler(world)
    await store.query(`UPDATE requests SET state = 'claimed' WHERE id = 1`)
    await stage.run()
    t.deepEqual(found(), {at: null, findings: []})
    await stage.run()
    t.deepEqual(found().findings, [{check: 'claimed-without-build', row: '1', mark: ''}])
    t.is(
      findingText(found().findings[0] as never),
      'request 1 is claimed and has no build (claimed-without-build); stop the masters and run `ostler fsck --repair`: it goes back into the queue',
    )
    await store.query(`UPDATE requests SET state = 'pending' WHERE id = 1`)
    await stage.run()
    t.deepEqual(found().findings, [])
  },
)

eachDatabase(
  'a report that lies there is rung for at first sight, and nothing is rewritten',
  async (t, store) => {
    await stock(store)
    const world = await openTestWorld(t, store, yaml)
    await store.query(`UPDATE outbox SET next_at = now() - interval '6 minutes'`)
    const before = await store.query('SELECT * FROM outbox')
    const rung = new Promise<void>((resolve) => world.bells.on('reports', resolve))
    await reconciler(world).stage.run()
    await rung
    t.deepEqual(await store.query('SELECT * FROM outbox'), before)
  },
)

test('a complaint that anybody may read names rows by number only', (t) => {
  const found = (check: string, row: string) => ({check, row, mark: ''})
  const [request, worker] = complaintsOf([
    found('worker-silent', 'secret-host'),
    found('claimed-without-build', '7'),
  ])
  t.regex(request ?? '', /^ledger: request 7 is claimed and has no build/)
  t.regex(worker ?? '', /^ledger: 1 × a worker counts as connected/)
  t.false((worker ?? '').includes('secret-host'))
})

eachFront('the metrics hold a gauge for every check, 0 when all is well', async (t, front) => {
  t.true(front.needs.metrics instanceof Registry)
  const {body} = await front.ask({url: '/metrics', as: 'viewer'})
  for (const {name} of checks) t.true(body.includes(`ostler_ledger_findings{check="${name}"} 0\n`), name)
  t.regex(body, /ostler_ledger_looked_at_seconds 1\d{9}/)
})
