// One look at everything a decision rests on: Juju's model as this unit sees it, the machine, and the master.
import {endpoints, keptFiles, packagesOf, paths, unitsOf, type Role} from '../core/layout.ts'
import {operatorToken} from '../core/master.ts'
import {namedSecrets} from '../core/database.ts'
import {certificateOf} from '../core/website.ts'
import type {Bag, JujuEvent, Machine, MasterFacts, Relation, Scene, Wanted} from '../core/scene.ts'
import {secretOption, textOption} from '../core/scene.ts'
import {givenConfiguration} from './configuration.ts'
import type {Hands} from './hands.ts'
import type {Juju} from './juju.ts'
import {Ostler} from './ostler.ts'
import {enginesOn, installedVersions, versionIn} from './packages.ts'
import {unitState} from './units.ts'

/** One run of a hook: what stays the same while one looks, does and looks again. */
export interface Visit {
  readonly role: Role
  readonly hands: Hands
  readonly juju: Juju
  readonly event: JujuEvent
  readonly unit: string
  readonly model: string
  /** The version that the charm was packed with. */
  readonly version: string
  /** Why the last attempts to install, and to make an image, failed. */
  installProblem: string | null
  imageProblem: string | null
  /** Whether the packages are others than when it began. */
  hasInstalled: boolean
  /** The configuration, once it could be judged: a repository is asked once in a run. */
  configuration: Wanted | null
}

export function look(visit: Visit): Scene {
  const {juju, role, event, unit, version, model} = visit
  const app = unit.split('/')[0] ?? ''
  const isLeader = juju.isLeader()
  const config = juju.config()
  const memory = juju.memory()
  const relations = endpoints[role].flatMap((endpoint) => relationsAt(visit, endpoint, app, isLeader))
  const scene: Scene = {
    event,
    unit,
    app,
    model,
    isLeader,
    version,
    address: juju.address(endpoints[role][0]),
    config,
    relations,
    memory,
    secrets: secretsOf(visit, relations, config),
    owned: isLeader ? juju.owned() : [],
    ports: juju.ports(),
    machine: machineOf(visit, memory),
    master: null,
    engines: role === 'worker' ? enginesOn(visit.hands) : [],
    images: [],
    imageProblem: visit.imageProblem,
  }
  if (role === 'worker') return {...scene, images: imagesOf(visit, scene)}
  return {...scene, master: masterFacts(visit, scene)}
}

/** The master of this unit, as its operator. */
export function ostlerOf(hands: Hands, scene: Scene): Ostler {
  const isEncrypted = hands.read(paths.certificate) !== null && certificateOf(scene) !== null
  const hasAuthority = isEncrypted && hands.read(paths.certificateAuthority) !== null
  const listen = textOption(scene, 'listen')
  const near = ['', '0.0.0.0', '::'].includes(listen) ? '127.0.0.1' : listen
  const host = isEncrypted ? scene.address : near
  return new Ostler(hands, {
    url: `${isEncrypted ? 'https' : 'http'}://${host}:${String(scene.config['port'] ?? 8010)}`,
    token: operatorToken(scene),
    authority: hasAuthority ? paths.certificateAuthority : null,
  })
}

function relationsAt(
  {juju, event, unit}: Visit,
  endpoint: string,
  app: string,
  isLeader: boolean,
): Relation[] {
  // In its last hook a relation still has an id, and nobody on the other side.
  const ids = juju
    .relationIds(endpoint)
    .filter((id) => !(event.relation === id && event.name.endsWith('-broken')))
  return ids.map((id) => {
    const other = juju.relationApp(id) ?? app
    const units = juju.relationUnits(id).filter((one) => one !== event.departing || event.relation !== id)
    const isPeers = endpoint === 'cluster'
    return {
      endpoint,
      id,
      app: other,
      units: Object.fromEntries(units.map((one) => [one, juju.relationGet(id, one)])),
      theirs: juju.relationGet(id, other),
      ours: juju.relationGet(id, unit),
      ourApp: isLeader || isPeers ? juju.relationGet(id, app) : null,
    }
  })
}

function secretsOf(
  {juju, unit}: Visit,
  relations: readonly Relation[],
  config: Scene['config'],
): Record<string, Bag> {
  const options = Object.values(config).filter((value): value is string =>
    String(value).startsWith('secret:'),
  )
  const uris = [...relations.flatMap(({theirs}) => namedSecrets(theirs, unit)), ...options]
  const read = [...new Set(uris)].map((uri) => [uri, juju.secret(uri)] as const)
  return Object.fromEntries(read.filter((entry): entry is [string, Bag] => entry[1] !== null))
}

function machineOf({role, hands, juju, installProblem}: Visit, memory: Bag): Machine {
  const kept = (memory['secret-files'] ?? '').split(' ').filter((name) => name !== '')
  const files = [...keptFiles[role], ...kept.map((name) => `${paths.secrets}/${name}`)]
  const states = unitsOf[role].map((unit) => [unit, unitState(hands, unit)] as const)
  const tar = juju.resource('packages')
  return {
    packages: installedVersions(hands, packagesOf[role]),
    files: Object.fromEntries(files.map((path) => [path, hands.read(path)])),
    units: Object.fromEntries(states.filter(([, state]) => state !== undefined)) as Machine['units'],
    resource: tar === null ? null : versionIn(hands, tar),
    installProblem,
  }
}

interface Listed {
  readonly items: readonly {readonly state: string; readonly running: number}[]
}

function masterFacts(visit: Visit, scene: Scene): MasterFacts {
  const {hands} = visit
  const isRunning = scene.machine.units['buildmaster.service']?.state === 'active'
  const workers = isRunning ? (ostlerOf(hands, scene).tell('workers') as Listed | null) : null
  const items = workers?.items ?? []
  return {
    configuration: configurationOf(visit, scene),
    answers: workers !== null,
    connected: items.filter(({state}) => !['lost', 'offline'].includes(state)).length,
    running: items.reduce((sum, {running}) => sum + running, 0),
    hasAdminToken: hands.read(`${paths.masterState}/admin-token`) !== null,
    certificateRequest: hands.read(paths.certificateRequest),
  }
}

/** Judged once in a run, as soon as the packages are there to judge it. */
function configurationOf(visit: Visit, scene: Scene): Wanted {
  const key = secretOption(scene, 'config-key')
  const option = (name: string) => textOption(scene, name)
  if (scene.machine.packages['ostler-common'] === undefined) return {found: 'nothing'}
  const isKnownGood = scene.memory['configured'] === 'yes' && !visit.hasInstalled
  visit.configuration ??= givenConfiguration(visit.hands, {
    text: option('configuration'),
    repository: option('config-repo'),
    branch: option('config-branch') || 'main',
    path: option('config-path') || 'ostler.yaml',
    key: typeof key === 'object' && key !== null ? (key['ssh-key'] ?? null) : null,
    inForce: isKnownGood ? (scene.machine.files[paths.configuration] ?? null) : null,
  })
  return visit.configuration
}

/** Which of the images that the operator wants are there. */
function imagesOf({hands}: Visit, scene: Scene): string[] {
  const wanted = textOption(scene, 'images')
    .split(/[\s,]+/)
    .filter((flavor) => flavor !== '')
  if (wanted.length === 0) return []
  const {code, out} = hands.run(['ostler-list-images', '--json'])
  if (code !== 0) return []
  const {items} = JSON.parse(out) as {items: readonly {flavor: string; state: string}[]}
  const current = items.filter(({state}) => state === 'current').map(({flavor}) => flavor)
  return wanted.filter((flavor) => current.includes(flavor))
}
