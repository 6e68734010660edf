// Between the decision and what the server shows afterwards: nothing is believed, and only who may acts.
import type {ExecutionContext} from 'ava'
import {runPromotions, type PromotionsWorld} from '../../../master/flow/promotions.ts'
import {Git} from '../../../master/world/git.ts'
import {whileHolding} from '../../../master/world/store/holding.ts'
import type {Store} from '../../../master/world/store/store.ts'
import {eachDatabase} from '../../support/database.ts'
import {
  addBuild,
  configOf,
  eventsOf,
  fastForward,
  openWorld,
  stateDirectory,
} from '../../support/promoting.ts'
import {Repository} from '../../support/repository.ts'

/** `main` with one and two, which is green; `stable` at one. */
async function scene(t: ExecutionContext, store: Store, git?: Git) {
  const repository = await Repository.make(t)
  const one = await repository.commit('one')
  const two = await repository.commit('two')
  await repository.push('main', `${one}:refs/heads/stable`)
  await addBuild(store, two, 'success')
  const world = await openWorld(t, store, git ? {git} : {})
  const config = configOf([repository.source()], [fastForward()])
  const run = async (over: Partial<PromotionsWorld> = {}) =>
    (await runPromotions({...world, ...over}, config, {actor: 'schedule'}))[0]
  return {repository, one, two, run}
}

const gitPlace = async (t: ExecutionContext) => ({stateDir: await stateDirectory(t), secret: async () => ''})

eachDatabase('a yes of the server is not believed while the branch stands still', async (t, store) => {
  class Yes extends Git {
    override async push(): ReturnType<Git['push']> {
      return {outcome: 'done'}
    }
  }
  const {repository, one, two, run} = await scene(t, store, new Yes(await gitPlace(t)))
  t.like(await run(), {state: 'pushing', error: 'the server said yes, yet stable is where it was'})
  t.deepEqual(await eventsOf(store, 'branch.promoted'), [])
  t.is(await repository.tip('stable'), one)
  t.like(await run({git: new Git(await gitPlace(t))}), {state: 'done', landed: two})
  t.is(await repository.tip('stable'), two)
})

eachDatabase('a master whose lease went to another moves no branch', async (t, store) => {
  const {repository, one, run} = await scene(t, store)
  const slept: PromotionsWorld['whileHolding'] = (lease, work) =>
    whileHolding(store, 'one', lease, async (guard) => {
      await store.query(`UPDATE leases SET holder = 'two', fence = fence + 1`)
      return await work(guard)
    })
  t.regex((await run({whileHolding: slept}))?.error ?? '', /does not hold the lease promotions\/repo/)
  t.is(await repository.tip('stable'), one)
  t.deepEqual(await store.query('SELECT state FROM promotions'), [])
})

eachDatabase('while a push to a branch is under way nobody begins another', async (t, store) => {
  class Late extends Git {
    /** Asked between judging and planning: then another master has begun. */
    override async treeOf(...asked: Parameters<Git['treeOf']>) {
      await store.query(
        `INSERT INTO promotions (rule, kind, source, from_branch, to_branch, verdict, reasons, evidence, state, actor)
         VALUES ('other', 'fastForward', 'repo', 'main', 'stable', 'promote', '[]', '{}', 'pushing', 'two')`,
      )
      return await super.treeOf(...asked)
    }
  }
  const {repository, one, run} = await scene(t, store, new Late(await gitPlace(t)))
  t.like(await run(), {verdict: 'wait', state: null})
  t.is(await repository.tip('stable'), one)
})
