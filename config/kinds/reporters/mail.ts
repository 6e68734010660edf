// mail: send what happened by SMTP.
import {z} from 'zod'
import type {MailReporter, Smtp} from '../../config.ts'
import {mailbox, parseMailbox} from '../../terms/addresses.ts'
import {count, line, list} from '../../terms/names.ts'
import {secretRef} from '../../terms/secrets.ts'
import type {Fault} from '../kind.ts'
import {oneLine, type Letter} from '../letter.ts'
import {defineReporter, reporterOptions, reporterReferences} from '../reporter.ts'

const tlsChoices = ['tls', 'starttls', 'ifOffered', 'never'] as const
const usualPorts: Readonly<Record<Smtp['tls'], number>> = {tls: 465, starttls: 587, ifOffered: 25, never: 25}

/** The word among the recipients that stands for whoever wrote the changes. */
const authorsWord = 'authors'

const recipient = () => {
  const error = `expected an address such as dev@example.org, or the word ${authorsWord}`
  return z.string({error}).refine((text) => text === authorsWord || parseMailbox(text) !== null, {error})
}

const smtpShape = z.strictObject(
  {
    host: z
      .string({error: 'expected a host such as mail.example.org'})
      .regex(/^[A-Za-z0-9][A-Za-z0-9.:-]{0,252}$/, {error: 'expected a host such as mail.example.org'})
      .describe('The mail server.'),
    port: count(1, 65_535).optional().describe('Default: 465 for `tls`, 587 for `starttls`, else 25.'),
    tls: z
      .enum(tlsChoices, {error: `expected one of ${tlsChoices.join(', ')}`})
      .optional()
      .describe(
        '`tls` from the first byte, `starttls` or nothing is sent (both prove who the server is), `ifOffered` (proves nothing), ' +
          '`never`. Default: `starttls` with a user, else `ifOffered`.',
      ),
    user: line().nullable().prefault(null).describe('Whom to log in as. `null`: nobody.'),
    password: secretRef().nullable().prefault(null).describe("The user's password."),
  },
  {error: 'expected a mail server such as {host: mail.example.org}'},
)

const shape = z.strictObject({
  kind: z.literal('mail'),
  ...reporterOptions(['problem', 'fixed', 'conflict', 'resolved', 'diverged', 'refused']),
  from: mailbox().describe('The sender: an address, or `Name <address>`.'),
  to: z
    .union([recipient().transform((one) => [one]), list(recipient(), 'recipients').min(1)], {
      error: `expected recipients such as [dev@example.org, ${authorsWord}]`,
    })
    .describe(
      "Who gets it: addresses, and `authors` for those who wrote a build's changes, or what a conflict is about.",
    ),
  subjectPrefix: line(100).prefault('[Ostler]').describe('What subjects begin with.'),
  smtp: smtpShape.describe('The server that takes the mail.'),
})

/** The reporter kind `mail`. */
export const mail = defineReporter({
  kind: 'mail',
  summary: 'Send what happened by mail.',
  shape,
  example: `kind: mail
name: mail
from: Ostler <ostler@example.org>
to: [dev@example.org, authors]
smtp: {host: mail.example.org, user: ostler, password: {secret: mail-password}}
`,
  references: reporterReferences,
  check: ({smtp}) => (smtp ? loginFaults(smtp) : []),
  resolve: ({smtp, ...options}) => {
    const tls = smtp.tls ?? usualTls(smtp)
    return {...options, smtp: {...smtp, tls, port: smtp.port ?? usualPorts[tls]}}
  },
})

const usualTls = ({user}: {readonly user: string | null}): Smtp['tls'] =>
  user === null ? 'ifOffered' : 'starttls'

function loginFaults(smtp: z.output<typeof smtpShape>): readonly Fault[] {
  const {host, user, password, tls = usualTls(smtp)} = smtp
  const fault = (option: string, message: string): Fault => ({path: ['smtp', option], message})
  if (user !== null && password === null) return [fault('user', 'a user needs a password: {secret: NAME}')]
  if (user === null && password !== null) return [fault('password', 'a password needs a user')]
  const isHere = /^(?:localhost|127\.\d+\.\d+\.\d+|::1)$/.test(host)
  if (password !== null && !isHere && (tls === 'never' || tls === 'ifOffered'))
    return [fault('tls', `with ${tls} the password may cross the network in the clear; use starttls or tls`)]
  return []
}

const recipientsMost = 50

/** Who gets a letter, each address once, without regard to case; the authors among them are those of the letter. */
export function recipientsOf({to}: Pick<MailReporter, 'to'>, authors: readonly string[]): readonly string[] {
  const all = to.flatMap((one) => (one === authorsWord ? authors : [one]))
  const addresses = all.flatMap((one) => parseMailbox(one)?.address ?? [])
  const unique = new Map(addresses.map((address) => [address.toLowerCase(), address]))
  return [...unique.values()].slice(0, recipientsMost)
}

/** The subject: one line, whatever the names in it hold. */
export const subjectOf = ({subjectPrefix}: Pick<MailReporter, 'subjectPrefix'>, {title}: Letter): string =>
  oneLine(`${subjectPrefix} ${title}`)

/** The text of the mail. `tail` is the end of the failed step's log, null when there is none to show. */
export function mailText({text, link, failed}: Letter, tail: string | null): string {
  const shown =
    failed !== null && tail !== null && tail !== ''
      ? [`The last lines of “${oneLine(failed.step)}”:`, indented(tail)]
      : []
  return `${[...text, ...(link === null ? [] : [link]), ...shown].join('\n\n')}\n`
}

const indented = (text: string): string =>
  text
    .split('\n')
    .map((one) => (one === '' ? '' : `    ${one}`))
    .join('\n')

/** The end of a log as plain text: at most so many lines and characters, without colours and other control characters. */
export function tailOf(log: string, linesMost = 40, charactersMost = 6000): string {
  const plain = log
    .replaceAll(/\u001b(?:\[[0-?]*[ -/]*[@-~]|\][^\u0007\u001b]*(?:\u0007|\u001b\\)|[@-Z\\-_])/g, '')
    .split('\n')
    // Of a line that was written over, what stood there last.
    .map((one) => one.replace(/\r+$/, '').split('\r').at(-1) ?? '')
    .map((one) => one.replaceAll('\t', '    ').replaceAll(/[\u0000-\u001f\u007f-\u009f]/g, ''))
  while (plain.at(-1)?.trim() === '') plain.pop()
  const tail = plain.slice(-linesMost).map((one) => (one.length > 500 ? `${one.slice(0, 499)}…` : one))
  while (tail.length > 1 && tail.join('\n').length > charactersMost) tail.shift()
  return tail.join('\n')
}
