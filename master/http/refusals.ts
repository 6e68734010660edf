// How the API says no: RFC 9457 problem documents, each with a code for programs and a sentence for people.
import type {FastifyError, FastifyReply, FastifyRequest} from 'fastify'
import {hasZodFastifySchemaValidationErrors, isResponseSerializationError} from 'fastify-type-provider-zod'
import {STATUS_CODES} from 'node:http'
import {isOutOfDescriptors} from '../../worker/core/descriptors.ts'
import {ObjectStoreTrouble} from '../world/objects/trouble.ts'
import type {Say} from '../world/say.ts'

export interface InputProblem {
  readonly path: string
  readonly message: string
}

/** A request that is refused for a reason the caller can understand and mend. */
export class Refusal extends Error {
  override readonly name = 'Refusal'
  readonly status: number
  readonly code: string
  readonly problems: readonly InputProblem[] | undefined

  constructor(status: number, code: string, detail: string, problems?: readonly InputProblem[]) {
    super(detail)
    this.status = status
    this.code = code
    this.problems = problems
  }
}

export const notFound = (what: string, name: string) =>
  new Refusal(404, 'not-found', `there is no ${what} ${name}`)
export const badInput = (detail: string, problems: readonly InputProblem[]) =>
  new Refusal(422, 'bad-input', detail, problems)

/** Sends an error as a problem document; what is our own fault is logged and shown without its inside. */
export const answerErrors =
  (say: Say) => (error: FastifyError | Error, request: FastifyRequest, reply: FastifyReply) => {
    if (isDatabaseAway(error) && request.server.oldAnswer(request, reply)) return reply
    const refusal = asRefusal(error, request)
    if (refusal.status === 500)
      say.error({err: error, request: request.id, url: request.url}, 'a request failed')
    return sendRefusal(reply, refusal)
  }

export function sendRefusal(reply: FastifyReply, refusal: Refusal) {
  return reply
    .code(refusal.status)
    .type('application/problem+json')
    .serializer((value: unknown) => JSON.stringify(value))
    .send({
      type: 'about:blank',
      title: STATUS_CODES[refusal.status] ?? 'Error',
      status: refusal.status,
      code: refusal.code,
      detail: refusal.message,
      ...(refusal.problems ? {problems: refusal.problems} : {}),
    })
}

function asRefusal(error: FastifyError | Error, request: FastifyRequest): Refusal {
  if (error instanceof Refusal) return error
  if (hasZodFastifySchemaValidationErrors(error)) return ofValidation(error)
  if (isResponseSerializationError(error)) return internal(request)
  const status = (error as FastifyError).statusCode
  const code = (error as FastifyError).code
  if (code === 'FST_ERR_CTP_BODY_TOO_LARGE' || status === 413)
    return new Refusal(413, 'too-large', `the body is larger than ${request.routeOptions.bodyLimit} bytes`)
  if (code === 'FST_ERR_CTP_INVALID_MEDIA_TYPE')
    return new Refusal(415, 'media-type', `a body of this type is not understood here; send application/json`)
  if (code === 'FST_ERR_CTP_EMPTY_JSON_BODY') return new Refusal(400, 'malformed', 'the JSON body is empty')
  if (isDatabaseAway(error))
    return new Refusal(503, 'database-away', 'the database does not answer; try again soon')
  if (isOutOfDescriptors(error))
    return new Refusal(503, 'too-many-files', 'the master has no file descriptor left; try again soon')
  if (error instanceof ObjectStoreTrouble) return new Refusal(503, 'object-store-away', error.message)
  if (status === 429) return new Refusal(429, 'too-many', error.message)
  if (status !== undefined && status >= 400 && status < 500)
    return new Refusal(status, status === 400 ? 'malformed' : 'refused', error.message)
  return internal(request)
}

const internal = (request: FastifyRequest) =>
  new Refusal(
    500,
    'internal',
    `the master failed on this request; its log says why under request ${request.id}`,
  )

function ofValidation(error: FastifyError & {validationContext?: string}): Refusal {
  const issues = (error.validation ?? []) as unknown as {instancePath: string; message?: string}[]
  const problems = issues.map((issue) => ({
    path: issue.instancePath.replace(/^\//, '').replaceAll('/', '.'),
    message: issue.message ?? 'malformed',
  }))
  const where = error.validationContext ?? 'body'
  if (where === 'params') return new Refusal(404, 'not-found', 'there is nothing at this address', problems)
  const name = where === 'querystring' ? 'query' : where
  return new Refusal(
    where === 'body' ? 422 : 400,
    'bad-input',
    `the ${name} is not as it should be`,
    problems,
  )
}

/** Codes of PostgreSQL and the network that mean the database cannot be asked at present. */
export function isDatabaseAway(error: Error): boolean {
  const code = (error as {code?: unknown}).code
  if (typeof code !== 'string')
    return /connection terminated|timeout exceeded when trying to connect/i.test(error.message)
  return /^(08...|57P0[123]|53300|ECONNREFUSED|ECONNRESET|EPIPE|ENOENT|ETIMEDOUT)$/.test(code)
}
