// Real input: the Debian source package `hello` is built, checked and packed in a container, by a real master and a
// real worker, from a repository that the master polls; the commit that was found green becomes stable.
import {createHash} from 'node:crypto'
import {execFileSync} from 'node:child_process'
import {mkdirSync, readdirSync} from 'node:fs'
import {join} from 'node:path'
import type {ExecutionContext} from 'ava'
import type {Artifact, Build, Page} from '../../scripts/api.ts'
import {needs} from '../support/needs.ts'
import {Repository} from '../support/repository.ts'
import {System} from '../support/system.ts'

const withinMs = 200_000
const steps = ['order', 'configure', 'make', 'check', 'dist'] as const

/** A bash script whose words, as they go to the log, are also kept in a file beside the sources. */
const told = (name: string, script: string) => ({
  kind: 'shell',
  name,
  command: ['bash', '-o', 'pipefail', '-c', `{ ${script}; } 2>&1 | tee ../told/${name}`],
  workdir: 'hello',
  timeout: '2m',
  haltOnFailure: true,
})

const config = (repository: Repository) =>
  JSON.stringify({
    changeSources: [
      {name: 'hello', kind: 'git', url: `file://${repository.server}`, branches: ['*'], pollInterval: '1s'},
    ],
    workers: [{name: 'w1'}],
    builders: [
      {
        name: 'hello',
        container: {image: 'ostler-test/build', network: 'none'},
        steps: [
          {kind: 'git', repository: 'hello', workdir: 'hello'},
          {kind: 'shell', name: 'room', command: 'mkdir -p told'},
          // A checkout has no order in time: what was made from what else must look newer, or autotools make it anew.
          told(
            'order',
            'sleep 1; touch aclocal.m4; sleep 1; touch configure config.in; find . -name Makefile.in -exec touch {} +; sleep 1; touch doc/*.info po/stamp-po',
          ),
          told('configure', './configure'),
          told('make', 'make'),
          told('check', 'make check'),
          told('dist', 'make dist && sha256sum hello-*.tar.gz'),
          {kind: 'upload', name: 'keep', files: 'hello-*.tar.gz', artifact: 'tarball', workdir: 'hello'},
          {kind: 'upload', name: 'keep words', files: '*', artifact: 'told', workdir: 'told'},
        ],
      },
    ],
    schedulers: [{name: 'main', kind: 'singleBranch', source: 'hello', branch: 'main', builders: ['hello']}],
    promotions: {
      schedule: '* * * * *',
      rules: [
        {
          name: 'stable',
          kind: 'fastForward',
          source: 'hello',
          from: 'main',
          to: 'stable',
          green: {builders: ['hello']},
        },
      ],
    },
  })

const hello = needs('docker', 'images', 'debian-source')

hello('the Debian package hello is built in a container, kept, and promoted to stable', async (t) => {
  t.timeout(2 * withinMs)
  const {repository, upstream, packaged} = await debianHello(t)
  t.is(await repository.tip('stable'), upstream)
  const system = await System.start(t, {config: () => config(repository), workers: ['w1']})
  const build = await finished(system, packaged)
  t.is(build.result, 'success', await lastWords(system, build))

  const artifacts = (await system.api.get<Page<Artifact>>(`/artifacts?build=${build.id}`)).items
  await logsAreComplete(t, system, build, artifacts)
  await tarballIsKept(t, system, build, artifacts)

  await system.event(({type, data}) => type === 'branch.promoted' && data['revision'] === packaged)
  t.is(await repository.tip('stable'), packaged)
})

/** The source package in a repository: `stable` is at what upstream published, `main` at what Debian makes of it. */
async function debianHello(t: ExecutionContext) {
  const repository = await Repository.make(t)
  const {clone, home} = repository
  const files = join(home, 'package')
  mkdirSync(files)
  execFileSync('apt-get', ['source', '--download-only', '-qq', 'hello'], {cwd: files, stdio: 'pipe'})
  const [dsc, orig] = ['.dsc', '.orig.tar.gz'].map((ending) =>
    readdirSync(files).find((name) => name.endsWith(ending)),
  )
  if (!dsc || !orig) throw new Error(`no source package came: ${readdirSync(files).join(' ')}`)
  execFileSync('tar', ['-xf', join(files, orig), '--strip-components=1'], {cwd: clone})
  const upstream = await everything(repository, 'hello as upstream published it')
  await repository.push('main', 'main:stable')

  const unpacked = join(home, 'unpacked')
  execFileSync('dpkg-source', ['--no-check', '-x', join(files, dsc), unpacked], {stdio: 'pipe'})
  execFileSync('cp', ['-a', `${unpacked}/.`, clone])
  const packaged = await everything(repository, 'hello as Debian packages it')
  await repository.push('main')
  return {repository, upstream, packaged}
}

/** A commit of every file of the clone, also those that its own .gitignore would leave out. */
async function everything(repository: Repository, message: string): Promise<string> {
  await repository.git('add', '--all', '--force')
  await repository.git('commit', '--quiet', '-m', message)
  return repository.git('rev-parse', 'HEAD')
}

function finished(system: System, revision: string): Promise<Build> {
  const look = async () => {
    const {items} = await system.api.get<Page<Build>>(`/builds?revision=${revision}`)
    return items.find(({state}) => state === 'finished')
  }
  return system.until('hello is built', look, withinMs)
}

async function lastWords(system: System, build: Build): Promise<string> {
  const all = await system.steps(build.id)
  const bad = all.find(({result}) => result !== null && result !== 'success' && result !== 'skipped')
  const log = bad?.logs[0] ? await system.api.text(`/logs/${bad.logs[0].id}/raw`) : ''
  return `${build.summary}\n${bad?.name ?? ''}\n${log.slice(-2000)}`
}

/** Each log, downloaded, is byte for byte what the step's own `tee` wrote, and as long as the master says. */
async function logsAreComplete(
  t: ExecutionContext,
  system: System,
  build: Build,
  artifacts: readonly Artifact[],
) {
  const all = await system.steps(build.id)
  for (const name of steps) {
    const log = all.find((step) => step.name === name)?.logs[0]
    const words = artifacts.find((each) => each.name === 'told' && each.path === name)
    if (!words) return t.fail(`what ${name} told was not kept`)
    const kept = await system.api.bytes(`/artifacts/${words.id}`)
    if (!log) return t.is(kept.length, 0, `${name} has no log`)
    const downloaded = await system.api.bytes(`/logs/${log.id}/raw`)
    t.true(downloaded.equals(kept), `${name}: ${String(downloaded.length)} bytes of ${String(kept.length)}`)
    t.is(log.bytes, kept.length)
    t.true(log.complete)
  }
  t.regex(await system.log(build.id, 'configure'), /^checking for a BSD-compatible install/)
  t.regex(await system.log(build.id, 'check'), /^# FAIL: +0$/m)
}

/** The tarball, downloaded, has the digest that the step printed and the master recorded, and holds the sources. */
async function tarballIsKept(
  t: ExecutionContext,
  system: System,
  build: Build,
  artifacts: readonly Artifact[],
) {
  const tarballs = artifacts.filter(({name}) => name === 'tarball')
  t.deepEqual(
    tarballs.map(({path}) => path),
    ['hello-2.10.tar.gz'],
  )
  const [tarball] = tarballs
  if (!tarball) return
  const bytes = await system.api.bytes(`/artifacts/${tarball.id}`)
  const sha256 = createHash('sha256').update(bytes).digest('hex')
  t.is(tarball.sha256, sha256)
  t.is(tarball.bytes, bytes.length)
  t.true((await system.log(build.id, 'dist')).endsWith(`${sha256}  hello-2.10.tar.gz\n`))
  const listed = execFileSync('tar', ['-tz'], {input: bytes, encoding: 'utf8'})
  t.true(listed.includes('hello-2.10/src/hello.c\n') && listed.includes('hello-2.10/hello.1\n'))
}
