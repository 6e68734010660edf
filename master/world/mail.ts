// Mail by SMTP: one connection for each mail, and what the server said to each recipient.
import {createHash} from 'node:crypto'
import type {Smtp} from '../../config/config.ts'
import {parseMailbox} from '../../config/terms/addresses.ts'

export interface Mail {
  /** An address, or `Name <address>`. */
  readonly from: string
  /** Everybody it is for, as its header shows them. */
  readonly to: readonly string[]
  /** Those of them that it goes to now. */
  readonly left: readonly string[]
  readonly subject: string
  readonly text: string
  /** What it is, among all mails: the same when it is sent again. */
  readonly delivery: string
  /** What it belongs to. */
  readonly thread: string
  readonly at: Date
  readonly event: string
}

/** What became of the recipients: those that are left may be asked again later, the refused will not. */
export interface Taken {
  readonly left: readonly string[]
  readonly refused: readonly string[]
  /** What the server said about either; null when everybody's was taken. */
  readonly because: string | null
}

/** The server has said that it will never take this mail. */
export class MailRefused extends Error {
  override readonly name = 'MailRefused'
}

/** The longest that sending may take, in milliseconds: servers may keep a client waiting on purpose, and other letters wait too. */
export const mailWithinMs = 120_000
const timeouts = {
  dnsTimeout: 10_000,
  connectionTimeout: 10_000,
  greetingTimeout: 30_000,
  socketTimeout: 100_000,
}

/** Sends a mail. Throws MailRefused when it will never be taken, any other Error when it may be tried again. */
export async function sendMail(smtp: Smtp, password: string | null, mail: Mail): Promise<Taken> {
  // Loaded here: a master that sends no mail does not pay for it.
  const {createTransport} = await import('nodemailer')
  const transport = createTransport({
    host: smtp.host,
    port: smtp.port,
    secure: smtp.tls === 'tls',
    requireTLS: smtp.tls === 'starttls',
    ignoreTLS: smtp.tls === 'never',
    opportunisticTLS: smtp.tls === 'ifOffered',
    tls: {rejectUnauthorized: smtp.tls !== 'ifOffered'},
    ...(smtp.user !== null && {auth: {user: smtp.user, pass: password ?? ''}}),
    ...timeouts,
    disableFileAccess: true,
    disableUrlAccess: true,
  })
  try {
    const sent = await inTime(transport.sendMail(messageOf(mail)))
    return takenOf(sent.rejectedErrors ?? [])
  } catch (error) {
    return judged(error as SmtpError)
  } finally {
    transport.close()
  }
}

interface SmtpError extends Error {
  readonly code?: string
  readonly responseCode?: number
  readonly response?: string
  readonly recipient?: string
  readonly rejectedErrors?: readonly SmtpError[]
}

function messageOf(mail: Mail) {
  const from = parseMailbox(mail.from) ?? {name: '', address: mail.from}
  const domain = from.address.split('@').at(-1) ?? 'localhost'
  const thread = `<${digest(mail.thread)}.thread.ostler@${domain}>`
  return {
    from,
    to: mail.to.map((address) => ({name: '', address})),
    envelope: {from: from.address, to: [...mail.left]},
    subject: mail.subject,
    text: mail.text,
    date: mail.at,
    messageId: `<${digest(mail.delivery)}.ostler@${domain}>`,
    inReplyTo: thread,
    references: thread,
    headers: {
      // So that nobody's absence is announced to us.
      'Auto-Submitted': 'auto-generated',
      'X-Ostler-Event': mail.event,
      'X-Ostler-Delivery': mail.delivery,
    },
  }
}

const digest = (text: string): string => createHash('sha256').update(text).digest('hex').slice(0, 32)

async function inTime<T>(work: Promise<T>): Promise<T> {
  let timer: NodeJS.Timeout | undefined
  const late = new Promise<never>((_resolve, reject) => {
    timer = setTimeout(() => {
      reject(new Error(`not taken within ${String(mailWithinMs / 1000)} seconds`))
    }, mailWithinMs)
  })
  return await Promise.race([work, late]).finally(() => {
    clearTimeout(timer)
  })
}

const isFinal = ({responseCode}: SmtpError): boolean => (responseCode ?? 0) >= 500 && responseCode !== 503
const words = (error: SmtpError): string => error.response ?? error.message

function takenOf(errors: readonly SmtpError[]): Taken {
  const recipients = (final: boolean) =>
    errors.filter((error) => isFinal(error) === final).flatMap(({recipient}) => recipient ?? [])
  return {
    left: recipients(false),
    refused: recipients(true),
    because:
      errors.length === 0
        ? null
        : errors.map((error) => `${error.recipient ?? ''}: ${words(error)}`).join('; '),
  }
}

/** Of an error: what it means for the recipients where the server spoke of them, else whether to try again. */
function judged(error: SmtpError): Taken {
  if (error.rejectedErrors !== undefined && error.rejectedErrors.length > 0) {
    const taken = takenOf(error.rejectedErrors)
    if (taken.left.length > 0) return taken
    throw new MailRefused(taken.because ?? words(error))
  }
  // A login that is refused says nothing about the mail: somebody may put the password right.
  if (isFinal(error) && error.code !== 'EAUTH' && error.code !== 'ETLS') throw new MailRefused(words(error))
  throw new Error(error.code === undefined ? words(error) : `${error.code}: ${words(error)}`)
}
