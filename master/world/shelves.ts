// Where the bytes of logs and artifacts lie: the state directory, a directory that several masters share, or an object
// store. Chosen once, when a master starts.
import {constants} from 'node:fs'
import {access, stat} from 'node:fs/promises'
import path from 'node:path'
import {ArtifactFiles, type Artifacts} from './artifacts.ts'
import {LogFiles, type Logs} from './logs.ts'
import type {Say} from './say.ts'

export interface ShelfOptions {
  readonly stateDir: string
  /** A directory that several masters share, or null. */
  readonly filesDir: string | null
  /** `s3://…`, or null. */
  readonly objectStore: string | null
}

export interface Shelves {
  readonly logs: Logs
  readonly artifacts: Artifacts
  /** Lets go, once nothing is read or written any more. */
  close(): Promise<void>
}

/** Where commands that look after a master find its files: named as for the master, by the environment. */
export const chosenShelves = (
  stateDir: string,
  environment: NodeJS.ProcessEnv = process.env,
): ShelfOptions => ({
  stateDir,
  filesDir: environment['OSTLER_FILES_DIR'] || null,
  objectStore: environment['OSTLER_OBJECT_STORE'] || null,
})

/** Opens the chosen place. Throws an Error whose message says what to mend. */
export async function openShelves(
  options: ShelfOptions,
  say: Say,
  environment: NodeJS.ProcessEnv = process.env,
): Promise<Shelves> {
  const {filesDir, objectStore} = options
  if (filesDir !== null && objectStore !== null)
    throw new Error('--files-dir and --object-store exclude each other: logs and artifacts lie in one place')
  if (objectStore !== null) return await openObjects(objectStore, say, environment)
  if (filesDir !== null) await mustBeShared(filesDir)
  const root = filesDir ?? options.stateDir
  return {
    logs: new LogFiles(path.join(root, 'logs')),
    artifacts: new ArtifactFiles(path.join(root, 'artifacts')),
    close: () => Promise.resolve(),
  }
}

/** Not made when it is missing: then what is to be mounted there is not, and the logs would end up beneath it. */
async function mustBeShared(directory: string): Promise<void> {
  const found = await stat(directory).catch(() => null)
  if (!found?.isDirectory())
    throw new Error(`--files-dir: there is no directory ${directory}: mount it, or make it once`)
  await access(directory, constants.W_OK | constants.X_OK).catch(() => {
    throw new Error(`--files-dir: this user may not write in ${directory}`)
  })
}

/** Only here is what speaks to object stores loaded: a master without one does not pay for it. */
async function openObjects(text: string, say: Say, environment: NodeJS.ProcessEnv): Promise<Shelves> {
  const {parseObjectStore, readObjectKeys} = await import('./objects/address.ts')
  const address = parseObjectStore(text, environment)
  const keys = await readObjectKeys(environment)
  const [{ObjectStore}, {LogObjects}, {ArtifactObjects}] = await Promise.all([
    import('./objects/store.ts'),
    import('./objects/logs.ts'),
    import('./objects/artifacts.ts'),
  ])
  const store = await ObjectStore.open(address, keys)
  say.info(`logs and artifacts lie in ${store.where}`)
  const logs = new LogObjects(store, (error) => {
    say.warn({err: error}, 'chunks of a log could not be merged')
  })
  return {
    logs,
    artifacts: new ArtifactObjects(store),
    async close() {
      await logs.settled()
      store.close()
    },
  }
}
