// The relations that bring people and certificates to a master's page: `http` for simple proxies, `haproxy-route`, and
// `tls-certificates`.
import {saying, type Order} from './orders.ts'
import {jsonIn, relationsOf, textOption, type Bag, type Scene} from './scene.ts'

/** What each unit and the leader say to proxies. */
export function tellProxies(scene: Scene, port: number): readonly Order[] {
  const hostname = externalHost(scene)
  const plain = {hostname: scene.address, port: String(port)}
  const route = {
    service: JSON.stringify(`${scene.model}-${scene.app}`),
    ports: JSON.stringify([port]),
    protocol: JSON.stringify(certificateOf(scene) === null ? 'http' : 'https'),
    // A worker's websocket is quiet for longer than a page.
    timeout: JSON.stringify({server: 3600, connect: 10, queue: 60}),
    check: JSON.stringify({path: '/healthz', interval: 10, rise: 2, fall: 3}),
    ...(hostname === null ? {} : {hostname: JSON.stringify(hostname)}),
  }
  return [
    ...relationsOf(scene, 'website').flatMap(({id, ours}) => saying(id, 'unit', ours, plain)),
    ...relationsOf(scene, 'haproxy-route').flatMap(({id, ours, ourApp}) => [
      ...saying(id, 'unit', ours, {address: JSON.stringify(scene.address)}),
      ...(scene.isLeader ? saying(id, 'app', ourApp, route) : []),
    ]),
  ]
}

/** The name in external-url, or null. */
export function externalHost(scene: Scene): string | null {
  return /^https?:\/\/([^/:]+)/.exec(textOption(scene, 'external-url'))?.[1] ?? null
}

export interface Certificate {
  /** The certificate, and all that stands between it and its authority. */
  readonly chain: string
  /** Who issued it, for those who must trust it; '' when it was not told. */
  readonly authority: string
}

/** What this unit asks an authority for, and the key it asks with. */
export function askForCertificate(scene: Scene): readonly Order[] {
  const relations = relationsOf(scene, 'certificates')
  if (relations.length === 0) return []
  const request = scene.master?.certificateRequest ?? null
  const names = [...new Set([externalHost(scene), scene.address].filter((name) => name !== null))]
  if (request === null || scene.memory['certificate-names'] !== names.join(' '))
    return [
      {order: 'make-certificate-request', names},
      {order: 'remember', data: {'certificate-names': names.join(' ')}},
    ]
  const asked = JSON.stringify([{certificate_signing_request: request.trim(), ca: false}])
  return relations.flatMap(({id, ours}) => saying(id, 'unit', ours, {certificate_signing_requests: asked}))
}

/** The certificate that was issued for this unit's request, or null. */
export function certificateOf(scene: Scene): Certificate | null {
  const request = scene.master?.certificateRequest?.trim()
  if (request === undefined) return null
  const issued = relationsOf(scene, 'certificates').flatMap(({theirs}) => certificatesIn(theirs))
  const ours = issued.find((one) => one['certificate_signing_request']?.trim() === request && !one['revoked'])
  if (ours?.['certificate'] === undefined) return null
  const between = ours['chain'] === undefined ? [] : [ours['chain']]
  const authority = ours['ca'] ?? ''
  return {
    chain: `${[ours['certificate'].trim(), ...between].join('\n')}\n`,
    authority: authority === '' ? '' : `${authority}\n`,
  }
}

function certificatesIn(theirs: Bag): Bag[] {
  const list = jsonIn(theirs['certificates'])
  if (!Array.isArray(list)) return []
  return list
    .filter((one): one is Record<string, unknown> => typeof one === 'object' && one !== null)
    .map((one) => {
      const certificate = textOf(one['certificate'])
      // Some authorities begin the chain with the certificate itself.
      const chain = (Array.isArray(one['chain']) ? one['chain'] : [])
        .map(textOf)
        .filter((each) => each !== certificate)
      return {
        certificate,
        ca: textOf(one['ca']),
        certificate_signing_request: textOf(one['certificate_signing_request']),
        ...(chain.length > 0 && {chain: chain.join('\n')}),
        ...(one['revoked'] === true && {revoked: 'true'}),
      }
    })
}

const textOf = (value: unknown): string => (typeof value === 'string' ? value.trim() : '')
