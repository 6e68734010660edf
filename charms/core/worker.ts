// What a worker unit is to be: one decision for every event, as for masters.
import {environmentFile, keeping, proxyVariables} from './files.ts'
import {planPackages} from './installing.ts'
import {paths, units} from './layout.ts'
import {tellAgent, type Monitoring} from './monitoring.ts'
import {active, blocked, maintenance, saying, waiting, type Order, type Plan, type Status} from './orders.ts'
import {relationsOf, secretOption, textOption, textsIn, type Scene} from './scene.ts'

interface Master {
  readonly urls: readonly string[]
  readonly token: string
  /** The id of the token among the masters'; '' for one that an operator gave. */
  readonly credential: string
  /** Certificates of those who vouch for the masters'; '' when the machine's own suffice. */
  readonly authority: string
}

type Found =
  {readonly found: 'master'; readonly master: Master} | {readonly found: 'none'; readonly status: Status}

/** Decides what this worker unit needs next; no orders when nothing does. */
export function planWorker(scene: Scene, monitoring: Monitoring): Plan {
  if (scene.event.name === 'stop' || scene.event.name === 'remove') return planEnd(scene)
  const problems = problemsOf(scene)
  if (problems.length > 0) return {orders: [], status: blocked(problems.join('; '))}
  const installing = planPackages(scene, 'worker')
  const always = [
    ...announce(scene),
    ...planEngine(scene),
    ...installing.orders,
    ...tellAgent(scene, monitoring, null),
  ]
  if (installing.status !== null) return {orders: always, status: installing.status}
  const found = masterOf(scene)
  if (found.found === 'none')
    return {orders: [...always, ...planRest(scene, found.status)], status: found.status}
  const files = keeping(scene.machine, filesOf(scene, found.master))
  const orders = [...always, ...files, ...(files.length > 0 ? [] : planRunning(scene, found.master))]
  return {orders, status: statusOf(scene)}
}

/** Everything that is wrong with the options at once. */
function problemsOf(scene: Scene): string[] {
  const slots = Number(scene.config['slots'] ?? 1)
  const url = textOption(scene, 'master-url')
  const wrong = labelsOf(scene).filter((label) => !/^[^=\s"'\\$]+=[^\s"'\\$]+$/.test(label))
  return [
    ...(Number.isInteger(slots) && slots >= 1 && slots <= 1000 ? [] : ['slots is a number from 1 to 1000']),
    ...wrong.map((label) => `label "${label}" is not key=value of plain characters`),
    ...(/^[A-Za-z0-9_][A-Za-z0-9._-]{0,79}$/.test(nameOf(scene))
      ? []
      : [`worker-name-prefix makes "${nameOf(scene)}", which is no worker name`]),
    ...(['min-free-disk', 'spool-limit'] as const)
      .filter((name) => !/^(\d+(KiB|MiB|GiB)?)?$/.test(textOption(scene, name)))
      .map((name) => `${name} is a size such as 1GiB`),
    ...(['docker', 'podman', 'none'].includes(engineOf(scene)) ? [] : ['engine is docker, podman or none']),
    ...(['', 'truncate', 'block'].includes(textOption(scene, 'spool-full'))
      ? []
      : ['spool-full is truncate or block']),
    ...(url === '' || /^https?:\/\/[^/\s"]/.test(url) ? [] : ['master-url is an http or https address']),
    ...(secretOption(scene, 'master-token') === 'unreadable'
      ? [
          `the secret of master-token is not granted: juju grant-secret ${textOption(scene, 'master-token')} ${scene.app}`,
        ]
      : []),
  ]
}

/** The worker's name: the unit's own, or the prefix and the unit's number. */
export function nameOf(scene: Scene): string {
  const [app = '', number = ''] = scene.unit.split('/')
  return `${textOption(scene, 'worker-name-prefix') || app}-${number}`
}

const engineOf = (scene: Scene): string => textOption(scene, 'engine') || 'docker'

/** The engine comes before the worker's packages, whose user then is in its group. */
function planEngine(scene: Scene): readonly Order[] {
  const engine = engineOf(scene)
  if ((engine !== 'docker' && engine !== 'podman') || scene.engines.includes(engine)) return []
  return scene.machine.installProblem === null ? [{order: 'install-engine', engine}] : []
}

const labelsOf = (scene: Scene): string[] =>
  textOption(scene, 'labels')
    .split(/[\s,]+/)
    .filter((label) => label !== '')

/** What masters must know to hand out a token. */
function announce(scene: Scene): readonly Order[] {
  const said = {
    name: nameOf(scene),
    labels: labelsOf(scene).join(' '),
    'max-builds': String(scene.config['slots'] ?? 1),
    version: scene.version,
    wish: scene.memory['wish'] ?? '',
  }
  return relationsOf(scene, 'master').flatMap(({id, ours}) => saying(id, 'unit', ours, said))
}

/** The master by relation, or by the operator's options. */
function masterOf(scene: Scene): Found {
  const [relation] = relationsOf(scene, 'master')
  if (relation === undefined) return masterByOptions(scene)
  const urls = Object.values(relation.units).flatMap(({url}) =>
    url === undefined || url === '' ? [] : [url],
  )
  const uri = textsIn(relation.theirs['credentials'])[scene.unit]
  if (urls.length === 0) return none(waiting(`waits for ${relation.app} to run`))
  if (uri === undefined) return none(waiting(`waits for ${relation.app} to hand out a credential`))
  const secret = scene.secrets[uri]
  if (secret?.['token'] === undefined)
    return none(waiting(`waits for ${relation.app} to grant the credential`))
  // A renamed worker's old token is for its old name.
  if (secret['name'] !== nameOf(scene))
    return none(waiting(`waits for a credential for the name ${nameOf(scene)}`))
  const authorities = new Set(
    Object.values(relation.units).flatMap(({authority}) => (authority ? [authority] : [])),
  )
  const authority = [...authorities].sort().join('')
  const {token, id = ''} = secret
  return {found: 'master', master: {urls: urls.sort(), token, credential: id, authority}}
}

function masterByOptions(scene: Scene): Found {
  const url = textOption(scene, 'master-url')
  const secret = secretOption(scene, 'master-token')
  if (url === '')
    return none(
      blocked(
        `needs a master: juju integrate ${scene.app}:master ostler-master, or set master-url and master-token`,
      ),
    )
  if (typeof secret !== 'object' || secret === null || secret['token'] === undefined)
    return none(
      blocked(
        'needs a token for master-url: juju add-secret ostler-worker token=…, grant it, and set master-token',
      ),
    )
  return {found: 'master', master: {urls: [url], token: secret['token'], credential: '', authority: ''}}
}

const none = (status: Status): Found => ({found: 'none', status})

function filesOf(scene: Scene, {urls, token, authority}: Master) {
  const option = (name: string) => textOption(scene, name)
  const [first = ''] = urls
  const valued = [
    ['--min-free', option('min-free-disk')],
    ['--spool-limit', option('spool-limit')],
    ['--spool-full', option('spool-full')],
  ] as const
  const options = [
    // Options hide the variable: several are all named here.
    ...(urls.length > 1 ? urls.flatMap((url) => ['--master', url]) : []),
    ...labelsOf(scene).flatMap((label) => ['--label', label]),
    ...(authority === '' ? [] : ['--ca', paths.certificateAuthority]),
    '--max-builds',
    String(scene.config['slots'] ?? 1),
    ...valued.flatMap(([name, value]) => (value === '' ? [] : [name, value])),
  ]
  const environment = environmentFile(
    {
      OSTLER_MASTER: first,
      OSTLER_WORKER_NAME: nameOf(scene),
      OSTLER_WORKER_OPTIONS: options.join(' '),
      ...proxyVariables(option),
    },
    option('environment'),
  )
  return [
    {path: paths.workerEnvironment, text: environment, mode: 0o640},
    {path: paths.workerToken, text: `${token}\n`, mode: 0o600},
    {path: paths.certificateAuthority, text: authority || null, mode: 0o644},
  ]
}

function planRunning(scene: Scene, master: Master): readonly Order[] {
  const unit = scene.machine.units[units.worker]
  if (unit?.isEnabled !== true || unit.state === 'inactive') return [{order: 'start', unit: units.worker}]
  // Builds go on under their supervisors meanwhile.
  if (unit.needs !== 'nothing') return [{order: 'restart', unit: units.worker}]
  return [
    // Only now, for the masters take the token before this one back.
    ...relationsOf(scene, 'master').flatMap(({id, ours}) =>
      saying(id, 'unit', ours, {credential: master.credential}),
    ),
    ...(scene.imageProblem === null ? missingImages(scene) : []).map((flavor): Order => ({
      order: 'make-image',
      flavor,
    })),
  ]
}

const missingImages = (scene: Scene): string[] =>
  textOption(scene, 'images')
    .split(/[\s,]+/)
    .filter((flavor) => flavor !== '' && !scene.images.includes(flavor))

/** Without a relation the token is worth nothing; while a new one is on its way the old one goes on. */
function planRest(scene: Scene, {status}: Status): readonly Order[] {
  if (status !== 'blocked') return []
  const unit = scene.machine.units[units.worker]
  const isRunning = unit !== undefined && (unit.isEnabled || unit.state === 'active')
  const token = keeping(scene.machine, [{path: paths.workerToken, text: null, mode: 0}])
  return [...(isRunning ? [{order: 'stop', unit: units.worker} as const] : []), ...token]
}

function planEnd(scene: Scene): Plan {
  return {orders: planRest(scene, blocked('')), status: waiting('the unit is being removed')}
}

function statusOf(scene: Scene): Status {
  const unit = scene.machine.units[units.worker]
  if (unit?.state === 'failed')
    return blocked(`the worker does not run: ${unit.words || 'journalctl -u ostler-worker says why'}`)
  if (unit?.state !== 'active') return waiting(unit?.words || 'the worker is starting')
  if (scene.imageProblem !== null) return blocked(scene.imageProblem)
  const missing = missingImages(scene)
  if (missing.length > 0) return maintenance(`makes the images ${missing.join(', ')}`)
  return active(unit.words || nameOf(scene))
}
