// What a charmcraft.yaml must say, checked at once, and how a packed charm spreads it over Juju's own files.

type Record_ = Readonly<Record<string, unknown>>

/** What Juju knows as types of an option. */
const optionTypes = ['string', 'int', 'float', 'boolean', 'secret']
const needed = ['name', 'summary', 'description', 'type', 'base', 'platforms', 'parts'] as const
const inMetadata = [
  'name',
  'title',
  'summary',
  'description',
  'assumes',
  'provides',
  'requires',
  'peers',
  'resources',
  'storage',
] as const

const isRecord = (value: unknown): value is Record_ =>
  typeof value === 'object' && value !== null && !Array.isArray(value)

/** Everything that Juju or charmcraft would refuse, and what they would take and nobody wants. */
export function problemsOf(charm: unknown): string[] {
  if (!isRecord(charm)) return ['the file holds no names']
  const known = new Set<string>([...needed, ...inMetadata, 'config', 'actions', 'links'])
  return [
    ...needed.filter((name) => charm[name] === undefined).map((name) => `${name} is missing`),
    ...Object.keys(charm)
      .filter((name) => !known.has(name))
      .map((name) => `${name} is not known`),
    ...(charm['type'] === 'charm' ? [] : ['type is charm']),
    ...(/^[a-z][a-z0-9-]*$/.test(String(charm['name']))
      ? []
      : ['name is of small letters, digits and dashes']),
    ...optionProblems(charm),
    ...endpointProblems(charm),
    ...actionProblems(charm),
  ]
}

function optionProblems(charm: Record_): string[] {
  const config = isRecord(charm['config']) ? charm['config'] : {}
  const options = isRecord(config['options']) ? config['options'] : {}
  return Object.entries(options).flatMap(([name, option]) => {
    if (!isRecord(option)) return [`config ${name} says nothing`]
    const {type, default: initial} = option
    return [
      ...(optionTypes.includes(String(type))
        ? []
        : [`config ${name}: type is one of ${optionTypes.join(', ')}, not ${String(type)}`]),
      ...(typeof option['description'] === 'string' ? [] : [`config ${name} has no description`]),
      ...(initial === undefined || type === 'secret' || fits(String(type), initial)
        ? []
        : [`config ${name}: its default is no ${String(type)}`]),
      ...(type === 'secret' && initial !== undefined ? [`config ${name}: a secret has no default`] : []),
    ]
  })
}

function fits(type: string, value: unknown): boolean {
  switch (type) {
    case 'int':
      return Number.isInteger(value)
    case 'float':
      return typeof value === 'number'
    default:
      return typeof value === type
  }
}

function endpointProblems(charm: Record_): string[] {
  const endpoints = ['provides', 'requires', 'peers'].flatMap((role) =>
    Object.entries(isRecord(charm[role]) ? charm[role] : {}).map(([name, endpoint]) => ({
      role,
      name,
      endpoint,
    })),
  )
  const names = endpoints.map(({name}) => name)
  return endpoints.flatMap(({role, name, endpoint}, place) => [
    ...(isRecord(endpoint) && typeof endpoint['interface'] === 'string'
      ? []
      : [`${role} ${name} has no interface`]),
    ...(names.indexOf(name) === place ? [] : [`${name} is the name of two endpoints`]),
    ...(name.startsWith('juju') ? [`${name}: names beginning with juju are Juju's`] : []),
  ])
}

function actionProblems(charm: Record_): string[] {
  const actions = isRecord(charm['actions']) ? charm['actions'] : {}
  return Object.entries(actions).flatMap(([name, action]) => {
    const {params, required, description} = isRecord(action) ? action : {}
    const known = isRecord(params) ? Object.keys(params) : []
    const asked = Array.isArray(required) ? required.map(String) : []
    return [
      ...(/^[a-z][a-z0-9-]*$/.test(name) && !name.startsWith('juju-')
        ? []
        : [`action ${name}: no name that Juju takes`]),
      ...(typeof description === 'string' ? [] : [`action ${name} has no description`]),
      ...asked
        .filter((each) => !known.includes(each))
        .map((each) => `action ${name} requires ${each}, which is none of its params`),
    ]
  })
}

/** The files of a packed charm that hold what charmcraft.yaml says, as data, by their names. */
export function spread(charm: Record_): Readonly<Record<string, unknown>> {
  const metadata = Object.fromEntries(
    inMetadata.filter((name) => name in charm).map((name) => [name, charm[name]]),
  )
  const [os = '', channel = ''] = String(charm['base']).split('@')
  const platforms = Object.keys(isRecord(charm['platforms']) ? charm['platforms'] : {})
  return {
    'metadata.yaml': metadata,
    ...(isRecord(charm['config']) && {'config.yaml': charm['config']}),
    ...(isRecord(charm['actions']) && {'actions.yaml': charm['actions']}),
    'manifest.yaml': {bases: [{name: os, channel, architectures: platforms}]},
  }
}
