// The configuration in force: read from its file, stored as a version, and replaced whole by a reload that is good.
import type {Config, Problem} from '../../config/config.ts'
import {readConfiguration} from './configuration.ts'
import {Secrets} from './secrets.ts'
import {record} from './store/events.ts'
import type {Store} from './store/store.ts'
import type {Settings} from './world.ts'

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
