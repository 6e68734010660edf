// Taking a branch back: what is said first is exactly what is done, and nothing undoes it by itself.
import {planRollback, rollBack} from '../../../master/flow/rollback.ts'
import {RollbackRefused} from '../../../master/core/promotion/rollback.ts'
import type {RollbackOrder} from '../../../master/core/promotion/rollback.ts'
import {runPromotions} from '../../../master/flow/promotions.ts'
import {eachDatabase} from '../../support/database.ts'
import {addBuild, fastForward, merge} from '../../support/promoting.ts'
import {openScene, sure} from '../../support/promotion-scene.ts'

const order = (from: string, to: string, over: Partial<RollbackOrder> = {}): RollbackOrder => ({
  from,
  to,
  reason: 'it is bad',
  deny: false,
  actor: {who: 'ann', address: null},
  role: 'operator',
  ...over,
})
const [stable, twin] = [fastForward(), fastForward({name: 'twin'})]

eachDatabase('a rollback is planned, done, held, and no run of any rule undoes it', async (t, store) => {
  const scene = await openScene(t, store, [stable, twin, merge({from: 'stable', to: 'devel'})])
  const {at, repository, world, config, run, runAll, release, events} = scene
  const [one, two, three] = [sure(at['one']), sure(at['two']), sure(at['three'])]
  for (const commit of [two, three]) {
    await addBuild(store, commit, 'success')
    await run()
  }
  const plan = await planRollback(world, config, stable)
  t.like(plan, {
    branch: 'stable',
    from: three,
    to: two,
    commits: 1,
    leaving: [three],
    holds: ['stable', 'twin'],
  })
  t.regex(plan.warnings.join(), /promoted again unless it is denied.*what carry has brought to devel stays/)
  t.is(await repository.tip('stable'), three)
  t.like(await rollBack(world, config, stable, order(three, two)), {state: 'done', error: null})
  t.is(await repository.tip('stable'), two)
  for (const report of (await runAll()).slice(0, 2)) t.like(report, {verdict: 'wait', would: three})
  t.is(await repository.tip('stable'), two)
  t.is((await events('promotion.held')).length, 2)
  t.like(await events('branch.rolledBack'), [{rule: 'stable', kind: 'rollback', revision: two, to: 'stable'}])
  // And the one before that.
  const further = await planRollback(world, config, stable)
  t.like(further, {from: two, to: one})
  await rollBack(world, config, stable, order(two, one, {deny: true}))
  t.is(await repository.tip('stable'), one)
  await release('stable')
  await release('stable')
  const denied = await run()
  t.is(denied.verdict, 'wait')
  t.true(JSON.stringify(denied.evidence).includes('denied by ann: it is bad'))
  t.is(await repository.tip('stable'), one)
})

eachDatabase('without a denial, a released rule promotes what was rolled back again', async (t, store) => {
  const {at, repository, world, config, run, release} = await openScene(t, store, [stable])
  await addBuild(store, sure(at['two']), 'success')
  await run()
  await rollBack(world, config, stable, order(sure(at['two']), sure(at['one'])))
  t.is((await run()).verdict, 'wait')
  await release('stable')
  t.like(await run(), {state: 'done', landed: at['two']})
  t.is(await repository.tip('stable'), sure(at['two']))
})

eachDatabase(
  'an order for another state than the branch is in, or for what no promotion did, is refused',
  async (t, store) => {
    const {at, repository, world, config, run} = await openScene(t, store, [stable])
    await t.throwsAsync(planRollback(world, config, stable), {
      instanceOf: RollbackRefused,
      message: /no promotion brought it/,
    })
    await addBuild(store, sure(at['two']), 'success')
    await run()
    const late = order(sure(at['three']), sure(at['one']))
    await t.throwsAsync(rollBack(world, config, stable, late), {message: /Look at the plan again/})
    await repository.push(`${sure(at['three'])}:stable`)
    await t.throwsAsync(planRollback(world, config, stable), {message: /no promotion brought it/})
    t.deepEqual(await store.query('SELECT id FROM promotion_controls'), [])
  },
)

eachDatabase(
  'a rollback that dies after its push is settled by the next run, and stays held',
  async (t, store) => {
    const {at, repository, world, config, run, git, rows, events} = await openScene(t, store, [stable])
    await addBuild(store, sure(at['two']), 'success')
    await run()
    const takeBack = git.takeBack.bind(git)
    git.takeBack = async (...call) => {
      await takeBack(...call)
      return await Promise.reject(new Error('killed'))
    }
    await t.throwsAsync(rollBack(world, config, stable, order(sure(at['two']), sure(at['one']))), {
      message: 'killed',
    })
    t.is((await rows()).at(-1)?.state, 'pushing')
    const [report] = await runPromotions(world, config, {actor: 'schedule'})
    t.like(report, {verdict: 'wait', would: at['two']})
    t.is(await repository.tip('stable'), sure(at['one']))
    t.is((await events('branch.rolledBack')).length, 1)
    t.is((await events('branch.promoted')).length, 1)
  },
)

eachDatabase('a server that lets no branch go back says so, and the rule stays held', async (t, store) => {
  const {at, repository, world, config, run} = await openScene(t, store, [stable])
  await addBuild(store, sure(at['two']), 'success')
  await run()
  await repository.git('--git-dir', repository.server, 'config', 'receive.denyNonFastForwards', 'true')
  const done = await rollBack(world, config, stable, order(sure(at['two']), sure(at['one'])))
  t.like(done, {state: 'failed'})
  t.is(await repository.tip('stable'), sure(at['two']))
  t.is((await run()).verdict, 'wait')
})

eachDatabase(
  'a plain push that would undo a rollback cannot come from here: the lease is exact',
  async (t, store) => {
    const {at, repository, git} = await openScene(t, store, [stable])
    const source = repository.source()
    await git.fetch(source)
    const [one, two, three] = [sure(at['one']), sure(at['two']), sure(at['three'])]
    await repository.push(`${two}:stable`)
    t.is((await git.takeBack(source, 'stable', {expect: three, to: one})).outcome, 'raced')
    t.like(await git.takeBack(source, 'stable', {expect: two, to: three}), {outcome: 'refused'})
    t.is(await repository.tip('stable'), two)
    await t.throwsAsync(git.pushScratch(source, 'stable', {expect: two, to: one}), {
      message: /no scratch branch/,
    })
  },
)
