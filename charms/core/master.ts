// What a master unit is to be: one decision for every event. Each part looks only at how things stand, so that a hook that was
// missed, doubled or run in another order leads to the same end.
import {askForDatabase, databaseOf, type Database} from './database.ts'
import {announced, planCredentials, planRotation, planWishes, rotationOf} from './credentials.ts'
import {environmentFile, keeping, proxyVariables, type KeptFile} from './files.ts'
import {planPackages} from './installing.ts'
import {masterGroup, paths, units} from './layout.ts'
import {tellAgent, type Monitoring} from './monitoring.ts'
import {active, blocked, saying, waiting, type Order, type Plan, type Status} from './orders.ts'
import {relationsOf, secretOption, textOption, type Bag, type Scene} from './scene.ts'
import {askForCertificate, certificateOf, tellProxies} from './website.ts'

/** Decides what this master unit needs next; no orders when nothing does. */
export function planMaster(scene: Scene, monitoring: Monitoring): Plan {
  const isLeaving = scene.event.departing === scene.unit || scene.memory['leaving'] === 'yes'
  if (scene.event.name === 'stop' || scene.event.name === 'remove') return planEnd(scene)
  const leaving: readonly Order[] =
    isLeaving && scene.memory['leaving'] !== 'yes' ? [{order: 'remember', data: {leaving: 'yes'}}] : []
  const installing = planPackages(scene, 'master')
  const always = [...leaving, ...askForDatabase(scene), ...installing.orders]
  if (installing.status !== null) return {orders: always, status: installing.status}
  const database = databaseOf(scene, paths.databaseAuthority)
  const hindrance = hindranceOf(scene, database)
  const asked = [...always, ...askForCertificate(scene), ...planKey(scene)]
  if (hindrance !== null) return {orders: [...asked, ...planRest(scene, database)], status: hindrance}
  const files = [...keeping(scene.machine, filesOf(scene, database)), ...planConfigured(scene)]
  const orders = [...asked, ...files, ...(files.length > 0 ? [] : planRunning(scene, monitoring, isLeaving))]
  return {orders, status: statusOf(scene)}
}

const port = (scene: Scene): number => Number(scene.config['port'] ?? 8010)

/** Why no master may run here now, as a status; null when it may. */
function hindranceOf(scene: Scene, database: Database): Status | null {
  const {app} = scene
  if (!Number.isInteger(port(scene)) || port(scene) < 1 || port(scene) > 65_535)
    return blocked(`port is a number from 1 to 65535: juju config ${app} port=8010`)
  const rotation = rotationOf(scene)
  if ('problem' in rotation) return blocked(rotation.problem)
  for (const option of ['secrets', 'object-store-key', 'config-key'])
    if (secretOption(scene, option) === 'unreadable')
      return blocked(
        `the secret of the option ${option} is not granted: juju grant-secret ${textOption(scene, option)} ${app}`,
      )
  if (database.database === 'blocked') return blocked(database.because)
  if (database.database === 'waiting') return waiting(`waits for ${database.for}`)
  const several = clusterHindrance(scene, database)
  if (several !== null) return several
  const given = scene.master?.configuration ?? {found: 'nothing'}
  // A bad new configuration leaves the one that is in force; the packages' own example is none.
  if (given.found === 'text' || scene.memory['configured'] === 'yes') return null
  return blocked(
    given.found === 'problem'
      ? given.problem
      : `needs a configuration: juju config ${app} configuration=@ostler.yaml, or config-repo`,
  )
}

/** What several masters need, and the order in which the first ones start. */
function clusterHindrance(scene: Scene, database: Database): Status | null {
  const [cluster] = relationsOf(scene, 'cluster')
  // A new unit sees no others yet, but one that does not lead is not alone.
  const areSeveral = !scene.isLeader || Object.keys(cluster?.units ?? {}).length > 0
  if (areSeveral && database.database === 'embedded')
    return blocked(
      `several masters need PostgreSQL: juju config ${scene.app} database=postgresql, and integrate it`,
    )
  const hasPlace = textOption(scene, 'object-store') !== '' || textOption(scene, 'files-dir') !== ''
  if (areSeveral && !hasPlace)
    return blocked(
      `several masters need one place for logs and artifacts: juju config ${scene.app} object-store=s3://… or files-dir=…`,
    )
  // The first master of a database writes the administrator's token, which must be where the leader finds it.
  if (!scene.isLeader && operatorToken(scene) === null && !scene.master?.hasAdminToken)
    return waiting('waits for the leader to start the first master')
  return null
}

/** The token that the masters' hooks use, which the leader shares with the others. */
export function operatorToken(scene: Scene): string | null {
  const shared = relationsOf(scene, 'cluster')[0]?.theirs['operator'] ?? ''
  const secret = operatorSecret(scene)?.content ?? scene.secrets[shared]
  return secret?.['token'] ?? null
}

const operatorSecret = (scene: Scene) => scene.owned.find(({label}) => label === operatorLabel)

/** Only the leader sees what secrets the application has: it tells the others where theirs is. */
function shareOperator(scene: Scene): readonly Order[] {
  const uri = operatorSecret(scene)?.uri
  if (!scene.isLeader || uri === undefined) return []
  return relationsOf(scene, 'cluster').flatMap(({id, ourApp}) => saying(id, 'app', ourApp, {operator: uri}))
}

export const operatorLabel = 'operator'

function filesOf(scene: Scene, database: Database): readonly KeptFile[] {
  const option = (name: string) => textOption(scene, name)
  const given = scene.master?.configuration
  const key = secretOption(scene, 'object-store-key')
  const keys: Bag = typeof key === 'object' && key !== null ? key : {}
  const certificate = certificateOf(scene)
  const environment = environmentFile(
    {
      OSTLER_DATABASE_URL: database.database === 'server' ? database.url : '',
      OSTLER_LISTEN: `${listenAddress(scene)}:${port(scene)}`,
      OSTLER_OBJECT_STORE: option('object-store'),
      OSTLER_FILES_DIR: option('files-dir'),
      AWS_ACCESS_KEY_ID: keys['access-key'] ?? '',
      AWS_SECRET_ACCESS_KEY: keys['secret-key'] ?? '',
      OSTLER_TLS_CERT: certificate === null ? '' : paths.certificate,
      OSTLER_TLS_KEY: certificate === null ? '' : paths.certificateKey,
      ...proxyVariables(option),
    },
    option('environment'),
  )
  return [
    {path: paths.masterEnvironment, text: environment, mode: 0o640, group: masterGroup},
    {
      path: paths.databaseAuthority,
      text: database.database === 'server' ? database.authority : null,
      mode: 0o644,
    },
    {path: paths.certificate, text: certificate?.chain ?? null, mode: 0o644},
    {path: paths.certificateAuthority, text: certificate?.authority || null, mode: 0o644},
    ...secretFiles(scene),
    ...(given?.found === 'text'
      ? [{path: paths.configuration, text: given.text, mode: 0o640, group: masterGroup}]
      : []),
  ]
}

/** From now on a configuration of the operator's is in force, whatever comes later. */
function planConfigured(scene: Scene): readonly Order[] {
  const isFirst = scene.master?.configuration.found === 'text' && scene.memory['configured'] !== 'yes'
  return isFirst ? [{order: 'remember', data: {configured: 'yes'}}] : []
}

const listenAddress = (scene: Scene): string => textOption(scene, 'listen') || '0.0.0.0'

/** One file for each key of the operator's secret; those that the charm made and that are no longer in it go. */
function secretFiles(scene: Scene): readonly KeptFile[] {
  const given = secretOption(scene, 'secrets')
  const wanted: Bag = typeof given === 'object' && given !== null ? given : {}
  const kept = (scene.memory['secret-files'] ?? '').split(' ').filter((name) => name !== '')
  return [...new Set([...kept, ...Object.keys(wanted)])].sort().map((name) => ({
    path: `${paths.secrets}/${name}`,
    text: wanted[name] ?? null,
    mode: 0o640,
    group: masterGroup,
  }))
}

/** Remembers which files are the charm's before they are written, so that none is ever forgotten. */
function planKey(scene: Scene): readonly Order[] {
  const given = secretOption(scene, 'secrets')
  const wanted = typeof given === 'object' && given !== null ? Object.keys(given) : []
  const kept = (scene.memory['secret-files'] ?? '').split(' ').filter((name) => name !== '')
  const stillThere = kept.filter((name) => scene.machine.files[`${paths.secrets}/${name}`] != null)
  const names = [...new Set([...wanted, ...stillThere])].sort().join(' ')
  return names === (scene.memory['secret-files'] ?? '')
    ? []
    : [{order: 'remember', data: {'secret-files': names}}]
}

/** The master is told to run, and then what a running master makes possible. */
function planRunning(scene: Scene, monitoring: Monitoring, isLeaving: boolean): readonly Order[] {
  const unit = scene.machine.units[units.master]
  if (unit?.isEnabled !== true || unit.state === 'inactive') return [{order: 'start', unit: units.master}]
  if (unit.needs !== 'nothing') return [{order: unit.needs, unit: units.master}]
  const toPeople = [
    ...planPorts(scene, [`${port(scene)}/tcp`]),
    ...tellProxies(scene, port(scene)),
    ...tellAgent(scene, monitoring, port(scene)),
    ...tellWorkers(scene),
    ...planTimers(scene),
  ]
  if (scene.isLeader && operatorToken(scene) === null)
    return scene.master?.hasAdminToken && scene.master.answers
      ? [...toPeople, {order: 'make-operator'}]
      : toPeople
  if (!scene.master?.answers) return toPeople
  const due = scene.event.name === 'secret-rotate' ? planRotation(scene, scene.event.secretLabel ?? '') : []
  return [
    ...toPeople,
    ...shareOperator(scene),
    ...planCredentials(scene, {isLeaving}),
    ...planWishes(scene),
    ...due,
  ]
}

/** Where workers find this unit's master. */
function tellWorkers(scene: Scene): readonly Order[] {
  const certificate = certificateOf(scene)
  const scheme = certificate === null ? 'http' : 'https'
  const url = `${scheme}://${scene.address}:${port(scene)}`
  return relationsOf(scene, 'workers').flatMap(({id, ours}) =>
    saying(id, 'unit', ours, {url, version: scene.version, authority: certificate?.authority ?? ''}),
  )
}

function planPorts(scene: Scene, wanted: readonly string[]): readonly Order[] {
  return [
    ...wanted
      .filter((one) => !scene.ports.includes(one))
      .map((one): Order => ({order: 'open-port', port: one})),
    ...scene.ports
      .filter((one) => !wanted.includes(one))
      .map((one): Order => ({order: 'close-port', port: one})),
  ]
}

/** The timers that an operator may have: promotion outside the master, and backups. */
function planTimers(scene: Scene): readonly Order[] {
  const wishes = [
    [units.promote, scene.config['promote-timer'] === true],
    [units.backup, scene.config['backup-timer'] === true],
  ] as const
  return wishes.flatMap(([unit, wanted]): Order[] => {
    const now = scene.machine.units[unit]
    if (now === undefined || now.isEnabled === wanted) return []
    return [{order: wanted ? 'start' : 'stop', unit}]
  })
}

/** A master whose database was taken away is stopped; for any other reason one that runs goes on as it was. */
function planRest(scene: Scene, database: Database): readonly Order[] {
  const unit = scene.machine.units[units.master]
  const isRunning = unit !== undefined && (unit.isEnabled || unit.state === 'active')
  if (isRunning && !(database.database === 'blocked' && database.isGone)) return []
  return [...(isRunning ? [{order: 'stop', unit: units.master} as const] : []), ...planPorts(scene, [])]
}

/** The unit is being removed: nothing listens any more; what was built is kept on its disk. */
function planEnd(scene: Scene): Plan {
  const running = [units.promote, units.backup, units.master].filter((unit) => {
    const now = scene.machine.units[unit]
    return now !== undefined && (now.isEnabled || now.state === 'active')
  })
  const stops = running.map((unit): Order => ({order: 'stop', unit}))
  return {orders: [...stops, ...planPorts(scene, [])], status: waiting('the unit is being removed')}
}

function statusOf(scene: Scene): Status {
  const unit = scene.machine.units[units.master]
  const given = scene.master?.configuration
  if (given?.found === 'problem') return blocked(`${given.problem}; the one before is in force`)
  if (unit?.state === 'failed')
    return blocked(`the master does not run: ${unit.words || 'journalctl -u buildmaster says why'}`)
  if (!scene.master?.answers) return waiting(unit?.words || 'the master is starting')
  if (scene.isLeader && operatorToken(scene) === null)
    return blocked(
      'the administrator\'s token of this database is on no unit here: see "A lost token" in charms/README.md',
    )
  const {refused} = announced(scene)
  if (refused.length > 0) return blocked(`two workers of one name: ${refused.join(', ')}`)
  const {connected, running} = scene.master
  return active(`${connected} worker${connected === 1 ? '' : 's'}, ${running} building`)
}
