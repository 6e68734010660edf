// The imitation's hook tools: they read and write a draft of the model, as Juju keeps a hook's changes back until it has ended
// well, and refuse in Juju's words what Juju refuses.
import {readFileSync} from 'node:fs'
import {
  appOf,
  forget,
  otherApp,
  relationName,
  relationNamed,
  unitsSeen,
  type Bag,
  type Happening,
  type Model,
  type Secret,
} from './model.ts'

export interface Outcome {
  code: number
  out: string
  err: string
}

/** A hook under way. */
export interface Context {
  model: Model
  unit: string
  happening: Happening
  action: {name: string; parameters: Record<string, unknown>; results: Bag; failure: string | null} | null
}

class Refused extends Error {}

interface Asked {
  readonly words: readonly string[]
  readonly flags: Readonly<Record<string, string | true>>
  readonly input: string
  readonly place: (path: string) => string
}

type Tool = (context: Context, asked: Asked) => unknown

/** Flags that take a value, and those that do not, of each tool: anything else is refused, as Juju would. */
const valued: Readonly<Record<string, readonly string[]>> = {
  'relation-list': ['-r'],
  'relation-get': ['-r'],
  'relation-set': ['-r', '--file'],
  'state-set': ['--file'],
  'secret-add': ['--label', '--owner', '--rotate', '--description'],
  'secret-grant': ['-r', '--unit'],
  'secret-set': ['--label', '--rotate'],
  'secret-get': ['--label'],
  'juju-log': ['-l'],
}
const bare: Readonly<Record<string, readonly string[]>> = {
  'relation-list': ['--app'],
  'relation-get': ['--app'],
  'relation-set': ['--app'],
  'secret-get': ['--refresh', '--peek'],
}

const tools: Readonly<Record<string, Tool>> = {
  'config-get': ({model, unit}) => model.applications[appOf(unit)]?.config,
  'is-leader': (context) => isLeader(context),
  'network-get'({model, unit}, {words: [endpoint = '']}) {
    if (model.applications[appOf(unit)]?.endpoints[endpoint] === undefined)
      throw new Refused(`no network config found for binding "${endpoint}"`)
    return {'bind-addresses': [], 'ingress-addresses': [model.units[unit]!.address]}
  },
  'relation-ids': ({model, unit}, {words: [endpoint = '']}) =>
    Object.values(model.relations)
      .filter(
        (one) =>
          unit in one.seen && one.ends.some((end) => end.app === appOf(unit) && end.endpoint === endpoint),
      )
      .map((one) => relationName(one, appOf(unit))),
  'relation-list'(context, {flags}) {
    const relation = relationOf(context, flags)
    return flags['--app'] === true
      ? otherApp(relation, appOf(context.unit))
      : unitsSeen(relation, context.unit)
  },
  'relation-get': relationGet,
  'relation-set': relationSet,
  'state-get': ({model, unit}) => model.units[unit]!.state,
  'state-set'({model, unit}, asked) {
    put(model.units[unit]!.state, given(asked), false)
  },
  'opened-ports': ({model, unit}) => model.units[unit]!.ports,
  'open-port'({model, unit}, {words: [port = '']}) {
    if (!/^\d+\/(tcp|udp)$/.test(port)) throw new Refused(`"${port}" is no port`)
    const {ports} = model.units[unit]!
    if (!ports.includes(port)) ports.push(port)
  },
  'close-port'({model, unit}, {words: [port = '']}) {
    const one = model.units[unit]!
    one.ports = one.ports.filter((each) => each !== port)
  },
  'status-set'({model, unit}, {words: [status = '', words = '']}) {
    if (!['active', 'waiting', 'blocked', 'maintenance'].includes(status))
      throw new Refused(`invalid status "${status}"`)
    model.units[unit]!.status = {status, words}
  },
  'application-version-set'({model, unit}, {words: [version = '']}) {
    model.units[unit]!.version = version
  },
  'juju-log'({model, unit}, {words}) {
    model.units[unit]!.log.push(words.join(' '))
  },
  'resource-get'({model, unit}, {words: [name = '']}) {
    const {resource} = model.applications[appOf(unit)]!
    if (resource === null) throw new Refused(`could not download resource: "${name}" has not been uploaded`)
    return resource
  },
  'secret-ids': (context) =>
    isLeader(context)
      ? Object.values(context.model.secrets)
          .filter(({owner}) => owner === appOf(context.unit))
          .map(({id}) => id)
      : [],
  'secret-info-get'(context, {words: [uri = '']}) {
    const {id, label, revisions, rotate} = managed(context, uri)
    return {[id]: {revision: revisions.length, label, owner: 'application', rotation: rotate}}
  },
  'secret-get': secretGet,
  'secret-add'(context, {words, flags, place}) {
    mayManage(context)
    if (flags['--owner'] !== 'application')
      throw new Refused('the imitation knows secrets of applications only')
    const {model} = context
    const label = String(flags['--label'] ?? '')
    if (
      Object.values(model.secrets).some(
        (one) => one.owner === appOf(context.unit) && one.label === label && label !== '',
      )
    )
      throw new Refused(`secret with label "${label}" already exists`)
    const id = `s${model.nextSecret++}`
    model.secrets[id] = {
      id,
      owner: appOf(context.unit),
      label,
      revisions: [contentOf(words, place)],
      rotate: String(flags['--rotate'] ?? 'never'),
      grants: [],
    }
    return `secret:${id}`
  },
  'secret-set'(context, {words: [uri = '', ...pairs], place}) {
    managed(context, uri).revisions.push(contentOf(pairs, place))
  },
  'secret-grant'(context, {words: [uri = ''], flags}) {
    const secret = managed(context, uri)
    const relation = relationOf(context, flags)
    const unit = typeof flags['--unit'] === 'string' ? flags['--unit'] : null
    if (unit !== null && appOf(unit) !== otherApp(relation, appOf(context.unit)))
      throw new Refused(`unit "${unit}" is not in the relation`)
    secret.grants.push({relation: relation.id, app: otherApp(relation, appOf(context.unit)), unit})
  },
  'secret-remove'(context, {words: [uri = '']}) {
    forget(context.model.secrets, managed(context, uri).id)
  },
  'action-get': (context) => acting(context).parameters,
  'action-set'(context, {words}) {
    for (const word of words) {
      const at = word.indexOf('=')
      const name = word.slice(0, at)
      if (!/^[a-z0-9](([a-z0-9-.]+)?[a-z0-9])?$/.test(name))
        throw new Refused(`key "${name}" must start and end with lowercase alphanumeric`)
      acting(context).results[name] = word.slice(at + 1)
    }
  },
  'action-fail'(context, {words: [words = '']}) {
    acting(context).failure = words
  },
}

export const toolNames = Object.keys(tools)

/** Runs one tool. `place` finds the files that its arguments name. */
export function runTool(
  context: Context,
  [name = '', ...args]: readonly string[],
  input = '',
  place: (path: string) => string = (path) => readFileSync(path, 'utf8'),
): Outcome {
  try {
    const answer = tools[name]!(context, parsed(name, args, input, place))
    if (answer === undefined) return {code: 0, out: '', err: ''}
    return {
      code: 0,
      out: args.includes('--format=json') ? JSON.stringify(answer) : String(answer),
      err: '',
    }
  } catch (error) {
    if (!(error instanceof Refused)) throw error
    return {code: 1, out: '', err: `ERROR ${error.message}\n`}
  }
}

function parsed(
  name: string,
  args: readonly string[],
  input: string,
  place: (path: string) => string,
): Asked {
  const words: string[] = []
  const flags: Record<string, string | true> = {}
  for (let at = 0; at < args.length; at++) {
    const arg = args[at]!
    if (arg === '--format=json') continue
    if (valued[name]?.includes(arg)) flags[arg] = args[++at] ?? ''
    else if (bare[name]?.includes(arg)) flags[arg] = true
    else if (arg.startsWith('-') && arg !== '-') throw new Refused(`option provided but not defined: ${arg}`)
    else words.push(arg)
  }
  return {words, flags, input, place}
}

const isLeader = ({model, unit}: Context): boolean => model.applications[appOf(unit)]?.leader === unit

function relationOf({model, unit}: Context, flags: Asked['flags']) {
  const relation = relationNamed(model, unit, String(flags['-r']))
  if (relation === undefined)
    throw new Refused(`invalid value "${String(flags['-r'])}" for option -r: relation not found`)
  return relation
}

function relationGet(context: Context, {words: [, whose = ''], flags}: Asked): Bag {
  const relation = relationOf(context, flags)
  const own = appOf(context.unit)
  if (flags['--app'] === true) {
    const isOwnHidden = whose === own && relation.ends.length === 2 && !isLeader(context)
    if (isOwnHidden || !relation.ends.some(({app}) => app === whose)) throw new Refused('permission denied')
    return relation.appBags[whose] ?? {}
  }
  const bag = relation.bags[whose]
  if (bag === undefined || (appOf(whose) === own && relation.ends.length === 2 && whose !== context.unit))
    throw new Refused('permission denied')
  return bag
}

function relationSet(context: Context, asked: Asked): undefined {
  const relation = relationOf(context, asked.flags)
  if (asked.flags['--app'] !== true) return put(relation.bags[context.unit]!, given(asked), true)
  if (!isLeader(context)) throw new Refused('cannot write relation settings')
  put((relation.appBags[appOf(context.unit)] ??= {}), given(asked), true)
}

/** What a tool was given in a file or as words. */
function given({words, flags, input}: Asked): Bag {
  if (flags['--file'] === '-') return JSON.parse(input) as Bag
  return Object.fromEntries(
    words.map((word) => [word.slice(0, word.indexOf('=')), word.slice(word.indexOf('=') + 1)]),
  )
}

function put(bag: Bag, values: Bag, emptyRemoves: boolean): undefined {
  for (const [name, value] of Object.entries(values)) {
    if (typeof value !== 'string') throw new Refused(`cannot unmarshal ${name} into string`)
    if (value === '' && emptyRemoves) Reflect.deleteProperty(bag, name)
    else bag[name] = value
  }
}

function contentOf(pairs: readonly string[], place: (path: string) => string): Bag {
  if (pairs.length === 0) throw new Refused('missing secret value')
  return Object.fromEntries(
    pairs.map((pair) => {
      const [, key = '', isFile, value = ''] = /^([a-z0-9-]+)(#file)?=(.*)$/s.exec(pair) ?? []
      if (!/^[a-z]([a-z0-9-]*[a-z0-9])?$/.test(key))
        throw new Refused(`not a valid secret key: "${pair.split('=')[0] ?? ''}"`)
      return [key, isFile ? place(value) : value]
    }),
  )
}

function secretGet(context: Context, {words: [uri = ''], flags}: Asked): Bag {
  const {model, unit} = context
  const secret = secretNamed(model, uri)
  if (secret === undefined) throw new Refused(`secret "${uri}" not found`)
  if (!mayRead(context, secret)) throw new Refused('permission denied')
  const newest = secret.revisions.length
  const {tracked} = model.units[unit]!
  if (flags['--peek'] === true) return secret.revisions[newest - 1]!
  if (tracked[secret.id] === undefined || flags['--refresh'] === true) tracked[secret.id] = newest
  return secret.revisions[tracked[secret.id]! - 1]!
}

function mayRead({model, unit}: Context, secret: Secret): boolean {
  if (secret.owner === appOf(unit)) return true
  return secret.grants.some(
    (grant) =>
      grant.app === appOf(unit) &&
      (grant.unit === null || grant.unit === unit) &&
      (grant.relation === null || model.relations[grant.relation] !== undefined),
  )
}

const secretNamed = (model: Model, uri: string): Secret | undefined =>
  model.secrets[uri.replace(/^secret:/, '')]

function mayManage(context: Context): void {
  if (!isLeader(context)) throw new Refused('this unit is not the leader')
}

function managed(context: Context, uri: string): Secret {
  const secret = secretNamed(context.model, uri)
  if (secret?.owner !== appOf(context.unit)) throw new Refused(`secret "${uri}" not found`)
  mayManage(context)
  return secret
}

function acting({action}: Context) {
  if (action === null) throw new Refused('not running an action')
  return action
}
