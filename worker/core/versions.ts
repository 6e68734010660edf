// Which version of the protocol a worker and a master speak with each other, or why they cannot.
import {protocolNewest, protocolOldest, type Hello} from '../protocol/messages.ts'

export type Versions = readonly [oldest: number, newest: number]

/** What this program speaks. */
export const ownVersions: Versions = [protocolOldest, protocolNewest]

/** The newest version that both speak; null when there is none. */
export function commonVersion(a: Versions, b: Versions): number | null {
  const newest = Math.min(a[1], b[1])
  return newest >= Math.max(a[0], b[0]) ? newest : null
}

/** Why a worker that says hello so cannot be spoken with, and what to do; null when it can. */
export function versionRefusal(
  hello: Pick<Hello, 'protocols' | 'worker' | 'version'>,
  own: Versions,
): string | null {
  if (commonVersion(hello.protocols, own) !== null) return null
  const {worker, version, protocols} = hello
  const older = protocols[1] < own[0] ? 'worker' : 'master'
  return `this master speaks ${said(own)} of the protocol, ${worker} (Ostler ${version}) ${said(protocols)}: upgrade the ${older}`
}

const said = ([oldest, newest]: Versions): string =>
  oldest === newest ? `version ${newest}` : `versions ${oldest} to ${newest}`
