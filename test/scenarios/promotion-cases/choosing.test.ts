// Numbered cases: what is promoted and what is not, on real repositories and both databases.
import {judge} from '../../../master/core/promotion/judge.ts'
import type {Basis} from '../../../master/core/promotion/replay.ts'
import {isReplayed} from '../../../master/core/promotion/replay.ts'
import {readBasis, readExcuses} from '../../../master/world/store/views/promotions.ts'
import {eachDatabase} from '../../support/database.ts'
import {addBuild, fastForward, greenOf, merge} from '../../support/promoting.ts'
import {openScene, sure} from '../../support/promotion-scene.ts'

eachDatabase(
  'case 1: a tip that is green on everything is fast-forwarded to, by one push',
  async (t, store) => {
    const rule = fastForward({green: greenOf({builders: ['gate', 'other']})})
    const {at, repository, run, hook} = await openScene(t, store, [rule])
    await hook('post-receive', 'cat >>"$GIT_DIR/pushes"')
    for (const builder of ['gate', 'other']) await addBuild(store, sure(at['three']), 'success', {builder})
    t.like(await run(), {state: 'done', landed: at['three']})
    t.is(await repository.tip('stable'), sure(at['three']))
    t.is((await run()).verdict, 'current')
  },
)

eachDatabase(
  'case 4: builds that no commit has all of are asked for once, and promote when they are green',
  async (t, store) => {
    const rule = fastForward({green: greenOf({builders: ['a', 'b'], fillIn: true})})
    const {at, repository, run} = await openScene(t, store, [rule])
    await addBuild(store, sure(at['two']), 'success', {builder: 'b'})
    await addBuild(store, sure(at['three']), 'success', {builder: 'a'})
    t.is((await run()).verdict, 'wait')
    await run()
    const asked = await store.query<{builder: string; origin: string; revision: string; state: string}>(
      `SELECT r.builder, s.origin, s.source_stamps->0->>'revision' AS revision, r.state FROM requests r JOIN buildsets s ON s.id = r.buildset_id
     WHERE s.origin = 'promotion'`,
    )
    t.deepEqual(asked, [{builder: 'b', origin: 'promotion', revision: sure(at['three']), state: 'pending'}])
    await store.query(
      `UPDATE requests SET state = 'finished', result = 'success' WHERE state = 'pending' AND builder = 'b'`,
    )
    await addBuild(store, sure(at['three']), 'success', {builder: 'b', origin: 'promotion'})
    t.like(await run(), {state: 'done', landed: at['three']})
    t.is(await repository.tip('stable'), sure(at['three']))
  },
)

eachDatabase('case 4: while a scheduler is about to build, nothing is asked for', async (t, store) => {
  const rule = fastForward({green: greenOf({fillIn: true})})
  const {at, run} = await openScene(t, store, [rule])
  await store.query(
    `WITH c AS (INSERT INTO changes (source, repository, branch, revision, author, message) VALUES ('repo', 'repo', 'main', $1, 'a', 'm') RETURNING id)
     INSERT INTO scheduler_changes (scheduler, change_id, branch) SELECT 's', id, 'main' FROM c`,
    [at['three']],
  )
  await run()
  t.deepEqual(await store.query('SELECT id FROM buildsets'), [])
  await store.query('DELETE FROM scheduler_changes')
  const polled = (tip: string | undefined) =>
    store.query(
      `INSERT INTO repositories (source, url, refs) VALUES ('repo', 'x', jsonb_build_object('main', $1::text))
         ON CONFLICT (source) DO UPDATE SET refs = excluded.refs`,
      [tip],
    )
  await polled(at['two'])
  await run()
  t.deepEqual(await store.query('SELECT id FROM buildsets'), [])
  await polled(at['three'])
  await run()
  t.is((await store.query('SELECT id FROM buildsets')).length, 1)
})

eachDatabase(
  'case 11: a build beside another revision of a second repository is not the same evidence',
  async (t, store) => {
    const rule = fastForward({green: greenOf({builders: ['a', 'b']})})
    const {at, run} = await openScene(t, store, [rule])
    const beside = async (builder: string, revision: string) => {
      const id = await addBuild(store, sure(at['two']), 'success', {builder})
      await store.query(
        `UPDATE builds SET source_stamps = source_stamps || jsonb_build_array(jsonb_build_object('repository', 'lib', 'branch', 'main', 'revision', $2::text)) WHERE id = $1`,
        [id, revision],
      )
    }
    await beside('a', 'l1')
    await beside('b', 'l2')
    const waiting = await run()
    t.is(waiting.verdict, 'wait')
    t.regex(JSON.stringify(waiting.evidence), /different revisions of other repositories/)
    await beside('b', 'l1')
    t.is((await run()).state, 'done')
  },
)

eachDatabase(
  'case 12: after its builder’s steps were changed a green build is stale, where the policy refuses that',
  async (t, store) => {
    const rule = fastForward({green: greenOf({staleEvidence: 'refuse'})})
    const {at, run, config} = await openScene(t, store, [rule])
    const version = async (builders: unknown) => {
      const [row] = await store.query<{id: string}>(
        `INSERT INTO config_versions (hash, config) VALUES ('x', $1::jsonb) RETURNING id`,
        [JSON.stringify({builders})],
      )
      return sure(row?.id)
    }
    const before = await version([
      {...config.builders[0], steps: [{kind: 'shell', name: 'old', options: {}}]},
    ])
    const build = await addBuild(store, sure(at['two']), 'success')
    await store.query('UPDATE builds SET config_version = $1 WHERE id = $2', [before, build])
    const stale = await run()
    t.is(stale.verdict, 'wait')
    t.regex(JSON.stringify(stale.evidence), /made before its builder was changed/)
    // Another description is no change of what is built.
    const same = await version([{...config.builders[0], description: 'another'}])
    await store.query('UPDATE builds SET config_version = $1 WHERE id = $2', [same, build])
    t.is((await run()).state, 'done')
  },
)

eachDatabase(
  'case 13: a green build on another branch or of a foreign origin does not count, unless the policy says so',
  async (t, store) => {
    const {at, run, repository} = await openScene(t, store, [
      fastForward({green: greenOf({origins: ['scheduler']})}),
      fastForward({
        name: 'open',
        to: 'open',
        green: greenOf({policy: 'newestGreen', branches: ['topic'], origins: ['force']}),
      }),
    ])
    await addBuild(store, sure(at['two']), 'success', {branch: 'topic', origin: 'force'})
    t.is((await run()).verdict, 'wait')
    t.is(await repository.tip('stable'), sure(at['one']))
    t.is(await repository.tip('open'), sure(at['two']))
  },
)

eachDatabase('case 14: a green commit that came in only by a merge is no candidate', async (t, store) => {
  const {repository, run} = await openScene(t, store, [
    fastForward({green: greenOf({policy: 'newestGreen'})}),
  ])
  await repository.git('checkout', '--quiet', '-b', 'topic')
  const topic = await repository.commit('topic')
  await repository.git('checkout', '--quiet', 'main')
  await repository.git('merge', '--quiet', '--no-ff', '-m', 'merge topic', 'topic')
  await repository.push('main')
  await addBuild(store, topic, 'success')
  t.like(await run(), {verdict: 'wait', candidate: null})
})

eachDatabase('case 15: what was rewound away is never promoted, and is told once', async (t, store) => {
  const {at, repository, run, events} = await openScene(t, store, [fastForward()])
  await run()
  await addBuild(store, sure(at['three']), 'success')
  await repository.push('-f', `${sure(at['two'])}:refs/heads/main`)
  t.regex((await run()).reasons[0] ?? '', /rewound or rewritten/)
  await run()
  t.is((await events('promotion.refused')).length, 1)
  t.is(await repository.tip('stable'), sure(at['one']))
  await addBuild(store, sure(at['two']), 'success')
  t.like(await run(), {state: 'done', landed: at['two']})
})

eachDatabase(
  'case 16: branches that are missing, alike, behind or unrelated are left alone, with the reason',
  async (t, store) => {
    const {at, repository, run} = await openScene(t, store, [fastForward()])
    await addBuild(store, sure(at['three']), 'success')
    const reason = async () => (await run()).reasons[0] ?? ''
    await repository.push('-f', `${sure(at['three'])}:refs/heads/stable`)
    t.is(await reason(), 'stable is main')
    await repository.commit('ahead')
    await repository.push('-f', 'HEAD:refs/heads/stable')
    t.is(await reason(), 'stable has all of main')
    await repository.git('checkout', '--quiet', '--orphan', 'island')
    const island = await repository.commit('island')
    await repository.push('-f', 'island:refs/heads/stable')
    t.is(await reason(), 'main and stable have no commit in common')
    t.is(await repository.tip('stable'), island)
    await repository.push(':stable')
    t.is(await reason(), 'repo has no branch stable')
    await repository.push(`${sure(at['one'])}:refs/heads/stable`)
    await repository.git('--git-dir', repository.server, 'update-ref', '-d', 'refs/heads/main')
    t.is(await reason(), 'repo has no branch main')
    t.is(await repository.tip('stable'), sure(at['one']))
  },
)

eachDatabase(
  'case 32: a commit that a later one reverts does not get to stable, and its revert takes both',
  async (t, store) => {
    const {at, repository, run} = await openScene(t, store, [
      fastForward({green: greenOf({policy: 'newestGreen'})}),
    ])
    await repository.git('revert', '--no-edit', sure(at['two']))
    const revert = await repository.git('rev-parse', 'HEAD')
    await repository.push('main')
    for (const name of ['two', 'three']) await addBuild(store, sure(at[name]), 'success')
    const vetoed = await run()
    t.is(vetoed.verdict, 'wait')
    t.true(JSON.stringify(vetoed.evidence).includes('reverts on main'))
    await addBuild(store, revert, 'success')
    t.like(await run(), {state: 'done', landed: revert})
  },
)

eachDatabase('case 36: each rule has builders of its own', async (t, store) => {
  const {at, runAll, repository} = await openScene(t, store, [
    fastForward(),
    fastForward({name: 'db-stable', to: 'db-stable', green: greenOf({builders: ['db']})}),
  ])
  await addBuild(store, sure(at['two']), 'success')
  await addBuild(store, sure(at['three']), 'success', {builder: 'db'})
  await runAll()
  t.is(await repository.tip('stable'), sure(at['two']))
  t.is(await repository.tip('db-stable'), sure(at['three']))
})

eachDatabase(
  'case 37: a chain of rules moves in one run, each on what the one before has landed',
  async (t, store) => {
    const rules = [
      merge({from: 'lts', to: 'archive', message: ['up to ', {prop: 'revision'}]}),
      fastForward({name: 'lts', from: 'stable', to: 'lts', green: greenOf({builders: ['lts']})}),
      fastForward(),
    ]
    const {at, runAll, repository} = await openScene(t, store, rules)
    await addBuild(store, sure(at['two']), 'success')
    await addBuild(store, sure(at['two']), 'success', {builder: 'lts', branch: 'stable'})
    t.deepEqual(
      (await runAll()).map(({rule, state}) => [rule, state]),
      [
        ['stable', 'done'],
        ['lts', 'done'],
        ['carry', 'done'],
      ],
    )
    await repository.git('fetch', '--quiet')
    t.is(
      await repository.git('log', '-1', '--format=%P %s', 'origin/archive'),
      `${sure(at['one'])} ${sure(at['two'])} up to ${sure(at['two'])}`,
    )
  },
)

eachDatabase('case 57: of every look it is told why each newer commit was not promoted', async (t, store) => {
  const {at, run} = await openScene(
    t,
    store,
    [fastForward({green: greenOf({policy: 'newestGreen'})})],
    ['one', 'two', 'three', 'four'],
  )
  await run()
  await addBuild(store, sure(at['three']), 'failure')
  await addBuild(store, sure(at['four']), null)
  await run()
  await run()
  const told = await readExcuses(store, 'stable', 10, null)
  t.is(told.length, 2)
  t.deepEqual(
    told[0]?.excuses.map(({because}) => because),
    ['gate is building it', 'gate #1: failed', 'gate has not built it'],
  )
  t.deepEqual(
    (await readExcuses(store, 'stable', 10, sure(at['three']).slice(0, 8))).map(({excuses}) =>
      excuses.map(({because}) => because),
    ),
    [['gate #1: failed'], ['gate has not built it']],
  )
})

eachDatabase(
  'case 58: every stored decision is made again from what was stored with it',
  async (t, store) => {
    const {at, run, rows, say, release} = await openScene(t, store, [
      fastForward({green: greenOf({policy: 'newestGreen'})}),
    ])
    await run()
    await addBuild(store, sure(at['two']), 'success')
    await say({kind: 'hold', rule: 'stable'})
    await run()
    await release('stable')
    await run()
    const ids = (await rows()).map(({id}) => id)
    t.is(ids.length, 3)
    for (const id of ids) {
      const basis = (await readBasis(store, 'stable', id))?.basis as unknown as Basis
      t.true(isReplayed(basis))
      t.is(judge(basis.rule, {...basis.facts, builds: []}).verdict, 'wait')
    }
  },
)
