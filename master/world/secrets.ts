// Secrets by name, from an overlay that is never stored: a directory of files, systemd credentials, or the
// environment (OSTLER_SECRET_NAME). The first that has the name wins. The directory is the configuration's, then OSTLER_SECRETS_DIR;
// a credential is called NAME or ostler.NAME.
import {readFile} from 'node:fs/promises'
import path from 'node:path'

/** A secret the configuration names is in none of the overlays. */
export class SecretMissing extends Error {
  override readonly name = 'SecretMissing'
}

const plainName = /^[A-Za-z0-9_][A-Za-z0-9._-]{0,99}$/
const secretBytesMax = 1024 * 1024

export class Secrets {
  readonly #directories: readonly string[]
  readonly #environment: NodeJS.ProcessEnv

  constructor(directory: string | null, environment: NodeJS.ProcessEnv) {
    this.#directories = [
      directory,
      environment['OSTLER_SECRETS_DIR'],
      environment.CREDENTIALS_DIRECTORY,
    ].filter((one): one is string => Boolean(one))
    this.#environment = environment
  }

  /** The value, without a final line feed. Throws SecretMissing, which names where it was looked for. */
  async read(name: string): Promise<string> {
    if (!plainName.test(name)) throw new SecretMissing(`${name} is no name of a secret`)
    for (const directory of this.#directories) {
      const isCredential = directory === this.#environment.CREDENTIALS_DIRECTORY
      const value =
        (await readFile(path.join(directory, name)).catch(() => null)) ??
        (isCredential ? await readFile(path.join(directory, `ostler.${name}`)).catch(() => null) : null)
      if (value && value.length <= secretBytesMax) return value.toString('utf8').replace(/\r?\n$/, '')
    }
    const variable = `OSTLER_SECRET_${name.toUpperCase().replaceAll(/[^A-Z0-9]/g, '_')}`
    const value = this.#environment[variable]
    if (value !== undefined) return value
    const places = [...this.#directories, `the variable ${variable}`].join(', ')
    throw new SecretMissing(`there is no secret ${name}: looked in ${places}`)
  }

  /** The value, or null when there is none. */
  async find(name: string): Promise<string | null> {
    return await this.read(name).catch((error: unknown) => {
      if (error instanceof SecretMissing) return null
      throw error
    })
  }

  /** Several at once, by name. */
  async readAll(names: readonly string[]): Promise<Record<string, string>> {
    const entries = await Promise.all(names.map(async (name) => [name, await this.read(name)] as const))
    return Object.fromEntries(entries)
  }
}
