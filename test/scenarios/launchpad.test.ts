// Launchpad's branches from landing to stable, driven through what its people have: pushes, commands, mails and the API.
// The steps are those of the team's own poller, in one long story; each says what must be true after the next look.
import {chmodSync, existsSync, rmSync, writeFileSync} from 'node:fs'
import {join} from 'node:path'
import test from 'ava'
import type {ExecutionContext} from 'ava'
import type {Build, Page} from '../../scripts/api.ts'
import {bodyOf, header, MailServer} from '../support/mail-server.ts'
import {Repository} from '../support/repository.ts'
import {System} from '../support/system.ts'
import {builder, sh, written} from '../support/written.ts'

const branches = ['master', 'stable', 'db-devel', 'db-stable'] as const
type Branch = (typeof branches)[number]
type Tips = Readonly<Record<Branch, string>>

/** A suite that waits while somebody holds its commit, and fails on what a commit breaks. */
const suite = (folder: string, bad: string) =>
  `subject=$(git log -1 --format=%s | tr ' ' '_'); while [ -e ${folder}/wait-$subject ]; do sleep 0.05; done; ` +
  `if [ -e flaky ]; then test -e ${folder}/steady; fi; test ! -e ${bad}`

const rules = [
  {name: 'stable', kind: 'fastForward', source: 'lp', from: 'master', to: 'stable', green: {builders: ['lp-devel']}},
  {name: 'db-stable', kind: 'fastForward', source: 'lp', from: 'db-devel', to: 'db-stable', green: {builders: ['lp-db-devel']}},
  {
    name: 'carry', kind: 'merge', source: 'lp', from: 'stable', to: 'db-devel',
    message: 'Automatic merge from stable up to ${revision:12}',
  },
] // prettier-ignore

const config = (folder: string, server: string, smtpPort: number) => {
  const steps = (bad: string) => [{kind: 'git', repository: 'lp'}, sh('suite', suite(folder, bad))]
  const lands = (name: string, branch: Branch, onRed: string) => ({
    name, kind: 'singleBranch', source: 'lp', branch, builders: [name], onRed,
  }) // prettier-ignore
  return written([builder('lp-devel', steps('bad')), builder('lp-db-devel', steps('bad-schema'))], {
    changeSources: [{name: 'lp', kind: 'git', url: `file://${server}`, branches: ['**'], pollInterval: '1s'}],
    schedulers: [
      lands('lp-devel', 'master', 'testfix'),
      lands('lp-db-devel', 'db-devel', 'build'),
      {name: 'custom', kind: 'force', source: 'lp', branch: 'master', builders: ['lp-devel'], trusted: true},
    ],
    promotions: {committer: {name: 'Launchpad Buildbot', email: 'bot@example.org'}, rules},
    reporters: [
      {
        name: 'list', kind: 'mail', from: 'bot@example.org', to: ['list@example.org', 'authors'],
        smtp: {host: '127.0.0.1', port: smtpPort},
      },
    ],
  }) // prettier-ignore
}

/** Everybody of the story. */
class Launchpad {
  readonly t: ExecutionContext
  readonly repository: Repository
  readonly system: System
  readonly mails: MailServer

  private constructor(t: ExecutionContext, repository: Repository, system: System, mails: MailServer) {
    this.t = t
    this.repository = repository
    this.system = system
    this.mails = mails
  }

  static async open(t: ExecutionContext): Promise<Launchpad> {
    const repository = await Repository.make(t)
    await repository.commit('M0', {shared: 'as it was\n'})
    await repository.push('main:master', 'main:stable')
    await repository.commit('D0', {schema: '0'})
    await repository.push('main:db-devel', 'main:db-stable')
    const mails = await MailServer.open(t)
    const system = await System.start(t, {
      config: (folder) => config(folder, repository.server, mails.port),
      workers: [{name: 'w', maxBuilds: 4}],
    })
    return new Launchpad(t, repository, system, mails)
  }

  /** A landing: one commit on a branch of the server. */
  async land(branch: string, message: string, files?: Record<string, string>, gone: readonly string[] = []) {
    await this.onto(branch)
    for (const name of gone) rmSync(join(this.repository.clone, name))
    const revision = await this.repository.commit(message, files)
    await this.repository.push(`HEAD:${branch}`)
    return revision
  }

  /** The clone is where the server's branch is. */
  async onto(branch: string) {
    await this.repository.git('fetch', '--quiet', 'origin')
    await this.repository.git('checkout', '--quiet', '--detach', `origin/${branch}`)
  }

  /** The suite of the commit of this subject waits until it is let go. */
  wait(subject: string) {
    writeFileSync(join(this.system.folder, `wait-${subject}`), '')
  }
  letGo(subject: string) {
    rmSync(join(this.system.folder, `wait-${subject}`))
  }

  async tips(): Promise<Tips> {
    const found = await Promise.all(
      branches.map(async (branch) => [branch, (await this.repository.tip(branch)) ?? '']),
    )
    return Object.fromEntries(found) as Tips
  }

  /** Waits until a branch is somewhere; answers where. */
  moved(branch: Branch, isThere: (tip: string) => boolean | Promise<boolean>): Promise<string> {
    return this.system.until(`${branch} moves`, async () => {
      const tip = (await this.tips())[branch]
      return (await isThere(tip)) ? tip : null
    })
  }

  builds(revision: string, result: string): Promise<Build> {
    return this.system.until(`${result} build of ${revision.slice(0, 7)}`, async () => {
      const {items} = await this.system.api.get<Page<Build>>(`/builds?revision=${revision}&result=${result}`)
      return items[0]
    })
  }

  /** A look at all rules, as the cron makes it; answers its exit code and words. */
  look(...words: string[]) {
    return this.system.master.ostler('promote', ...words)
  }

  /** These branches do not move at the next look. */
  async still(why: string, those: readonly Branch[] = ['stable']) {
    const where = async () => {
      const tips = await this.tips()
      return those.map((branch) => `${branch} ${tips[branch]}`)
    }
    const before = await where()
    await this.look()
    this.t.deepEqual(await where(), before, why)
  }

  async parents(revision: string): Promise<string[]> {
    await this.repository.git('fetch', '--quiet', 'origin')
    return (await this.repository.git('log', '-1', '--format=%P', revision)).split(' ')
  }

  async contains(tip: string, revision: string): Promise<boolean> {
    await this.repository.git('fetch', '--quiet', 'origin')
    return this.repository.git('merge-base', '--is-ancestor', revision, tip).then(
      () => true,
      () => false,
    )
  }

  /** The merge of stable into db-devel up to a revision, once it is there. */
  carried(revision: string): Promise<string> {
    return this.moved('db-devel', async (tip) => (await this.contains(tip, revision)) && tip !== revision)
  }

  subjects(what: RegExp): string[] {
    return this.mails.mails
      .map((mail) => header(mail, 'Subject') ?? '')
      .filter((subject) => what.test(subject))
  }

  /** What the server does to a push before it is taken: once, and to one branch. */
  hook(branch: Branch, once: string) {
    const path = join(this.repository.server, 'hooks', 'pre-receive')
    const flag = join(this.repository.home, 'hook-flag')
    writeFileSync(flag, '')
    writeFileSync(
      path,
      `#!/bin/sh\nif grep -q ' refs/heads/${branch}$' && [ -e ${flag} ]; then rm ${flag}; unset GIT_QUARANTINE_PATH\n${once}\nfi\nexit 0\n`,
    )
    chmodSync(path, 0o755)
    return () => !existsSync(flag)
  }
}

test('green commits move to stable by themselves, as Launchpad’s people know it', async (t) => {
  t.timeout(420_000)
  const lp = await Launchpad.open(t)
  const {system, repository} = lp
  const [m0, d0] = [(await lp.tips()).master, (await lp.tips())['db-devel']]
  await lp.builds(m0, 'success')
  await lp.builds(d0, 'success')

  t.is((await lp.look()).code, 0)
  await lp.still('1: nothing is new', branches)
  t.is(lp.mails.mails.length, 0)

  lp.wait('M1')
  const m1 = await lp.land('master', 'M1')
  await system.until('M1 is built', async () => {
    const {items} = await system.api.get<Page<Build>>('/builds?state=running')
    return items.length > 0 || null
  })
  await lp.still('2: what is being built does not move', branches.slice(1))

  const mergeOf = (revision: string) => `Automatic merge from stable up to ${revision.slice(0, 12)}`
  lp.wait(mergeOf(m1).replaceAll(' ', '_'))
  lp.letGo('M1')
  await lp.moved('stable', (tip) => tip === m1)
  const c1 = await lp.carried(m1)
  t.deepEqual(await lp.parents(c1), [d0, m1], '3: first what db-devel was, then what stable is')
  t.is(
    await repository.git('log', '-1', '--format=%s %an %ae', c1),
    `${mergeOf(m1)} Launchpad Buildbot bot@example.org`,
  )
  t.is((await lp.tips())['db-stable'], d0)

  lp.letGo(mergeOf(m1).replaceAll(' ', '_'))
  await lp.moved('db-stable', (tip) => tip === c1) // 4

  lp.wait('M2')
  const m2 = await lp.land('master', 'M2')
  await system.until('M2 is built', async () => {
    const {items} = await system.api.get<Page<Build>>('/builds?state=running')
    return items.length > 0 || null
  })
  lp.wait('M3')
  const m3 = await lp.land('master', 'M3', {bad: ''})
  lp.letGo('M2')
  await lp.moved('stable', (tip) => tip === m2) // 5
  t.is(await repository.git('log', '-1', '--format=%s', await lp.carried(m2)), mergeOf(m2))

  lp.letGo('M3')
  await lp.builds(m3, 'failure')
  await lp.still('6: a red commit does not move')
  const red = await system.until('the red build is mailed', async () =>
    lp.mails.mails.find((mail) => /lp-devel #\d+ failure/.test(header(mail, 'Subject') ?? '')),
  )
  t.deepEqual([...red.to].sort(), ['ann@example.org', 'list@example.org'])

  const m4 = await lp.land('master', 'M4')
  const held = await system.until('M4 is held', async () => {
    const {items} =
      await system.api.get<Page<{name: string; held: {revision: string; text: string}[]}>>('/schedulers')
    return items.flatMap((scheduler) => scheduler.held).find(({revision}) => revision === m4)
  })
  t.regex(held.text, /^held since lp-devel #\d+; needs \[testfix\] or a force$/) // 7
  await lp.still('7: what is held does not move')

  const m5 = await lp.land('master', '[testfix] M5', {}, ['bad'])
  await lp.moved('stable', (tip) => tip === m5) // 8
  const ofM4 = await system.api.get<Page<Build>>(`/builds?revision=${m4}`)
  t.deepEqual(ofM4.items, [], '8: one build for M4 and M5')

  await lp.carried(m5)
  await lp.moved('db-stable', async (tip) => tip === (await lp.tips())['db-devel'])
  const beforeD1 = (await lp.tips())['db-stable']
  const d1 = await lp.land('db-devel', 'D1', {'bad-schema': '', schema: '1'})
  await lp.builds(d1, 'failure')
  const m5b = await lp.land('master', 'M5b')
  await lp.moved('stable', (tip) => tip === m5b)
  await lp.carried(m5b)
  await lp.still('9: a red schema keeps db-stable, and carries go on', ['db-stable'])
  t.is((await lp.tips())['db-stable'], beforeD1)

  const d2 = await lp.land('db-devel', 'D2', {shared: 'as the schema wants it\n'}, ['bad-schema'])
  await lp.moved('db-stable', (tip) => tip === d2) // 10

  const m6 = await lp.land('master', 'M6', {shared: 'as master wants it\n'})
  await lp.moved('stable', (tip) => tip === m6)
  await system.until('the conflict is mailed', async () => lp.subjects(/does not merge into/)[0])
  await lp.still('11: what conflicts stays where it is', ['stable', 'db-devel'])
  t.is((await lp.tips())['db-devel'], d2)
  t.is(lp.subjects(/does not merge into/).length, 1, '11: one mail, not one per look')
  const conflict = lp.mails.mails.find((mail) => /does not merge into/.test(header(mail, 'Subject') ?? ''))
  const body = conflict ? bodyOf(conflict) : ''
  for (const word of ['shared', m6.slice(0, 7), d2.slice(0, 7)]) t.true(body.includes(word), word)
  const {items: journal} = await system.api.get<Page<{state: string}>>('/promotions/carry/history')
  t.is(journal[0]?.state, 'conflict')

  await lp.onto('db-devel')
  await repository.git('merge', '--quiet', '--no-ff', '-X', 'ours', '-m', 'M6 by hand', m6)
  const byHand = await repository.git('rev-parse', 'HEAD')
  await repository.push('HEAD:db-devel')
  await lp.moved('db-stable', (tip) => tip === byHand) // 12
  t.is((await lp.tips())['db-devel'], byHand, '12: nothing is merged that is there already')

  await lp.onto('db-devel')
  const d3 = await repository.commit('D3', {schema: '3'})
  await repository.push('HEAD:refs/keep/d3')
  const raced = lp.hook('db-devel', `git update-ref refs/heads/db-devel ${d3}`)
  const m7 = await lp.land('master', 'M7a')
  await lp.moved('stable', (tip) => tip === m7)
  const c7 = await lp.carried(m7)
  t.true(raced())
  t.deepEqual(await lp.parents(c7), [d3, m7], '13: what the bot landed meanwhile is kept, and carried onto')
  await lp.moved('db-stable', (tip) => tip === c7)

  await lp.onto('stable')
  const stray = await repository.commit('stray')
  await repository.push('HEAD:stable')
  const m8 = await lp.land('master', 'M8a')
  await lp.builds(m8, 'success')
  await system.until(
    'the alarm is mailed',
    async () => lp.subjects(/stable has commits that master does not have/)[0],
  )
  t.is((await lp.tips()).stable, stray, '14: never by force')
  const d4 = await lp.land('db-devel', 'D4', {schema: '4'})
  await lp.moved('db-stable', async (tip) => tip === d4 || (await lp.contains(tip, d4)))
  await repository.push('-f', `${m7}:refs/heads/stable`)
  await lp.look()
  await lp.moved('stable', (tip) => tip === m8)

  const [old] = (await system.api.get<Page<Build>>(`/builds?revision=${m1}&result=success`)).items
  const again = await system.api.post<{buildset: string}>(`/builds/${old?.id ?? ''}/rebuild`)
  await system.completed(again.buildset)
  await lp.still('15: an old commit that is green again takes nothing back')

  const own = await lp.land('master', 'M9 of my own').then(async (revision) => {
    await lp.builds(revision, 'success')
    await lp.moved('stable', (tip) => tip === revision)
    return revision
  })
  await lp.onto('master')
  const hidden = await repository.commit('private')
  await repository.push('HEAD:refs/heads/private')
  const [forced] = await system.builds(await system.force('custom', {branch: 'private', revision: hidden}))
  t.is(forced?.result, 'success')
  await lp.still('16: a private branch is not master')
  t.is((await lp.tips()).stable, own)
  await lp.carried(own)

  const stalled = lp.hook('db-devel', `while [ -e ${join(repository.home, 'stall')} ]; do sleep 0.05; done`)
  writeFileSync(join(repository.home, 'stall'), '')
  const m10 = await lp.land('master', 'M10')
  await lp.moved('stable', (tip) => tip === m10)
  await system.until('the second push is under way', async () => stalled() || null)
  await system.master.process.kill()
  rmSync(join(repository.home, 'stall'))
  await system.startMaster()
  await system.untilConnected('w')
  const both = await Promise.all([lp.look(), lp.look()])
  t.deepEqual(both.map(({code}) => code), [0, 0]) // prettier-ignore
  const c10 = await lp.carried(m10)
  const merges = await repository.git('log', '--format=%s', c10)
  t.is(merges.split('\n').filter((subject) => subject === mergeOf(m10)).length, 1, '17: carried once')

  const m11 = await lp.land('master', 'M11', {flaky: ''})
  await lp.builds(m11, 'failure')
  await lp.still('18: red, whatever it is due to')
  writeFileSync(join(system.folder, 'steady'), '')
  await system.builds(await system.force('custom', {branch: 'master', revision: m11}))
  await lp.moved('stable', (tip) => tip === m11)

  const c11 = await lp.carried(m11)
  await lp.moved('db-stable', (tip) => tip === c11)
  await lp.onto('master')
  await repository.git('merge', '--quiet', '--no-ff', '--no-commit', 'origin/db-stable')
  const m12 = await repository.commit('the schema is deployed', {deployed: '4'})
  await repository.push('HEAD:master')
  await lp.moved('stable', (tip) => tip === m12)
  const c12 = await lp.carried(m12)
  t.deepEqual(await lp.parents(c12), [c11, m12], '19: a merge commit, although it could have been moved')
  await lp.moved('db-stable', (tip) => tip === c12)

  t.is((await system.master.ostler('hold', 'stable', '--reason', 'a look first')).code, 0)
  const m13 = await lp.land('master', 'M13')
  await lp.builds(m13, 'success')
  const before = await lp.tips()
  const dry = await lp.look('--dry-run')
  t.regex(dry.stdout, new RegExp(`would promote ${m13.slice(0, 12)}`))
  t.deepEqual(await lp.tips(), before, '20: a dry run moves nothing')
  t.is((await system.master.ostler('release', 'stable', '--reason', 'looked')).code, 0)
  await lp.moved('stable', (tip) => tip === m13)
})
