// Plays a model: picks which unit runs which of its waiting hooks next, in any order that Juju may choose, and keeps what a hook
// wrote only if it ended well.
import {parse} from 'yaml'
import {readFileSync} from 'node:fs'
import {join} from 'node:path'
import {Juju} from '../../charms/world/juju.ts'
import {runHook} from '../../charms/world/run.ts'
import type {Role} from '../../charms/core/layout.ts'
import type {Order} from '../../charms/core/orders.ts'
import {repository} from '../support/sources.ts'
import {Died, MachineImage, type Databases, type Token} from './machine-image.ts'
import * as juju from './model.ts'
import {type Context, type Outcome} from './tools.ts'

/** A number below its argument: the next choice. */
export type Choose = (below: number) => number

type Role_ = 'provides' | 'requires' | 'peers'
type Endpoints = Record<string, {role: Role_; interface: string}>

/** What a charm's own charmcraft.yaml says it is. */
export function charmcraft(role: Role): Record<string, never> & {
  config: {options: Record<string, {type: string; default?: string | number | boolean}>}
  actions: Record<string, unknown>
} {
  return parse(readFileSync(join(repository, 'charms', role, 'charmcraft.yaml'), 'utf8')) as never
}

export class Controller {
  model = juju.emptyModel()
  readonly databases: Databases = new Map()
  readonly machines = new Map<string, MachineImage>()
  /** Versions of the charms, by application. */
  readonly charmVersions = new Map<string, string>()
  /** Every hook that ran: unit, hook, and what it did. */
  readonly history: {unit: string; hook: string; done: readonly Order[]}[] = []
  readonly #choose: Choose
  readonly #everyHookTwice: boolean

  constructor(choose: Choose = () => 0, {everyHookTwice = false} = {}) {
    this.#choose = choose
    this.#everyHookTwice = everyHookTwice
  }

  /** Deploys one of our charms, without units. */
  deploy(name: string, role: Role, config: Record<string, string | number | boolean> = {}): void {
    const charm = charmcraft(role) as unknown as Record<
      Role_,
      Record<string, {interface: string}> | undefined
    > & {
      config: {options: Record<string, {default?: string | number | boolean}>}
    }
    const roles: Role_[] = ['provides', 'requires', 'peers']
    const endpoints: Endpoints = Object.fromEntries(
      roles.flatMap((one) =>
        Object.entries(charm[one] ?? {}).map(([endpoint, known]) => [
          endpoint,
          {role: one, interface: known.interface},
        ]),
      ),
    )
    const defaults = Object.fromEntries(
      Object.entries(charm.config.options).flatMap(([option, known]) =>
        known.default === undefined ? [] : [[option, known.default]],
      ),
    )
    juju.addApplication(this.model, name, {charm: role, endpoints, config: {...defaults, ...config}})
    this.charmVersions.set(name, '1.0')
  }

  /** Deploys what stands for PostgreSQL's charm: it hands out a database as that does. */
  deployPostgresql(more: {withSecrets: boolean} = {withSecrets: true}, endpoint = 'db:5432'): void {
    juju.addApplication(this.model, 'postgresql', {
      charm: more.withSecrets ? 'postgresql' : 'postgresql-plain',
      endpoints: {database: {role: 'provides', interface: 'postgresql_client'}},
      config: {endpoint},
    })
    this.addUnit('postgresql')
  }

  addUnit(app: string): string {
    const unit = juju.addUnit(this.model, app)
    this.machines.set(unit, new MachineImage(this.databases, unit))
    return unit
  }

  machine(unit: string): MachineImage {
    const machine = this.machines.get(unit)
    if (machine === undefined) throw new Error(`no machine of ${unit}`)
    return machine
  }

  status(unit: string): string {
    const {status, words} = this.model.units[unit]!.status
    return `${status}: ${words}`
  }

  /** Runs hooks until none waits. */
  settle(): void {
    for (let turn = 0; turn < 2000; turn++) {
      const waiting = Object.entries(this.model.units).filter(([, {queue}]) => queue.length > 0)
      if (waiting.length === 0) return
      const [unit, {queue}] = waiting[this.#choose(waiting.length)]!
      const eligible = eligibleIn(queue, this.model.units[unit]!.hasStarted)
      const happening = eligible[this.#choose(eligible.length)]!
      this.run(unit, happening)
    }
    throw new Error(`the model does not come to rest: ${JSON.stringify(this.history.slice(-6))}`)
  }

  /** Runs one hook, and again where every hook is run twice. Answers what the last run did. */
  run(unit: string, happening: juju.Happening): readonly Order[] {
    const {queue} = this.model.units[unit]!
    const at = queue.findIndex((one) => JSON.stringify(one) === JSON.stringify(happening))
    if (at >= 0) queue.splice(at, 1)
    juju.begin(this.model, unit, happening)
    let done = this.#attempt(unit, happening)
    if (this.#everyHookTwice) done = this.#attempt(unit, happening)
    juju.end(this.model, unit, happening)
    this.history.push({unit, hook: happening.hook, done})
    return done
  }

  /** Runs an action on a unit; answers its results, or why it failed. */
  act(unit: string, name: string, parameters: Record<string, unknown> = {}): Record<string, string> | string {
    const action: Context['action'] = {name, parameters, results: {}, failure: null}
    this.#attempt(unit, {hook: 'action'}, action)
    return action.failure ?? action.results
  }

  #attempt(unit: string, happening: juju.Happening, action: Context['action'] = null): readonly Order[] {
    const before = structuredClone(this.model)
    const draft = structuredClone(this.model)
    const context: Context = {model: draft, unit, happening, action}
    const machine = this.machine(unit)
    machine.context = context
    const done = this.#ran(context, machine)
    if (done === 'died') return this.#attempt(unit, happening, action)
    juju.tellChanges(before, draft)
    this.model = draft
    return done
  }

  /** Juju runs a hook that failed again, with nothing of what it told Juju. */
  #ran(context: Context, machine: MachineImage): readonly Order[] | 'died' {
    try {
      return this.#charmOf(context.unit)(context, machine)
    } catch (error) {
      if (error instanceof Died) return 'died'
      throw error
    }
  }

  #charmOf(unit: string): (context: Context, machine: MachineImage) => readonly Order[] {
    const app = juju.appOf(unit)
    const {charm} = this.model.applications[app]!
    if (charm !== 'master' && charm !== 'worker')
      return (context, machine) => (postgresql(context, machine, charm === 'postgresql'), [])
    return (context, machine) =>
      runHook(charm, {
        environment: environmentOf(context),
        hands: machine,
        version: this.charmVersions.get(app) ?? '1.0',
        monitoring: {alerts: {}, dashboards: []},
      }).done
  }

  tokens(database = 'db:5432/ostler'): Token[] {
    return this.databases.get(database) ?? []
  }
}

/** What Juju tells a hook in its environment. */
export function environmentOf({model, unit, happening, action}: Context): Record<string, string> {
  const {hook, relation: id, remote = '', departing, secret} = happening
  const relation = id === undefined ? undefined : model.relations[id]
  return {
    JUJU_DISPATCH_PATH: action === null ? `hooks/${hook}` : `actions/${action.name}`,
    JUJU_UNIT_NAME: unit,
    JUJU_MODEL_NAME: model.name,
    ...(relation && {
      JUJU_RELATION: hook.replace(/-relation-\w+$/, ''),
      JUJU_RELATION_ID: juju.relationName(relation, juju.appOf(unit)),
      JUJU_REMOTE_UNIT: remote.includes('/') ? remote : '',
      JUJU_REMOTE_APP: remote === '' ? juju.otherApp(relation, juju.appOf(unit)) : juju.appOf(remote),
    }),
    ...(departing !== undefined && {JUJU_DEPARTING_UNIT: departing}),
    ...(secret && {JUJU_SECRET_ID: `secret:${secret.id}`, JUJU_SECRET_LABEL: secret.label}),
  }
}

/** Until a unit has started its hooks come in their order; then anything may come next, but of one unit in one relation in order. */
export function eligibleIn(queue: readonly juju.Happening[], hasStarted: boolean): juju.Happening[] {
  const isOfLife = ({hook}: juju.Happening) =>
    /^(install|leader-|config-changed|start|stop|remove)/.test(hook)
  if (!hasStarted) {
    const [first] = queue.filter((one) => isOfLife(one) || one.hook.endsWith('-created'))
    return [first ?? queue[0]!]
  }
  return queue.filter((one, at) => {
    const before = queue.slice(0, at)
    // Stop and remove are last; an end of a relation comes after all that is of it.
    if (one.hook === 'stop' || one.hook === 'remove') return before.length === 0
    if (one.hook.endsWith('-broken')) return !before.some(({relation}) => relation === one.relation)
    if (one.hook.endsWith('-created')) return true
    return !before.some(
      ({relation, remote, hook}) =>
        relation !== undefined &&
        relation === one.relation &&
        (remote === one.remote || hook.endsWith('-created')),
    )
  })
}

/** PostgreSQL's charm, as far as its relation goes. */
function postgresql(context: Context, machine: MachineImage, withSecrets: boolean): void {
  const tools = new Juju(machine)
  if (!tools.isLeader()) return
  for (const id of tools.relationIds('database')) {
    const app = tools.relationApp(id) ?? ''
    if (tools.relationGet(id, app)['database'] === undefined) continue
    if (tools.relationGet(id, 'postgresql')['endpoints'] !== undefined) continue
    const login = {username: 'relation-1', password: 'first'}
    const answer = {database: 'ostler', endpoints: String(tools.config()['endpoint']), version: '16'}
    if (!withSecrets) {
      tools.relationSet(id, 'app', {...answer, ...login})
      continue
    }
    const uri = tools.addSecret(`database.${id}`, login)
    machine.run(['secret-grant', uri, '-r', id]) satisfies Outcome
    tools.relationSet(id, 'app', {...answer, 'secret-user': uri})
  }
  tools.setStatus({status: 'active', words: ''})
}
