// The certificate with which a master speaks TLS itself, the key to it, and whose certificates workers must show. Read again
// when a file changes; what cannot be used leaves in force what was.
import {createPrivateKey, X509Certificate} from 'node:crypto'
import {readFile} from 'node:fs/promises'
import type {SecureContextOptions} from 'node:tls'

export interface TlsFiles {
  /** The certificate, with the chain to its issuer, and its key: PEM. */
  readonly cert: string
  readonly key: string
  /** Who issues the certificates that workers must show; null: they show none. */
  readonly clientCa: string | null
}

/** Someone who renews in time has a quarter of a year's certificate renewed by then. */
const warnedBeforeMs = 14 * 86_400_000
const lookMs = 10_000

interface Held {
  readonly context: SecureContextOptions
  readonly certificate: X509Certificate
  /** The bytes of all files, to see a change. */
  readonly bytes: string
}

export class Certificates {
  readonly #files: TlsFiles
  #held: Held
  #trouble: string | null = null
  #looking: NodeJS.Timeout | null = null

  private constructor(files: TlsFiles, held: Held) {
    this.#files = files
    this.#held = held
  }

  /** Throws an Error that says which file is wrong. One that has expired is used, and complained of: being down helps nobody. */
  static async open(files: TlsFiles): Promise<Certificates> {
    return new Certificates(files, await readHeld(files))
  }

  /** For a server of Node's. */
  get context(): SecureContextOptions {
    return this.#held.context
  }

  /** Reads the files again; `changed` hears when they hold something new that can be used. */
  async reload(
    changed: (context: SecureContextOptions) => void,
    failed: (why: string) => void,
  ): Promise<void> {
    try {
      const held = await readHeld(this.#files)
      this.#trouble = null
      if (held.bytes === this.#held.bytes) return
      this.#held = held
      changed(held.context)
    } catch (error) {
      const why = (error as Error).message
      if (why !== this.#trouble) failed(why)
      this.#trouble = why
    }
  }

  /** Reads the files again every few seconds, until `stop`. */
  watch(changed: (context: SecureContextOptions) => void, failed: (why: string) => void): void {
    this.#looking = setInterval(() => void this.reload(changed, failed), lookMs)
    this.#looking.unref()
  }

  stop(): void {
    if (this.#looking) clearInterval(this.#looking)
  }

  /** What somebody must see to, from two weeks before it expires on. */
  complaints(now: number): string[] {
    return [
      ...(this.#trouble === null
        ? []
        : ['certificate: the new one cannot be used, the old one stays in force']),
      ...datesComplaints(this.#held.certificate, now),
    ]
  }
}

function datesComplaints({validFrom, validTo}: X509Certificate, now: number): string[] {
  const [from, to] = [Date.parse(validFrom), Date.parse(validTo)]
  const day = (at: number) => new Date(at).toISOString().slice(0, 10)
  if (now < from) return [`certificate: it is valid only from ${day(from)} on: is the clock right?`]
  if (now >= to) return [`certificate: it expired on ${day(to)}: renew it`]
  if (now < to - warnedBeforeMs) return []
  const days = Math.floor((to - now) / 86_400_000)
  return [`certificate: it expires in ${String(days)} day${days === 1 ? '' : 's'} (${day(to)}): renew it`]
}

async function readHeld({cert, key, clientCa}: TlsFiles): Promise<Held> {
  const [certText, keyText, caText] = await Promise.all([
    readPem('--tls-cert', cert),
    readPem('--tls-key', key),
    clientCa === null ? null : readPem('--tls-client-ca', clientCa),
  ])
  const certificate = parsed(() => new X509Certificate(certText), `--tls-cert: ${cert} holds no certificate`)
  const privateKey = parsed(
    () => createPrivateKey(keyText),
    `--tls-key: ${key} holds no private key without a password`,
  )
  if (!certificate.checkPrivateKey(privateKey))
    throw new Error(`--tls-key: the key in ${key} is not that of the certificate in ${cert}`)
  if (caText !== null)
    parsed(() => new X509Certificate(caText), `--tls-client-ca: ${String(clientCa)} holds no certificate`)
  const context = {
    cert: certText,
    key: keyText,
    minVersion: 'TLSv1.2' as const,
    ...(caText === null ? {} : {ca: caText}),
  }
  return {context, certificate, bytes: [certText, keyText, caText ?? ''].join('\0')}
}

function parsed<T>(parse: () => T, otherwise: string): T {
  try {
    return parse()
  } catch {
    throw new Error(otherwise)
  }
}

async function readPem(option: string, file: string): Promise<string> {
  try {
    return await readFile(file, 'utf8')
  } catch (error) {
    const {code} = error as NodeJS.ErrnoException
    const why =
      code === 'ENOENT' ? 'there is no such file' : code === 'EACCES' ? 'may not be read by this user' : code
    throw new Error(`${option}: ${file}: ${why ?? (error as Error).message}`, {cause: error})
  }
}
