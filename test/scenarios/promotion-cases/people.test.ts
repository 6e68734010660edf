// People and promotions, through the whole system over git's own server: held, approved, frozen, rolled back, gated; in the
// terminal, by real builds.
import {execFileSync, spawn} from 'node:child_process'
import {createServer} from 'node:net'
import {once} from 'node:events'
import {setTimeout as sleep} from 'node:timers/promises'
import test, {type ExecutionContext} from 'ava'
import {Repository} from '../../support/repository.ts'
import {System} from '../../support/system.ts'
import {builder, sh, written} from '../../support/written.ts'

async function freePort(): Promise<number> {
  const server = createServer()
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  const address = server.address()
  server.close()
  return typeof address === 'object' && address ? address.port : 0
}

/** git's own server over the folder of a repository, which takes pushes. */
async function daemonOf(t: ExecutionContext, repository: Repository): Promise<string> {
  const port = await freePort()
  const daemon = spawn(
    'git',
    [
      'daemon',
      '--reuseaddr',
      '--listen=127.0.0.1',
      `--port=${String(port)}`,
      '--export-all',
      '--enable=receive-pack',
      `--base-path=${repository.home}`,
    ],
    {stdio: 'ignore', detached: true},
  )
  t.teardown(() => daemon.pid !== undefined && process.kill(-daemon.pid))
  const url = `git://127.0.0.1:${String(port)}/server.git`
  for (let tries = 0; ; tries += 1) {
    try {
      execFileSync('git', ['ls-remote', url], {stdio: 'ignore'})
      return url
    } catch (error) {
      if (tries > 50) throw error
      await sleep(100)
    }
  }
}

async function scene(t: ExecutionContext, rules: readonly object[]) {
  const repository = await Repository.make(t)
  const first = await repository.commit('first', {check: 'true\n'})
  await repository.push('main', 'main:stable')
  const url = await daemonOf(t, repository)
  const config = () =>
    written([builder('check', [{kind: 'git', repository: 'repo'}, sh('test', 'sh -e ./check')])], {
      changeSources: [{name: 'repo', kind: 'git', url, branches: ['**'], pollInterval: '1s'}],
      schedulers: [{name: 'push', kind: 'singleBranch', source: 'repo', branch: 'main', builders: ['check']}],
      promotions: {rules},
    })
  const system = await System.start(t, {config, workers: ['w1']})
  const ostler = async (...argv: string[]) => {
    const {code, stdout, stderr} = await system.master.ostler(...argv)
    if (code !== 0) throw new Error(`ostler ${argv.join(' ')}: ${stdout}${stderr}`)
    return stdout
  }
  const land = async (name: string, files: Record<string, string> = {[name]: name}) => {
    const revision = await repository.commit(name, files)
    await repository.push('main')
    return revision
  }
  const at = (branch: string, revision: string) =>
    system.until(
      `${branch} is at ${revision}`,
      async () => (await repository.tip(branch)) === revision || null,
    )
  const told = (words: RegExp) =>
    system.until(`the rule says ${String(words)}`, async () => words.test(await ostler('promotions')) || null)
  return {repository, system, ostler, land, at, told, first}
}

const stable = {
  name: 'stable',
  kind: 'fastForward',
  source: 'repo',
  from: 'main',
  to: 'stable',
  green: {builders: ['check']},
}

test('in the terminal a rule is held, released, rolled back with what was said before, and denied', async (t) => {
  const {repository, ostler, land, at, told, first} = await scene(t, [stable])
  await ostler('hold', 'stable', '--reason', 'release day', '--for', '2h')
  const good = await land('good')
  await told(new RegExp(`held by .*release day.*would promote ${good.slice(0, 12)}`))
  t.is(await repository.tip('stable'), first)
  t.regex(await ostler('promote', 'stable', '--dry-run'), /held by/)
  await ostler('release', 'stable', '--reason', 'it is out')
  await at('stable', good)

  const plan = await ostler('rollback', 'stable')
  t.regex(
    plan,
    new RegExp(`stable goes from ${good.slice(0, 12)} back to ${first.slice(0, 12)}: 1 commits leave it`),
  )
  t.regex(plan, /nothing was done/)
  t.is(await repository.tip('stable'), good)
  await ostler('rollback', 'stable', '--yes', '--reason', 'it is slow', '--deny')
  t.is(await repository.tip('stable'), first)
  await told(/held by .*stable was rolled back: it is slow/)
  await ostler('release', 'stable', '--reason', 'looked at')
  await told(/no commit of main .* is green/)
  t.regex(await ostler('excuses', 'stable', good.slice(0, 10)), /denied by .*: it is slow/)
  t.is(await repository.tip('stable'), first)
  await ostler('allow', 'stable', good, '--reason', 'it was the network')
  await at('stable', good)
})

test('an approved revision goes, and what came after it waits for its own approval', async (t) => {
  const {repository, ostler, land, at, told} = await scene(t, [
    {...stable, approvals: {count: 1, role: 'operator'}},
  ])
  const good = await land('good')
  await told(/awaits approval/)
  const later = await land('later')
  await ostler('approve', 'stable', good)
  await at('stable', good)
  await told(new RegExp(`awaits approval of ${later.slice(0, 12)}: 0 of 1 by operators`))
  t.is(await repository.tip('stable'), good)
})

test('in a freeze nothing moves until an administrator lifts it', async (t) => {
  const freeze = [{from: '00:00', until: '00:00', reason: 'always'}]
  const {repository, ostler, land, at, told, first} = await scene(t, [{...stable, freeze}])
  const good = await land('good')
  await told(/frozen until .*always.*would promote/)
  t.is(await repository.tip('stable'), first)
  await ostler('unfreeze', 'stable', '--reason', 'it cannot wait', '--for', '1h')
  await at('stable', good)
  t.regex(await ostler('promotions'), /unfrozen by/)
})

test('a gate builds the merge by itself and lands exactly that; its scratch branch is nobody’s change', async (t) => {
  const landing = {...stable, kind: 'gate', name: 'landing', tag: 'landed/${revision:12}'}
  const {repository, system, land, first} = await scene(t, [landing])
  await repository.git('checkout', '--quiet', '-B', 'hotfix', first)
  const fix = await repository.commit('hotfix')
  await repository.push('hotfix:stable')
  await repository.git('checkout', '--quiet', 'main')
  const good = await land('good')
  const {data} = await system.event(
    ({type, data: of}) => type === 'branch.promoted' && of['revision'] === good,
  )
  t.like(data, {rule: 'landing', kind: 'gate', to: 'stable'})
  await repository.git('fetch', '--quiet', '--tags', 'origin')
  t.is(await repository.git('log', '-1', '--format=%P', 'origin/stable'), `${fix} ${good}`)
  t.is(await repository.git('rev-parse', `landed/${good.slice(0, 12)}`), data['landed'] as string)
  const {items} = await system.api.get<{
    items: {branch: string; origin: string; gotRevision: string; result: string}[]
  }>('/builds')
  const tested = items.filter(({gotRevision}) => gotRevision === data['landed'])
  t.like(tested, [{origin: 'promotion', result: 'success'}])
  const changes = await system.api.get<{items: {branch: string}[]}>('/changes')
  t.deepEqual(
    changes.items.filter(({branch}) => branch.startsWith('ostler/')),
    [],
  )
})
