// One run of a hook or an action: what Juju told in the environment becomes an event, then the unit is reconciled.
import type {Monitoring} from '../core/monitoring.ts'
import type {Role} from '../core/layout.ts'
import type {JujuEvent} from '../core/scene.ts'
import {runAction} from './actions.ts'
import type {Hands} from './hands.ts'
import {Juju} from './juju.ts'
import type {Visit} from './look.ts'
import {reconcile, type Reconciled} from './reconcile.ts'

/** What Juju says in the environment of a hook. */
export type Environment = Readonly<Record<string, string | undefined>>

/** Runs one hook or action to its end. */
export function runHook(
  role: Role,
  {
    environment,
    hands,
    version,
    monitoring,
  }: {environment: Environment; hands: Hands; version: string; monitoring: Monitoring},
): Reconciled {
  const path = environment['JUJU_DISPATCH_PATH'] ?? ''
  const [kind = '', name = ''] = path.split('/')
  const visit: Visit = {
    role,
    hands,
    juju: new Juju(hands),
    event: eventOf(kind === 'actions' ? 'action' : name, environment),
    unit: environment['JUJU_UNIT_NAME'] ?? '',
    model: environment['JUJU_MODEL_NAME'] ?? '',
    version,
    installProblem: null,
    imageProblem: null,
    hasInstalled: false,
    configuration: null,
  }
  if (kind === 'actions') runAction(visit, name)
  return reconcile(visit, monitoring)
}

function eventOf(name: string, environment: Environment): JujuEvent {
  return {
    name,
    relation: environment['JUJU_RELATION_ID'] || null,
    departing: environment['JUJU_DEPARTING_UNIT'] || null,
    secretLabel: environment['JUJU_SECRET_LABEL'] || null,
  }
}
