// The charms where they live: on booted machines with systemd, the real packages and PostgreSQL, their hooks run by the real
// `dispatch`. Only Juju is imitated (test/charms/), which has no controller here.
import {execFileSync} from 'node:child_process'
import {mkdirSync, mkdtempSync, rmSync} from 'node:fs'
import {tmpdir} from 'node:os'
import {join} from 'node:path'
import {setTimeout as sleep} from 'node:timers/promises'
import type {ExecutionContext} from 'ava'
import {BootedModel} from '../charms/booted.ts'
import * as juju from '../charms/model.ts'
import {Machine} from '../support/machine.ts'
import {needs} from '../support/needs.ts'
import {debianPackages} from '../support/packages.ts'
import {repository} from '../support/sources.ts'

const configuration = `
title: Charmed
builders:
  - name: hello
    steps: [{kind: shell, name: greet, command: 'sleep 20; echo hello'}]
schedulers:
  - {name: force, kind: force, builders: [hello]}
`

/** Lays out the charms of this version as Juju unpacks them. */
function layCharms(folder: string, version: string): string {
  const charms = join(folder, `charms-${version}`)
  const lay = `import {filesOf} from './scripts/pack-charm.mjs'
    import {mkdirSync, writeFileSync} from 'node:fs'
    for (const role of ['master', 'worker']) {
      mkdirSync(${JSON.stringify(charms)} + '/' + role, {recursive: true})
      for (const {name, bytes, mode} of filesOf(role, '${version}'))
        writeFileSync([${JSON.stringify(charms)}, role, name].join('/'), bytes, {mode})
    }`
  execFileSync(process.execPath, ['--input-type=module', '-e', lay], {cwd: repository})
  return charms
}

/** A tar file of these packages, as the charms take them for a resource. */
function tarOf(folder: string, packages: string, name: string): string {
  const tar = join(folder, name)
  execFileSync('sh', ['-c', `cd '${packages}' && tar -cf '${tar}' *.deb`])
  return tar
}

/** What PostgreSQL's charm does for a relation. */
const makeDatabase = `su postgres -c "psql -qc \\"CREATE ROLE \\\\\\"relation-1\\\\\\" LOGIN PASSWORD 'first'\\" -c 'CREATE DATABASE ostler OWNER \\"relation-1\\"'"`

interface Stage {
  readonly t: ExecutionContext
  readonly model: BootedModel
  readonly folder: string
  readonly packages: string
  readonly version: string
  /** The machine of the master and PostgreSQL, then those of the workers. */
  readonly machines: readonly [Machine, Machine, Machine]
  /** Runs all hooks that wait; a second run of one must do nothing. */
  rests(): Promise<void>
  /** Asks the master as its administrator. */
  ostler(line: string): Promise<string>
}

needs('machine')(
  'charms deploy a master, PostgreSQL and two workers, rotate, change, upgrade, scale and remove them',
  async (t) => {
    t.timeout(900_000)
    const stage = await setUp(t)
    await deploys(stage)
    await rotatesAndChanges(stage)
    await upgrades(stage)
    await scales(stage)
    await refusesBadConfiguration(stage)
    await removes(stage)
  },
)

async function setUp(t: ExecutionContext): Promise<Stage> {
  const folder = mkdtempSync(join(tmpdir(), 'ostler-charms-'))
  t.teardown(() => rmSync(folder, {recursive: true, force: true}))
  const packages = await debianPackages()
  const version = execFileSync('sh', ['-c', `dpkg-deb -f '${packages}'/ostler-common_*.deb Version`], {
    encoding: 'utf8',
  }).trim()
  const model = await BootedModel.open(t)
  const first = await Machine.boot(t, {postgresql: true})
  await first.must(makeDatabase)
  const machines = [
    first,
    await Machine.boot(t, {besides: first}),
    await Machine.boot(t, {besides: first}),
  ] as const
  return {
    t,
    model,
    folder,
    packages,
    version,
    machines,
    rests: async () => {
      t.deepEqual(await model.settle(), [])
    },
    ostler: (line) => first.must(`OSTLER_TOKEN=$(cat /var/lib/ostler/master/admin-token) ostler ${line}`),
  }
}

const master = 'ostler-master/0'
const [one, two, three] = ['ostler-worker/0', 'ostler-worker/1', 'ostler-worker/2']

async function deploys({t, model, folder, packages, version, machines, rests, ostler}: Stage): Promise<void> {
  const {controller} = model
  const charms = layCharms(folder, version)
  const tar = tarOf(folder, packages, 'packages.tar')
  controller.deployPostgresql({withSecrets: true}, '127.0.0.1:5432')
  controller.deploy('ostler-master', 'master', {configuration})
  controller.deploy('ostler-worker', 'worker', {engine: 'none'})
  await model.addUnit('ostler-master', machines[0], charms, tar)
  await model.addUnit('ostler-worker', machines[1], charms, tar)
  await model.addUnit('ostler-worker', machines[2], charms, tar)
  juju.integrate(controller.model, ['ostler-master', 'database'], ['postgresql', 'database'])
  juju.integrate(controller.model, ['ostler-master', 'workers'], ['ostler-worker', 'master'])
  await rests()
  t.is(controller.status(master), 'active: 2 workers, 0 building')
  t.regex(controller.status(one), /^active: connected to http:\/\/127\.0\.0\.1:8010/)
  t.deepEqual(await workers(ostler), ['ostler-worker-0', 'ostler-worker-1'])
  t.true(
    (await machines[0].read('/etc/ostler/master.env')).includes('://relation-1:first@127.0.0.1:5432/ostler'),
  )
  t.is(await machines[0].must('stat -c %a:%U:%G /etc/ostler/master.env'), '640:root:ostler\n')
  t.is(await machines[1].must('stat -c %a:%U /etc/ostler/worker.token'), '600:root\n')
}

/** While a build runs, which must not notice. */
async function rotatesAndChanges({t, model, machines, rests, ostler}: Stage): Promise<void> {
  const build = await startBuild(ostler)
  const before = await machines[1].read('/etc/ostler/worker.token')
  t.deepEqual(await model.act(master, 'rotate-worker-credential', {unit: one}), {
    result: `new credentials for ${one}`,
  })
  juju.setConfig(model.controller.model, 'ostler-worker', {slots: 3})
  await rests()
  t.not(await machines[1].read('/etc/ostler/worker.token'), before)
  t.deepEqual(await liveTokens(ostler), ['ostler-worker-0', 'ostler-worker-1'])
  t.true((await ostler('workers --json')).includes('"maxBuilds": 3'))
  t.like(await finished(ostler, build), {result: 'success', attemptsLost: 0})
}

async function upgrades({
  t,
  model,
  folder,
  packages,
  version,
  machines,
  rests,
  ostler,
}: Stage): Promise<void> {
  const next = `${version}+1`
  const tar = tarOf(folder, newerPackages(folder, packages, next), 'newer.tar')
  const charms = layCharms(folder, next)
  const build = await startBuild(ostler)
  for (const unit of [master, one, two]) {
    await model.bringCharm(unit, join(charms, unit === master ? 'master' : 'worker'))
    await model.bringPackages(unit, tar)
    t.deepEqual(await model.run(unit, {hook: 'upgrade-charm'}), [])
  }
  await rests()
  t.is(await machines[1].must("dpkg-query -W -f '${Version}' ostler-worker"), next)
  t.is(model.controller.model.units[master]?.version, next)
  t.like(await finished(ostler, build), {result: 'success', attemptsLost: 0})
}

/** One unit goes, and another comes to its machine. */
async function scales({t, model, folder, version, machines, rests, ostler}: Stage): Promise<void> {
  juju.removeUnit(model.controller.model, two)
  await rests()
  t.is((await machines[2].run('systemctl is-enabled ostler-worker')).stdout, 'disabled\n')
  t.is((await machines[2].run('test -e /etc/ostler/worker.token')).code, 1)
  t.deepEqual(await liveTokens(ostler), ['ostler-worker-0'])
  await model.addUnit(
    'ostler-worker',
    machines[2],
    join(folder, `charms-${version}+1`),
    join(folder, 'newer.tar'),
  )
  await rests()
  t.regex(model.controller.status(three), /^active: connected to/)
  t.deepEqual(await liveTokens(ostler), ['ostler-worker-0', 'ostler-worker-2'])
}

async function refusesBadConfiguration({t, model, machines, rests}: Stage): Promise<void> {
  juju.setConfig(model.controller.model, 'ostler-master', {configuration: `${configuration}builderz: []`})
  await rests()
  t.regex(
    model.controller.status(master),
    /^blocked: the configuration is wrong: ostler\.yaml:\d+:\d+.*builderz/,
  )
  t.is(await machines[0].must('systemctl is-active buildmaster'), 'active\n')
}

async function removes({t, model, machines, rests}: Stage): Promise<void> {
  const {controller} = model
  for (const relation of Object.values(controller.model.relations).filter(({ends}) => ends.length === 2))
    juju.removeRelation(controller.model, relation)
  await rests()
  t.regex(
    controller.status(one),
    /^blocked: needs a master: juju integrate ostler-worker:master ostler-master/,
  )
  t.is(
    controller.status(master),
    'blocked: needs a database: juju integrate ostler-master:database postgresql',
  )
  t.is((await machines[0].run('systemctl is-active buildmaster')).stdout, 'inactive\n')
  for (const unit of [master, one, three]) juju.removeUnit(controller.model, unit)
  await rests()
  t.deepEqual(Object.keys(controller.model.units), ['postgresql/0'])
  for (const machine of machines) t.is(await machine.must('systemctl --failed --no-legend --plain'), '')
}

type Ask = Stage['ostler']

const listed = <One>(json: string) => (JSON.parse(json) as {items: One[]}).items

async function workers(ostler: Ask): Promise<string[]> {
  const found = listed<{name: string; state: string}>(await ostler('workers --json'))
  return found.flatMap(({name, state}) => (state === 'connected' ? [name] : [])).sort()
}

async function liveTokens(ostler: Ask): Promise<string[]> {
  const found = listed<{name: string; kind: string; revokedAt: string | null}>(
    await ostler('token list --json'),
  )
  return found
    .flatMap(({name, kind, revokedAt}) => (kind === 'worker' && revokedAt === null ? [name] : []))
    .sort()
}

/** Starts a build and waits until it runs; answers its buildset. */
async function startBuild(ostler: Ask): Promise<string> {
  const {buildset} = JSON.parse(await ostler('force force --json')) as {buildset: string}
  await untilBuild(ostler, buildset, 'running')
  return buildset
}

const finished = (ostler: Ask, buildset: string) => untilBuild(ostler, buildset, 'finished')

interface Build {
  readonly buildset: string
  readonly state: string
}

async function untilBuild(ostler: Ask, buildset: string, state: string): Promise<Build> {
  let build: Build | undefined
  for (let tries = 0; tries < 120; tries++) {
    build = listed<Build>(await ostler('builds --json')).find((found) => found.buildset === buildset)
    if (build?.state === state) return build
    await sleep(500)
  }
  throw new Error(`the build is not ${state}: ${JSON.stringify(build)}`)
}

/** The same packages under another version. */
function newerPackages(folder: string, packages: string, version: string): string {
  const made = join(folder, 'newer')
  mkdirSync(made)
  for (const name of ['common', 'master', 'worker']) {
    const work = join(folder, `work-${name}`)
    const script = `dpkg-deb -R '${packages}'/ostler-${name}_*.deb '${work}'
      old=$(sed -n 's/^Version: //p' '${work}/DEBIAN/control')
      sed -i "s/^Version: .*/Version: ${version}/; s/= $old)/= ${version})/g" '${work}/DEBIAN/control'
      dpkg-deb -Znone -b '${work}' '${made}/ostler-${name}_${version}_all.deb'`
    execFileSync('sh', ['-ec', script], {stdio: 'pipe'})
  }
  return made
}
