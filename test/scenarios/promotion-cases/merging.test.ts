// Numbered cases: merges that are tested before they land, merges that are not, and what carries back.
import {addControl} from '../../../master/world/store/controls.ts'
import {eachDatabase} from '../../support/database.ts'
import {addBuild, fastForward, gate, greenOf, merge} from '../../support/promoting.ts'
import {openScene, sure} from '../../support/promotion-scene.ts'
import type {PromotionScene} from '../../support/promotion-scene.ts'

const scratch = 'ostler/gate/landing'

/** A commit on `stable` that main does not have. */
async function hotfix(
  {repository}: PromotionScene,
  base: string,
  files: Record<string, string>,
): Promise<string> {
  await repository.git('fetch', '--quiet', 'origin')
  await repository.git('checkout', '--quiet', '-B', 'hotfix', base)
  const revision = await repository.commit('hotfix', files)
  await repository.push('HEAD:refs/heads/stable')
  await repository.git('checkout', '--quiet', 'main')
  return revision
}
const parentsOf = async ({repository}: PromotionScene, branch: string) => {
  await repository.git('fetch', '--quiet', 'origin')
  return await repository.git('log', '-1', '--format=%P', `origin/${branch}`)
}

eachDatabase(
  'case 25: a target with a commit of its own is merged, the merge is tested, and exactly that merge lands',
  async (t, store) => {
    const scene = await openScene(t, store, [gate()])
    const {at, repository, run} = scene
    const fix = await hotfix(scene, sure(at['one']), {fix: 'x'})
    await addBuild(store, sure(at['three']), 'success')
    t.is((await run()).verdict, 'wait')
    const tested = sure(await repository.tip(scratch))
    t.is(await repository.tip('stable'), fix)
    await run()
    const asked = await store.query<{stamp: {branch: string; revision: string}}>(
      `SELECT source_stamps->0 AS stamp FROM buildsets WHERE origin = 'promotion'`,
    )
    t.like(asked, [{stamp: {branch: scratch, revision: tested}}])
    // The candidate's own green is not the merge's.
    t.is((await run()).verdict, 'wait')
    await addBuild(store, tested, 'success', {branch: scratch, origin: 'promotion'})
    t.like(await run(), {state: 'done', landed: tested, candidate: at['three']})
    t.is(await repository.tip('stable'), tested)
    t.is(await parentsOf(scene, 'stable'), `${fix} ${sure(at['three'])}`)
  },
)

eachDatabase(
  'case 26: a merge with exactly the tested files lands without another test',
  async (t, store) => {
    const scene = await openScene(t, store, [gate()])
    const {at, repository, run} = scene
    await hotfix(scene, sure(at['one']), {two: 'two'}) // the same that main has brought by itself
    await addBuild(store, sure(at['three']), 'success')
    await run()
    t.like(await run(), {state: 'done', candidate: at['three']})
    t.is(sure(await repository.tip('stable')), sure(await repository.tip(scratch)))
    t.deepEqual(await store.query(`SELECT id FROM buildsets WHERE origin = 'promotion'`), [])
  },
)

eachDatabase(
  'case 26: always a merge commit: its files are those that were tested, or it does not land, by policy',
  async (t, store) => {
    const always = merge({
      name: 'always',
      from: 'main',
      to: 'stable',
      green: greenOf({policy: 'newestGreen'}),
    })
    const scene = await openScene(t, store, [always])
    const {at, repository, run, config} = scene
    await addBuild(store, sure(at['two']), 'success')
    t.like(await run(), {state: 'done', candidate: at['two']})
    t.is(await parentsOf(scene, 'stable'), `${sure(at['one'])} ${sure(at['two'])}`)
    await addBuild(store, sure(at['three']), 'success')
    t.like(await run(), {state: 'done', candidate: at['three']})
    const four = await repository.commit('four')
    await repository.push('main')
    const before = await hotfix(scene, sure(await repository.tip('stable')), {fix: 'x'})
    await addBuild(store, four, 'success')
    // Somebody else's commit is no promotion taken back.
    t.like(await run(), {verdict: 'refuse', candidate: null})
    t.regex((await run()).reasons[0] ?? '', /not what was tested/)
    t.is(await repository.tip('stable'), before)
    ;(config.promotions.rules as unknown[])[0] = {...always, tree: 'any'}
    t.like(await run(), {state: 'done', candidate: four})
  },
)

eachDatabase(
  'case 27: a conflict pushes nothing and is one task for each pair of commits, with its files and authors',
  async (t, store) => {
    for (const rule of [gate({name: 'landing'}), merge({name: 'carry', from: 'main', to: 'stable'})]) {
      await store.query('TRUNCATE promotions, events, promotion_gates')
      const scene = await openScene(t, store, [rule])
      const {at, repository, run, rows, events} = scene
      const fix = await hotfix(scene, sure(at['one']), {two: 'another'})
      for (const _ of [1, 2, 3]) t.like(await run(), {verdict: 'wait', state: 'conflict'})
      t.is(await repository.tip('stable'), fix)
      t.is((await rows()).length, 1)
      const [told, ...more] = await events('promotion.conflict')
      t.like(told, {rule: rule.name, files: ['two'], authors: ['Ann <ann@example.org>']})
      t.deepEqual(more, [])
      // A person merges by hand, and the task is done.
      await repository.git('fetch', '--quiet')
      await repository.git('checkout', '--quiet', '-B', 'stable', fix)
      await repository.git('merge', '--quiet', '-X', 'ours', '-m', 'by hand', sure(at['three']))
      await repository.push('stable')
      t.is((await run()).verdict, 'current')
      await run()
      t.like(await events('promotion.resolved'), [{rule: rule.name}])
    }
  },
)

eachDatabase('case 28: a merge that is clean and wrong is caught by its test', async (t, store) => {
  const scene = await openScene(t, store, [gate()])
  const {at, repository, run} = scene
  const fix = await hotfix(scene, sure(at['one']), {caller: 'old_name()'})
  await addBuild(store, sure(at['three']), 'success')
  await run()
  const tested = sure(await repository.tip(scratch))
  await addBuild(store, tested, 'failure', {branch: scratch, origin: 'promotion'})
  const red = await run()
  t.like(red, {verdict: 'wait', landed: null})
  t.regex(red.reasons[0] ?? '', /gate #\d+: failed/)
  t.is(await repository.tip('stable'), fix)
  // The next commit takes its turn.
  const repaired = await repository.commit('repaired')
  await repository.push('main')
  await run()
  const next = sure(await repository.tip(scratch))
  t.not(next, tested)
  await addBuild(store, next, 'success', {branch: scratch, origin: 'promotion'})
  t.like(await run(), {state: 'done', candidate: repaired})
})

eachDatabase(
  'case 29: a target that moves while the merge is under test starts the test over',
  async (t, store) => {
    const scene = await openScene(t, store, [gate()])
    const {at, repository, run} = scene
    await hotfix(scene, sure(at['one']), {fix: '1'})
    await run()
    const first = sure(await repository.tip(scratch))
    const moved = await hotfix(scene, sure(await repository.tip('stable')), {fix: '2'})
    await addBuild(store, first, 'success', {branch: scratch, origin: 'promotion'})
    t.regex((await run()).reasons[0] ?? '', /stable has moved/)
    t.is(await repository.tip('stable'), moved)
    const second = sure(await repository.tip(scratch))
    t.not(second, first)
    await addBuild(store, second, 'success', {branch: scratch, origin: 'promotion'})
    t.like(await run(), {state: 'done', landed: second})
    t.is(await parentsOf(scene, 'stable'), `${moved} ${sure(at['three'])}`)
  },
)

eachDatabase(
  'case 30: of several merge bases the same merge comes twice, and what made it is recorded',
  async (t, store) => {
    const scene = await openScene(t, store, [gate()])
    const {at, repository, git, config, run} = scene
    const source = repository.source()
    const mine = await hotfix(scene, sure(at['one']), {mine: '1'})
    await repository.git('checkout', '--quiet', '-B', 'left', sure(at['two']))
    await repository.git('merge', '--quiet', '--no-ff', '-m', 'left', mine)
    const left = await repository.commit('left')
    await repository.git('checkout', '--quiet', '-B', 'right', mine)
    await repository.git('merge', '--quiet', '--no-ff', '-m', 'right', sure(at['two']))
    const right = await repository.commit('right')
    await repository.push('-f', `${left}:refs/heads/main`, `${right}:refs/heads/stable`)
    t.is((await repository.git('merge-base', '--all', left, right)).split('\n').length, 2)
    await run()
    const commit = {message: 'm', committer: config.promotions.committer, at: 1e12}
    t.deepEqual(await git.merge(source, right, left, commit), await git.merge(source, right, left, commit))
    const [stored] = await store.query<{made_with: string; tree: string}>(
      'SELECT made_with, tree FROM promotion_gates',
    )
    t.regex(stored?.made_with ?? '', /^git version \d.*, ort$/)
    t.is(stored?.tree, await git.treeOf(source, sure(await repository.tip(scratch))))
  },
)

eachDatabase('case 31: of two commits that land together the target holds both', async (t, store) => {
  const scene = await openScene(t, store, [gate()])
  const {at, repository, run} = scene
  await hotfix(scene, sure(at['one']), {fix: 'x'})
  await run()
  await addBuild(store, sure(await repository.tip(scratch)), 'success', {
    branch: scratch,
    origin: 'promotion',
  })
  t.is((await run()).state, 'done')
  await repository.git('fetch', '--quiet')
  t.deepEqual((await repository.git('ls-tree', '--name-only', 'origin/stable')).split('\n'), [
    'fix',
    'one',
    'three',
    'two',
  ])
})

eachDatabase(
  'case 33: a revert that was made on stable is not carried back, until somebody allows it or the policy ignores it',
  async (t, store) => {
    const back = merge({name: 'back', from: 'stable', to: 'main'})
    const scene = await openScene(t, store, [fastForward(), back])
    const {at, repository, runAll, run, config, events} = scene
    await addBuild(store, sure(at['three']), 'success')
    await runAll()
    await repository.git('checkout', '--quiet', '-B', 'stable', sure(at['three']))
    await repository.git('revert', '--no-edit', sure(at['two']))
    const revert = await repository.git('rev-parse', 'HEAD')
    await repository.push('stable')
    const refused = await run({rule: 'back'})
    t.like(refused, {verdict: 'refuse', would: revert})
    t.regex(refused.reasons[0] ?? '', /Revert the revert on stable, or allow/)
    t.is((await events('promotion.refused')).length, 1)
    t.is(await repository.tip('main'), sure(at['three']))
    const ignoring = {
      ...config,
      promotions: {...config.promotions, rules: [{...back, reverts: 'ignore' as const}]},
    }
    t.truthy(ignoring)
    await store.transaction((tx) =>
      addControl(
        tx,
        {who: 'ann', address: null},
        {kind: 'allowance', rule: 'back', revision: revert, reason: 'it is bad', role: 'operator'},
      ),
    )
    t.like(await run({rule: 'back'}), {state: 'done', candidate: revert})
  },
)

eachDatabase('case 34: two rules that carry to each other come to rest', async (t, store) => {
  const rules = [
    merge({name: 'there', from: 'main', to: 'devel'}),
    merge({name: 'back', from: 'devel', to: 'main'}),
  ]
  const {at, runAll, repository, run} = await openScene(t, store, rules)
  for (const _ of [1, 2, 3]) await runAll()
  const stood = [await repository.tip('main'), await repository.tip('devel')]
  const reports = await runAll()
  t.deepEqual(
    reports.map(({verdict, state}) => [verdict, state]),
    [
      ['current', 'decided'],
      ['current', 'decided'],
    ],
  )
  t.deepEqual([await repository.tip('main'), await repository.tip('devel')], stood)
  t.is((await run({rule: 'back'})).verdict, 'current')
  t.is(stood[0], sure(at['three']))
})

eachDatabase(
  'case 35: a carry that conflicts leaves the promotion that it follows done',
  async (t, store) => {
    const scene = await openScene(t, store, [fastForward(), merge({from: 'stable', to: 'devel'})])
    const {at, repository, runAll, events} = scene
    await repository.git('checkout', '--quiet', '-B', 'devel', sure(at['one']))
    const devel = await repository.commit('mine', {two: 'mine'})
    await repository.push('devel')
    await addBuild(store, sure(at['two']), 'success')
    t.deepEqual(
      (await runAll()).map(({rule, state}) => [rule, state]),
      [
        ['stable', 'done'],
        ['carry', 'conflict'],
      ],
    )
    t.is(await repository.tip('stable'), sure(at['two']))
    t.is(await repository.tip('devel'), devel)
    t.is((await events('branch.promoted')).length, 1)
  },
)

eachDatabase(
  'case 46: a server that wants every commit signed off refuses a merge that is not, and takes one that is',
  async (t, store) => {
    const rule = merge({from: 'main', to: 'stable'})
    const {repository, run, config, hook, at} = await openScene(t, store, [rule])
    await hook(
      'update',
      'git log --format=%B "$2..$3" --merges | grep -q "^Signed-off-by: Bot <bot@example.org>" || { echo "no sign-off" >&2; exit 1; }',
    )
    t.like(await run(), {state: 'failed'})
    t.regex((await run()).error ?? '', /no sign-off/)
    t.is(await repository.tip('stable'), sure(at['one']))
    ;(config.promotions.rules as unknown[])[0] = {
      ...rule,
      committer: {name: 'Bot', email: 'bot@example.org'},
      message: ['carry\n\nSigned-off-by: Bot <bot@example.org>'],
    }
    t.is((await run({actor: 'ann'})).state, 'done')
    await repository.git('fetch', '--quiet')
    t.is(
      await repository.git('log', '-1', '--format=%an|%cn|%ce', 'origin/stable'),
      'Bot|Bot|bot@example.org',
    )
  },
)

eachDatabase(
  'a gate with partial lands an older commit when the newest is red, and tries none twice',
  async (t, store) => {
    const scene = await openScene(t, store, [gate({partial: true})])
    const {at, repository, run} = scene
    await hotfix(scene, sure(at['one']), {fix: 'x'})
    await run()
    const newest = sure(await repository.tip(scratch))
    await addBuild(store, newest, 'failure', {branch: scratch, origin: 'promotion'})
    await run()
    const older = sure(await repository.tip(scratch))
    t.not(older, newest)
    await addBuild(store, older, 'success', {branch: scratch, origin: 'promotion'})
    t.like(await run(), {state: 'done', candidate: at['two'], landed: older})
  },
)
