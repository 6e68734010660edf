// The charm as Juju starts it: packed, unpacked, its `dispatch` run with the hook tools on the PATH. The machine's own programs are
// small stand-ins here, so that this runs anywhere; test/packages/charms.test.ts has the real ones.
import {execFileSync} from 'node:child_process'
import {chmodSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync} from 'node:fs'
import {tmpdir} from 'node:os'
import {join} from 'node:path'
import test, {type ExecutionContext} from 'ava'
import {build} from 'esbuild'
import {repository} from '../support/sources.ts'
import {runJob, type Done} from './agent.ts'
import {Controller, environmentOf} from './controller.ts'
import * as juju from './model.ts'

interface Unit {
  readonly controller: Controller
  readonly folder: string
  /** Makes one of the machine's programs. */
  program(name: string, script: string): void
  run(hook: string): Promise<Done>
}

/** A unit of the worker's charm on a machine of stand-ins. */
async function workerUnit(t: ExecutionContext): Promise<Unit> {
  const folder = mkdtempSync(join(tmpdir(), 'ostler-dispatch-'))
  t.teardown(() => rmSync(folder, {recursive: true, force: true}))
  await layCharm(join(folder, 'charm'))
  const programs = join(folder, 'programs')
  mkdirSync(programs)
  const program = (name: string, script: string) => {
    writeFileSync(join(programs, name), `#!/bin/sh\n${script}\n`)
    chmodSync(join(programs, name), 0o755)
  }
  program('dpkg-query', 'printf "ostler-common installed 1.0\\nostler-worker installed 1.0\\n"')
  program('systemctl', 'echo "LoadState=not-found"')
  const controller = new Controller()
  controller.deploy('ostler-worker', 'worker', {engine: 'none'})
  const unit = controller.addUnit('ostler-worker')
  const run = async (hook: string) => {
    const context = {model: structuredClone(controller.model), unit, happening: {hook}, action: null}
    const environment = {...environmentOf(context), OSTLER_CHARM_ROOT: join(folder, 'root')}
    return await runJob({context, charm: join(folder, 'charm'), environment, path: programs})
  }
  return {controller, folder, program, run}
}

/** The charm of what was compiled, as `scripts/pack-charm.mjs` would lay it out. */
async function layCharm(charm: string): Promise<void> {
  mkdirSync(charm)
  await build({
    entryPoints: [join(repository, 'dist', 'charms', 'hook.js')],
    outfile: join(charm, 'hook.mjs'),
    bundle: true,
    platform: 'node',
    format: 'esm',
    logLevel: 'error',
  })
  const files = {role: 'worker\n', version: '1.0\n', 'monitoring.json': '{"alerts": {}, "dashboards": []}'}
  for (const [name, text] of Object.entries(files)) writeFileSync(join(charm, name), text)
  writeFileSync(join(charm, 'dispatch'), readFileSync(join(repository, 'charms', 'dispatch')), {mode: 0o755})
}

test('what a hook says through the tools on the PATH is in the model', async (t) => {
  const {run} = await workerUnit(t)
  const {code, context, output} = await run('install')
  t.is(code, 0, output)
  const {status} = context.model.units['ostler-worker/0']!
  t.is(status.status, 'blocked')
  t.regex(status.words, /^needs a master: juju integrate/)
})

test('a hook that Juju refuses something fails, for Juju to try again', async (t) => {
  const {controller, run} = await workerUnit(t)
  juju.forget(controller.model.applications['ostler-worker']!.endpoints, 'master')
  const {code, output} = await run('config-changed')
  t.is(code, 1)
  t.regex(output, /network-get .*no network config found for binding "master"/)
})

test('a machine without Node gets it from its archives', async (t) => {
  const {program, folder, run} = await workerUnit(t)
  program('node', 'exit 127')
  program('apt-get', `case "$*" in *install*nodejs) rm '${folder}/programs/node' ;; esac`)
  const {code, context, calls} = await run('install')
  t.is(code, 0)
  t.true(calls.includes('status-set maintenance installing nodejs'))
  t.regex(context.model.units['ostler-worker/0']!.status.words, /^needs a master/)
})

test('a machine whose archives have only an old Node is told what it needs', async (t) => {
  const {program, run} = await workerUnit(t)
  program('node', 'case "$1" in --version) echo v18.19.1 ;; *) exit 1 ;; esac')
  program('apt-get', 'exit 0')
  const {code, context} = await run('install')
  t.is(code, 0)
  const {status, words} = context.model.units['ostler-worker/0']!.status
  t.is(status, 'blocked')
  t.regex(
    words,
    /^needs nodejs 20\.19 or later, and this machine's archives have v18\.19\.1: deploy with --base/,
  )
})

test('dispatch is POSIX shell', (t) => {
  t.notThrows(() => execFileSync('sh', ['-n', join(repository, 'charms', 'dispatch')]))
})
