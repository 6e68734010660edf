// POST /hooks/SOURCE: a forge tells about a push. The bytes are checked before anything in them is believed.
import type {FastifyInstance} from 'fastify'
import {createHash, createHmac, timingSafeEqual} from 'node:crypto'
import type {WebhookSource} from '../../../config/config.ts'
import {
  deliveryOf,
  payloadText,
  readHook,
  signature,
  type HookReading,
} from '../../../config/kinds/sources/webhook.ts'
import {audit} from '../../world/store/audit.ts'
import {recordChanges, wakeSource} from '../../world/store/changes.ts'
import {answerDelivery, takeDelivery} from '../../world/store/deliveries.ts'
import type {Sql} from '../../world/store/store.ts'
import type {Needs} from '../needs.ts'
import {notFound, Refusal} from '../refusals.ts'

/** GitHub's own limit for a payload. */
export const hookBytesMax = 25 * 1024 * 1024
/** A forge repeats a delivery for three days at most; an older one is a recording played again. */
const ageMsMax = 3 * 24 * 3_600_000

type Headers = Parameters<typeof signature>[1]

export function hookRoutes(scope: FastifyInstance, needs: Needs): void {
  scope.removeAllContentTypeParsers()
  scope.addContentTypeParser('*', {parseAs: 'buffer'}, (_request, body, done) => done(null, body))
  scope.post<{Params: {source: string}}>(
    '/:source',
    {
      config: {policy: 'hook', rateLimit: {max: 600, timeWindow: 60_000}},
      bodyLimit: hookBytesMax,
      schema: {
        summary:
          'A forge tells about a push; its signature is checked, and a repeated delivery answers the same',
      },
    },
    async (request, reply) => {
      const source = needs.settings().config.changeSources.find((one) => one.name === request.params.source)
      if (source?.kind !== 'webhook') throw notFound('hook', request.params.source)
      const bytes = Buffer.isBuffer(request.body) ? request.body : Buffer.alloc(0)
      await verify(needs, source, request.headers, bytes)
      const body = parse(payloadText(request.headers, bytes.toString('utf8')))
      refuseStale(source, body)
      const reading = readHook(source, request.headers, body)
      if (reading.reading === 'malformed') throw new Refusal(422, 'malformed', reading.because)
      const answer = await needs.store.transaction((tx) => recordOnce(tx, source, request, bytes, reading))
      for (const bell of source.wakes === null ? (['schedules', 'events'] as const) : (['changes'] as const))
        needs.bells.ring(bell)
      return await reply.code(202).send(answer)
    },
  )
}

async function verify(needs: Needs, source: WebhookSource, headers: Headers, bytes: Buffer): Promise<void> {
  const proof = signature(source.dialect, headers)
  if (proof.proof === 'none')
    throw new Refusal(401, 'no-signature', `${proof.because}; ${source.name} listens to ${source.dialect}`)
  const secret = await needs.settings().secrets.read(source.secret.secret)
  const [given, expected] =
    proof.proof === 'hmac'
      ? [Buffer.from(proof.hex, 'hex'), createHmac('sha256', secret).update(bytes).digest()]
      : // Hashed, so that both have one length and the comparison tells nothing of the secret's.
        [sha256(proof.token), sha256(secret)]
  if (given.length !== expected.length || !timingSafeEqual(given, expected))
    throw new Refusal(401, 'bad-signature', 'the signature is not that of this body with our secret')
}

const sha256 = (data: string | Buffer) => createHash('sha256').update(data).digest()

function parse(text: string): unknown {
  try {
    return JSON.parse(text) as unknown
  } catch (error) {
    throw new Refusal(400, 'malformed', `the body is not JSON: ${(error as Error).message.slice(0, 200)}`)
  }
}

/** Where the signed body says when the push was, an old one is refused; elsewhere only the delivery's keys can tell. */
function refuseStale(source: WebhookSource, body: unknown): void {
  if (source.dialect !== 'github') return
  const pushedAt = (body as {repository?: {pushed_at?: unknown}} | null)?.repository?.pushed_at
  if (typeof pushedAt === 'number' && Date.now() - pushedAt * 1000 > ageMsMax)
    throw new Refusal(409, 'stale', 'this push is more than three days old')
}

async function recordOnce(
  tx: Sql,
  source: WebhookSource,
  request: {headers: Headers; ip: string},
  bytes: Buffer,
  reading: Exclude<HookReading, {reading: 'malformed'}>,
): Promise<object> {
  // The delivery's id is not signed, so the body's hash is a key too.
  const delivery = deliveryOf(source.dialect, request.headers)
  const keys = [...(delivery === null ? [] : [`id:${delivery}`]), `body:${sha256(bytes).toString('hex')}`]
  const before = await takeDelivery(tx, source.name, keys)
  if (before) return before
  const answer = await answerDelivery(tx, source.name, keys, await apply(tx, source, reading))
  await audit(tx, {who: `hook ${source.name}`, address: request.ip}, 'hook.deliver', source.name, {
    delivery,
    ...answer,
  })
  return answer
}

async function apply(
  tx: Sql,
  source: WebhookSource,
  reading: Exclude<HookReading, {reading: 'malformed'}>,
): Promise<object> {
  if (reading.reading === 'nothing') return {changes: [], detail: reading.because}
  if (source.wakes !== null) {
    await wakeSource(tx, source.wakes)
    return {changes: [], detail: `${source.wakes} is asked at once`}
  }
  const recorded = await recordChanges(
    tx,
    reading.changes.map((change) => ({
      ...change,
      source: source.name,
      committedAt: change.committedAt === null ? null : new Date(change.committedAt),
    })),
  )
  return {changes: recorded.map((change) => change.id), detail: `${recorded.length} new on ${reading.branch}`}
}
