// The version of this Ostler, as its package tells.
import {readFileSync} from 'node:fs'

export function ownVersion(): string {
  const manifest = readFileSync(new URL('../../../package.json', import.meta.url), 'utf8')
  return (JSON.parse(manifest) as {version: string}).version
}
