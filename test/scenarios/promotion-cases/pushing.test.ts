// Numbered cases: between the decision and what the server shows afterwards. Races, crashes, servers that refuse or hang.
import {execFileSync} from 'node:child_process'
import {access} from 'node:fs/promises'
import {createServer} from 'node:net'
import {once} from 'node:events'
import {join} from 'node:path'
import type {ExecutionContext} from 'ava'
import {runPromotions} from '../../../master/flow/promotions.ts'
import {Git} from '../../../master/world/git.ts'
import {whileHolding} from '../../../master/world/store/holding.ts'
import type {Store} from '../../../master/world/store/store.ts'
import {eachDatabase, onlyPostgres, withStore} from '../../support/database.ts'
import {GitHttp} from '../../support/git-http.ts'
import {addBuild, fastForward, greenOf, merge, openWorld, stateDirectory} from '../../support/promoting.ts'
import {openScene, sure} from '../../support/promotion-scene.ts'

/** A store in whose next transactions something happens first. */
const meddling = (store: Store, first: () => Promise<unknown>): Store => {
  let isFirst = true
  const transaction: Store['transaction'] = async (work) => {
    if (isFirst) {
      isFirst = false
      await first()
    }
    return await store.transaction(work)
  }
  return new Proxy(store, {
    get: (target, key) => {
      const value: unknown = key === 'transaction' ? transaction : Reflect.get(target, key, target)
      return typeof value === 'function' ? (value.bind(target) as unknown) : value
    },
  })
}

eachDatabase('case 10: a rerun that goes red between decision and push stops it', async (t, store) => {
  const {at, repository, run} = await openScene(t, store, [fastForward()])
  await addBuild(store, sure(at['two']), 'success')
  const late = meddling(store, () => addBuild(store, sure(at['two']), 'failure'))
  t.like(await run({}, {store: late}), {verdict: 'wait', state: null})
  t.is(await repository.tip('stable'), sure(at['one']))
})

eachDatabase('case 17: an outside push between fetch and push is not written over', async (t, store) => {
  const {at, repository, run, git, rows} = await openScene(t, store, [fastForward()])
  await addBuild(store, sure(at['two']), 'success')
  await repository.git('checkout', '--quiet', '-b', 'hotfix', sure(at['one']))
  const fix = await repository.commit('hotfix')
  git.before = () => repository.push('hotfix:stable')
  t.is((await run()).state, 'raced')
  git.before = async () => {}
  t.is(await repository.tip('stable'), fix)
  t.like(await run(), {verdict: 'refuse'})
  t.deepEqual(
    (await rows()).map(({state}) => state),
    ['raced', 'decided'],
  )
})

eachDatabase(
  'case 18: a branch that a person took back stays there until a person releases it',
  async (t, store) => {
    const {at, repository, run, release, events, git} = await openScene(t, store, [fastForward()])
    await addBuild(store, sure(at['two']), 'success')
    await run()
    await addBuild(store, sure(at['three']), 'success')
    // While the push is under way, the lease refuses.
    git.before = () => repository.push('-f', `${sure(at['one'])}:refs/heads/stable`)
    t.is((await run()).state, 'raced')
    git.before = async () => {}
    const held = await run()
    t.is(held.verdict, 'wait')
    t.regex(held.reasons[0] ?? '', /does not hold .*which was promoted to it/)
    for (const _ of [1, 2]) t.regex((await run()).reasons[0] ?? '', /^held by ostler/)
    t.like(await run(), {verdict: 'wait', would: at['three']})
    t.is(await repository.tip('stable'), sure(at['one']))
    t.is((await events('promotion.held')).length, 1)
    await release('stable')
    t.like(await run(), {state: 'done', landed: at['three']})
    t.is((await events('promotion.released')).length, 1)
  },
)

eachDatabase('case 19: a master that wakes up without its lease pushes nothing', async (t, store) => {
  const {at, repository, run} = await openScene(t, store, [fastForward()])
  await addBuild(store, sure(at['two']), 'success')
  const slept = await run(
    {},
    {
      whileHolding: (lease, work) =>
        whileHolding(store, 'one', lease, async (guard) => {
          await store.query(`UPDATE leases SET holder = 'two', fence = fence + 1`)
          return await work(guard)
        }),
    },
  )
  t.regex(slept.error ?? '', /does not hold the lease/)
  t.is(await repository.tip('stable'), sure(at['one']))
})

onlyPostgres('case 19: of twenty that race without a lease one moves the branch, once', async (t, place) => {
  await withStore(t, place, async (store) => {
    const {at, repository, config, events} = await openScene(t, store, [fastForward()])
    await addBuild(store, sure(at['two']), 'success')
    const racers = await Promise.all(
      Array.from({length: 20}, (_, n) => openWorld(t, store, {master: `racer-${String(n)}`})),
    )
    await Promise.all(
      racers.map(({whileHolding: _, ...racer}) => runPromotions(racer, config, {actor: 'schedule'})),
    )
    await runPromotions(racers[0] as (typeof racers)[0], config, {actor: 'schedule'})
    t.is(await repository.tip('stable'), sure(at['two']))
    t.is((await events('branch.promoted')).length, 1)
    t.deepEqual(await store.query(`SELECT id FROM promotions WHERE state = 'pushing'`), [])
  })
})

eachDatabase(
  'case 19: who plans after another has promoted the same has promoted nothing',
  async (t, store) => {
    const {at, repository, run, world, config, events, rows} = await openScene(t, store, [fastForward()])
    await addBuild(store, sure(at['two']), 'success')
    // No lease: the other one looks, judges, lands and settles just before this one writes its plan.
    const {whileHolding: _, ...free} = world
    const other = await openWorld(t, store, {master: 'other'})
    const {whileHolding: __, ...racer} = other
    const treeOf = world.git.treeOf.bind(world.git)
    world.git.treeOf = async (...call) => {
      world.git.treeOf = treeOf
      await runPromotions(racer, config, {actor: 'schedule'})
      return await treeOf(...call)
    }
    const [report] = await runPromotions(free, config, {actor: 'schedule'})
    t.is(report?.state, 'raced')
    t.deepEqual(
      (await rows()).map(({state}) => state),
      ['done', 'raced'],
    )
    t.is((await events('branch.promoted')).length, 1)
    t.is(await repository.tip('stable'), sure(at['two']))
    t.like(await run(), {verdict: 'wait'})
  },
)

eachDatabase('case 20: a push whose answer is lost is looked up and told once', async (t, store) => {
  const {at, repository, run, hook, events} = await openScene(t, store, [fastForward()])
  await addBuild(store, sure(at['two']), 'success')
  await hook('post-update', 'kill -9 $PPID')
  t.like(await run(), {state: 'done', landed: at['two']})
  await run()
  t.is(await repository.tip('stable'), sure(at['two']))
  t.is((await events('branch.promoted')).length, 1)
})

eachDatabase('case 21: a crash at any step leaves what the next run settles, once', async (t, store) => {
  const die = async () => await Promise.reject(new Error('killed'))
  const scene = await openScene(t, store, [fastForward()], ['zero', 'one', 'two', 'three', 'four'])
  const {at, repository, run, git, events, rows} = scene
  const promoted = async () => (await events('branch.promoted')).length
  // Before the plan is written.
  await addBuild(store, sure(at['one']), 'success')
  t.is((await run({}, {store: meddling(store, die)})).error, 'killed')
  t.deepEqual(await rows(), [])
  t.is((await run()).state, 'done')
  // After it, before the push.
  await addBuild(store, sure(at['two']), 'success')
  git.before = die
  await run()
  t.is((await rows()).at(-1)?.state, 'pushing')
  t.is(await repository.tip('stable'), sure(at['one']))
  git.before = async () => {}
  t.is((await run()).state, 'done')
  t.is(await promoted(), 2)
  // After the push.
  await addBuild(store, sure(at['three']), 'success')
  git.after = die
  await run()
  t.is(await repository.tip('stable'), sure(at['three']))
  t.is(await promoted(), 2)
  git.after = async () => {}
  await run()
  t.is(await promoted(), 3)
  // Before it is noted as done.
  await addBuild(store, sure(at['four']), 'success')
  let transactions = 0
  const dying = new Proxy(store, {
    get: (target, key) => {
      const value: unknown = Reflect.get(target, key, target)
      if (key !== 'transaction') return typeof value === 'function' ? (value.bind(target) as unknown) : value
      return async (work: Parameters<Store['transaction']>[0]) => {
        transactions += 1
        return transactions === 2 ? await die() : await target.transaction(work)
      }
    },
  })
  t.is((await run({}, {store: dying})).error, 'killed')
  t.is((await rows()).at(-1)?.state, 'pushing')
  await run()
  t.is(await promoted(), 4)
  t.is(await repository.tip('stable'), sure(at['four']))
  t.is((await rows()).filter(({state}) => state === 'pushing').length, 0)
})

eachDatabase(
  'case 22: a replica that shows the old tip for a moment is asked again, and nothing is pushed twice',
  async (t, store) => {
    const scene = await openScene(t, store, [fastForward()])
    const {at, repository, config} = scene
    await addBuild(store, sure(at['two']), 'success')
    let [reads, pushes] = [0, 0]
    class Replica extends Git {
      override async readRemote(...asked: Parameters<Git['readRemote']>) {
        reads += 1
        return reads < 3 ? sure(at['one']) : await super.readRemote(...asked)
      }
      override async push(...asked: Parameters<Git['push']>) {
        pushes += 1
        return await super.push(...asked)
      }
    }
    const git = new Replica({stateDir: await stateDirectory(t), secret: async () => ''})
    const world = await openWorld(t, store, {git})
    t.like((await runPromotions(world, config, {actor: 'schedule'}))[0], {state: 'done'})
    t.deepEqual([reads, pushes], [3, 1])
    t.is(await repository.tip('stable'), sure(at['two']))
  },
)

eachDatabase('case 23: a server that cannot lock the branch has been raced', async (t, store) => {
  const {at, repository, run} = await openScene(t, store, [fastForward()])
  await addBuild(store, sure(at['two']), 'success')
  const lock = join(repository.server, 'refs/heads/stable.lock')
  execFileSync('touch', [lock])
  t.is((await run()).state, 'raced')
  execFileSync('rm', [lock])
  t.is((await run()).state, 'done')
})

eachDatabase(
  'case 24: what a server refuses is told once, rests, and stops no other branch',
  async (t, store) => {
    const rules = [fastForward(), fastForward({name: 'second', to: 'second'})]
    const {at, repository, run, hook, events} = await openScene(t, store, rules)
    await addBuild(store, sure(at['two']), 'success')
    await hook(
      'update',
      'test "$1" = refs/heads/second || { echo "quota exceeded" >&2; echo x >>"$GIT_DIR/asked"; exit 1; }',
    )
    for (const _ of [1, 2, 3]) t.like(await run(), {state: 'failed'})
    t.is(await repository.tip('second'), sure(at['two']))
    const [alarm, ...more] = await events('promotion.refused')
    t.regex(String(alarm?.['error']), /quota exceeded/)
    t.deepEqual(more, [])
    t.is(execFileSync('cat', [join(repository.server, 'asked')], {encoding: 'utf8'}), 'x\n')
    await hook('update', 'exit 0')
    t.is((await run({actor: 'ann'})).state, 'done')
  },
)

eachDatabase('case 38: of five branches one that fails stops no other', async (t, store) => {
  const names = ['a', 'b', 'c', 'd', 'e']
  const rules = names.map((name) => fastForward({name, to: name}))
  const {at, runAll, hook} = await openScene(t, store, rules)
  await addBuild(store, sure(at['two']), 'success')
  await hook('update', 'test "$1" != refs/heads/c')
  t.deepEqual(
    (await runAll()).map(({rule, state}) => `${rule} ${String(state)}`),
    ['a done', 'b done', 'c failed', 'd done', 'e done'],
  )
})

const marked = fastForward({tag: ['promoted/', {prop: 'revision', take: 12}], note: ['by ', {prop: 'rule'}]})
const tagsOf = (repository: {server: string}) =>
  execFileSync(
    'git',
    [
      '--git-dir',
      repository.server,
      'for-each-ref',
      '--format=%(refname) %(objectname)',
      'refs/tags',
      'refs/notes',
    ],
    {encoding: 'utf8'},
  )

eachDatabase(
  'case 39: of a branch with its tag and note, none moves when one is refused',
  async (t, store) => {
    const {at, repository, run, hook} = await openScene(t, store, [marked])
    await addBuild(store, sure(at['two']), 'success')
    await hook('update', 'case "$1" in refs/tags/*) exit 1;; esac')
    t.is((await run()).state, 'failed')
    t.is(await repository.tip('stable'), sure(at['one']))
    t.is(tagsOf(repository), '')
    await hook('update', 'exit 0')
    t.is((await run({actor: 'ann'})).state, 'done')
    t.regex(
      tagsOf(repository),
      new RegExp(`refs/tags/promoted/${sure(at['two']).slice(0, 12)} ${sure(at['two'])}`),
    )
    const note = execFileSync(
      'git',
      ['--git-dir', repository.server, 'notes', '--ref=refs/notes/promotions', 'show', sure(at['two'])],
      {encoding: 'utf8'},
    )
    t.is(note.trim(), 'by stable')
  },
)

eachDatabase(
  'case 40: a server that cannot move several refs at once is told so, and moves none',
  async (t, store) => {
    const {at, repository, run} = await openScene(t, store, [marked])
    await addBuild(store, sure(at['two']), 'success')
    await repository.git('--git-dir', repository.server, 'config', 'receive.advertiseAtomic', 'false')
    const refused = await run()
    t.is(refused.state, 'failed')
    t.regex(refused.error ?? '', /atomic/)
    t.is(await repository.tip('stable'), sure(at['one']))
    t.is(tagsOf(repository), '')
  },
)

eachDatabase('case 41: a freeze that begins between plan and push stops the push', async (t, store) => {
  const rule = fastForward()
  const {at, repository, run, config} = await openScene(t, store, [rule])
  await addBuild(store, sure(at['two']), 'success')
  const freezes: object[] = []
  ;(config.promotions.rules as unknown[])[0] = {...rule, freeze: freezes}
  const always = {from: '00:00', until: '00:00', timezone: 'UTC', reason: 'always'}
  const freezing = meddling(store, async () => freezes.push(always))
  t.like(await run({}, {store: freezing}), {verdict: 'wait', state: null})
  t.is(await repository.tip('stable'), sure(at['one']))
  t.like(await run(), {verdict: 'wait', would: at['two']})
  freezes.pop()
  t.is((await run()).state, 'done')
})

eachDatabase(
  'case 47: objects that the server misses are told by it before the branch moves',
  async (t, store) => {
    const {at, repository, run, hook} = await openScene(t, store, [fastForward()])
    await addBuild(store, sure(at['two']), 'success')
    await hook(
      'pre-receive',
      'echo "error: GH008: Your push referenced at least 1 unknown Git LFS object" >&2; exit 1',
    )
    const refused = await run()
    t.is(refused.state, 'failed')
    t.regex(refused.error ?? '', /unknown Git LFS object/)
    t.is(await repository.tip('stable'), sure(at['one']))
  },
)

eachDatabase(
  'case 48: odd names move, and names that cannot be are refused without a push',
  async (t, store) => {
    const odd = ["r'élease/$(x);1", 'Stable', 'stable', 'ветка']
    const rules = odd.map((to, n) => fastForward({name: `r${String(n)}`, to}))
    const scene = await openScene(
      t,
      store,
      [
        ...rules,
        fastForward({name: 'below', to: 'stable/below'}),
        fastForward({name: 'tagged', to: 'tagged', tag: ['bad..name ']}),
      ].filter(({name}) => name !== 'below'),
    )
    const {at, runAll, repository, config, run} = scene
    await addBuild(store, sure(at['two']), 'success')
    const reports = await runAll()
    for (const to of odd) t.is(await repository.tip(to), sure(at['two']), to)
    const tagged = reports.find(({rule}) => rule === 'tagged')
    t.like(tagged, {state: 'failed'})
    t.regex(tagged?.error ?? '', /cannot be the name of a tag/)
    ;(config.promotions.rules as unknown[]).push(fastForward({name: 'below', to: 'stable/below'}))
    t.like(await run({rule: 'below'}), {verdict: 'refuse', reasons: ['repo has no branch stable/below']})
  },
)

eachDatabase('case 49: an address that leads to another repository moves nothing there', async (t, store) => {
  const {at, repository, run, world, config} = await openScene(t, store, [fastForward()])
  await addBuild(store, sure(at['two']), 'success')
  await run()
  const other = await openScene(t, store, [fastForward()], ['uno', 'dos'])
  await addBuild(store, sure(other.at['dos']), 'success')
  const moved = {...config, changeSources: [other.repository.source()]}
  const [report] = await runPromotions(world, moved, {actor: 'schedule'})
  t.is(report?.verdict, 'wait')
  t.regex(report?.reasons[0] ?? '', /the address leads elsewhere/)
  t.regex((await runPromotions(world, moved, {actor: 'schedule'}))[0]?.reasons[0] ?? '', /^held by ostler/)
  t.is(await other.repository.tip('stable'), sure(other.at['uno']))
  t.is(await repository.tip('stable'), sure(at['two']))
})

eachDatabase(
  'case 50: credentials that expire stop the source’s other branches too, and are told once',
  async (t, store) => {
    const rules = ['a', 'b'].map((name) => fastForward({name, to: name}))
    const scene = await openScene(t, store, rules)
    const {at, repository, runAll, config, events, world} = scene
    const people = {reader: {password: 'r'}, pusher: {password: 'p', mayPush: true}}
    const http = await GitHttp.listen(t, repository.home, people)
    const credentials = (user: string, secret: string) => ({
      user,
      password: {secret},
      sshKey: null,
      knownHosts: null,
    })
    const source = repository.source({
      url: `${http.url}/server.git`,
      credentials: credentials('reader', 'r'),
      pushCredentials: credentials('pusher', 'expired'),
    })
    await addBuild(store, sure(at['two']), 'success')
    const served = {...config, changeSources: [source]}
    const run = () => runPromotions(world, served, {actor: 'schedule'})
    const [first, second] = await run()
    t.is(first?.state, 'failed')
    t.like(second, {verdict: 'wait', state: null})
    await run()
    t.is((await events('promotion.refused')).filter(({rule}) => rule === 'a').length, 1)
    t.is(await repository.tip('a'), sure(at['one']))
    t.is((await runAll()).length, 2)
  },
)

eachDatabase(
  'case 53: a tag and a note that are there already are left alone; a tag that names another commit refuses',
  async (t, store) => {
    const {at, repository, run} = await openScene(t, store, [marked])
    const [two, three] = [sure(at['two']), sure(at['three'])]
    await addBuild(store, two, 'success')
    await repository.push(`${two}:refs/tags/promoted/${two.slice(0, 12)}`)
    t.is((await run()).state, 'done')
    await addBuild(store, three, 'success')
    await repository.push(`${two}:refs/tags/promoted/${three.slice(0, 12)}`)
    const refused = await run()
    t.is(refused.state, 'failed')
    t.regex(refused.error ?? '', /exists and names/)
    t.is(await repository.tip('stable'), two)
  },
)

eachDatabase(
  'case 54: a dry run comes to the same decision and writes nothing anywhere',
  async (t, store) => {
    const rules = [fastForward({green: greenOf({fillIn: true})}), merge({from: 'main', to: 'devel'})]
    const {at, repository, run, hook, rows} = await openScene(t, store, rules)
    await hook('pre-receive', 'touch "$GIT_DIR/asked"; exit 1')
    t.like(await run({dryRun: true}), {verdict: 'wait', id: null})
    t.deepEqual(await store.query('SELECT id FROM buildsets'), [])
    await addBuild(store, sure(at['two']), 'success')
    const dry = await run({dryRun: true})
    t.like(dry, {verdict: 'promote', candidate: at['two'], landed: at['two'], state: null})
    t.like(await run({dryRun: true, rule: 'carry'}), {verdict: 'promote', state: null})
    t.deepEqual(await rows(), [])
    t.deepEqual(await store.query('SELECT id FROM events'), [])
    await t.throwsAsync(access(join(repository.server, 'asked')))
    await hook('pre-receive', 'exit 0')
    const {verdict, candidate, reasons} = await run()
    t.deepEqual(
      {verdict, candidate, reasons},
      {verdict: dry.verdict, candidate: dry.candidate, reasons: dry.reasons},
    )
  },
)

eachDatabase('case 55: a person and the schedule at the same time promote once', async (t, store) => {
  const {at, repository, run, events} = await openScene(t, store, [fastForward()])
  await addBuild(store, sure(at['two']), 'success')
  const reports = await Promise.all([run(), run({actor: 'ann'}), run({actor: 'bob'})])
  t.is(reports.filter(({state}) => state === 'done').length, 1)
  t.is(await repository.tip('stable'), sure(at['two']))
  t.is((await events('branch.promoted')).length, 1)
})

eachDatabase(
  'case 44: a commit soaks by the database’s stored times, wherever the master’s clock jumps',
  async (t, store) => {
    const {at, run, repository} = await openScene(t, store, [
      fastForward({green: greenOf({soakMs: 3_600_000})}),
    ])
    const build = await addBuild(store, sure(at['two']), 'success')
    const finished = (ago: string) =>
      store.query('UPDATE builds SET finished_at = now() - $2::interval WHERE id = $1', [build, ago])
    await finished('59 minutes')
    for (const now of [0, 4e12])
      t.like(await run({}, {clock: {now: () => now}}), {verdict: 'wait', would: at['two']})
    t.is(await repository.tip('stable'), sure(at['one']))
    await finished('61 minutes')
    t.is((await run({}, {clock: {now: () => 0}})).state, 'done')
  },
)

/** A server that takes connections and says nothing. */
async function silentServer(t: ExecutionContext): Promise<number> {
  const server = createServer(() => {})
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  t.teardown(() => server.close())
  const address = server.address()
  return typeof address === 'object' && address ? address.port : 0
}

eachDatabase(
  'a server that hangs decides nothing, and the rules of other servers go on',
  async (t, store) => {
    const {at, repository, config} = await openScene(t, store, [
      fastForward(),
      fastForward({name: 'far', source: 'silent'}),
    ])
    await addBuild(store, sure(at['two']), 'success')
    const git = new Git({stateDir: await stateDirectory(t), secret: async () => '', networkMs: 1500})
    const world = await openWorld(t, store, {git})
    const silent = repository.source({
      name: 'silent',
      url: `git://127.0.0.1:${String(await silentServer(t))}/x`,
    })
    const both = {...config, changeSources: [...config.changeSources, silent]}
    t.deepEqual(
      (await runPromotions(world, both, {actor: 'schedule'})).map(({rule, state}) => [rule, state]),
      [
        ['stable', 'done'],
        ['far', null],
      ],
    )
  },
)
