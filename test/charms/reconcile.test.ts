// The charms against an imitation of Juju and of the machines: whatever order Juju chooses, the end is the same, and what has been
// done is not done again.
import test from 'ava'
import fc from 'fast-check'
import {Controller, type Choose} from './controller.ts'
import * as juju from './model.ts'

const configuration = 'title: ours'

/** Master, PostgreSQL and workers, as the bundle has them. */
function bundle(choose?: Choose, more: {workers?: number; everyHookTwice?: boolean} = {}): Controller {
  const controller = new Controller(choose, {everyHookTwice: more.everyHookTwice ?? false})
  controller.deployPostgresql()
  controller.deploy('ostler-master', 'master', {configuration})
  controller.deploy('ostler-worker', 'worker', {engine: 'none'})
  controller.addUnit('ostler-master')
  for (let count = 0; count < (more.workers ?? 2); count++) controller.addUnit('ostler-worker')
  juju.integrate(controller.model, ['ostler-master', 'database'], ['postgresql', 'database'])
  juju.integrate(controller.model, ['ostler-master', 'workers'], ['ostler-worker', 'master'])
  return controller
}

const liveWorkers = (controller: Controller) =>
  controller
    .tokens()
    .filter(({kind, isRevoked}) => kind === 'worker' && !isRevoked)
    .map(({name}) => name)
    .sort()

/** Every worker unit holds the token that lives for its name. */
function workersHoldTheirTokens(controller: Controller): boolean {
  const units = Object.keys(controller.model.units).filter((unit) => unit.startsWith('ostler-worker/'))
  return units.every((unit) => {
    const text = controller.machine(unit).read('/etc/ostler/worker.token')?.trim()
    const token = controller.tokens().find((one) => one.text === text)
    return token?.isRevoked === false && token.name === unit.replace('/', '-')
  })
}

test('a master, its database and two workers come to work by themselves', (t) => {
  const controller = bundle()
  controller.settle()
  t.is(controller.status('ostler-master/0'), 'active: 0 workers, 0 building')
  t.is(controller.status('ostler-worker/0'), 'active: ostler-worker-0')
  t.is(controller.status('ostler-worker/1'), 'active: ostler-worker-1')
  t.deepEqual(liveWorkers(controller), ['ostler-worker-0', 'ostler-worker-1'])
  t.true(workersHoldTheirTokens(controller))
  t.deepEqual(controller.model.units['ostler-master/0']?.ports, ['8010/tcp'])
})

/** The same model, whatever order is chosen: what the machines hold, and who may do what. */
function endOf(controller: Controller) {
  const {model} = controller
  const units = Object.entries(model.units)
    .filter(([unit]) => !unit.startsWith('postgresql'))
    .map(([unit, {status, ports}]) => {
      const {files, packages, units: services} = controller.machine(unit)
      const kept = [...files].filter(([path]) => path.startsWith('/etc/') && !path.endsWith('.token'))
      return [
        unit,
        status,
        ports,
        kept.sort(),
        [...packages].sort(),
        [...services].map(([name, {state}]) => [name, state]).sort(),
      ]
    })
  return {
    units,
    live: liveWorkers(controller),
    secrets: Object.values(model.secrets)
      .map(({label}) => label)
      .sort(),
  }
}

/** Choices of chance, drawn by fast-check, that repeat when they run out. */
const chooser = (draws: readonly number[]): Choose => {
  let at = 0
  return (below) => (draws[at++ % draws.length] ?? 0) % below
}
const draws = fc.array(fc.nat(1000), {minLength: 40, maxLength: 120})

test('whatever order Juju chooses, a bundle comes to the same end', (t) => {
  const expected = bundle()
  expected.settle()
  fc.assert(
    fc.property(draws, (choices) => {
      const controller = bundle(chooser(choices))
      controller.settle()
      t.deepEqual(endOf(controller), endOf(expected))
    }),
    {numRuns: 60},
  )
})

test('each hook run twice comes to the same end, and the second time does nothing', (t) => {
  const expected = bundle()
  expected.settle()
  fc.assert(
    fc.property(draws, (choices) => {
      const controller = bundle(chooser(choices), {everyHookTwice: true})
      controller.settle()
      t.deepEqual(endOf(controller), endOf(expected))
      t.deepEqual(
        controller.history.filter(({done}) => done.length > 0),
        [],
      )
    }),
    {numRuns: 40},
  )
})

test('a hook of a unit at rest changes nothing', (t) => {
  const controller = bundle()
  controller.settle()
  for (const unit of Object.keys(controller.model.units)) {
    controller.machine(unit).changes.length = 0
    const before = structuredClone(controller.model)
    for (const hook of ['update-status', 'config-changed', 'upgrade-charm', 'leader-elected', 'start'])
      t.deepEqual(controller.run(unit, {hook}), [], `${unit} ${hook}`)
    t.deepEqual(controller.machine(unit).changes, [])
    for (const model of [before, controller.model]) model.units[unit]!.log.length = 0
    t.deepEqual(controller.model, before)
  }
})

test('a hook that dies anywhere is made good by the next one', (t) => {
  const expected = bundle()
  expected.settle()
  fc.assert(
    fc.property(
      draws,
      fc.nat(1500),
      fc.constantFrom('ostler-master/0', 'ostler-worker/0'),
      (choices, at, unit) => {
        const controller = bundle(chooser(choices))
        let calls = 0
        controller.machine(unit).dies = () => ++calls === at
        controller.settle()
        t.deepEqual(endOf(controller), endOf(expected))
        t.true(workersHoldTheirTokens(controller))
      },
    ),
    {numRuns: 60},
  )
})

test('a worker that comes gets a credential, one that goes loses it at once', (t) => {
  fc.assert(
    fc.property(draws, (choices) => {
      const controller = bundle(chooser(choices))
      controller.settle()
      controller.addUnit('ostler-worker')
      juju.removeUnit(controller.model, 'ostler-worker/0')
      controller.settle()
      t.deepEqual(liveWorkers(controller), ['ostler-worker-1', 'ostler-worker-2'])
      t.true(workersHoldTheirTokens(controller))
      t.false(Object.values(controller.model.secrets).some(({label}) => label.endsWith('ostler-worker/0')))
      t.is(controller.machine('ostler-worker/0').units.get('ostler-worker.service')?.state, 'inactive')
      t.is(controller.machine('ostler-worker/0').read('/etc/ostler/worker.token'), null)
    }),
    {numRuns: 40},
  )
})

test('a rotation by action hands out new tokens and ends the old ones when the workers use the new', (t) => {
  const controller = bundle()
  controller.settle()
  const before = controller.machine('ostler-worker/0').read('/etc/ostler/worker.token')?.trim()
  const answer = controller.act('ostler-master/0', 'rotate-worker-credential', {unit: 'ostler-worker/0'})
  t.deepEqual(answer, {result: 'new credentials for ostler-worker/0'})
  t.false(controller.tokens().find(({text}) => text === before)?.isRevoked, 'the old one goes on meanwhile')
  t.is(
    controller.act('ostler-master/0', 'rotate-worker-credential', {unit: 'ostler-worker/0'}),
    'ostler-worker/0: not taken up since the last time; again=true makes another',
  )
  controller.settle()
  t.true(controller.tokens().find(({text}) => text === before)?.isRevoked)
  t.deepEqual(liveWorkers(controller), ['ostler-worker-0', 'ostler-worker-1'])
  t.true(workersHoldTheirTokens(controller))
})

test('a rotation that Juju asks for happens once, however often the hook runs', (t) => {
  const controller = bundle()
  controller.settle()
  const label = 'worker-credential ostler-worker/1'
  const secret = Object.values(controller.model.secrets).find((one) => one.label === label)!
  const happening = {hook: 'secret-rotate', secret: {id: secret.id, label}}
  controller.run('ostler-master/0', happening)
  t.deepEqual(controller.run('ostler-master/0', happening), [])
  controller.settle()
  t.is(controller.model.secrets[secret.id]?.revisions.length, 2)
  t.deepEqual(liveWorkers(controller), ['ostler-worker-0', 'ostler-worker-1'])
  t.true(workersHoldTheirTokens(controller))
})

test('a changed setting restarts what reads it and nothing else', (t) => {
  const controller = bundle()
  controller.settle()
  for (const unit of ['ostler-master/0', 'ostler-worker/0']) controller.machine(unit).changes.length = 0
  juju.setConfig(controller.model, 'ostler-worker', {slots: 3})
  juju.setConfig(controller.model, 'ostler-master', {configuration: 'title: other'})
  controller.settle()
  t.deepEqual(controller.machine('ostler-worker/0').changes, [
    'wrote /etc/ostler/worker.env',
    'restart ostler-worker.service',
  ])
  t.deepEqual(controller.machine('ostler-master/0').changes, [
    'wrote /etc/ostler/ostler.yaml',
    'reload buildmaster.service',
  ])
})

test('a wrong configuration is told and leaves the one in force', (t) => {
  const controller = bundle()
  controller.settle()
  juju.setConfig(controller.model, 'ostler-master', {configuration: 'wrong'})
  controller.settle()
  t.is(
    controller.status('ostler-master/0'),
    'blocked: the configuration is wrong: ostler.yaml:1:1 it is wrong; the one before is in force',
  )
  t.is(controller.machine('ostler-master/0').read('/etc/ostler/ostler.yaml'), `${configuration}\n`)
})

test('an upgraded charm upgrades the packages, and a version that cannot be had is told', (t) => {
  const controller = bundle()
  controller.settle()
  controller.charmVersions.set('ostler-worker', '1.1')
  controller.run('ostler-worker/0', {hook: 'upgrade-charm'})
  t.regex(controller.status('ostler-worker/0'), /^blocked: version 1\.1 cannot be installed.*install-sources/)
  controller.machine('ostler-worker/0').archive = ['1.0', '1.1']
  controller.run('ostler-worker/0', {hook: 'update-status'})
  t.is(controller.machine('ostler-worker/0').packages.get('ostler-worker'), '1.1')
  t.is(controller.status('ostler-worker/0'), 'active: ostler-worker-0')
})
