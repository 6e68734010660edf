// The commands a newcomer types first, on clones and machines that lack something: one sentence with the remedy, exit
// code 1, no stack. Each runs the real scripts in a folder of its own, before any package is there.
import {execFileSync, spawn} from 'node:child_process'
import {
  chmodSync,
  cpSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs'
import {tmpdir} from 'node:os'
import {join} from 'node:path'
import test, {type ExecutionContext} from 'ava'
import {needs} from '../support/needs.ts'
import {program} from '../support/parts.ts'
import {repository} from '../support/sources.ts'

test('a Node that is too old is told, with the one that is wanted', async (t) => {
  const clone = freshClone(t)
  const file = join(clone, 'package.json')
  const about = JSON.parse(readFileSync(file, 'utf8')) as {engines: {node: string}}
  writeFileSync(file, JSON.stringify({...about, engines: {node: '>=99.1'}}))
  refused(t, await run(clone), /^Ostler needs Node 99\.1 or newer, and this is Node \d+/)
})

test('without git it is told how to install it', async (t) => {
  refused(t, await run(freshClone(t), {PATH: '/nonexistent'}), /^git cannot be run.*apt install git/)
})

test('without npm it is told how to install it', async (t) => {
  const clone = freshClone(t)
  const programs = join(clone, '..', 'programs')
  mkdirSync(programs)
  symlinkSync(program('git') ?? '', join(programs, 'git'))
  refused(t, await run(clone, {PATH: programs}), /^npm is not installed .*apt install npm/)
})

test('a registry that cannot be reached is told at once, and leaves nothing half installed', async (t) => {
  const clone = freshClone(t)
  const npm = {npm_config_registry: 'http://127.0.0.1:1', npm_config_cache: join(clone, '..', 'cache')}
  refused(t, await run(clone, npm), /^npm could not reach its registry: the first run needs the network/)
  t.false(existsSync(join(clone, 'node_modules')))
})

test('a clone that this user cannot write to is told, with whose it is', async (t) => {
  const clone = freshClone(t)
  chmodSync(join(clone, '..'), 0o755)
  chmodSync(clone, 0o555)
  const user = process.getuid?.() === 0 ? {uid: 65534, gid: 65534} : {}
  refused(
    t,
    await run(clone, {}, user),
    /cannot be written by \S+ \(it belongs to user id \d+; .*make a clone of your own/,
  )
})

needs('mounts')('a disk without room for the packages is told before anything is downloaded', async (t) => {
  const folder = ownFolder(t)
  execFileSync('mount', ['-t', 'tmpfs', '-o', 'size=20m,mode=0755', 'ostler-test', folder])
  t.teardown(() => execFileSync('umount', ['--lazy', folder]))
  refused(t, await run(freshClone(t, folder)), /has \d+ MB free, and the packages need about 400: make room/)
})

/** What `npm run demo` and `npm test` begin with, and nothing else. */
function freshClone(t: ExecutionContext, folder = ownFolder(t)): string {
  const clone = join(folder, 'a clone')
  mkdirSync(join(clone, 'scripts'), {recursive: true})
  for (const name of ['package.json', 'package-lock.json', '.npmrc'])
    cpSync(join(repository, name), join(clone, name))
  for (const name of ['demo', 'ready', 'build', 'bundle', 'place', 'watched'])
    cpSync(join(repository, 'scripts', `${name}.mjs`), join(clone, 'scripts', `${name}.mjs`))
  return clone
}

function ownFolder(t: ExecutionContext): string {
  const folder = mkdtempSync(join(tmpdir(), 'ostler-fresh-'))
  t.teardown(() => {
    execFileSync('chmod', ['-R', 'u+w', folder])
    rmSync(folder, {recursive: true, force: true})
  })
  return folder
}

interface Ended {
  readonly code: number | null
  readonly said: string
}

function run(
  clone: string,
  env: NodeJS.ProcessEnv = {},
  user: {uid?: number; gid?: number} = {},
): Promise<Ended> {
  const outer = Object.entries(process.env).filter(([name]) => !name.startsWith('npm_'))
  const child = spawn(process.execPath, ['scripts/demo.mjs', '--once'], {
    cwd: clone,
    env: {...Object.fromEntries(outer), ...env},
    stdio: ['ignore', 'ignore', 'pipe'],
    ...user,
  })
  let said = ''
  child.stderr.setEncoding('utf8').on('data', (text: string) => (said += text))
  return new Promise((resolve, reject) => {
    child.on('error', reject)
    child.on('close', (code) => {
      resolve({code, said: said.trim()})
    })
  })
}

function refused(t: ExecutionContext, {code, said}: Ended, sentence: RegExp): void {
  t.is(code, 1, said)
  t.regex(said, sentence)
  t.notRegex(said, /^\s+at /m)
}
