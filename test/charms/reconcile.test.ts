// The charms against an imitation of Juju and of the machines: whatever order Juju chooses, the end is the same, and what has been
// done is not done again.
import test from 'ava'
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
