// The stage of promotions needs no bell: what a master that died left unjudged is judged by the next look.
import {openRiver} from '../../../master/flow/stages.ts'
import {Sessions} from '../../../master/flow/sessions.ts'
import {Git} from '../../../master/world/git.ts'
import {record} from '../../../master/world/store/events.ts'
import {eachDatabase} from '../../support/database.ts'
import {addBuild, stateDirectory} from '../../support/promoting.ts'
import {Repository} from '../../support/repository.ts'
import {openTestWorld} from '../../support/world.ts'

eachDatabase('a green build whose bell was lost is promoted all the same, and once', async (t, store) => {
  const repository = await Repository.make(t)
  const one = await repository.commit('one')
  const two = await repository.commit('two')
  await repository.push('main', `${one}:refs/heads/stable`)
  const world = await openTestWorld(
    t,
    store,
    `
changeSources: [{name: repo, kind: git, url: "file://${repository.server}", branches: [main]}]
builders: [{name: gate, steps: [{kind: shell, name: s, command: 'true'}]}]
promotions: {rules: [{name: stable, kind: fastForward, source: repo, from: main, to: stable, green: {builders: [gate]}}]}
`,
  )
  const git = new Git({stateDir: await stateDirectory(t), secret: async (name) => name})
  const stage = openRiver(world, git, new Sessions(world)).stages.find(({name}) => name === 'promotions')
  await stage?.run()
  t.is(await repository.tip('stable'), one)
  const build = await addBuild(store, two, 'success')
  await store.transaction((tx) => record(tx, [{type: 'build.finished', data: {build}}]))
  await stage?.run()
  t.is(await repository.tip('stable'), two)
  const decisions = async () => (await store.query('SELECT id FROM promotions')).length
  await stage?.run() // its own promotion is news, too
  const before = await decisions()
  await stage?.run()
  t.is(await decisions(), before)
  const [done] = await store.query<{count: number}>(
    `SELECT count(*)::int AS count FROM promotions WHERE state = 'done'`,
  )
  t.is(done?.count, 1)
})

eachDatabase(
  'rules that run on demand move nothing by themselves, and all that is green when they are asked',
  async (t, store) => {
    const repository = await Repository.make(t)
    const one = await repository.commit('one')
    const two = await repository.commit('two')
    await repository.push('main', `${one}:refs/heads/stable`)
    const world = await openTestWorld(
      t,
      store,
      `
changeSources: [{name: repo, kind: git, url: "file://${repository.server}", branches: [main]}]
builders: [{name: gate, steps: [{kind: shell, name: s, command: 'true'}]}]
promotions:
  run: onDemand
  rules: [{name: stable, kind: fastForward, source: repo, from: main, to: stable, green: {builders: [gate]}}]
`,
    )
    const git = new Git({stateDir: await stateDirectory(t), secret: async (name) => name})
    const river = openRiver(world, git, new Sessions(world))
    const stage = river.stages.find(({name}) => name === 'promotions')
    const build = await addBuild(store, two, 'success')
    await store.transaction((tx) => record(tx, [{type: 'build.finished', data: {build}}]))
    await stage?.run()
    t.is(await repository.tip('stable'), one)
    const decision = await river.decide({rule: 'stable', dryRun: false, actor: 'timer'})
    t.is(decision.verdict, 'promote')
    t.is(await repository.tip('stable'), two)
  },
)
