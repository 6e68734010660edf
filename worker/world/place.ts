// Where this worker's own files lie. Bundled or not, its modules lie two folders below `dist`.
import {readFileSync} from 'node:fs'

/** The version of this Ostler, as its package tells. */
export function ownVersion(): string {
  const manifest = readFileSync(new URL('../../../package.json', import.meta.url), 'utf8')
  return (JSON.parse(manifest) as {version: string}).version
}
