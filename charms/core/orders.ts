// What a charm may order: values that can be printed, compared and tested. `charms/world` carries them out.
import type {Bag} from './scene.ts'

/** One thing to be done to the machine, the master or Juju's model. */
export type Order =
  | {
      readonly order: 'install'
      readonly packages: readonly string[]
      readonly version: string
      readonly from: 'resource' | 'archive'
    }
  | {
      readonly order: 'write'
      readonly path: string
      readonly text: string
      readonly mode: number
      readonly group?: string
    }
  | {readonly order: 'remove'; readonly path: string}
  | {readonly order: 'start' | 'restart' | 'reload' | 'stop'; readonly unit: string}
  | {
      readonly order: 'set-data'
      readonly relation: string
      readonly scope: 'unit' | 'app'
      readonly data: Bag
    }
  | {readonly order: 'open-port' | 'close-port'; readonly port: string}
  | {readonly order: 'remember'; readonly data: Bag}
  | {readonly order: 'make-operator'}
  | {
      readonly order: 'make-credential'
      readonly relation: string
      readonly unit: string
      readonly worker: string
      readonly rotate: string
    }
  | {
      readonly order: 'renew-credential'
      readonly uri: string
      readonly label: string
      readonly unit: string
      readonly worker: string
    }
  | {readonly order: 'drain' | 'resume'; readonly worker: string}
  | {readonly order: 'revoke-token'; readonly token: string}
  | {readonly order: 'remove-secret'; readonly uri: string}
  | {readonly order: 'make-certificate-request'; readonly names: readonly string[]}
  | {readonly order: 'install-engine'; readonly engine: 'docker' | 'podman'}
  | {readonly order: 'make-image'; readonly flavor: string}

/** What `juju status` shows. */
export interface Status {
  readonly status: 'active' | 'waiting' | 'blocked' | 'maintenance'
  /** What it waits for, or what to do, with the command where there is one. */
  readonly words: string
}

export interface Plan {
  /** Done in this order; then one looks again, until there are none. */
  readonly orders: readonly Order[]
  readonly status: Status
}

export const active = (words: string): Status => ({status: 'active', words})
export const waiting = (words: string): Status => ({status: 'waiting', words})
export const blocked = (words: string): Status => ({status: 'blocked', words})
export const maintenance = (words: string): Status => ({status: 'maintenance', words})

/** Orders that make a bag say this; none when it does. A name with '' is taken out. */
export function saying(
  relation: string,
  scope: 'unit' | 'app',
  now: Bag | null,
  wanted: Bag,
): readonly Order[] {
  const data = Object.fromEntries(
    Object.entries(wanted).filter(([name, value]) => (now?.[name] ?? '') !== value),
  )
  return Object.keys(data).length === 0 ? [] : [{order: 'set-data', relation, scope, data}]
}
