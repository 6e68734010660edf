// Carries out one order. Whatever fails in a way that an operator can mend is kept for the next look to tell; the rest throws, and
// Juju shows the hook as failed and tries it again.
import {operatorLabel} from '../core/master.ts'
import {credentialLabel, sortedJson} from '../core/credentials.ts'
import {unitsOf} from '../core/layout.ts'
import type {Order} from '../core/orders.ts'
import {relationsOf, textsIn, type Scene} from '../core/scene.ts'
import {makeRequest} from './certificates.ts'
import {ostlerOf, type Visit} from './look.ts'
import {install, installEngine, InstallFailed} from './packages.ts'
import {orderUnit, unitState} from './units.ts'

export function act(visit: Visit, scene: Scene, order: Order): void {
  const {hands, juju} = visit
  switch (order.order) {
    case 'install':
      return actInstall(visit, order)
    case 'write':
      return hands.write(order.path, order.text, order.mode, order.group)
    case 'remove':
      return hands.remove(order.path)
    case 'start':
    case 'restart':
    case 'reload':
    case 'stop':
      orderUnit(hands, order.order, order.unit)
      return order.order === 'stop' ? undefined : settle(visit, scene, order.unit)
    case 'set-data':
      return juju.relationSet(order.relation, order.scope, order.data)
    case 'open-port':
      return juju.openPort(order.port)
    case 'close-port':
      return juju.closePort(order.port)
    case 'remember':
      return juju.remember(order.data)
    case 'make-operator':
      return makeOperator(visit, scene)
    case 'make-credential':
      return makeCredential(visit, scene, order)
    case 'renew-credential':
      return renew(visit, scene, order)
    case 'revoke-token':
      return order.token === '' ? undefined : ostlerOf(hands, scene).revoke(order.token)
    case 'remove-secret':
      return juju.removeSecret(order.uri)
    case 'drain':
    case 'resume':
      // A worker that has never connected is not known to the master, and has nothing to rest from.
      void ostlerOf(hands, scene).tell(order.order, order.worker)
      return
    case 'make-certificate-request':
      return makeRequest(hands, order.names)
    case 'install-engine':
      return installing(visit, () => installEngine(hands, order.engine))
    case 'make-image':
      return actImage(visit, order.flavor)
  }
}

function actInstall(visit: Visit, order: Order & {order: 'install'}): void {
  const {hands, juju, role} = visit
  juju.setStatus({status: 'maintenance', words: `installing ${order.version}`})
  installing(visit, () => {
    const tar = order.from === 'resource' ? juju.resource('packages') : null
    install(hands, {packages: order.packages, version: order.version, tar, hold: unitsOf[role]})
    visit.configuration = null
    visit.hasInstalled = true
  })
}

function installing(visit: Visit, work: () => void): void {
  try {
    work()
  } catch (error) {
    if (!(error instanceof InstallFailed)) throw error
    visit.installProblem = error.message
    visit.juju.log('WARNING', error.message)
  }
}

function actImage(visit: Visit, flavor: string): void {
  const {hands, juju} = visit
  juju.setStatus({status: 'maintenance', words: `makes the image ${flavor}`})
  const {code, err} = hands.run(['ostler-create-image', flavor])
  if (code === 0) return
  const words = err.trim().split('\n').at(-1) ?? ''
  visit.imageProblem = `the image ${flavor} cannot be made: ${words}`
  juju.log('WARNING', visit.imageProblem)
}

function makeOperator({hands, juju}: Visit, scene: Scene): void {
  const ostler = ostlerOf(hands, scene)
  const name = `juju-${scene.app}`
  ostler.revokeOthers('user', name, [])
  const {id, token} = ostler.makeToken('user', name, 'admin')
  juju.addSecret(operatorLabel, {id, token})
}

function makeCredential({hands, juju}: Visit, scene: Scene, order: Order & {order: 'make-credential'}): void {
  const ostler = ostlerOf(hands, scene)
  ostler.revokeOthers('worker', order.worker, [])
  const {id, token} = ostler.makeToken('worker', order.worker)
  const rotate = order.rotate === 'never' ? [] : ['--rotate', order.rotate]
  const uri = juju.addSecret(credentialLabel(order.unit), {id, name: order.worker, token}, rotate)
  juju.grantSecret(uri, order.relation, order.unit)
}

/** The secret's new revision says the new token; the one it replaces is remembered until the worker has taken the new one up. */
function renew({hands, juju}: Visit, scene: Scene, order: Order & {order: 'renew-credential'}): void {
  const before = scene.owned.find(({uri}) => uri === order.uri)?.content['id'] ?? ''
  const [cluster] = relationsOf(scene, 'cluster')
  const earlier = cluster === undefined ? {} : textsIn(juju.relationGet(cluster.id, scene.app)['replaced'])
  const ostler = ostlerOf(hands, scene)
  ostler.revokeOthers('worker', order.worker, [before, ...Object.keys(earlier)])
  const {id, token} = ostler.makeToken('worker', order.worker)
  juju.changeSecret(order, {id, name: order.worker, token})
  if (cluster === undefined) return
  const replaced = {...earlier, [before]: order.label}
  juju.relationSet(cluster.id, 'app', {replaced: sortedJson(replaced)})
}

const settleSeconds = 30

/** Waits until a unit that was told to start is where it will be, and a master answers. */
function settle(visit: Visit, scene: Scene, unit: string): void {
  for (let waited = 0; waited < settleSeconds * 2; waited++) {
    const state = unitState(visit.hands, unit)?.state
    const isMaster = visit.role === 'master' && unit === 'buildmaster.service'
    if (state === 'failed' || (state === 'active' && !isMaster)) return
    if (state === 'active' && ostlerOf(visit.hands, scene).tell('workers') !== null) return
    visit.hands.run(['sleep', '0.5'])
  }
}
