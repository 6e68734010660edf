// A real SMTP server on loopback for a test: keeps the mails it took as they came over the wire, and refuses as told.
import {execFileSync} from 'node:child_process'
import {mkdtempSync, readFileSync, rmSync} from 'node:fs'
import type {AddressInfo} from 'node:net'
import {tmpdir} from 'node:os'
import {join} from 'node:path'
import {SMTPServer} from 'smtp-server'

/** A mail as it came. */
export interface CaughtMail {
  readonly from: string
  readonly to: readonly string[]
  /** The whole message, headers unfolded. */
  readonly raw: string
  /** It came over TLS. */
  readonly secure: boolean
  readonly user: string | null
}

/** What the server says to a recipient or a message: null takes it. */
export type Answer = {readonly code: number; readonly text: string} | null

export interface MailServerOptions {
  readonly user?: string
  readonly password?: string
  /** TLS from the first byte. */
  readonly secure?: boolean
  /** Offers no STARTTLS. */
  readonly plain?: boolean
  readonly certificate?: Certificate
  readonly recipient?: (address: string) => Answer
  /** Asked before a mail is answered; the mail is kept when it is taken. */
  readonly message?: (mail: CaughtMail) => Answer | Promise<Answer>
}

export interface Certificate {
  readonly key: string
  readonly cert: string
  /** The file of the certificate, for who is to trust it. */
  readonly file: string
}

interface Owner {
  teardown(end: () => unknown): void
}

/** A new certificate of `localhost` that signs itself. */
export function selfSigned(owner: Owner): Certificate {
  const folder = mkdtempSync(join(tmpdir(), 'ostler-certificate-'))
  owner.teardown(() => rmSync(folder, {recursive: true}))
  const [key, file] = [join(folder, 'key.pem'), join(folder, 'cert.pem')]
  const names = ['-subj', '/CN=localhost', '-addext', 'subjectAltName=DNS:localhost,IP:127.0.0.1']
  const form = [
    'req',
    '-x509',
    '-newkey',
    'ec',
    '-pkeyopt',
    'ec_paramgen_curve:prime256v1',
    '-nodes',
    '-days',
    '2',
  ]
  execFileSync('openssl', [...form, ...names, '-keyout', key, '-out', file], {stdio: 'pipe'})
  return {key: readFileSync(key, 'utf8'), cert: readFileSync(file, 'utf8'), file}
}

export class MailServer {
  readonly mails: CaughtMail[] = []
  /** Each recipient that was named, also those that were refused. */
  readonly asked: string[] = []
  options: MailServerOptions
  port = 0

  private constructor(options: MailServerOptions) {
    this.options = options
  }

  static async open(owner: Owner, options: MailServerOptions = {}): Promise<MailServer> {
    const caught = new MailServer(options)
    const server = new SMTPServer({
      secure: options.secure ?? false,
      ...(options.certificate && {key: options.certificate.key, cert: options.certificate.cert}),
      authOptional: options.user === undefined,
      disabledCommands: [
        ...(options.user === undefined ? ['AUTH'] : []),
        ...(options.plain ? ['STARTTLS'] : []),
      ],
      disableReverseLookup: true,
      logger: false,
      onAuth({username, password}, _session, callback) {
        const isRight = username === options.user && password === options.password
        callback(
          isRight ? null : refusal({code: 535, text: 'wrong password'}),
          isRight ? {user: username} : undefined,
        )
      },
      onRcptTo({address}, _session, callback) {
        caught.asked.push(address)
        callback(refusal(caught.options.recipient?.(address) ?? null))
      },
      onData(stream, session, callback) {
        const pieces: Buffer[] = []
        stream.on('data', (piece: Buffer) => pieces.push(piece))
        stream.on('end', () => {
          const {mailFrom, rcptTo} = session.envelope
          const mail: CaughtMail = {
            from: mailFrom === false ? '' : mailFrom.address,
            to: rcptTo.map(({address}) => address),
            raw: Buffer.concat(pieces).toString('utf8'),
            secure: session.secure,
            user: (session.user as string | undefined) ?? null,
          }
          void Promise.resolve(caught.options.message?.(mail) ?? null).then((answer) => {
            if (answer === null) caught.mails.push(mail)
            callback(refusal(answer))
          })
        })
      },
    })
    // A client that is killed breaks its connection.
    server.on('error', () => undefined)
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
    caught.port = (server.server.address() as AddressInfo).port
    owner.teardown(() => new Promise<void>((resolve) => server.close(resolve)))
    return caught
  }
}

const refusal = (answer: Answer): (Error & {responseCode: number}) | null =>
  answer === null ? null : Object.assign(new Error(answer.text), {responseCode: answer.code})

/** A header's value, unfolded; null where there is none. */
export function header({raw}: CaughtMail, name: string): string | null {
  const [head = ''] = raw.split('\r\n\r\n')
  const lines = head.replaceAll(/\r\n[ \t]+/g, ' ').split('\r\n')
  const found = lines.filter((line) => line.toLowerCase().startsWith(`${name.toLowerCase()}:`))
  if (found.length > 1) throw new Error(`${String(found.length)} headers ${name}`)
  return found[0]?.slice(name.length + 1).trim() ?? null
}

/** The names of all headers. */
export const headerNames = ({raw}: CaughtMail): string[] =>
  (raw.split('\r\n\r\n')[0] ?? '')
    .replaceAll(/\r\n[ \t]+/g, ' ')
    .split('\r\n')
    .map((line) => line.split(':')[0] ?? '')

/** The text of a mail of one part, decoded. */
export function bodyOf(mail: CaughtMail): string {
  const text = mail.raw.slice(mail.raw.indexOf('\r\n\r\n') + 4).replaceAll('\r\n', '\n')
  const encoding = header(mail, 'Content-Transfer-Encoding')
  if (encoding === 'base64') return Buffer.from(text, 'base64').toString('utf8')
  if (encoding !== 'quoted-printable') return text
  const bytes = text
    .replaceAll('=\n', '')
    .replaceAll(/=([0-9A-F]{2})/g, (_all, hex: string) => String.fromCharCode(parseInt(hex, 16)))
  return Buffer.from(bytes, 'latin1').toString('utf8')
}
