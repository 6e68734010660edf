// Artifacts: what builds kept. The bytes come from strangers, so a browser may only save them, never show them.
import type {FastifyReply, FastifyRequest} from 'fastify'
import {listArtifacts, readArtifact, type ArtifactRow} from '../../world/store/views/logs.ts'
import {notFound, Refusal} from '../refusals.ts'
import {artifactShape, list} from '../shapes.ts'
import type {Api, RouteNeeds} from './index.ts'
import {idParams, page, pageQuery} from './questions.ts'

export function artifactRoutes(api: Api, needs: RouteNeeds): void {
  api.get(
    '/artifacts',
    {
      config: {policy: 'read'},
      schema: {
        summary: 'What builds kept, newest first',
        querystring: pageQuery.extend({build: idParams.shape.id.optional()}),
        response: {200: list(artifactShape)},
      },
    },
    async ({query}) => page(await listArtifacts(needs.store, query.build, query)),
  )
  api.get(
    '/artifacts/:id',
    {
      config: {policy: 'read'},
      schema: {
        summary: 'The bytes; understands Range',
        produces: ['application/octet-stream'],
        params: idParams,
      },
      serializerCompiler: () => (value) => JSON.stringify(value),
    },
    async (request, reply) => {
      const artifact = await readArtifact(needs.store, request.params.id)
      if (!artifact) throw notFound('artifact', request.params.id)
      const size = await needs.artifacts.size(artifact.sha256)
      if (size === null)
        throw new Refusal(410, 'deleted', `the bytes of artifact ${artifact.id} are not here any more`)
      return await sendBytes(needs, artifact, size, request, reply)
    },
  )
}

async function sendBytes(
  needs: RouteNeeds,
  artifact: ArtifactRow,
  size: number,
  request: FastifyRequest,
  reply: FastifyReply,
) {
  const etag = `"${artifact.sha256}"`
  reply.header('etag', etag)
  reply.header('accept-ranges', 'bytes')
  reply.header('cache-control', 'private, max-age=86400, immutable')
  reply.header('content-disposition', disposition(artifact.path))
  reply.header('content-security-policy', "sandbox; default-src 'none'")
  reply.header('x-content-type-options', 'nosniff')
  reply.type('application/octet-stream')
  if (request.headers['if-none-match'] === etag) return await reply.code(304).send()
  const ifRange = request.headers['if-range']
  const range = ifRange === undefined || ifRange === etag ? rangeOf(request.headers.range, size) : null
  if (range === 'beyond') {
    reply.header('content-range', `bytes */${size}`)
    throw new Refusal(416, 'range', `the artifact has ${size} bytes`)
  }
  if (range) {
    reply.code(206)
    reply.header('content-range', `bytes ${range.start}-${range.end}/${size}`)
  }
  reply.header('content-length', range ? range.end - range.start + 1 : size)
  if (request.method === 'HEAD') return await reply.send()
  return await reply.send(size === 0 ? '' : await needs.artifacts.read(artifact.sha256, range ?? undefined))
}

/** The one range asked for; null for the whole (several ranges at once are not given, which is allowed). */
function rangeOf(header: string | undefined, size: number): {start: number; end: number} | 'beyond' | null {
  const match = /^bytes=(\d{0,15})-(\d{0,15})$/.exec(header ?? '')
  if (!match || (match[1] === '' && match[2] === '')) return null
  const [, first = '', last = ''] = match
  if (first === '')
    return Number(last) === 0 || size === 0
      ? 'beyond'
      : {start: Math.max(0, size - Number(last)), end: size - 1}
  const start = Number(first)
  const end = last === '' ? size - 1 : Math.min(Number(last), size - 1)
  if (start >= size) return 'beyond'
  return end < start ? null : {start, end}
}

/** A file name that came from a worker, as header text: only its last part, and nothing that could end the header. */
export function disposition(path: string): string {
  const name = path.split(/[\\/]/).at(-1) || 'artifact'
  const plain = name.replace(/[^A-Za-z0-9._+ -]/g, '_')
  const encoded = encodeURIComponent(name.toWellFormed()).replace(
    /['()*]/g,
    (one) => `%${one.charCodeAt(0).toString(16).toUpperCase()}`,
  )
  return `attachment; filename="${plain}"; filename*=UTF-8''${encoded}`
}
