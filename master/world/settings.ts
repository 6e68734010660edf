// The configuration in force: read from its file, stored as a version, and replaced whole by a reload that is good.
import type {Config, Problem} from '../../config/config.ts'
import {readConfiguration} from './configuration.ts'
import {Secrets} from './secrets.ts'
import {record} from './store/events.ts'
import {disagree, disagreement, readMasters, writeMasterConfig} from './store/masters.ts'
import type {Store} from './store/store.ts'
import type {Say} from './say.ts'
import type {Settings, World} from './world.ts'

/** The configuration cannot be used; `problems` says why, each with its place. */
export class ConfigurationRefused extends Error {
  override readonly name = 'ConfigurationRefused'
  readonly problems: readonly Problem[]
  constructor(problems: readonly Problem[]) {
    super(problems.map(problemLine).join('\n'))
    this.problems = problems
  }
}

/** `file:line:column: path: message`. */
export const problemLine = (problem: Problem): string =>
  `${problem.file}:${String(problem.line)}:${String(problem.column)}: ${problem.path === '' ? '' : `${problem.path}: `}${problem.message}`

/** Loudly for everybody, without what the file says: anybody may ask for the health. */
export const refusedComplaint =
  'configuration: the file is refused and the last good one is in force; ostler check-config tells why'

/** The same for `systemctl status`, with the first problem. */
export const refusedStatus = (why: ConfigurationRefused): string =>
  `the configuration is refused and the last good one is in force: ${briefly(why)}`

/** The first problem, and how many more there are. */
export function briefly({problems}: ConfigurationRefused): string {
  const [first, ...others] = problems.map(problemLine)
  const more =
    others.length === 0 ? '' : ` (and ${String(others.length)} more: ostler check-config lists them)`
  return `${first ?? ''}${more}`
}

interface Good {
  readonly config: Config
  readonly hash: string
}

/** What a file holds: a configuration, or why it is refused. */
export type ReadAnyway =
  (Good & {readonly refusal: null}) | {readonly config: null; readonly refusal: ConfigurationRefused}

/** Reads the configuration of a file; what is wrong with it is for the caller to judge. */
export async function readAnyway(file: string): Promise<ReadAnyway> {
  const {config, hash, problems} = await readConfiguration(file)
  return config === null
    ? {config, refusal: new ConfigurationRefused(problems)}
    : {config, hash, refusal: null}
}

/** The configuration of a file. Throws ConfigurationRefused. */
async function readGood(file: string): Promise<Good> {
  const read = await readAnyway(file)
  if (read.refusal !== null) throw read.refusal
  return read
}

export interface First {
  readonly settings: Settings
  readonly hash: string
  /** Why the file was refused, when an earlier configuration is in force instead. */
  readonly refusal: ConfigurationRefused | null
}

/** What a master starts with: the file's configuration, or the last good one of the database. Throws when there is neither. */
export async function firstSettings(store: Store, read: ReadAnyway, say: Say): Promise<First> {
  if (read.refusal === null) {
    const settings = await storeVersion(store, read.config, read.hash)
    return {settings, hash: read.hash, refusal: null}
  }
  const last = await lastGood(store)
  if (last === null) throw read.refusal
  say.error(
    {version: last.settings.version},
    `the configuration is refused; the last good one goes on until it is mended (then: ostler reload):\n${read.refusal.message}`,
  )
  return {...last, refusal: read.refusal}
}

/** The newest configuration that was in force, if this version of Ostler can still read it. */
async function lastGood(store: Store): Promise<{settings: Settings; hash: string} | null> {
  const [row] = await store.query<{id: string; hash: string; config: Config}>(
    'SELECT id, hash, config FROM config_versions ORDER BY id DESC LIMIT 1',
  )
  if (!row || !parts.every((part) => part in row.config)) return null
  return {settings: settingsOf(row.config, row.id), hash: row.hash}
}

/** What every configuration has; one of an older Ostler may lack some. */
const parts: readonly (keyof Config)[] = [
  'title', 'url', 'timezone', 'secrets', 'access', 'changeSources', 'workers', 'builders', 'schedulers',
  'promotions', 'reporters', 'retention',
] // prettier-ignore

const settingsOf = (config: Config, version: string): Settings => ({
  config,
  version,
  secrets: new Secrets(config.secrets.directory, process.env),
})

/** Stores a configuration as the newest version, unless it is that already. */
export async function storeVersion(store: Store, config: Config, hash: string): Promise<Settings> {
  const version = await store.transaction(async (tx) => {
    const [last] = await tx.query<{id: string; hash: string}>(
      'SELECT id, hash FROM config_versions ORDER BY id DESC LIMIT 1',
    )
    if (last?.hash === hash) return last.id
    const [row] = await tx.query<{id: string}>(
      'INSERT INTO config_versions (hash, config) VALUES ($1, $2) RETURNING id',
      [hash, JSON.stringify(config)],
    )
    const {id} = row as {id: string}
    await record(tx, [{type: 'config.applied', data: {version: id}}])
    return id
  })
  return settingsOf(config, version)
}

/** Tells the other masters by which configuration this one works, and its own log when theirs is another. */
export async function tellConfiguration({store, master, say}: World, hash: string): Promise<void> {
  await writeMasterConfig(store, master, hash)
  if (disagree((await readMasters(store)).filter(({alive}) => alive))) say.warn(disagreement)
}

export interface Reloaded {
  /** The version in force now. */
  readonly version: string
  /** Why the file was refused; empty when it is in force. */
  readonly problems: readonly Problem[]
}

interface Reloading {
  readonly file: string
  readonly world: World
  readonly inForce: (settings: Settings) => void
  /** Hears that the file is refused, and the configuration stays what it is. */
  readonly refused: (why: ConfigurationRefused) => void
}

/** How the file is read again: by this master now, and by every other that shares the database. */
export function openReload({file, world, inForce, refused}: Reloading): () => Promise<Reloaded> {
  const {bells, say, settings, store} = world
  const refuse = async (why: ConfigurationRefused): Promise<Reloaded> => {
    const {message, problems} = why
    refused(why)
    say.error(`the new configuration is refused, the old one stays in force:\n${message}`)
    await store.transaction((tx) => record(tx, [{type: 'config.refused', data: {problems}}]))
    return {version: settings().version, problems}
  }
  const readAgain = async (): Promise<Reloaded> => {
    try {
      const {config, hash} = await readGood(file)
      inForce(await storeVersion(store, config, hash))
      await tellConfiguration(world, hash)
    } catch (error) {
      if (error instanceof ConfigurationRefused) return await refuse(error)
      throw error
    }
    const {version} = settings()
    say.info({version}, 'configuration applied')
    for (const bell of ['config', 'events'] as const) bells.ring(bell)
    return {version, problems: []}
  }
  bells.on('reload', () => {
    readAgain().catch((error: unknown) => {
      say.error({err: error}, 'the configuration could not be read again')
    })
  })
  return async () => {
    bells.ringOthers('reload')
    return await readAgain()
  }
}
