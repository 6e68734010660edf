// The certificate that a worker shows, where the master wants one: it must come from the right issuer and be the worker's own.
import type {TLSSocket} from 'node:tls'
import type {FastifyRequest} from 'fastify'
import {Refusal} from './refusals.ts'

/** Refuses a worker whose connection does not show a certificate in its name. */
export function mustBeCertified(request: FastifyRequest, worker: string): void {
  const socket = request.raw.socket as TLSSocket
  const certificate = socket.getPeerX509Certificate()
  if (!certificate)
    throw new Refusal(
      403,
      'certificate',
      'workers show a certificate here: give yours --tls-cert and --tls-key',
    )
  if (!socket.authorized)
    throw new Refusal(
      403,
      'certificate',
      `the worker's certificate is refused: ${words(socket.authorizationError)}`,
    )
  const names = namesOf(certificate.subject, certificate.subjectAltName)
  if (names.includes(worker)) return
  throw new Refusal(
    403,
    'certificate',
    `the certificate is for ${names.join(', ') || 'nobody'}, the token for the worker ${worker}`,
  )
}

const words = (error: Error | string | null | undefined): string =>
  (error instanceof Error ? error.message : (error ?? 'unknown')).toLowerCase().replaceAll('_', ' ')

/** The common name and every DNS name. */
function namesOf(subject: string | undefined, alternatives: string | undefined): string[] {
  const common = /^CN=(.+)$/m.exec(subject ?? '')?.[1]
  const dns = [...(alternatives ?? '').matchAll(/DNS:([^,\s]+)/g)].map(([, name]) => name ?? '')
  return [...new Set([...(common === undefined ? [] : [common]), ...dns])]
}
