// webhook: post what happened to an address, as Ostler's own JSON or as a chat's message.
import {z} from 'zod'
import {webUrl} from '../../terms/names.ts'
import {secretRef} from '../../terms/secrets.ts'
import type {Letter, Tone} from '../letter.ts'
import {defineReporter, reporterOptions, reporterReferences} from '../reporter.ts'

const dialects = ['json', 'mattermost', 'slack'] as const

const shape = z.strictObject({
  kind: z.literal('webhook'),
  ...reporterOptions(['problem', 'fixed']),
  url: z
    .union([webUrl(), secretRef()], {
      error: 'expected an address such as https://hooks.example.org/ci, or {secret: NAME} of one',
    })
    .describe('Where to post: an address, or `{secret: NAME}` of one.'),
  dialect: z
    .enum(dialects, {error: `expected one of ${dialects.join(', ')}`})
    .prefault('json')
    .describe(
      "What to post: `json` is Ostler's own; `mattermost` and `slack` are messages for these chats' incoming hooks.",
    ),
  secret: secretRef()
    .nullable()
    .prefault(null)
    .describe('Signs the body: `X-Ostler-Signature-256: sha256=` and its HMAC-SHA256 in hexadecimal.'),
})

/** The reporter kind `webhook`. */
export const webhook = defineReporter({
  kind: 'webhook',
  summary: 'Post what happened to an address, as JSON or as a message in a chat.',
  shape,
  example: `kind: webhook
name: chat
on: [problem, fixed, conflict]
dialect: mattermost
url: {secret: chat-url}
`,
  references: reporterReferences,
  resolve: (options) => options,
})

/** The body to post: JSON text whose bytes the signature is over. */
export function letterBody(dialect: (typeof dialects)[number], letter: Letter): string {
  if (dialect === 'json') {
    const {delivery, event, at, title, link, about} = letter
    return JSON.stringify({delivery, event, at, title, link, about})
  }
  return JSON.stringify(dialect === 'slack' ? slackMessage(letter) : mattermostMessage(letter))
}

const colours: Readonly<Record<Tone, string>> = {good: '#2e7d32', bad: '#c62828', plain: '#607d8b'}
const slackEscapes: Readonly<Record<string, string>> = {'&': '&amp;', '<': '&lt;', '>': '&gt;'}
/** Slack reads these three as its own; everything else stands as it is. */
const forSlack = (text: string): string => text.replace(/[&<>]/g, (sign) => slackEscapes[sign] ?? sign)
/** A letter of no width after it, so that `@all` in words from outside wakes nobody. */
const calmed = (text: string): string => text.replaceAll('@', '@\u200b')
/** Mattermost reads Markdown everywhere but in titles. */
const forMattermost = (text: string): string => calmed(text.replace(/[\\`*_~#|[\]<>!]/g, '\\$&'))

/** An attachment, as both chats know it. */
function attachment(
  {tone, title, link, text, fields, at}: Letter,
  sayTitle: (text: string) => string,
  say: (text: string) => string,
) {
  return {
    fallback: sayTitle(title),
    color: colours[tone],
    title: sayTitle(title),
    ...(link !== null && {title_link: link}),
    text: say(text[0] ?? ''),
    fields: fields.map(({name, value}) => ({title: name, value: say(value), short: value.length <= 40})),
    ts: Math.floor(Date.parse(at) / 1000),
  }
}

const mattermostMessage = (letter: Letter) => ({
  username: 'Ostler',
  attachments: [attachment(letter, calmed, forMattermost)],
})

const slackMessage = (letter: Letter) => ({
  text: forSlack(letter.title),
  // Their Markdown is off: words from outside are only words.
  attachments: [{...attachment(letter, forSlack, forSlack), mrkdwn_in: []}],
})
