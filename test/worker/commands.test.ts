// Checking out and keeping files, with real git repositories and a real HTTP upload.
import {execFileSync} from 'node:child_process'
import {createHash} from 'node:crypto'
import {existsSync, mkdirSync, readFileSync, symlinkSync, writeFileSync} from 'node:fs'
import {join} from 'node:path'
import test from 'ava'
import type {Checkout, PlanStep} from '../../worker/protocol/plan.ts'
import {ScriptedMaster} from '../support/scripted-master.ts'
import {freshDir, plan, startWorker, step, type WorkerProcess} from '../support/worker-process.ts'

let master: ScriptedMaster
let worker: WorkerProcess
const stateDir = freshDir()
let fences = 0

test.before(async () => {
  master = await ScriptedMaster.listen()
  worker = startWorker(master, {stateDir})
  await master.connectedOnce()
})
test.after.always(async () => {
  await worker.stop()
  await master.close()
})

const identity = {
  GIT_AUTHOR_NAME: 'a',
  GIT_AUTHOR_EMAIL: 'a@x',
  GIT_COMMITTER_NAME: 'a',
  GIT_COMMITTER_EMAIL: 'a@x',
}
const git = (dir: string, ...args: string[]): string =>
  execFileSync('git', ['-C', dir, ...args], {
    env: {...process.env, ...identity, GIT_CONFIG_GLOBAL: '/dev/null'},
    stdio: ['ignore', 'pipe', 'pipe'],
  })
    .toString()
    .trim()

function commit(dir: string, text: string): string {
  writeFileSync(join(dir, 'file'), text)
  git(dir, 'add', '-A')
  git(dir, 'commit', '-q', '-m', text)
  return git(dir, 'rev-parse', 'HEAD')
}

function repository(): string {
  const dir = freshDir()
  git(dir, 'init', '-q', '-b', 'main')
  return dir
}

function checkout(url: string, special: Partial<Checkout> = {}, env: PlanStep['env'] = {}): PlanStep {
  const command: Checkout = {
    command: 'checkout', name: 'src', url: [url], branch: ['main'], revision: [''], workdir: [''], mode: 'clean', depth: null, submodules: false, ...special,
  } // prettier-ignore
  return step('', {name: 'git', command, env})
}

async function built(
  steps: readonly PlanStep[],
  workspace = `w${fences + 1}`,
  secrets: Record<string, string> = {},
) {
  const fence = String(++fences)
  master.offer(fence, plan(steps, {workspace, secrets: Object.keys(secrets)}), secrets)
  const end = await master.ended(fence)
  const got = master.entry(fence, 'propertySet')?.value
  return {fence, end, got, log: master.log(fence), outcome: master.entry(fence, 'stepEnded')?.outcome}
}

test.serial('a checkout brings the tip of the branch, then one revision, then a newer one', async (t) => {
  const dir = repository()
  const one = commit(dir, 'one')
  const two = commit(dir, 'two')
  const first = await built([checkout(dir), step('cat file', {name: 'b'})], 'co')
  t.is(first.got, two, first.log)
  t.deepEqual(
    master.entries(first.fence, 'propertySet').map(({name}) => name),
    ['gotRevision', 'gotRevision.src'],
  )
  t.is(master.log(first.fence, 1), 'two')
  t.is((await built([checkout(dir, {revision: [one]})], 'co')).got, one)
  const three = commit(dir, 'three')
  t.is((await built([checkout(dir, {revision: [three]})], 'co')).got, three)
})

test.serial(
  'clean removes what is left of the last build, incremental keeps it, fresh begins anew',
  async (t) => {
    const dir = repository()
    commit(dir, 'one')
    await built(
      [checkout(dir), step('touch left; echo changed >file; touch .git/index.lock', {name: 'b'})],
      'modes',
    )
    await built([checkout(dir, {mode: 'incremental'}), step('cat file; ls', {name: 'b'})], 'modes')
    t.is(master.log(String(fences), 1), 'onefile\nleft\n')
    await built([checkout(dir), step('ls', {name: 'b'})], 'modes')
    t.is(master.log(String(fences), 1), 'file\n')
    await built(
      [
        step('touch .git/mine', {name: 'b'}),
        checkout(dir, {mode: 'fresh'}),
        step('ls .git/mine', {name: 'c'}),
      ],
      'modes',
    )
    t.like(master.entries(String(fences), 'stepEnded')[2], {result: 'failure'})
  },
)

test.serial('a revision that was pushed away is fetched by its name, or its loss is told', async (t) => {
  const dir = repository()
  commit(dir, 'one')
  const away = commit(dir, 'away')
  git(dir, 'reset', '-q', '--hard', 'HEAD~1')
  git(dir, 'config', 'uploadpack.allowAnySHA1InWant', 'true')
  t.is((await built([checkout(`file://${dir}`, {revision: [away]})])).got, away)
  const {outcome, log} = await built([checkout(`file://${dir}`, {revision: ['1'.repeat(40)]})])
  t.deepEqual(outcome, {outcome: 'exited', code: 1})
  t.regex(log, /revision 1{40} is gone/)
})

test.serial('a shallow checkout is shallow', async (t) => {
  const dir = repository()
  commit(dir, 'one')
  const two = commit(dir, 'two')
  const {fence, got} = await built([
    checkout(`file://${dir}`, {depth: 1}),
    step('git rev-list --count HEAD', {name: 'b'}),
  ])
  t.is(got, two)
  t.is(master.log(fence, 1), '1\n')
})

test.serial('a branch that is gone is a failure, a server that does not answer is temporary', async (t) => {
  const dir = repository()
  commit(dir, 'one')
  t.deepEqual((await built([checkout(dir, {branch: ['nowhere']})])).outcome, {outcome: 'exited', code: 1})
  t.like((await built([checkout('http://127.0.0.1:1/x.git')])).outcome, {outcome: 'temporary'})
})

test.serial('names that look like options, and protocols that run programs, are refused', async (t) => {
  const dir = repository()
  commit(dir, 'one')
  const marker = join(freshDir(), 'ran')
  for (const special of [
    {url: [`--upload-pack=touch ${marker}`]},
    {branch: [`--upload-pack=touch ${marker}`]},
    {revision: ['--help']},
  ])
    t.like((await built([checkout(dir, special)])).outcome, {outcome: 'broken'})
  t.not((await built([checkout(`ext::touch ${marker}`)])).end.result, 'success')
  t.false(existsSync(marker))
})

test.serial('a hook in the workspace does not run', async (t) => {
  const dir = repository()
  commit(dir, 'one')
  const marker = join(freshDir(), 'ran')
  await built(
    [
      checkout(dir),
      step(
        `printf '#!/bin/sh\\ntouch ${marker}\\n' >.git/hooks/post-checkout; chmod +x .git/hooks/post-checkout`,
        {name: 'b'},
      ),
    ],
    'hook',
  )
  commit(dir, 'two')
  t.is((await built([checkout(dir)], 'hook')).end.result, 'success')
  t.false(existsSync(marker))
})

test.serial(
  'credentials serve the checkout alone: they are neither in the workspace nor in later steps',
  async (t) => {
    const dir = repository()
    commit(dir, 'one')
    const env = {
      OSTLER_GIT_USER: ['me'],
      OSTLER_GIT_PASSWORD: [{secret: 'pw'}],
      OSTLER_GIT_SSH_KEY: [{secret: 'pw'}],
    }
    const {fence, end} = await built(
      [checkout(dir, {}, env), step('grep -r hunter22 . && exit 1; env', {name: 'b'})],
      'cred',
      {pw: 'hunter22'},
    )
    t.is(end.result, 'success')
    t.false(/hunter22|OSTLER_GIT/.test(master.log(fence, 1)))
  },
)

const keep = (files: readonly string[], optional = false): PlanStep =>
  step('', {
    name: 'keep',
    command: {
      command: 'keep',
      files: files.map((file) => [file]),
      artifact: ['dist'],
      workdir: [''],
      optional,
    },
  })

test.serial('files are kept by their content, wherever they lie', async (t) => {
  const {fence, end} = await built([
    step('mkdir -p dist/a; printf one >dist/a/x.txt; printf two >dist/y.txt; touch dist/z.log'),
    keep(['dist/**/*.txt']),
  ])
  t.is(end.result, 'success', master.log(fence, 1))
  const kept = master.entries(fence, 'artifactKept').map(({path, bytes, name}) => [path, bytes, name])
  t.deepEqual(kept, [
    ['dist/a/x.txt', 3, 'dist'],
    ['dist/y.txt', 3, 'dist'],
  ])
  t.is(master.artifacts.get(createHash('sha256').update('one').digest('hex'))?.toString(), 'one')
})

test.serial('an empty file and a large one are kept too', async (t) => {
  const {fence, end} = await built([
    step('touch empty; head -c 20000000 /dev/zero >large'),
    keep(['empty', 'large']),
  ])
  t.is(end.result, 'success', master.log(fence, 1))
  t.deepEqual(
    master.entries(fence, 'artifactKept').map(({bytes}) => bytes),
    [0, 20_000_000],
  )
})

test.serial('nothing to keep is a failure unless it may be', async (t) => {
  t.is((await built([keep(['none/*'])])).end.result, 'failure')
  t.is((await built([keep(['none/*'], true)])).end.result, 'success')
})

test.serial('nothing outside the workspace is kept', async (t) => {
  const outside = join(freshDir(), 'secret.txt')
  writeFileSync(outside, 'secret')
  const workspace = join(stateDir, 'workspaces', 'links')
  mkdirSync(workspace, {recursive: true})
  symlinkSync(outside, join(workspace, 'link.txt'))
  for (const glob of ['*.txt', '../../id', '/etc/passwd']) {
    const {fence, end} = await built([keep([glob])], 'links')
    t.is(end.result, 'failure', glob)
    t.is(master.entry(fence, 'artifactKept'), undefined)
  }
  t.is(readFileSync(outside, 'utf8'), 'secret')
})

test.serial(
  'a master that does not take a file yet is asked again, one that refuses it is told',
  async (t) => {
    let asked = 0
    master.answerPut = (request, response) => {
      if (asked++ > 0) return false
      request.resume()
      response.writeHead(503).end()
      return true
    }
    const {fence, end} = await built([step('echo again >file'), keep(['file'])])
    t.is(end.result, 'success', master.log(fence, 1))
    master.answerPut = (request, response) => {
      request.resume()
      response.writeHead(413).end('too large')
      return true
    }
    const refused = await built([step('echo other >file'), keep(['file'])])
    t.is(refused.end.result, 'failure')
    t.regex(master.log(refused.fence, 1), /413.*too large/)
    master.answerPut = null
  },
)
