// The master's key, which never leaves its machine, and the request that an authority signs.
import {paths} from '../core/layout.ts'
import type {Hands} from './hands.ts'

/** Makes the key where there is none, and a request for these names and addresses. */
export function makeRequest(hands: Hands, names: readonly string[]): void {
  const key = hands.place(paths.certificateKey)
  if (hands.read(paths.certificateKey) === null) {
    const made = openssl(hands, ['genpkey', '-algorithm', 'EC', '-pkeyopt', 'ec_paramgen_curve:P-256'])
    hands.write(paths.certificateKey, made, 0o640, 'ostler')
  }
  const alternatives = names.map((name) => `${/^[\d.]+$|:/.test(name) ? 'IP' : 'DNS'}:${name}`)
  const subject = `/CN=${(names[0] ?? 'ostler').slice(0, 64)}`
  const asked = [
    'req',
    '-new',
    '-key',
    key,
    '-subj',
    subject,
    '-addext',
    `subjectAltName=${alternatives.join(',')}`,
  ]
  hands.write(paths.certificateRequest, openssl(hands, asked), 0o644)
}

function openssl(hands: Hands, args: readonly string[]): string {
  const {code, out, err} = hands.run(['openssl', ...args])
  if (code === 0) return out
  throw new Error(`openssl ${args[0] ?? ''}: ${err.trim() || code}; is the package openssl installed?`)
}
