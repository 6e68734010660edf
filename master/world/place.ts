// Where this Ostler's own files lie. Bundled or not, this module lies two folders below `dist`.
import {readFileSync} from 'node:fs'
import {fileURLToPath} from 'node:url'

const built = new URL('../../', import.meta.url)

/** The path of a file that the build made, by its place below `dist`. */
export const builtFile = (place: string): string => fileURLToPath(new URL(place, built))

/** The version of this Ostler, as its package tells. */
export function ownVersion(): string {
  const manifest = readFileSync(new URL('../package.json', built), 'utf8')
  return (JSON.parse(manifest) as {version: string}).version
}
