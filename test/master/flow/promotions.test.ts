// Branches move on a real server exactly when the stored builds allow it, and every interruption converges.
import {access, chmod, rename, writeFile} from 'node:fs/promises'
import {join} from 'node:path'
import type {ExecutionContext} from 'ava'
import type {PromotionRule} from '../../../config/config.ts'
import {runPromotions} from '../../../master/flow/promotions.ts'
import type {RuleReport, RunOptions} from '../../../master/flow/promotions.ts'
import {Git} from '../../../master/world/git.ts'
import type {Store} from '../../../master/world/store/store.ts'
import {eachDatabase} from '../../support/database.ts'
import {
  addBuild,
  configOf,
  eventsOf,
  fastForward,
  greenOf,
  merge,
  openWorld,
  stateDirectory,
} from '../../support/promoting.ts'
import {Repository} from '../../support/repository.ts'

/** `main` with one, two, three; `stable` at one. */
async function scene(
  t: ExecutionContext,
  store: Store,
  rules: readonly PromotionRule[] = [fastForward()],
  git?: Git,
) {
  const repository = await Repository.make(t)
  const [one, two, three] = [
    await repository.commit('one'),
    await repository.commit('two'),
    await repository.commit('three'),
  ]
  await repository.push('main', `${one}:refs/heads/stable`)
  const world = await openWorld(t, store, git ? {git} : {})
  const config = configOf([repository.source()], rules)
  const run = async (options: Partial<RunOptions> = {}): Promise<RuleReport> =>
    (await runPromotions(world, config, {actor: 'schedule', ...options}))[0] as RuleReport
  const rows = async () =>
    await store.query<{id: string; state: string; verdict: string; reasons: string[]; error: string | null}>(
      'SELECT id, state, verdict, reasons, error FROM promotions ORDER BY id',
    )
  const promoted = async () => (await eventsOf(store, 'branch.promoted')).length
  return {repository, one, two, three, world, config, run, rows, promoted}
}

const hookOf = async (repository: Repository, name: string, body: string) => {
  const hook = join(repository.server, 'hooks', name)
  await writeFile(hook, `#!/bin/sh\n${body}\n`)
  await chmod(hook, 0o755)
}

eachDatabase(
  'the tested commit is promoted, not the tip, and a decision that still holds is not stored again',
  async (t, store) => {
    const {repository, one, two, three, run, rows} = await scene(t, store)
    t.like(await run(), {verdict: 'wait', state: 'decided', candidate: null})
    await addBuild(store, two, 'success')
    await addBuild(store, three, null)
    t.like(await run(), {
      verdict: 'promote',
      state: 'done',
      candidate: two,
      landed: two,
      lag: {commits: 2, seconds: 99_640},
    })
    t.is(await repository.tip('stable'), two)
    t.like(await run(), {verdict: 'wait', state: 'decided'})
    const before = await rows()
    t.like(await run(), {verdict: 'wait', state: 'decided', id: before.at(-1)?.id})
    t.is((await rows()).length, before.length)
    t.deepEqual(
      (await eventsOf(store, 'branch.promoted')).map(({data}) => data),
      [
        {
          rule: 'stable',
          kind: 'fastForward',
          from: 'main',
          to: 'stable',
          revision: two,
          landed: two,
          promotion: before[1]?.id,
        },
      ],
    )
    await addBuild(store, three, 'failure')
    t.regex((await run()).reasons[0] ?? '', /gate #3.*failed/)
    await addBuild(store, three, 'success', {origin: 'force'})
    t.is((await run()).state, 'done')
    t.is(await repository.tip('stable'), three)
    t.like(await run(), {verdict: 'current', lag: {commits: 0, seconds: 0}})
    t.not(one, two)
  },
)

eachDatabase('builds of another branch, repository, origin or result do not bless', async (t, store) => {
  const {repository, one, two, run} = await scene(t, store)
  await addBuild(store, two, 'success', {branch: 'topic'})
  await addBuild(store, two, 'success', {repository: 'other'})
  await addBuild(store, two, 'success', {origin: 'api'})
  await addBuild(store, two, 'success', {builder: 'other'})
  for (const result of ['retry', 'exception', 'cancelled', 'skipped', 'warnings', null])
    await addBuild(store, two, result)
  t.is((await run()).verdict, 'wait')
  t.is(await repository.tip('stable'), one)
  await addBuild(store, two, 'success')
  for (const result of ['retry', 'exception', 'cancelled', 'skipped']) await addBuild(store, two, result)
  t.is((await run()).state, 'done')
})

eachDatabase('a commit merged from a topic is no candidate', async (t, store) => {
  const {repository, run} = await scene(t, store)
  await repository.git('checkout', '--quiet', '-b', 'topic')
  const topic = await repository.commit('topic')
  await repository.git('checkout', '--quiet', 'main')
  await repository.git('merge', '--quiet', '--no-ff', '-m', 'merge topic', 'topic')
  await repository.push('main')
  await addBuild(store, topic, 'success')
  t.like(await run(), {verdict: 'wait', candidate: null})
})

eachDatabase(
  'what was rewound away, unknown, missing, diverged or unrelated is never promoted',
  async (t, store) => {
    const {repository, one, two, three, run} = await scene(t, store)
    await addBuild(store, three, 'success')
    await repository.push('-f', `${two}:refs/heads/main`)
    t.like(await run(), {verdict: 'refuse'})
    await addBuild(store, 'f'.repeat(40), 'success')
    t.regex((await run()).reasons[0] ?? '', /does not know/)
    await addBuild(store, two, 'success')
    await repository.git('reset', '--quiet', '--hard', one)
    const hotfix = await repository.commit('hotfix')
    await repository.push(`HEAD:stable`)
    t.regex((await run()).reasons[0] ?? '', /diverged/)
    await repository.push('-f', `${three}:refs/heads/stable`)
    t.is((await run()).verdict, 'current')
    await repository.git('checkout', '--quiet', '--orphan', 'island')
    await repository.commit('island')
    await repository.push('-f', 'island:stable')
    t.regex((await run()).reasons[0] ?? '', /no commit in common/)
    await repository.push(':stable')
    t.regex((await run()).reasons[0] ?? '', /no branch stable/)
    t.is(await repository.tip('stable'), null)
    t.not(hotfix, one)
  },
)

/** A git whose push does something before or after, as the world does. */
class Meddled extends Git {
  before: () => Promise<void> = async () => {}
  after: () => Promise<void> = async () => {}
  override async push(...call: Parameters<Git['push']>) {
    await this.before()
    const outcome = await super.push(...call)
    await this.after()
    return outcome
  }
}
const meddled = async (t: ExecutionContext) =>
  new Meddled({stateDir: await stateDirectory(t), secret: async () => ''})

eachDatabase('a push from outside between fetch and push wins', async (t, store) => {
  const git = await meddled(t)
  const {repository, one, two, run, rows, promoted} = await scene(t, store, undefined, git)
  await addBuild(store, two, 'success')
  await repository.git('checkout', '--quiet', '-b', 'hotfix', one)
  const hotfix = await repository.commit('hotfix')
  git.before = () => repository.push('hotfix:stable')
  t.is((await run()).state, 'raced')
  t.is(await repository.tip('stable'), hotfix)
  t.is(await promoted(), 0)
  git.before = async () => {}
  t.like(await run(), {verdict: 'refuse'})
  t.deepEqual(
    (await rows()).map(({state}) => state),
    ['raced', 'decided'],
  )
})

eachDatabase(
  'a master that dies before, during or after the push leaves what the next run settles once',
  async (t, store) => {
    const git = await meddled(t)
    const {repository, two, three, run, rows, promoted} = await scene(t, store, undefined, git)
    await addBuild(store, two, 'success')
    const die = async () => await Promise.reject(new Error('killed'))
    git.before = die
    t.is((await run()).error, 'killed')
    t.deepEqual(
      (await rows()).map(({state}) => state),
      ['pushing'],
    )
    git.before = async () => {}
    git.after = die
    t.is((await run()).error, 'killed')
    t.deepEqual(
      (await rows()).map(({state}) => state),
      ['raced', 'pushing'],
    )
    t.is(await repository.tip('stable'), two)
    t.is(await promoted(), 0)
    git.after = async () => {}
    await run()
    t.is(await promoted(), 1)
    // And with somebody going on from our commit before the next run.
    await addBuild(store, three, 'success')
    git.after = die
    await run()
    await repository.git('checkout', '--quiet', '-b', 'next', three)
    await repository.commit('next')
    await repository.push('next:stable')
    git.after = async () => {}
    await run()
    await run()
    t.is(await promoted(), 2)
    t.is((await rows()).filter(({state}) => state === 'pushing').length, 0)
  },
)

eachDatabase('a server that takes a push and breaks off is looked at, not believed', async (t, store) => {
  const {repository, two, run, promoted} = await scene(t, store)
  await addBuild(store, two, 'success')
  // The branch has moved when this hook runs; git then hears nothing more.
  await hookOf(repository, 'post-update', 'kill -9 $PPID')
  t.like(await run(), {state: 'done', landed: two})
  t.is(await repository.tip('stable'), two)
  t.is(await promoted(), 1)
})

eachDatabase('a hook that refuses is told once and not asked again at each tick', async (t, store) => {
  const {repository, one, two, run, rows} = await scene(t, store, [
    fastForward(),
    fastForward({name: 'second', to: 'second'}),
  ])
  await repository.push(`${one}:refs/heads/second`)
  await addBuild(store, two, 'success')
  await hookOf(
    repository,
    'update',
    'test "$1" = refs/heads/second || { echo frozen >&2; echo x >>"$GIT_DIR/asked"; exit 1; }',
  )
  t.like(await run(), {verdict: 'promote', state: 'failed'})
  t.is(await repository.tip('second'), two)
  t.like(await run(), {state: 'failed'})
  t.like(await run({actor: 'ann'}), {state: 'failed'})
  t.deepEqual((await rows()).filter(({state}) => state === 'failed').length, 1)
  const alarms = await eventsOf(store, 'promotion.refused')
  t.is(alarms.length, 1)
  t.regex(String(alarms[0]?.data['error']), /frozen/)
  t.is(await repository.tip('stable'), one)
  await hookOf(repository, 'update', 'exit 0')
  t.like(await run({actor: 'ann'}), {state: 'done'})
})

eachDatabase('a red build that comes between decision and push stops it', async (t, store) => {
  const {repository, one, two, world, config} = await scene(t, store)
  await addBuild(store, two, 'success')
  let late = true
  const transaction: Store['transaction'] = async (work) => {
    if (late) await addBuild(store, two, 'failure')
    late = false
    return await store.transaction(work)
  }
  const meddling = new Proxy(store, {
    get: (target, key) => {
      const value: unknown = key === 'transaction' ? transaction : Reflect.get(target, key, target)
      return typeof value === 'function' ? (value.bind(target) as unknown) : value
    },
  })
  const [report] = await runPromotions({...world, store: meddling}, config, {actor: 'schedule'})
  t.like(report, {verdict: 'wait', state: null, landed: null})
  t.is(await repository.tip('stable'), one)
  t.true(world.rings.includes('promotions'))
})

eachDatabase('two masters at once promote once', async (t, store) => {
  const {two, world, config, promoted, repository} = await scene(t, store)
  await addBuild(store, two, 'success')
  const other = await openWorld(t, store, {master: 'two'})
  await Promise.all(
    [world, other, world].map(({whileHolding: _, ...each}) =>
      runPromotions(each, config, {actor: 'schedule'}),
    ),
  )
  await runPromotions(world, config, {actor: 'schedule'})
  t.is(await repository.tip('stable'), two)
  t.is(await promoted(), 1)
})

eachDatabase('a dry run tells the plan and writes nothing anywhere', async (t, store) => {
  const {repository, one, two, run, rows} = await scene(t, store, [
    fastForward(),
    merge({from: 'main', to: 'stable'}),
  ])
  await addBuild(store, two, 'success')
  await hookOf(repository, 'pre-receive', 'echo asked >"$GIT_DIR/asked"; exit 1')
  t.like(await run({dryRun: true, rule: 'stable'}), {
    verdict: 'promote',
    candidate: two,
    landed: two,
    state: null,
    id: null,
  })
  t.like(await run({dryRun: true, rule: 'carry'}), {verdict: 'promote', state: null, id: null})
  t.deepEqual(await rows(), [])
  t.deepEqual(await eventsOf(store, 'promotion.decided', 'branch.promoted'), [])
  t.is(await repository.tip('stable'), one)
  await t.throwsAsync(access(join(repository.server, 'asked')))
})

eachDatabase('stable is carried into devel in the same run as it moves, and only once', async (t, store) => {
  const {repository, one, two, world, config, run} = await scene(t, store, [merge(), fastForward()])
  await repository.git('checkout', '--quiet', '-b', 'devel', one)
  const devel = await repository.commit('schema')
  await repository.push('devel')
  await addBuild(store, two, 'success')
  const reports = await runPromotions(world, config, {actor: 'schedule'})
  t.deepEqual(
    reports.map(({rule, state}) => [rule, state]),
    [
      ['stable', 'done'],
      ['carry', 'done'],
    ],
  )
  t.is(await repository.tip('devel'), reports[1]?.landed ?? '')
  await repository.git('fetch', '--quiet')
  t.is(
    await repository.git('log', '-1', '--format=%P|%cn|%B', 'origin/devel'),
    `${devel} ${two}|Ostler|Automatic merge from stable up to ${two.slice(0, 12)}`,
  )
  t.like(await run({rule: 'carry'}), {verdict: 'current', state: 'decided'})
  t.like((await eventsOf(store, 'branch.promoted'))[1]?.data, {rule: 'carry', to: 'devel', revision: two})
})

eachDatabase('a carry is a merge commit also where a fast-forward would do', async (t, store) => {
  const {repository, one, three, run} = await scene(t, store, [merge({from: 'main', to: 'stable'})])
  t.is((await run()).state, 'done')
  await repository.git('fetch', '--quiet')
  t.is(await repository.git('log', '-1', '--format=%P', 'origin/stable'), `${one} ${three}`)
})

eachDatabase(
  'a conflict leaves the server alone and is told once for each pair of tips',
  async (t, store) => {
    const {repository, one, two, run, rows} = await scene(t, store, [merge()])
    await repository.git('checkout', '--quiet', '-b', 'devel', one)
    const devel = await repository.commit('mine', {two: 'mine', 'a b': '1'})
    await repository.push('devel', `${two}:refs/heads/stable`)
    t.like(await run(), {verdict: 'wait', state: 'conflict'})
    t.like(await run(), {verdict: 'wait', state: 'conflict', reasons: ['still conflicting: two']})
    await run()
    t.is(await repository.tip('devel'), devel)
    t.is((await rows()).length, 1)
    t.regex((await rows())[0]?.reasons[0] ?? '', /conflicts: two$/)
    const told = await eventsOf(store, 'promotion.conflict')
    t.deepEqual(
      told.map(({data}) => data),
      [
        {
          rule: 'carry',
          promotion: (await rows())[0]?.id,
          files: ['two'],
          authors: ['Ann <ann@example.org>'],
        },
      ],
    )
    await repository.commit('more')
    await repository.push('devel')
    t.is((await run()).state, 'conflict')
    t.is((await eventsOf(store, 'promotion.conflict')).length, 2)
    // A person merges by hand; the rule is content.
    await repository.git('merge', '--quiet', '-X', 'ours', '-m', 'by hand', two)
    await repository.push('devel')
    t.like(await run(), {verdict: 'current', state: 'decided'})
  },
)

eachDatabase('an unreachable server decides nothing, and the rules of others go on', async (t, store) => {
  const {repository, two, world, config, rows} = await scene(t, store, [
    fastForward(),
    fastForward({name: 'elsewhere', source: 'gone'}),
  ])
  await addBuild(store, two, 'success')
  const both = {
    ...config,
    changeSources: [
      ...config.changeSources,
      repository.source({name: 'gone', url: `file://${repository.home}/gone.git`}),
    ],
  }
  const reports = await runPromotions(world, both, {actor: 'schedule'})
  t.deepEqual(
    reports.map(({rule, state, verdict}) => [rule, state, verdict]),
    [
      ['stable', 'done', 'promote'],
      ['elsewhere', null, 'wait'],
    ],
  )
  await rename(repository.server, `${repository.server}.away`)
  t.like((await runPromotions(world, config, {actor: 'schedule'}))[0], {state: null, verdict: 'wait'})
  t.is((await rows()).length, 1)
})

eachDatabase(
  'a chain of rules moves in one run, and a branch with an odd name moves too',
  async (t, store) => {
    const odd = 'rélease/1;$(x)'
    const rules = [
      fastForward({
        name: 'lts',
        from: 'stable',
        to: odd,
        green: greenOf({builders: ['lts-gate'], policy: 'newestGreen', origins: ['scheduler']}),
      }),
      fastForward(),
    ]
    const {repository, one, two, world, config} = await scene(t, store, rules)
    await repository.push(`${one}:refs/heads/${odd}`)
    await addBuild(store, two, 'success')
    await addBuild(store, two, 'success', {builder: 'lts-gate', branch: 'stable'})
    const reports = await runPromotions(world, config, {actor: 'schedule'})
    t.deepEqual(
      reports.map(({rule, state}) => [rule, state]),
      [
        ['stable', 'done'],
        ['lts', 'done'],
      ],
    )
    t.is(await repository.tip(odd), two)
  },
)
