// An imitation of Juju's model, as far as a charm can see it: applications, units, relations, secrets, leadership, and the
// events that units are told of. All of it is plain data, so that it can be put into a file and taken out again.

export type Bag = Record<string, string>

export interface Happening {
  /** The hook's name: `install`, `workers-relation-changed`, `secret-changed`. */
  readonly hook: string
  readonly relation?: number
  /** The unit (or, with a change of its application's bag, the application) on the other side. */
  readonly remote?: string
  readonly departing?: string
  readonly secret?: {readonly id: string; readonly label: string}
}

export interface Application {
  charm: string
  leader: string
  config: Record<string, string | number | boolean>
  resource: string | null
  /** Endpoints by name; the interface decides who fits whom. */
  endpoints: Record<string, {role: 'provides' | 'requires' | 'peers'; interface: string}>
  nextUnit: number
}

export interface Unit {
  app: string
  address: string
  state: Bag
  ports: string[]
  status: {status: string; words: string}
  version: string
  queue: Happening[]
  hasStarted: boolean
  isDying: boolean
  /** Revisions of others' secrets that it has taken up. */
  tracked: Record<string, number>
  log: string[]
}

export interface Relation {
  id: number
  ends: {app: string; endpoint: string}[]
  appBags: Record<string, Bag>
  /** Units that have entered it, and what they say. */
  bags: Record<string, Bag>
  /** For each unit, who it has been told of. */
  seen: Record<string, string[]>
  isDying: boolean
}

export interface Secret {
  id: string
  /** An application, or `model` for an operator's own. */
  owner: string
  label: string
  revisions: Bag[]
  rotate: string
  grants: {relation: number | null; app: string; unit: string | null}[]
}

export interface Model {
  name: string
  applications: Record<string, Application>
  units: Record<string, Unit>
  relations: Record<string, Relation>
  secrets: Record<string, Secret>
  nextRelation: number
  nextSecret: number
}

export function emptyModel(name = 'ci'): Model {
  return {name, applications: {}, units: {}, relations: {}, secrets: {}, nextRelation: 0, nextSecret: 1}
}

/** `workers:3`, as a unit of this application names the relation. */
export function relationName(relation: Relation, app: string): string {
  const end = relation.ends.find((one) => one.app === app)
  return `${end?.endpoint ?? '?'}:${relation.id}`
}

/** The relation that a unit's application has under this name, or undefined. */
export function relationNamed(model: Model, unit: string, name: string): Relation | undefined {
  const app = appOf(unit)
  return Object.values(model.relations).find(
    (one) => unit in one.seen && one.ends.some((end) => end.app === app) && relationName(one, app) === name,
  )
}

export const appOf = (unit: string): string => unit.split('/')[0] ?? ''

export const otherApp = (relation: Relation, app: string): string =>
  relation.ends.find((end) => end.app !== app)?.app ?? app

/** What a unit knows in a relation: those on the other side of whom it was told. */
export const unitsSeen = (relation: Relation, unit: string): string[] => relation.seen[unit] ?? []

/** Adds an event unless the same one waits already, as Juju does with changes. */
export function tell(model: Model, unit: string, happening: Happening): void {
  const queue = model.units[unit]?.queue
  const text = JSON.stringify(happening)
  if (queue === undefined || queue.some((one) => JSON.stringify(one) === text)) return
  queue.push(happening)
}

export function addApplication(
  model: Model,
  name: string,
  application: Pick<Application, 'charm' | 'endpoints'> & Partial<Application>,
): void {
  model.applications[name] = {leader: '', config: {}, resource: null, nextUnit: 0, ...application}
  const peers = Object.entries(application.endpoints).filter(([, {role}]) => role === 'peers')
  for (const [endpoint] of peers) newRelation(model, [{app: name, endpoint}])
}

export function addUnit(model: Model, app: string): string {
  const application = model.applications[app]
  if (application === undefined) throw new Error(`no application ${app}`)
  const unit = `${app}/${application.nextUnit++}`
  const count = Object.keys(model.units).length
  model.units[unit] = {
    app,
    address: `10.0.0.${count + 1}`,
    state: {},
    ports: [],
    status: {status: 'waiting', words: 'waiting for machine'},
    version: '',
    queue: [],
    hasStarted: false,
    isDying: false,
    tracked: {},
    log: [],
  }
  const isLeader = application.leader === ''
  if (isLeader) application.leader = unit
  tell(model, unit, {hook: 'install'})
  for (const relation of relationsOfApp(model, app)) enter(model, relation, unit)
  tell(model, unit, {hook: isLeader ? 'leader-elected' : 'leader-settings-changed'})
  tell(model, unit, {hook: 'config-changed'})
  tell(model, unit, {hook: 'start'})
  return unit
}

const relationsOfApp = (model: Model, app: string): Relation[] =>
  Object.values(model.relations).filter(({ends, isDying}) => !isDying && ends.some((end) => end.app === app))

function newRelation(model: Model, ends: Relation['ends']): Relation {
  const id = model.nextRelation++
  const relation: Relation = {id, ends, appBags: {}, bags: {}, seen: {}, isDying: false}
  model.relations[id] = relation
  return relation
}

/** The unit is in the relation: it is told of those there, and they of it. */
function enter(model: Model, relation: Relation, unit: string): void {
  const app = appOf(unit)
  const endpoint = relation.ends.find((end) => end.app === app)?.endpoint ?? ''
  relation.seen[unit] = []
  relation.bags[unit] = {'ingress-address': model.units[unit]?.address ?? ''}
  tell(model, unit, {hook: `${endpoint}-relation-created`, relation: relation.id})
  for (const other of Object.keys(relation.bags).filter((one) => areAcross(relation, unit, one))) {
    join(model, relation, unit, other)
    join(model, relation, other, unit)
  }
}

function join(model: Model, relation: Relation, unit: string, other: string): void {
  const endpoint = relation.ends.find((end) => end.app === appOf(unit))?.endpoint ?? ''
  tell(model, unit, {hook: `${endpoint}-relation-joined`, relation: relation.id, remote: other})
  tell(model, unit, {hook: `${endpoint}-relation-changed`, relation: relation.id, remote: other})
}

/** Whether two units of a relation are on different sides of it; among peers all others are. */
export const areAcross = (relation: Relation, unit: string, other: string): boolean =>
  unit !== other && (relation.ends.length === 1 || appOf(unit) !== appOf(other))

export function integrate(model: Model, first: [string, string], second: [string, string]): Relation {
  const [one, two] = [first, second].map(([app, endpoint]) => {
    const known = model.applications[app]?.endpoints[endpoint]
    if (known === undefined) throw new Error(`${app} has no endpoint ${endpoint}`)
    return {app, endpoint, known}
  })
  if (one!.known.interface !== two!.known.interface || one!.known.role === two!.known.role)
    throw new Error(`${first.join(':')} and ${second.join(':')} do not fit`)
  const relation = newRelation(
    model,
    [one!, two!].map(({app, endpoint}) => ({app, endpoint})),
  )
  for (const unit of Object.keys(model.units).filter((name) =>
    relation.ends.some(({app}) => app === appOf(name)),
  ))
    enter(model, relation, unit)
  return relation
}

/** The relation ends: each unit is told that the others leave, then that it is over. */
export function removeRelation(model: Model, relation: Relation): void {
  relation.isDying = true
  for (const unit of Object.keys(relation.seen)) leaveRelation(model, relation, unit, null)
}

/** Takes a unit out of a relation. `departing` is the one that leaves, where it is one unit and not the relation. */
function leaveRelation(model: Model, relation: Relation, unit: string, departing: string | null): void {
  const endpoint = relation.ends.find((end) => end.app === appOf(unit))?.endpoint ?? ''
  const {queue} = model.units[unit] ?? {queue: []}
  // What was still to be told of it is not told any more.
  const kept = queue.filter(({relation: id}) => id !== relation.id)
  queue.splice(0, queue.length, ...kept)
  for (const other of relation.seen[unit] ?? [])
    tell(model, unit, {
      hook: `${endpoint}-relation-departed`,
      relation: relation.id,
      remote: other,
      departing: departing ?? other,
    })
  tell(model, unit, {hook: `${endpoint}-relation-broken`, relation: relation.id})
}

/** `juju remove-unit`: the unit sees everybody go, then stops; the others see it go when it has left. */
export function removeUnit(model: Model, unit: string): void {
  const gone = model.units[unit]
  if (gone === undefined) throw new Error(`no unit ${unit}`)
  gone.isDying = true
  gone.queue = gone.queue.filter(({hook}) => hook === 'install')
  for (const relation of Object.values(model.relations).filter((one) => unit in one.seen))
    leaveRelation(model, relation, unit, unit)
  tell(model, unit, {hook: 'stop'})
  tell(model, unit, {hook: 'remove'})
}

/** The unit is out of the relation: those who knew it are told. */
function depart(model: Model, relation: Relation, unit: string): void {
  forget(relation.seen, unit)
  forget(relation.bags, unit)
  if (relation.isDying && Object.keys(relation.seen).length === 0) {
    forget(model.relations, String(relation.id))
    for (const secret of Object.values(model.secrets))
      secret.grants = secret.grants.filter((grant) => grant.relation !== relation.id)
  }
  for (const [other, seen] of Object.entries(relation.seen)) {
    const queue = model.units[other]?.queue ?? []
    const pending = queue.filter((one) => one.relation === relation.id && one.remote === unit)
    queue.splice(0, queue.length, ...queue.filter((one) => !pending.includes(one)))
    const endpoint = relation.ends.find((end) => end.app === appOf(other))?.endpoint ?? ''
    if (seen.includes(unit) && !relation.isDying)
      tell(model, other, {
        hook: `${endpoint}-relation-departed`,
        relation: relation.id,
        remote: unit,
        departing: unit,
      })
  }
}

/** What Juju does just before a hook: the unit now knows, or no longer knows, whom it is about. */
export function begin(model: Model, unit: string, {hook, relation: id, remote}: Happening): void {
  const relation = id === undefined ? undefined : model.relations[id]
  const seen = relation?.seen[unit]
  if (relation === undefined || seen === undefined || remote === undefined) return
  if (hook.endsWith('-joined') && !seen.includes(remote)) seen.push(remote)
  if (hook.endsWith('-departed')) relation.seen[unit] = seen.filter((one) => one !== remote)
}

/** What Juju does when a hook has ended well. */
export function end(model: Model, unit: string, {hook, relation: id}: Happening): void {
  const relation = id === undefined ? undefined : model.relations[id]
  if (hook === 'start') model.units[unit]!.hasStarted = true
  if (relation !== undefined && hook.endsWith('-broken')) depart(model, relation, unit)
  if (hook === 'remove') bury(model, unit)
}

function bury(model: Model, unit: string): void {
  const application = model.applications[appOf(unit)]!
  for (const relation of Object.values(model.relations).filter((one) => unit in one.seen))
    depart(model, relation, unit)
  forget(model.units, unit)
  for (const secret of Object.values(model.secrets))
    secret.grants = secret.grants.filter((grant) => grant.unit !== unit)
  if (application.leader === unit) elect(model, appOf(unit))
}

/** Another unit leads, if there is one. */
export function elect(model: Model, app: string): void {
  const application = model.applications[app]!
  const candidates = Object.keys(model.units).filter(
    (unit) => appOf(unit) === app && unit !== application.leader && !model.units[unit]!.isDying,
  )
  application.leader = candidates[0] ?? ''
  if (application.leader !== '') tell(model, application.leader, {hook: 'leader-elected'})
}

export function setConfig(
  model: Model,
  app: string,
  config: Record<string, string | number | boolean>,
): void {
  Object.assign(model.applications[app]!.config, config)
  for (const unit of Object.keys(model.units).filter((name) => appOf(name) === app))
    if (!model.units[unit]!.isDying) tell(model, unit, {hook: 'config-changed'})
}

/** An operator's secret, granted to an application; answers its URI. */
export function operatorSecret(model: Model, content: Bag, app: string): string {
  const id = `user${model.nextSecret++}`
  model.secrets[id] = {
    id,
    owner: 'model',
    label: '',
    revisions: [content],
    rotate: 'never',
    grants: [{relation: null, app, unit: null}],
  }
  return `secret:${id}`
}

/** Everything that changed between two states of the model, as events for those whom it concerns. */
export function tellChanges(before: Model, after: Model): void {
  for (const relation of Object.values(after.relations)) {
    const old = before.relations[relation.id]
    for (const [unit, bag] of Object.entries(relation.bags))
      if (JSON.stringify(bag) !== JSON.stringify(old?.bags[unit])) changed(after, relation, unit)
    for (const [app, bag] of Object.entries(relation.appBags))
      if (JSON.stringify(bag) !== JSON.stringify(old?.appBags[app])) changed(after, relation, app)
  }
  for (const secret of Object.values(after.secrets)) {
    if ((before.secrets[secret.id]?.revisions.length ?? 99) >= secret.revisions.length) continue
    for (const [name, unit] of Object.entries(after.units))
      if (unit.tracked[secret.id] !== undefined)
        tell(after, name, {hook: 'secret-changed', secret: {id: secret.id, label: ''}})
  }
}

function changed(model: Model, relation: Relation, who: string): void {
  for (const [unit, seen] of Object.entries(relation.seen)) {
    const isConcerned = who.includes('/')
      ? seen.includes(who)
      : relation.ends.length === 1
        ? appOf(unit) === who && model.applications[who]?.leader !== unit
        : appOf(unit) !== who
    const isLeaving = model.units[unit]?.isDying ?? true
    if (!isConcerned || relation.isDying || isLeaving) continue
    const endpoint = relation.ends.find((end) => end.app === appOf(unit))?.endpoint ?? ''
    tell(model, unit, {hook: `${endpoint}-relation-changed`, relation: relation.id, remote: who})
  }
}

/** Takes a name out of a record. */
export const forget = (record: object, name: string): boolean => Reflect.deleteProperty(record, name)
