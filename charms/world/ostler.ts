// The `ostler` command as the master's charm uses it: with the application's own token, or the first administrator's.
import {paths} from '../core/layout.ts'
import type {Hands, Outcome} from './hands.ts'

/** How to reach the master of this unit: its address, and whose token to show. */
export interface Access {
  readonly url: string
  /** null: the one that the master wrote into its state directory. */
  readonly token: string | null
  /** A file with the authority of the master's certificate, where it has one. */
  readonly authority: string | null
}

interface Listed {
  readonly id: string
  readonly kind: string
  readonly name: string
  readonly revokedAt: string | null
}

/** The command did not do what it was asked. */
export class OstlerRefused extends Error {
  override readonly name = 'OstlerRefused'
}

export class Ostler {
  readonly #hands: Hands
  readonly #access: Access

  constructor(hands: Hands, access: Access) {
    this.#hands = hands
    this.#access = access
  }

  /** Runs a verb that asks the master. Its output; throws OstlerRefused with its own words. */
  ask(...args: readonly string[]): string {
    const {code, out, err} = this.#run(args)
    if (code !== 0)
      throw new OstlerRefused(err.trim() || out.trim() || `ostler ${args[0] ?? ''} ended with ${code}`)
    return out
  }

  /** The JSON that a verb answers, or null when the master does not answer. */
  tell(...args: readonly string[]): unknown {
    const {code, out} = this.#run([...args, '--json'])
    return code === 0 ? (JSON.parse(out) as unknown) : null
  }

  /** Takes back all tokens of this name save these: what a hook made that died before it could tell Juju. */
  revokeOthers(kind: 'worker' | 'user', name: string, save: readonly string[]): void {
    const {items} = JSON.parse(this.ask('token', 'list', '--json')) as {items: readonly Listed[]}
    const others = items.filter((one) => one.kind === kind && one.name === name && one.revokedAt === null)
    for (const {id} of others) if (!save.includes(id)) this.revoke(id)
  }

  /** Makes a token; what it replaces goes on until it is revoked. */
  makeToken(kind: 'worker' | 'user', name: string, role?: string): {id: string; token: string} {
    const args = ['token', kind, name, ...(role === undefined ? [] : ['--role', role]), '--json']
    return JSON.parse(this.ask(...args)) as {id: string; token: string}
  }

  /** Takes a token back; one that is gone already is as good. */
  revoke(id: string): void {
    const {code, err} = this.#run(['token', 'revoke', id])
    if (code !== 0 && code !== 1) throw new OstlerRefused(err.trim())
  }

  #run(args: readonly string[]): Outcome {
    const {url, token, authority} = this.#access
    const who = token === null ? ['--state-dir', paths.masterState] : []
    const trust = authority === null ? [] : ['--ca', authority]
    return this.#hands.run(['ostler', ...args, '--master', url, ...who, ...trust], {
      env: {OSTLER_TOKEN: token ?? ''},
    })
  }
}
