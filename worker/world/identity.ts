// How a worker knows its master and is known by it over TLS: the issuer that it trusts, and the certificate that it shows.
// Read anew for each connection, so that a renewed certificate needs no restart.
import {readFileSync} from 'node:fs'
import type {SecureContextOptions} from 'node:tls'

export interface IdentityFiles {
  /** Who issues the master's certificate, instead of those that the machine trusts; null: those. */
  readonly ca: string | null
  readonly cert: string | null
  readonly key: string | null
}

/** What a TLS connection is made with. Throws an Error that names the file. */
export function readIdentity({
  ca,
  cert,
  key,
}: IdentityFiles): Pick<SecureContextOptions, 'ca' | 'cert' | 'key'> {
  return {
    ...(ca === null ? {} : {ca: read('--ca', ca)}),
    ...(cert === null ? {} : {cert: read('--tls-cert', cert)}),
    ...(key === null ? {} : {key: read('--tls-key', key)}),
  }
}

function read(option: string, file: string): Buffer {
  try {
    return readFileSync(file)
  } catch (error) {
    throw new Error(`${option}: ${(error as Error).message}`, {cause: error})
  }
}
