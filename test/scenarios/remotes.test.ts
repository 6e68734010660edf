// Repositories behind passwords and keys, as sites have them: polled, checked out and promoted through real servers, with
// every secret only where it belongs.
import {execFileSync} from 'node:child_process'
import {mkdirSync, readdirSync, readFileSync, writeFileSync} from 'node:fs'
import {basename, dirname, join} from 'node:path'
import type {ExecutionContext} from 'ava'
import type {Build, Decision, Page} from '../../scripts/api.ts'
import {GitHttp} from '../support/git-http.ts'
import {needs} from '../support/needs.ts'
import {Repository} from '../support/repository.ts'
import {Sshd} from '../support/sshd.ts'
import {System} from '../support/system.ts'
import {builder, sh, written} from '../support/written.ts'

const words = {'web-read': 'r3ad-\\n"$(x)`-hunter', 'web-push': 'pu5h-%41&é-hunter'}

/** Looks at the arguments of every process, again and again, until told to stop; answers those that held a secret. */
function watchArguments(secrets: readonly string[]): () => string[] {
  const found = new Set<string>()
  const look = () => {
    for (const pid of readdirSync('/proc').filter((name) => /^\d+$/.test(name))) {
      try {
        const line = readFileSync(`/proc/${pid}/cmdline`, 'utf8')
        if (secrets.some((secret) => line.includes(secret))) found.add(line)
      } catch {
        // it has ended
      }
    }
  }
  const timer = setInterval(look, 5)
  return () => (clearInterval(timer), [...found])
}

/** The files below a folder that hold one of the texts. */
function filesWith(folder: string, texts: readonly string[]): string[] {
  const patterns = texts.flatMap((text) => ['-e', text])
  try {
    return execFileSync('grep', ['-rlaF', ...patterns, folder], {encoding: 'utf8'})
      .trim()
      .split('\n')
  } catch {
    return []
  }
}

/** What a file with a key is known by. */
const middleOf = (key: string): string => key.split('\n')[2] ?? key

interface Scene {
  readonly system: System
  readonly repository: Repository
  readonly http: GitHttp
  readonly sshd: Sshd
  readonly secrets: Readonly<Record<string, string>>
}

async function scene(t: ExecutionContext): Promise<Scene> {
  const repository = await Repository.make(t)
  await repository.commit('first', {check: 'true\n'})
  await repository.push('main', 'main:stable', 'main:devel', 'main:ssh-stable', 'main:ssh-devel')
  const http = await GitHttp.listen(t, repository.home, {
    reader: {password: words['web-read']},
    pusher: {password: words['web-push'], mayPush: true},
  })
  const sshd = await Sshd.start(t)
  const secrets = {
    ...words,
    'ssh-read': sshd.key('reader', 'read'),
    'ssh-push': sshd.key('pusher', 'push'),
  }
  const branches = ['main', 'stable', 'devel', 'ssh-stable', 'ssh-devel']
  const rules = (source: string, prefix: string) => [
    {
      name: `${source}-stable`,
      kind: 'fastForward',
      source,
      from: 'main',
      to: `${prefix}stable`,
      green: {builders: [source]},
    },
    {name: `${source}-carry`, kind: 'merge', source, from: `${prefix}stable`, to: `${prefix}devel`},
  ]
  const steps = (source: string) => [
    {kind: 'git', repository: source},
    sh(
      'look',
      'env; cat .git/config; git config --list; until [ -e ../go ]; do sleep 0.05; done; sh -e ./check',
    ),
  ]
  const config = (folder: string) => {
    mkdirSync(join(folder, 'secrets'), {mode: 0o700})
    for (const [name, text] of Object.entries(secrets)) writeFileSync(join(folder, 'secrets', name), text)
    return written([builder('web', steps('web')), builder('shell', steps('shell'))], {
      secrets: {directory: join(folder, 'secrets')},
      workers: [{name: 'w1', maxBuilds: 2}],
      changeSources: [
        {
          name: 'web',
          kind: 'git',
          url: `${http.url}/server.git`,
          branches,
          pollInterval: '1s',
          credentials: {user: 'reader', password: {secret: 'web-read'}},
          pushCredentials: {user: 'pusher', password: {secret: 'web-push'}},
        },
        {
          name: 'shell',
          kind: 'git',
          url: sshd.url(repository.server),
          branches,
          pollInterval: '1s',
          credentials: {sshKey: {secret: 'ssh-read'}, knownHosts: sshd.knownHosts},
          pushCredentials: {sshKey: {secret: 'ssh-push'}, knownHosts: sshd.knownHosts},
        },
      ],
      schedulers: ['web', 'shell'].map((name) => ({
        name,
        kind: 'singleBranch',
        source: name,
        branch: 'main',
        builders: [name],
      })),
      promotions: {rules: [...rules('web', ''), ...rules('shell', 'ssh-')]},
    })
  }
  const system = await System.start(t, {config, workers: [{name: 'w1', maxBuilds: 2}]})
  return {system, repository, http, sshd, secrets}
}

needs('sshd', 'git')(
  'through a password and through a key a repository is polled, built and promoted, and no secret shows anywhere',
  async (t) => {
    const {system, repository, http, sshd, secrets} = await scene(t)
    const texts = Object.values(secrets).map(middleOf)
    const pushing = [secrets['web-push'], secrets['ssh-push']].map((text) => middleOf(text ?? ''))
    const argumentsWith = watchArguments(texts)
    t.teardown(argumentsWith)
    const running = await system.until('both builds look around', async () => {
      const found = (await system.api.get<Page<Build>>('/builds')).items
      const steps = await Promise.all(found.map(({id}) => system.steps(id)))
      return found.length === 2 && steps.every(([, look]) => look?.state === 'running') ? found : null
    })
    const work = join(system.folder, 'worker-w1')
    // While builds run, the worker holds what they need, for itself alone, and never what promotions push with.
    t.deepEqual(filesWith(work, pushing), [])
    for (const file of filesWith(work, texts)) t.regex(file, /\/attempts\/\d+\/plan\.json$/)
    for (const path of ['web', 'shell'])
      t.deepEqual(filesWith(join(work, 'workspaces', path), texts), [], path)
    writeFileSync(join(work, 'workspaces', 'go'), '')
    const revision = await repository.commit('second', {more: '1'})
    await repository.push('main')
    for (const rule of ['web-stable', 'web-carry', 'shell-stable', 'shell-carry'])
      await system.event(({type, data}) => type === 'branch.promoted' && data['rule'] === rule)
    t.is(await repository.tip('stable'), revision)
    t.is(await repository.tip('ssh-stable'), revision)
    for (const branch of ['devel', 'ssh-devel']) {
      const tip = (await repository.tip(branch)) ?? ''
      t.is(
        execFileSync('git', ['--git-dir', repository.server, 'rev-list', '--parents', '-1', tip])
          .toString()
          .trim()
          .split(' ').length,
        3,
      )
    }
    t.deepEqual(http.users('git-upload-pack'), ['reader'])
    t.deepEqual(http.users('git-receive-pack'), ['pusher'])
    t.regex(sshd.log, /^reader git-upload-pack /m)
    t.notRegex(sshd.log, /^(pusher git-upload-pack|reader git-receive-pack) /m)

    for (const {id} of running) {
      const ended = await system.until('the build ends', async () => {
        const build = await system.api.get<Build>(`/builds/${id}`)
        return build.state === 'finished' ? build : null
      })
      t.is(ended.result, 'success')
      const log = await system.log(id, 'look')
      t.notRegex(log, /OSTLER_GIT|GIT_SSH|OSTLER_SECRET/)
      t.false(texts.some((text) => log.includes(text)))
    }
    const api = [
      '/sources',
      '/config',
      '/builders',
      '/builds',
      '/promotions',
      '/changes',
      '/workers',
      ...running.flatMap(({id}) => [`/builds/${id}`, `/builds/${id}/steps`]),
    ]
    for (const path of api) {
      const answer = await (
        await fetch(`${system.master.url}/api/v1${path}`, {
          headers: {authorization: `Bearer ${readFileSync(system.master.tokenFile, 'utf8').trim()}`},
        })
      ).text()
      t.deepEqual(
        texts.filter((text) => answer.includes(text)),
        [],
        path,
      )
    }
    await system.until('the worker has forgotten the attempts', async () =>
      readdirSync(join(work, 'attempts')).length === 0 ? true : null,
    )
    // A poll that is under way has its key in a file.
    await system.master.process.stop()
    t.deepEqual(
      filesWith(system.folder, texts).filter((file) => basename(dirname(file)) !== 'secrets'),
      [],
    )
    t.deepEqual(
      readdirSync(join(system.folder, 'master', 'git-home')).filter((name) => /^(key|hosts)-/.test(name)),
      [],
    )
    t.deepEqual(argumentsWith(), [])
  },
)

needs('sshd', 'git')(
  'what a server refuses is told with the repository and what to do, tried later, and fatal to nothing',
  async (t) => {
    const {system, repository, http, sshd, secrets} = await scene(t)
    writeFileSync(join(system.folder, 'worker-w1', 'workspaces', 'go'), '')
    const source = async (name: string) =>
      (
        await system.api.get<Page<{name: string; failures: number; error: string | null}>>('/sources')
      ).items.find((each) => each.name === name)
    const failing = (name: string, told: RegExp) =>
      system.until(`${name} tells ${String(told)}`, async () => {
        const {failures = 0, error = null} = (await source(name)) ?? {}
        return failures >= 1 && error !== null && told.test(error) ? error : null
      })
    const healthy = (name: string) =>
      system.until(`${name} is well`, async () => ((await source(name))?.failures === 0 ? true : null))
    const secret = (name: string, text: string) => writeFileSync(join(system.folder, 'secrets', name), text)
    await healthy('web')
    await healthy('shell')

    secret('web-read', 'wr0ng-password')
    const wrong = await failing('web', /does not take user reader/)
    t.regex(
      wrong,
      /fetching web \(http:\/\/127\.0\.0\.1:\d+\/server\.git\).*secret web-read: put a valid one/s,
    )
    t.notRegex(wrong, /wr0ng/)
    secret('ssh-read', sshd.key('stranger', 'nothing'))
    t.regex(
      await failing('shell', /takes no key/),
      /fetching shell \(ssh:.*secret ssh-read.*Permission denied/s,
    )
    for (const name of ['web-read', 'ssh-read']) secret(name, secrets[name] ?? '')

    await healthy('web')
    http.mood = {mood: 'answers', status: 403}
    const forbidden = await failing('web', /not allowed/)
    t.regex(forbidden, /user reader is known there but not allowed this: give it the right to fetch/)
    t.notRegex(forbidden, /hunter/)
    http.mood = {mood: 'answers', status: 503}
    t.notRegex(await failing('web', /503/), /hunter/)
    http.mood = null
    await healthy('web')

    await healthy('shell')
    await sshd.stop()
    await failing('shell', /connection refused/i)
    sshd.newHostKey()
    await sshd.open()
    t.regex(await failing('shell', /knownHosts/), /not among knownHosts of credentials.*ssh-keyscan/s)
    t.is((await fetch(`${system.master.url}/healthz`)).status, 200)

    // The promoter is refused by a hook: the branch stays, the reason is told, other rules go on.
    const hook = join(repository.server, 'hooks', 'update')
    writeFileSync(
      hook,
      '#!/bin/sh\n[ "$1" != refs/heads/stable ] || { echo "stable is closed on Sundays"; exit 1; }\n',
      {mode: 0o755},
    )
    const before = await repository.tip('stable')
    await repository.commit('third', {more: '3'})
    await repository.push('main')
    const refused = await system.until('the refusal is told', async () => {
      const {items} = await system.api.get<Page<Decision>>('/promotions/web-stable/history')
      return items.find(({state}) => state === 'failed')?.error ?? null
    })
    t.regex(refused, /stable is closed on Sundays/)
    t.regex(refused, /pushing to web \(http/)
    t.is(await repository.tip('stable'), before)
    writeFileSync(hook, '#!/bin/sh\nexit 0\n', {mode: 0o755})
    secret('web-push', 'wr0ng-push-password')
    const denied = await system.master.ostler('promote', 'web-stable')
    t.is(denied.code, 1, denied.stdout)
    t.regex(denied.stdout + denied.stderr, /does not take user pusher with the secret web-push/)
    secret('web-push', secrets['web-push'] ?? '')
    const done = await system.master.ostler('promote', 'web-stable')
    t.is(done.code, 0, done.stdout + done.stderr)
    t.not(await repository.tip('stable'), before)
  },
)
