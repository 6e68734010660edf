// PUT /worker/artifacts/SHA256 with the header `Ostler-Attempt: NUMBER`: a worker brings the bytes that its journal will name.
import type {FastifyInstance} from 'fastify'
import type {Readable} from 'node:stream'
import {z} from 'zod'
import {ArtifactMismatch} from '../../world/artifacts.ts'
import {ownsAttempt} from '../../world/store/views/logs.ts'
import type {Needs} from '../needs.ts'
import {badInput, Refusal} from '../refusals.ts'

/** The largest artifact. */
const artifactBytesMax = 8 * 1024 ** 3

const paramsShape = z.object({sha256: z.string().regex(/^[0-9a-f]{64}$/)})
const headersShape = z.object({'ostler-attempt': z.string().regex(/^[0-9]{1,18}$/)})

export function workerArtifactRoutes(scope: FastifyInstance, needs: Needs): void {
  scope.removeAllContentTypeParsers()
  scope.addContentTypeParser('*', {bodyLimit: artifactBytesMax}, (_request, payload, done) =>
    done(null, payload),
  )
  const owned = async (worker: string, attempt: string) => {
    // The caller's own name, never one it sends: a worker may only speak of its own attempts.
    if (await ownsAttempt(needs.store, worker, attempt)) return
    throw new Refusal(409, 'not-yours', `attempt ${attempt} is not one that ${worker} runs now`)
  }
  scope.put(
    '/worker/artifacts/:sha256',
    {config: {policy: 'worker'}, bodyLimit: artifactBytesMax},
    async (request, reply) => {
      const params = paramsShape.safeParse(request.params)
      const headers = headersShape.safeParse(request.headers)
      if (!params.success || !headers.success)
        throw badInput('an artifact is sent to /worker/artifacts/SHA256 with the header Ostler-Attempt', [
          {path: params.success ? 'Ostler-Attempt' : 'sha256', message: 'malformed'},
        ])
      const {sha256} = params.data
      if (request.caller.kind !== 'worker') throw new Refusal(403, 'forbidden', 'this is for workers')
      await owned(request.caller.name, headers.data['ostler-attempt'])
      const bytes = Number(request.headers['content-length'] ?? NaN)
      if (!Number.isSafeInteger(bytes))
        throw new Refusal(411, 'length-required', 'an artifact is sent with its Content-Length')
      if (await needs.artifacts.claim(sha256, bytes))
        return await answerStored(reply, request.body as Readable | undefined)
      try {
        await needs.artifacts.store(sha256, bytes, bodyOf(request.body))
      } catch (error) {
        throw refusalOf(error)
      }
      return await reply.code(201).send({sha256, bytes})
    },
  )
}

const bodyOf = (body: unknown): Readable => (body ?? emptyStream()) as Readable
async function* empty() {}
const emptyStream = () => empty() as unknown as Readable

async function answerStored(
  reply: {code(code: number): {send(body: object): unknown}},
  body: Readable | undefined,
) {
  body?.resume()
  return reply.code(200).send({stored: true})
}

function refusalOf(error: unknown): unknown {
  if (error instanceof ArtifactMismatch) return new Refusal(422, 'mismatch', error.message)
  const code = (error as {code?: string}).code
  if (code === 'ENOSPC' || code === 'EDQUOT')
    return new Refusal(507, 'disk-full', 'the master has no room for this artifact')
  if (code === 'ERR_STREAM_PREMATURE_CLOSE' || code === 'ECONNRESET')
    return new Refusal(400, 'cut-off', 'the artifact was cut off')
  return error
}
