// Several masters under one application, databases that come, change and go, and leaders that leave.
import test from 'ava'
import fc from 'fast-check'
import {Controller, type Choose} from './controller.ts'
import * as juju from './model.ts'

const configuration = 'title: ours'
const shared = {configuration, 'object-store': 's3://bucket/ci'}

/** Three masters on one PostgreSQL, and two workers. */
function cluster(choose?: Choose, masters = 3): Controller {
  const controller = new Controller(choose)
  controller.deployPostgresql()
  controller.deploy('ostler-master', 'master', shared)
  controller.deploy('ostler-worker', 'worker', {engine: 'none'})
  for (let count = 0; count < masters; count++) controller.addUnit('ostler-master')
  for (let count = 0; count < 2; count++) controller.addUnit('ostler-worker')
  juju.integrate(controller.model, ['ostler-master', 'database'], ['postgresql', 'database'])
  juju.integrate(controller.model, ['ostler-master', 'workers'], ['ostler-worker', 'master'])
  return controller
}

const chooser = (draws: readonly number[]): Choose => {
  let at = 0
  return (below) => (draws[at++ % draws.length] ?? 0) % below
}
const draws = fc.array(fc.nat(1000), {minLength: 40, maxLength: 120})
const masters = (controller: Controller) =>
  Object.keys(controller.model.units).filter((unit) => unit.startsWith('ostler-master/'))
const live = (controller: Controller, kind: string) =>
  controller
    .tokens()
    .filter((token) => token.kind === kind && !token.isRevoked)
    .map(({name}) => name)
    .sort()

test('several masters come up in any order, with one administrator and one token for each worker', (t) => {
  fc.assert(
    fc.property(draws, (choices) => {
      const controller = cluster(chooser(choices))
      controller.settle()
      for (const unit of masters(controller)) t.is(controller.status(unit), 'active: 0 workers, 0 building')
      t.deepEqual(live(controller, 'admin'), ['admin'])
      t.deepEqual(live(controller, 'user'), ['juju-ostler-master'])
      t.deepEqual(live(controller, 'worker'), ['ostler-worker-0', 'ostler-worker-1'])
      const worker = controller.machine('ostler-worker/0').read('/etc/ostler/worker.env') ?? ''
      for (const unit of masters(controller))
        t.true(worker.includes(`--master http://${controller.model.units[unit]!.address}:8010`))
    }),
    {numRuns: 40},
  )
})

test('a leader that is removed takes no credential with it, and the next one goes on', (t) => {
  fc.assert(
    fc.property(draws, (choices) => {
      const controller = cluster(chooser(choices))
      controller.settle()
      const before = controller.machine('ostler-worker/0').read('/etc/ostler/worker.token')
      juju.removeUnit(controller.model, 'ostler-master/0')
      controller.settle()
      t.is(controller.machine('ostler-worker/0').read('/etc/ostler/worker.token'), before)
      t.deepEqual(live(controller, 'worker'), ['ostler-worker-0', 'ostler-worker-1'])
      t.is(controller.machine('ostler-master/0').units.get('buildmaster.service')?.state, 'inactive')
      const gone = controller.model.units['ostler-master/0']
      t.is(gone, undefined)
      controller.addUnit('ostler-worker')
      controller.settle()
      t.deepEqual(live(controller, 'worker'), ['ostler-worker-0', 'ostler-worker-1', 'ostler-worker-2'])
    }),
    {numRuns: 40},
  )
})

test('only the leader hands out credentials by action', (t) => {
  const controller = cluster()
  controller.settle()
  t.is(
    controller.act('ostler-master/1', 'rotate-worker-credential'),
    'only the leader hands out credentials: juju run ostler-master/leader rotate-worker-credential',
  )
  juju.elect(controller.model, 'ostler-master')
  controller.settle()
  t.deepEqual(controller.act('ostler-master/1', 'rotate-worker-credential'), {
    result: 'new credentials for ostler-worker/0, ostler-worker/1',
  })
})

test('masters that would not see the same database or files say so instead of starting', (t) => {
  const controller = new Controller()
  controller.deploy('ostler-master', 'master', {configuration, database: 'embedded'})
  controller.addUnit('ostler-master')
  controller.settle()
  t.is(controller.status('ostler-master/0'), 'active: 0 workers, 0 building')
  controller.addUnit('ostler-master')
  controller.settle()
  t.regex(controller.status('ostler-master/1'), /^blocked: several masters need PostgreSQL: juju config/)
  t.not(controller.machine('ostler-master/1').units.get('buildmaster.service')?.state, 'active')
  t.is(controller.machine('ostler-master/0').units.get('buildmaster.service')?.state, 'active')

  const split = cluster(undefined, 1)
  juju.setConfig(split.model, 'ostler-master', {'object-store': ''})
  split.settle()
  split.addUnit('ostler-master')
  split.settle()
  t.regex(split.status('ostler-master/1'), /^blocked: several masters need one place for logs and artifacts/)
})

test('a database of a Juju without secrets serves as well', (t) => {
  const controller = new Controller()
  controller.deployPostgresql({withSecrets: false})
  controller.deploy('ostler-master', 'master', {configuration})
  controller.addUnit('ostler-master')
  juju.integrate(controller.model, ['ostler-master', 'database'], ['postgresql', 'database'])
  controller.settle()
  t.true(
    controller
      .machine('ostler-master/0')
      .read('/etc/ostler/master.env')
      ?.includes('OSTLER_DATABASE_URL="postgres://relation-1:first@db:5432/ostler"'),
  )
})

test("a new password of the database's user reaches every master", (t) => {
  const controller = cluster()
  controller.settle()
  const secret = Object.values(controller.model.secrets).find(({owner}) => owner === 'postgresql')!
  const before = structuredClone(controller.model)
  controller.model.secrets[secret.id]!.revisions.push({username: 'relation-1', password: 'sec"ond$'})
  juju.tellChanges(before, controller.model)
  controller.settle()
  for (const unit of masters(controller)) {
    t.true(controller.machine(unit).read('/etc/ostler/master.env')?.includes(':sec%22ond%24@'))
    t.true(controller.machine(unit).changes.includes('restart buildmaster.service'))
  }
})

test('a master whose database is taken away stops and says what it needs', (t) => {
  const controller = cluster(undefined, 1)
  controller.settle()
  const relation = Object.values(controller.model.relations).find(({ends}) =>
    ends.some(({app}) => app === 'postgresql'),
  )!
  juju.removeRelation(controller.model, relation)
  controller.settle()
  t.is(
    controller.status('ostler-master/0'),
    'blocked: needs a database: juju integrate ostler-master:database postgresql',
  )
  t.is(controller.machine('ostler-master/0').units.get('buildmaster.service')?.state, 'inactive')
  t.deepEqual(controller.model.units['ostler-master/0']?.ports, [])
  juju.integrate(controller.model, ['ostler-master', 'database'], ['postgresql', 'database'])
  controller.settle()
  t.is(controller.status('ostler-master/0'), 'active: 0 workers, 0 building')
})

test('workers without a master, and masters without a configuration, say what to do', (t) => {
  const controller = new Controller()
  controller.deploy('ostler-master', 'master', {database: 'embedded'})
  controller.deploy('ostler-worker', 'worker', {engine: 'none', labels: 'gpu', slots: 0})
  controller.addUnit('ostler-master')
  controller.addUnit('ostler-worker')
  controller.settle()
  t.is(
    controller.status('ostler-master/0'),
    'blocked: needs a configuration: juju config ostler-master configuration=@ostler.yaml, or config-repo',
  )
  t.is(
    controller.status('ostler-worker/0'),
    'blocked: slots is a number from 1 to 1000; label "gpu" is not key=value of plain characters',
  )
  juju.setConfig(controller.model, 'ostler-worker', {labels: 'gpu=yes', slots: 1})
  controller.settle()
  t.regex(controller.status('ostler-worker/0'), /^blocked: needs a master: juju integrate/)
})

test("a worker takes a master that is no charm, with the operator's secret", (t) => {
  const controller = new Controller()
  controller.deploy('ostler-worker', 'worker', {engine: 'none', 'master-url': 'https://ci.example.org'})
  controller.addUnit('ostler-worker')
  juju.setConfig(controller.model, 'ostler-worker', {'master-token': 'secret:unknown'})
  controller.settle()
  t.is(
    controller.status('ostler-worker/0'),
    'blocked: the secret of master-token is not granted: juju grant-secret secret:unknown ostler-worker',
  )
  const uri = juju.operatorSecret(controller.model, {token: 'by-hand'}, 'ostler-worker')
  juju.setConfig(controller.model, 'ostler-worker', {'master-token': uri})
  controller.settle()
  t.is(controller.status('ostler-worker/0'), 'active: ostler-worker-0')
  t.is(controller.machine('ostler-worker/0').read('/etc/ostler/worker.token'), 'by-hand\n')
})

test("an operator's secrets become files, and go when they go", (t) => {
  const controller = cluster(undefined, 1)
  const uri = juju.operatorSecret(controller.model, {'deploy-key': 'k', 'chat-url': 'u'}, 'ostler-master')
  juju.setConfig(controller.model, 'ostler-master', {secrets: uri})
  controller.settle()
  const machine = controller.machine('ostler-master/0')
  t.is(machine.read('/etc/ostler/secrets/deploy-key'), 'k')
  const before = structuredClone(controller.model)
  controller.model.secrets[uri.replace('secret:', '')]!.revisions.push({'chat-url': 'other'})
  juju.tellChanges(before, controller.model)
  controller.settle()
  t.is(machine.read('/etc/ostler/secrets/deploy-key'), null)
  t.is(machine.read('/etc/ostler/secrets/chat-url'), 'other')
})

test('a worker that is drained by its unit rests until it is resumed', (t) => {
  const controller = cluster(undefined, 1)
  controller.settle()
  controller.act('ostler-worker/0', 'drain')
  controller.settle()
  t.deepEqual(
    controller.machine('ostler-master/0').changes.filter((line) => line.startsWith('drain')),
    ['drain ostler-worker-0'],
  )
  controller.act('ostler-worker/0', 'resume')
  controller.settle()
  t.is(controller.machine('ostler-master/0').changes.at(-1), 'resume ostler-worker-0')
})

test('a worker that is given another name gets a token for it, and the one for the old name ends', (t) => {
  const controller = cluster(undefined, 1)
  controller.settle()
  juju.setConfig(controller.model, 'ostler-worker', {'worker-name-prefix': 'builder'})
  controller.run('ostler-worker/0', {hook: 'config-changed'})
  t.is(controller.status('ostler-worker/0'), 'waiting: waits for a credential for the name builder-0')
  controller.settle()
  t.is(controller.status('ostler-worker/0'), 'active: builder-0')
  t.deepEqual(live(controller, 'worker'), ['builder-0', 'builder-1'])
})

test('two workers of one name are told, and the one that has it keeps it', (t) => {
  const controller = cluster(undefined, 1)
  controller.settle()
  controller.deploy('more', 'worker', {engine: 'none', 'worker-name-prefix': 'ostler-worker'})
  controller.addUnit('more')
  juju.integrate(controller.model, ['ostler-master', 'workers'], ['more', 'master'])
  controller.settle()
  t.is(
    controller.status('ostler-master/0'),
    'blocked: two workers of one name: more/0 is called ostler-worker-0 like ostler-worker/0',
  )
  t.is(controller.machine('more/0').read('/etc/ostler/worker.token'), null)
})

test('the hooks of a master that may not lead never write what only a leader may', (t) => {
  const controller = cluster()
  controller.settle()
  const writes = controller.history.filter(({unit}) => unit === 'ostler-master/1').flatMap(({done}) => done)
  t.deepEqual(
    writes.filter((order) => order.order === 'set-data' && order.scope === 'app'),
    [],
  )
})
