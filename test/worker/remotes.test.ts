// Checkouts from real servers over HTTP and ssh, with passwords and keys, from servers that misbehave, and into workspaces that
// a build has tampered with.
import {execFileSync} from 'node:child_process'
import {existsSync, mkdirSync, readdirSync, readFileSync, rmSync, symlinkSync, writeFileSync} from 'node:fs'
import {join} from 'node:path'
import test from 'ava'
import type {Checkout, PlanStep} from '../../worker/protocol/plan.ts'
import {GitHttp} from '../support/git-http.ts'
import {needs} from '../support/needs.ts'
import {program} from '../support/parts.ts'
import {Repository} from '../support/repository.ts'
import {ScriptedMaster} from '../support/scripted-master.ts'
import {Sshd} from '../support/sshd.ts'
import {freshDir, plan, startWorker, step, type WorkerProcess} from '../support/worker-process.ts'

let master: ScriptedMaster
let worker: WorkerProcess
const stateDir = freshDir()
let fences = 0
const serial = needs('git').serial
const overSsh = needs('git', 'sshd').serial
// Every character that a shell, a URL or printf could take for something else.
const password = 'a\\n%s $(touch x)"\'é-hunter'
const accounts = {reader: {password}}

test.before(async () => {
  master = await ScriptedMaster.listen()
  // A display, and programs that would ask a person: they must never be run.
  const ask = join(stateDir, 'ask')
  mkdirSync(stateDir, {recursive: true})
  writeFileSync(ask, `#!/bin/sh\ntouch '${stateDir}/asked'\n`, {mode: 0o755})
  const env = {DISPLAY: ':0', SSH_ASKPASS: ask, GIT_ASKPASS: ask, SSH_ASKPASS_REQUIRE: 'force'}
  worker = startWorker(master, {stateDir, env})
  await master.connectedOnce()
})
test.after.always(async () => {
  await worker.stop()
  await master.close()
  rmSync(stateDir, {recursive: true, force: true})
})

function checkout(url: string, special: Partial<Checkout> = {}, more: Partial<PlanStep> = {}): PlanStep {
  const command: Checkout = {
    command: 'checkout', name: 'src', url: [url], branch: ['main'], revision: [''], workdir: [''], mode: 'incremental', depth: null,
    submodules: false, ...special,
  } // prettier-ignore
  return step('', {name: 'git', command, ...more})
}

const withPassword = {
  env: {OSTLER_GIT_USER: ['reader'], OSTLER_GIT_PASSWORD: [{secret: 'pw'}]},
} satisfies Partial<PlanStep>
const withKey = (knownHosts?: string): Partial<PlanStep> => ({
  env: {
    OSTLER_GIT_SSH_KEY: [{secret: 'key'}],
    ...(knownHosts !== undefined && {OSTLER_GIT_KNOWN_HOSTS: [knownHosts]}),
  },
})

async function built(
  steps: readonly PlanStep[],
  secrets: Record<string, string> = {},
  workspace = `w${fences + 1}`,
) {
  const fence = String(++fences)
  master.offer(fence, plan(steps, {workspace, secrets: Object.keys(secrets)}), secrets)
  const end = await master.ended(fence, 60_000)
  const got = master.entry(fence, 'propertySet')?.value
  const outcome = master.entry(fence, 'stepEnded')?.outcome
  const words = outcome && 'text' in outcome ? outcome.text : ''
  return {
    fence,
    end,
    got,
    outcome,
    words,
    log: master.log(fence),
    told: JSON.stringify(master.told(fence).entries),
  }
}

const workspace = (name: string) => join(stateDir, 'workspaces', name)

serial('a password opens a repository whatever characters it has, and is nowhere afterwards', async (t) => {
  const repository = await Repository.make(t)
  const one = await repository.commit('one')
  await repository.push('main')
  const http = await GitHttp.listen(t, repository.home, accounts)
  const {got, fence, end} = await built(
    [checkout(`${http.url}/server.git`, {}, withPassword), step('env; cat .git/config', {name: 'look'})],
    {pw: password},
    'password',
  )
  t.is(end.result, 'success', master.log(fence))
  t.is(got, one)
  t.notRegex(master.log(fence, 1), /hunter|OSTLER_GIT|askpass|GIT_/i)
  t.deepEqual(http.users('git-upload-pack'), ['reader'])
  t.false(existsSync(join(workspace('password'), 'x')))
  t.throws(() => execFileSync('grep', ['-rqF', 'hunter', workspace('password')]))
})

serial(
  'what a web server refuses is told with the repository and the remedy, and is not the fault of the commit',
  async (t) => {
    const repository = await Repository.make(t)
    await repository.commit('one')
    await repository.push('main')
    const http = await GitHttp.listen(t, repository.home, accounts)
    const url = `${http.url}/server.git`
    const wrong = await built([checkout(url, {}, withPassword)], {pw: 'wrong-hunter'})
    t.is(wrong.end.result, 'exception')
    t.is(
      wrong.words,
      `${url} does not take user reader with the password it was given: put a valid one into the secret`,
    )
    t.notRegex(wrong.told + wrong.log, /wrong-hunter/)
    t.is(
      (await built([checkout(url)])).words,
      `${url} wants a user and password: name them in the credentials of the source or the step`,
    )
    http.mood = {mood: 'answers', status: 403}
    const forbidden = await built([checkout(url, {}, withPassword)], {pw: password})
    t.is(forbidden.words, `user reader may not read ${url}: give it the right to`)
    t.notRegex(forbidden.told + forbidden.log, /hunter/)
    http.mood = {mood: 'answers', status: 502}
    const down = await built([checkout(url, {}, withPassword)], {pw: password})
    t.is(down.outcome?.outcome, 'temporary')
    t.regex(down.words, /server\.git could not be reached: .*502/)
    http.mood = null
    const missing = await built([checkout(`${http.url}/nothing.git`, {}, withPassword)], {pw: password})
    t.regex(missing.words, /there is no repository at .*nothing\.git, or none that these credentials may see/)
    t.is(missing.end.result, 'exception')
    const gone = await built([checkout(url, {branch: ['gone']}, withPassword)], {pw: password})
    t.deepEqual(gone.outcome, {outcome: 'exited', code: 1})
    t.regex(gone.log, /branch gone of .*server\.git cannot be fetched: it may be gone/)
    t.false(existsSync(join(stateDir, 'asked')))
  },
)

serial(
  'a connection cut in the middle is temporary, a server that says nothing ends with the step, and the next try works',
  async (t) => {
    const repository = await Repository.make(t)
    const big = Array.from({length: 60_000}, () => Math.random().toString(36)).join('')
    const one = await repository.commit('big', {big})
    await repository.push('main')
    const http = await GitHttp.listen(t, repository.home, accounts)
    const url = `${http.url}/server.git`
    http.mood = {mood: 'cuts', afterBytes: 200_000}
    const cut = await built([checkout(url, {}, withPassword)], {pw: password}, 'cut')
    t.is(cut.outcome?.outcome, 'temporary', cut.log)
    t.regex(cut.words, /server\.git could not be reached/)
    http.mood = {mood: 'hangs'}
    const hung = await built([checkout(url, {}, {...withPassword, silenceMs: 1500})], {pw: password}, 'cut')
    t.like(hung.outcome, {outcome: 'silent'})
    const processes = execFileSync('ps', ['-eo', 'args'], {encoding: 'utf8'})
    t.false(processes.includes(url), 'nothing goes on')
    http.mood = null
    const well = await built([checkout(url, {}, withPassword)], {pw: password}, 'cut')
    t.is(well.got, one, well.log)
  },
)

serial(
  'a password is for its own server: neither a redirect nor a submodule elsewhere gets it',
  async (t) => {
    const repository = await Repository.make(t)
    await repository.commit('one')
    await repository.push('main')
    const http = await GitHttp.listen(t, repository.home, accounts)
    const thief = await GitHttp.listen(t, repository.home, {nobody: {password: 'x'}})
    const url = `${http.url}/server.git`
    http.mood = {mood: 'redirects', to: thief.url}
    const away = await built([checkout(url, {}, withPassword)], {pw: password})
    t.regex(away.words, /another server than that of .* wants a password, and is given none/)
    http.mood = null
    const [own, other] = [http.url, thief.url].map((server) => `${server}/part.git`)
    execFileSync('git', ['clone', '-q', '--bare', repository.server, join(repository.home, 'part.git')])
    const part = await repository.git('rev-parse', 'HEAD')
    const module = (url = '') => `[submodule "part"]\n\tpath = part\n\turl = ${url}\n`
    const add = async (url?: string) => {
      writeFileSync(join(repository.clone, '.gitmodules'), module(url))
      await repository.git('update-index', '--add', '--cacheinfo', `160000,${part},part`)
      await repository.git('add', '.gitmodules')
      await repository.git('commit', '-q', '-m', 'part')
      await repository.push('main')
    }
    for (const its of ['../part.git', own]) {
      await add(its)
      const {end, log, fence} = await built(
        [
          checkout(url, {submodules: true}, withPassword),
          step('cat part/one; cat .git/modules/part/config', {name: 'look'}),
        ],
        {pw: password},
      )
      t.is(end.result, 'success', log)
      t.regex(master.log(fence, 1), /^one/)
      t.notRegex(master.log(fence, 1), /hunter/)
    }
    await add(other)
    const stolen = await built([checkout(url, {submodules: true}, withPassword)], {pw: password})
    t.is(stolen.end.result, 'exception', stolen.log)
    t.regex(stolen.words, /another server than that of .* wants a password, and is given none/)
    t.true(
      thief.asked.every(({user}) => user === null || user === 'git' || user === ''),
      JSON.stringify(thief.asked),
    )
    await add(repository.server)
    const local = await built([checkout(url, {submodules: true}, withPassword)], {pw: password})
    t.not(local.end.result, 'success', "a repository's submodules cannot be files of the worker's host")
  },
)

serial(
  'submodules at all depths are checked out, shallow where asked, cleaned, and fetched anew only when tampered with',
  async (t) => {
    const [outer, middle, inner] = [
      await Repository.make(t),
      await Repository.make(t),
      await Repository.make(t),
    ]
    await inner.commit('inner')
    await inner.commit('inner two')
    await inner.push('main')
    const add = async (to: Repository, what: Repository) => {
      writeFileSync(
        join(to.clone, '.gitmodules'),
        `[submodule "sub"]\n\tpath = sub\n\turl = file://${what.server}\n`,
      )
      await to.git('update-index', '--add', '--cacheinfo', `160000,${(await what.tip('main')) ?? ''},sub`)
      await to.git('add', '.gitmodules')
      await to.git('commit', '-q', '-m', 'sub')
      await to.push('main')
    }
    await middle.commit('middle')
    await add(middle, inner)
    await outer.commit('outer')
    await add(outer, middle)
    const url = `file://${outer.server}`
    const sub = (special: Partial<Checkout> = {}) => checkout(url, {submodules: true, ...special})
    const shallow = await built([
      sub({depth: 1}),
      step('ls sub/sub; git -C sub rev-list --count HEAD', {name: 'b'}),
    ])
    t.is(shallow.end.result, 'success', shallow.log)
    t.is(master.log(shallow.fence, 1), 'inner\ninner two\n1\n')
    const again = async (script: string, special: Partial<Checkout> = {}) => {
      const result = await built([sub(special), step(script, {name: 'b'})], {}, 'sub')
      t.is(result.end.result, 'success', result.log)
      return {log: result.log, saw: master.log(result.fence, 1)}
    }
    await again('touch sub/left sub/sub/left')
    const second = await again('ls sub/left sub/sub/left')
    t.notRegex(second.log, /anew/)
    t.is(
      (await again('ls sub sub/sub', {mode: 'clean'})).saw,
      'sub:\nmiddle\nsub\n\nsub/sub:\ninner\ninner two\n',
    )
    // A build writes to git's own files of a submodule: they are not used again, and what they name does not run.
    const marker = join(stateDir, 'ran-in-submodule')
    for (const tampering of [
      `git -C sub config core.fsmonitor 'touch ${marker}; false'`,
      `git -C sub/sub config core.worktree ${stateDir}`,
      `rm sub/.git; git init -q sub; git -C sub config core.fsmonitor 'touch ${marker}; false'`,
      `rm -rf sub; ln -s ${stateDir} sub`,
    ]) {
      await again(tampering)
      const mended = await again('ls sub/sub')
      t.is(mended.saw, 'inner\ninner two\n', `${tampering}\n${mended.log}`)
      t.false(existsSync(marker), tampering)
    }
  },
)

serial(
  'a build cannot make the next checkout run a program on the host, or write outside its workspace',
  async (t) => {
    const repository = await Repository.make(t)
    await repository.commit('one', {file: 'one', '.gitattributes': 'file filter=evil\n'})
    await repository.push('main')
    const outside = freshDir()
    const marker = join(outside, 'ran')
    const evil = `touch ${marker}; cat`
    for (const [n, tampering] of [
      `git config core.fsmonitor '${evil}'; git config filter.evil.smudge '${evil}'; git config filter.evil.process '${evil}'`,
      `printf '[include]\\n\\tpath = ../evil\\n' >>.git/config; printf '[filter "evil"]\\n\\tsmudge = ${evil}\\n' >evil`,
      `git config core.worktree ${outside}`,
      `git config extensions.worktreeConfig true; git config --worktree core.fsmonitor '${evil}'`,
      `git config remote.origin.uploadpack '${evil}'; git config core.sshCommand '${evil}'; git config credential.helper '!${evil}'`,
      `rm -rf .git/refs; mkdir -p ${outside}/refs; ln -s ${outside}/refs .git/refs`,
      `rm .git/index; ln -s ${outside}/index .git/index`,
      `mv .git ${outside}/moved; ln -s ${outside}/moved .git`,
      `mv .git ${outside}/pointed; echo 'gitdir: ${outside}/pointed' >.git; git -C ${outside}/pointed config core.fsmonitor '${evil}'`,
      `rm -rf .git/*; echo rubbish >.git/HEAD`,
    ].entries()) {
      const name = `evil${n}`
      await built([checkout(`file://${repository.server}`), step(tampering, {name: 'b'})], {}, name)
      await repository.commit(`next ${n}`, {file: `next ${n}`})
      await repository.push('main')
      const before = readdirSync(outside, {recursive: true}).length
      const next = await built(
        [checkout(`file://${repository.server}`), step('cat file', {name: 'b'})],
        {},
        name,
      )
      t.is(master.log(next.fence, 1), `next ${n}`, `${tampering}\n${next.log}`)
      t.false(existsSync(marker), tampering)
      t.is(readdirSync(outside, {recursive: true}).length, before, tampering)
      rmSync(outside, {recursive: true})
      mkdirSync(outside)
    }
    // A replacement would show other files under the same revision.
    await built(
      [checkout(`file://${repository.server}`), step('git replace HEAD HEAD~1', {name: 'b'})],
      {},
      'replaced',
    )
    const honest = await built(
      [checkout(`file://${repository.server}`), step('cat file', {name: 'b'})],
      {},
      'replaced',
    )
    t.is(master.log(honest.fence, 1), 'next 9')
    mkdirSync(workspace('linked'), {recursive: true})
    symlinkSync(outside, join(workspace('linked'), 'src'))
    const linked = await built([checkout(`file://${repository.server}`, {workdir: ['src']})], {}, 'linked')
    t.is(linked.end.result, 'success', linked.log)
    t.deepEqual(readdirSync(outside), [])
  },
)

serial('a commit that was pushed away is still built by its name, also shallow, over HTTP', async (t) => {
  const repository = await Repository.make(t)
  await repository.commit('one')
  const away = await repository.commit('away')
  await repository.push('main')
  await repository.git('reset', '-q', '--hard', 'HEAD~1')
  await repository.commit('instead')
  await repository.push('--force', 'main')
  const http = await GitHttp.listen(t, repository.home)
  for (const depth of [null, 1]) {
    const {got, log} = await built([checkout(`${http.url}/server.git`, {revision: [away], depth})])
    t.is(got, away, log)
  }
  const gone = await built([checkout(`${http.url}/server.git`, {revision: ['1'.repeat(40)], depth: 1})])
  t.deepEqual(gone.outcome, {outcome: 'exited', code: 1})
  t.regex(gone.log, /revision 1{40} is gone from http.*server\.git: neither branch main has it/)
})

overSsh('a key opens a repository; another key, no key and a key that may not are told apart', async (t) => {
  const repository = await Repository.make(t)
  const one = await repository.commit('one')
  await repository.push('main')
  const sshd = await Sshd.start(t)
  const key = sshd.key('reader', 'read')
  const url = sshd.url(repository.server)
  const well = await built(
    [checkout(url, {}, withKey(sshd.knownHosts)), step('env', {name: 'look'})],
    {key},
    'ssh',
  )
  t.is(well.got, one, well.log)
  t.notRegex(master.log(well.fence, 1), /OSTLER_GIT|PRIVATE KEY/)
  const middle = key.split('\n')[2] ?? ''
  t.throws(() => execFileSync('grep', ['-rqF', middle, workspace('ssh')]))
  const stranger = await built([checkout(url, {}, withKey(sshd.knownHosts))], {key: sshd.key('x', 'nothing')})
  t.is(stranger.end.result, 'exception')
  t.regex(
    stranger.words,
    /the ssh server of ssh:.*server\.git does not take the key: check that its secret holds a whole private key/,
  )
  const broken = await built([checkout(url, {}, withKey(sshd.knownHosts))], {key: 'no key at all'})
  t.regex(broken.words, /does not take the key/)
  t.false(existsSync(join(stateDir, 'asked')))
})

overSsh("a server's key is held to: the one named, or the one seen first", async (t) => {
  const repository = await Repository.make(t)
  await repository.commit('one')
  await repository.push('main')
  const sshd = await Sshd.start(t)
  const key = sshd.key('reader', 'read')
  const url = sshd.url(repository.server)
  const named = sshd.knownHosts
  const first = await built([checkout(url, {}, withKey())], {key})
  t.is(first.end.result, 'success', first.log)
  await sshd.stop()
  const down = await built([checkout(url, {}, withKey())], {key})
  t.is(down.outcome?.outcome, 'temporary', down.log)
  sshd.newHostKey()
  await sshd.open()
  const pinned = await built([checkout(url, {}, withKey(named))], {key})
  t.is(pinned.end.result, 'exception')
  t.regex(pinned.words, /has a key that is not among knownHosts: if it is right, add what ssh-keyscan prints/)
  const changed = await built([checkout(url, {}, withKey())], {key})
  t.is(changed.end.result, 'exception')
  t.regex(changed.words, /shows another key than at first/)
  rmSync(join(stateDir, 'known_hosts'))
  t.is((await built([checkout(url, {}, withKey())], {key})).end.result, 'success')
})

serial('a host without git, or without ssh, says so and what to install', async (t) => {
  const tools = freshDir()
  t.teardown(() => rmSync(tools, {recursive: true, force: true}))
  for (const name of [
    'sh',
    'setsid',
    'mkfifo',
    'touch',
    'dirname',
    'tr',
    'grep',
    'cat',
    'rm',
    'mkdir',
    'ls',
    'ln',
    'env',
    'head',
    'find',
    'sort',
    'cut',
    'sha256sum',
    'sed',
    'basename',
    'uname',
    'chmod',
  ])
    symlinkSync(program(name) ?? '', join(tools, name))
  const bare = startWorker(
    await ScriptedMaster.listen().then((own) => (t.teardown(() => own.close()), (poor = own))),
    {
      stateDir: join(tools, 'state'),
      env: {PATH: tools},
    },
  )
  t.teardown(() => bare.stop())
  await poor.connectedOnce()
  poor.offer('1', plan([checkout('/nowhere')]))
  t.is((await poor.ended('1')).result, 'exception')
  t.regex(
    poor.log('1'),
    /git is not installed on this worker's host, where checkouts run: install it \(on Debian: apt-get install git\)/,
  )
  symlinkSync(program('git') ?? '', join(tools, 'git'))
  poor.offer('2', plan([checkout('ssh://git@127.0.0.1:1/x.git')]))
  t.is((await poor.ended('2')).result, 'exception')
  t.regex(poor.log('2'), /ssh is not installed on this worker's host: install it/)
})
let poor: ScriptedMaster

test('nobody was asked anything', (t) => {
  t.false(existsSync(join(stateDir, 'asked')))
  t.pass(readFileSync('/proc/self/comm', 'utf8'))
})
