// The `ostler` command as a person runs it: a process against a real front door.
import test from 'ava'
import {spawn} from 'node:child_process'
import {mkdir, mkdtemp, readFile, rm, symlink, utimes, writeFile} from 'node:fs/promises'
import {tmpdir} from 'node:os'
import path from 'node:path'
import {fileURLToPath} from 'node:url'
import {addBuild, eachFront, growLog} from '../http/front.ts'

const executable = fileURLToPath(new URL('../../../../bin/ostler.mjs', import.meta.url))

/** Runs the command to its end. */
function ostler(args: readonly string[], env: Record<string, string> = {}, file = executable) {
  const {OSTLER_TOKEN: _token, OSTLER_MASTER: _master, ...clean} = process.env
  const child = spawn(process.execPath, [file, ...args], {
    env: {...clean, ...env},
    stdio: ['ignore', 'pipe', 'pipe'],
  })
  const heard = {out: '', err: ''}
  child.stdout.on('data', (bytes: Buffer) => (heard.out += bytes.toString()))
  child.stderr.on('data', (bytes: Buffer) => (heard.err += bytes.toString()))
  return new Promise<{exit: number | null; out: string; err: string}>((resolve) =>
    child.once('close', (exit) => resolve({exit, ...heard})),
  )
}

test('help names every verb, the worker too, and suffices', async (t) => {
  const {exit, out} = await ostler(['--help'])
  t.is(exit, 0)
  for (const verb of [
    'master',
    'worker',
    'check-config',
    'force',
    'builds',
    'requests',
    'workers',
    'promotions',
    'reports',
    'log',
    'cancel',
    'rebuild',
    'pause',
    'drain',
    'resume',
    'promote',
    'reload',
    'token',
  ])
    t.regex(out, new RegExp(`^  ${verb}\\b`, 'm'))
})

test('the bundle is run while it is not older than what was compiled, and what was compiled when there is none', async (t) => {
  const root = await mkdtemp(path.join(tmpdir(), 'ostler-bin-'))
  t.teardown(() => rm(root, {recursive: true}))
  const put = async (file: string, text: string, age: number) => {
    await mkdir(path.dirname(path.join(root, file)), {recursive: true})
    await writeFile(path.join(root, file), text)
    const at = new Date(1_700_000_000_000 - age * 1000)
    await utimes(path.join(root, file), at, at)
  }
  const says = (what: string) => `export const main = (rest) => (console.log('${what}', ...rest), 0)`
  const which = async (...args: string[]) =>
    (await ostler(args, {}, path.join(root, 'bin/ostler.mjs'))).out.trim()
  await put('bin/ostler.mjs', await readFile(executable, 'utf8'), 0)
  await put('package.json', '{"type": "module"}', 0)
  await put('dist/master/cli/ostler.js', says('compiled'), 5)
  await put('dist/worker/main.js', says('compiled worker'), 5)
  t.is(await which('a'), 'compiled a')
  await put('dist/.tsbuild/master-cli.tsbuildinfo', '', 5)
  await put('dist/.tsbuild/test.tsbuildinfo', '', 1)
  await put('dist/bundle/master/ostler.js', says('bundled'), 4)
  await put('dist/bundle/worker/main.js', says('bundled worker'), 4)
  t.is(await which('a'), 'bundled a')
  t.is(await which('worker', 'a'), 'bundled worker a')
  await put('dist/.tsbuild/master-cli.tsbuildinfo', '', 3)
  t.is(await which('a'), 'compiled a')
})

test('wrong usage is 2, a master that is not there 3', async (t) => {
  for (const args of [
    [],
    ['nonsense'],
    ['builds', '--limit', '0'],
    ['builds', '--nonsense'],
    ['token', 'user', 'x'],
    ['builds', '--master', 'nowhere'],
    ['force', 'x', '--param', 'y'],
    ['builds', '--token-file', '/nowhere'],
  ]) {
    const {exit, err} = await ostler(args)
    t.is(exit, 2, args.join(' '))
    t.not(err, '')
  }
  const {exit, err} = await ostler(['builds', '--master', 'http://127.0.0.1:65000'])
  t.is(exit, 3)
  t.regex(err, /could not be reached: ECONNREFUSED/)
})

test('check-config tells every problem at its place', async (t) => {
  const directory = await mkdtemp(path.join(tmpdir(), 'ostler-cli-'))
  t.teardown(() => rm(directory, {recursive: true}))
  const file = path.join(directory, 'bad.yaml')
  await writeFile(file, 'title: 7\nbuilders:\n  - {name: x, steps: [{kind: shell, comand: y}]}\n')
  const {exit, out, err} = await ostler(['check-config', file])
  t.is(exit, 1)
  t.is(out, '')
  t.true(
    err.split('\n').some((line) => line.startsWith(`${file}:3:`) && line.includes('did you mean command?')),
    err,
  )
  t.true(err.split('\n').filter((line) => line !== '').length >= 2, err)
  const json = JSON.parse((await ostler(['check-config', file, '--json'])).out) as {
    good: boolean
    problems: object[]
  }
  t.false(json.good)
})

eachFront('tokens are made, listed and revoked, and a link to the command works', async (t, front) => {
  const directory = await mkdtemp(path.join(tmpdir(), 'ostler-cli-'))
  t.teardown(() => rm(directory, {recursive: true}))
  const link = path.join(directory, 'ostler')
  await symlink(executable, link)
  await writeFile(path.join(directory, 'admin-token'), `${front.tokens.admin}\n`)
  const base = ['--master', await front.listen(), '--state-dir', directory]
  const made = await ostler(['token', 'user', 'ann', '--role', 'developer', ...base], {}, link)
  t.is(made.exit, 0, made.err)
  t.regex(made.out, /^ostler_u_\w+\n$/)
  const refused = await ostler(['reload', '--master', base[1] as string], {OSTLER_TOKEN: made.out.trim()})
  t.is(refused.exit, 3)
  t.regex(refused.err, /needs the role operator; ann is developer/)
  const {items} = JSON.parse((await ostler(['token', 'list', '--json', ...base])).out) as {
    items: {id: string; name: string}[]
  }
  const ann = items.find((token) => token.name === 'ann')
  t.is((await ostler(['token', 'revoke', ann?.id ?? '', ...base])).exit, 0)
  t.is((await ostler(['builds', '--master', base[1] as string], {OSTLER_TOKEN: made.out.trim()})).exit, 3)
})

eachFront('builds are asked for, shown, followed and cancelled', async (t, front) => {
  const env = {OSTLER_MASTER: await front.listen(), OSTLER_TOKEN: front.tokens.developer, NO_COLOR: '1'}
  const {log, build} = await addBuild(front, 'hello\n', {complete: false})
  const listed = await ostler(['builds'], env)
  t.regex(listed.out, /linux #1 +running/)

  t.notRegex(listed.out, /\x1b/)
  const following = ostler(['log', 'linux/1', 'test', '-f'], env)
  await growLog(front, log, 'world\n', true)
  front.bells.ring('logs')
  t.is((await following).out, 'hello\nworld\n')
  t.is((await ostler(['log', build, 'test'], env)).out, 'hello\nworld\n')
  t.is((await ostler(['log', build, 'none'], env)).exit, 1)
  const wrong = await ostler(['force', 'force', '--param', 'issue=x'], env)
  t.is(wrong.exit, 2)
  t.regex(wrong.err, /parameters\.issue: expected a whole number/)
  const good = await ostler(['force', 'force', '--builder', 'bsd', '--param', 'issue=3', '--json'], env)
  const {requests} = JSON.parse(good.out) as {requests: {id: string}[]}
  t.regex((await ostler(['requests'], env)).out, /bsd +pending/)
  t.is((await ostler(['cancel', '--request', requests[0]?.id ?? ''], env)).exit, 0)
  t.is((await ostler(['cancel', 'linux/1', '--reason', 'enough'], env)).exit, 0)
  t.is((await ostler(['cancel', '999'], env)).exit, 1)
  t.is((await ostler(['pause', 'bob'], env)).exit, 3)
})
