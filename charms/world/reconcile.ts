// Looks, decides, does, and looks again until nothing is left to do: the same for every event of both charms.
import {planMaster} from '../core/master.ts'
import type {Monitoring} from '../core/monitoring.ts'
import type {Order, Plan, Status} from '../core/orders.ts'
import {planWorker} from '../core/worker.ts'
import type {Scene} from '../core/scene.ts'
import {act} from './act.ts'
import {look, type Visit} from './look.ts'

/** Each turn makes the next possible: packages, files, start, credentials, what is said of them. More than these is a circle. */
const turnsMax = 12

export interface Reconciled {
  readonly status: Status
  /** Everything that was done. */
  readonly done: readonly Order[]
}

/** Brings this unit to where it should be and tells Juju how it stands. */
export function reconcile(visit: Visit, monitoring: Monitoring): Reconciled {
  const done: Order[] = []
  for (let turn = 0; turn < turnsMax; turn++) {
    const scene = look(visit)
    const plan = decide(visit, scene, monitoring)
    if (plan.orders.length === 0) return finish(visit, scene, plan, done)
    for (const order of plan.orders) {
      visit.juju.log('INFO', inWords(order))
      act(visit, scene, order)
      done.push(order)
    }
  }
  throw new Error(`this goes round in circles: ${done.slice(-5).map(inWords).join('; ')}`)
}

function decide({role}: Visit, scene: Scene, monitoring: Monitoring): Plan {
  return role === 'master' ? planMaster(scene, monitoring) : planWorker(scene, monitoring)
}

function finish({juju}: Visit, scene: Scene, {status}: Plan, done: readonly Order[]): Reconciled {
  juju.setStatus(status)
  const installed = scene.machine.packages['ostler-common']
  if (installed !== undefined) juju.setVersion(installed)
  return {status, done}
}

/** An order for the log: what and on what, never a text or a value, which may be secret. */
function inWords(order: Order): string {
  const about = Object.entries(order).filter(
    ([name, value]) => !['order', 'text', 'data', 'token'].includes(name) && typeof value !== 'object',
  )
  return [order.order, ...about.map(([name, value]) => `${name}=${String(value)}`)].join(' ')
}
