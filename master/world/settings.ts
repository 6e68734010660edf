// The configuration in force: read from its file, stored as a version, and replaced whole by a reload that is good.
import type {Config, Problem} from '../../config/config.ts'
import {readConfiguration} from './configuration.ts'
import {Secrets} from './secrets.ts'
import {record} from './store/events.ts'
import {disagree, disagreement, readMasters, writeMasterConfig} from './store/masters.ts'
import type {Store} from './store/store.ts'
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

/** The configuration of a file. Throws ConfigurationRefused. */
export async function readGood(file: string): Promise<{config: Config; hash: string}> {
  const loaded = await readConfiguration(file)
  if (loaded.config === null) throw new ConfigurationRefused(loaded.problems)
  return {config: loaded.config, hash: loaded.hash}
}

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
  return {config, version, secrets: new Secrets(config.secrets.directory, process.env)}
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
}

/** How the file is read again: by this master now, and by every other that shares the database. */
export function openReload({file, world, inForce}: Reloading): () => Promise<Reloaded> {
  const {bells, say, settings, store} = world
  const refuse = async ({message, problems}: ConfigurationRefused): Promise<Reloaded> => {
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
