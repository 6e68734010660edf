// The master's door to git against real servers over HTTP and ssh: who is let in with what, and what happens when a server
// hangs, cuts the connection, or takes a push and dies before it answers.
import {execFileSync} from 'node:child_process'
import {chmodSync, existsSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync} from 'node:fs'
import {tmpdir} from 'node:os'
import {join} from 'node:path'
import type {ExecutionContext} from 'ava'
import type {Credentials} from '../../../config/config.ts'
import {noCredentials} from '../../../config/terms/repositories.ts'
import {Git, type GitFault, type GitOptions} from '../../../master/world/git.ts'
import {GitHttp} from '../../support/git-http.ts'
import {needs} from '../../support/needs.ts'
import {Repository} from '../../support/repository.ts'
import {Sshd} from '../../support/sshd.ts'

const secrets: Record<string, string> = {read: 'r%s\\n"$x-hunter', push: 'p%41 é-hunter'}
const accounts = {
  reader: {password: secrets['read'] ?? ''},
  pusher: {password: secrets['push'] ?? '', mayPush: true},
}

function openGit(t: ExecutionContext, options: Partial<GitOptions> = {}) {
  const stateDir = mkdtempSync(join(tmpdir(), 'ostler-state-'))
  t.teardown(() => {
    rmSync(stateDir, {recursive: true, force: true})
  })
  return Object.assign(new Git({stateDir, secret: async (name) => secrets[name] ?? '', ...options}), {
    stateDir,
  })
}

const basic = (user: string, secret: string): Credentials => ({...noCredentials, user, password: {secret}})
const both = {credentials: basic('reader', 'read'), pushCredentials: basic('pusher', 'push')}

async function scene(t: ExecutionContext) {
  const repository = await Repository.make(t)
  const one = await repository.commit('one')
  await repository.push('main', 'main:stable')
  const two = await repository.commit('two', {
    big: Array.from({length: 40_000}, () => Math.random().toString(36)).join(''),
  })
  await repository.push('main')
  const http = await GitHttp.listen(t, repository.home, accounts)
  const source = repository.source({url: `${http.url}/server.git`, ...both})
  return {repository, one, two, http, source}
}

const here = needs('git')
const overSsh = needs('git', 'sshd')
const isRunning = (text: string) => execFileSync('ps', ['-eo', 'args'], {encoding: 'utf8'}).includes(text)

here(
  'fetches and pushes go in under their own names, a push with what only may read is told apart',
  async (t) => {
    const {repository, one, two, http, source} = await scene(t)
    const git = openGit(t)
    t.is((await git.fetch(source)).refs['main'], two)
    t.is(await git.readRemote(source, 'stable'), one)
    const refused = await git.push({...source, pushCredentials: null}, 'stable', {expect: one, to: two})
    t.is(refused.outcome, 'auth')
    t.regex(
      'because' in refused ? refused.because : '',
      /pushing to repo \(http.*user reader is known there but not allowed this: give it the right to push/,
    )
    t.deepEqual(await git.push(source, 'stable', {expect: one, to: two}), {outcome: 'done'})
    t.is(await repository.tip('stable'), two)
    t.deepEqual(http.users('git-upload-pack'), ['reader'])
    t.deepEqual(http.users('git-receive-pack'), ['pusher'])
  },
)

here(
  'a server that hangs runs out of time, leaves nothing running, and is well again afterwards',
  async (t) => {
    const {two, http, source} = await scene(t)
    const git = openGit(t, {networkMs: 1500})
    http.mood = {mood: 'hangs'}
    const fault = await t.throwsAsync<GitFault>(git.fetch(source))
    t.is(fault.kind, 'timeout')
    t.regex(fault.message, /fetching repo \(http.*git took longer than 1\.5 s/)
    await new Promise((resolve) => setTimeout(resolve, 300))
    t.false(isRunning(source.url))
    http.mood = null
    // With more patience: a busy machine may be slow, too.
    t.is((await openGit(t).fetch(source)).refs['main'], two)
  },
)

here('a connection cut in the middle of a pack is unreachable, and the next fetch is whole', async (t) => {
  const {two, http, source} = await scene(t)
  const git = openGit(t)
  http.mood = {mood: 'cuts', afterBytes: 100_000}
  const fault = await t.throwsAsync<GitFault>(git.fetch(source))
  t.is(fault.kind, 'unreachable', fault.message)
  http.mood = null
  t.is((await git.fetch(source)).refs['main'], two)
  t.is((await git.has(source, [two])).size, 1)
})

here('a push whose answer is lost is unknown, whatever the server made of it', async (t) => {
  const {repository, one, two, http, source} = await scene(t)
  const git = openGit(t)
  await git.fetch(source)
  http.mood = {mood: 'cuts', afterBytes: 5}
  const lost = await git.push(source, 'stable', {expect: one, to: two})
  t.is(lost.outcome, 'unknown')
  http.mood = null
  // The server had taken it: only looking tells.
  t.is(await git.readRemote(source, 'stable'), two)
  t.is(await repository.tip('stable'), two)
})

here('what one server says of a password reaches nobody, and nobody is asked for another', async (t) => {
  const {http, source} = await scene(t)
  const folder = mkdtempSync(join(tmpdir(), 'ostler-ask-'))
  t.teardown(() => {
    rmSync(folder, {recursive: true})
  })
  const ask = join(folder, 'ask')
  writeFileSync(ask, `#!/bin/sh\ntouch ${folder}/asked\n`)
  chmodSync(ask, 0o755)
  const before = {...process.env}
  Object.assign(process.env, {
    DISPLAY: ':0',
    SSH_ASKPASS: ask,
    GIT_ASKPASS: ask,
    SSH_ASKPASS_REQUIRE: 'force',
  })
  t.teardown(() => {
    for (const name of ['DISPLAY', 'SSH_ASKPASS', 'GIT_ASKPASS', 'SSH_ASKPASS_REQUIRE'])
      if (before[name] === undefined) Reflect.deleteProperty(process.env, name)
      else process.env[name] = before[name]
  })
  const git = openGit(t)
  for (const credentials of [basic('reader', 'push'), noCredentials]) {
    const fault = await t.throwsAsync<GitFault>(git.fetch({...source, credentials}))
    t.is(fault.kind, 'auth')
    t.notRegex(fault.message, /hunter/)
    t.regex(fault.message, /put a valid one into it|name them in credentials of source repo/)
  }
  http.mood = {mood: 'answers', status: 500}
  t.notRegex((await t.throwsAsync<GitFault>(git.fetch(source))).message, /hunter/)
  t.false(existsSync(join(folder, 'asked')))
})

overSsh(
  'over ssh the server is held to the key it showed first, and a hook that refuses is told',
  async (t) => {
    const {repository, one, two} = await scene(t)
    const sshd = await Sshd.start(t)
    const keys: Record<string, string> = {read: sshd.key('reader', 'read'), push: sshd.key('pusher', 'push')}
    const git = openGit(t, {secret: async (name) => keys[name] ?? ''})
    const source = repository.source({
      url: sshd.url(repository.server),
      credentials: {...noCredentials, sshKey: {secret: 'read'}},
      pushCredentials: {...noCredentials, sshKey: {secret: 'push'}},
    })
    t.is((await git.fetch(source)).refs['main'], two)
    const hook = join(repository.server, 'hooks', 'pre-receive')
    writeFileSync(hook, '#!/bin/sh\necho "closed on Sundays"\nexit 1\n', {mode: 0o755})
    const refused = await git.push(source, 'stable', {expect: one, to: two})
    t.is(refused.outcome, 'refused')
    t.regex('because' in refused ? refused.because : '', /pushing to repo \(ssh:.*closed on Sundays/)
    rmSync(hook)
    t.deepEqual(await git.push(source, 'stable', {expect: one, to: two}), {outcome: 'done'})
    t.regex(sshd.log, /^pusher git-receive-pack/m)
    t.notRegex(sshd.log, /^reader git-receive-pack/m)
    const hosts = join(git.stateDir, 'git-home', 'known_hosts')
    t.regex(readFileSync(hosts, 'utf8'), /ssh-ed25519/)
    await sshd.stop()
    sshd.newHostKey()
    await sshd.open()
    const changed = await t.throwsAsync<GitFault>(git.fetch(source))
    t.is(changed.kind, 'auth')
    t.regex(changed.message, /shows another key than at first: .*remove its line from .*known_hosts/)
    t.deepEqual(
      readdirSync(join(git.stateDir, 'git-home')).filter((name) => /^(key|hosts)-/.test(name)),
      [],
    )
  },
)
