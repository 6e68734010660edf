// webhook: post what happened as JSON to an address.
import {z} from 'zod'
import type {Property, ReportEvent} from '../../config.ts'
import {webUrl} from '../../terms/names.ts'
import {secretRef} from '../../terms/secrets.ts'
import {defineReporter, reporterOptions} from '../reporter.ts'

const shape = z.strictObject({
  kind: z.literal('webhook'),
  ...reporterOptions(),
  url: z
    .union([webUrl(), secretRef()], {
      error: 'expected an address such as https://hooks.example.org/ci, or {secret: NAME} of one',
    })
    .describe('Where to post: an address, or `{secret: NAME}` of one.'),
  dialect: z
    .enum(['json'], {error: 'expected json'})
    .prefault('json')
    .describe("What to post: `json` is Ostler's own."),
  secret: secretRef()
    .nullable()
    .prefault(null)
    .describe('Signs the body: `X-Ostler-Signature-256: sha256=` and its HMAC-SHA256 in hexadecimal.'),
})

/** The reporter kind `webhook`. */
export const webhook = defineReporter({
  kind: 'webhook',
  summary: 'Post what happened as JSON to an address.',
  shape,
  example: `kind: webhook
name: chat
on: [problem, fixed, conflict]
url: {secret: chat-url}
`,
  references: {builders: 'builder'},
  resolve: (options) => options,
})

/** What is posted. `delivery` is the same when a post is repeated; `about` is the build or the promotion, as the API shows it. */
export interface Letter {
  readonly delivery: string
  readonly event: ReportEvent
  readonly at: string
  readonly title: string
  readonly link: string | null
  readonly about: Property
}

/** The body to post: JSON text whose bytes the signature is over. */
export const letterBody = (letter: Letter): string => JSON.stringify(letter)
