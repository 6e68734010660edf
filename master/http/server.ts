// The master's front door: plugins, limits, policies and routes put together. Listeners validate, record, ring and
// answer; the river does the work.
import cookie from '@fastify/cookie'
import helmet from '@fastify/helmet'
import rateLimit from '@fastify/rate-limit'
import fastifyStatic from '@fastify/static'
import swagger from '@fastify/swagger'
import websocket from '@fastify/websocket'
import fastify, {type FastifyInstance} from 'fastify'
import {
  jsonSchemaTransform,
  serializerCompiler,
  validatorCompiler,
  type ZodTypeProvider,
} from 'fastify-type-provider-zod'
import {binaryFrameMax} from '../../worker/protocol/messages.ts'
import {guard} from './access.ts'
import {serveOld} from './away.ts'
import {basePath, withoutBase} from './base.ts'
import {EventFeed} from './feed.ts'
import type {Needs} from './needs.ts'
import {answerErrors, Refusal, sendRefusal} from './refusals.ts'
import {apiRoutes} from './routes/index.ts'
import {hookRoutes} from './routes/hooks.ts'
import {outsideRoutes} from './routes/outside.ts'
import {webRoutes} from './routes/web.ts'
import {workerArtifactRoutes} from './routes/worker-artifacts.ts'
import {Streams} from './streams.ts'
import {workerSocket} from './worker-socket.ts'

/** The largest body of an ordinary request. */
export const bodyBytesMax = 1024 * 1024

/** How long, in milliseconds, the other sides may take to finish and hang up once the server closes. */
const lastAnswersMs = 2000

/** The server, ready to listen; closing it ends every stream and tells the workers to dial again. */
export async function createServer(needs: Needs): Promise<FastifyInstance> {
  const app = fastify({
    logger: false,
    bodyLimit: bodyBytesMax,
    trustProxy: 'loopback',
    requestTimeout: 0,
    forceCloseConnections: 'idle',
    routerOptions: {maxParamLength: 300},
    rewriteUrl: ({url = '/'}) => withoutBase(url, basePath(needs.settings().config.url)),
    // Who shows no certificate, or a wrong one, is told so in words, and only where one is wanted.
    ...(needs.tls && {
      https: {...needs.tls, requestCert: needs.tls.ca !== undefined, rejectUnauthorized: false},
    }),
  }) as unknown as FastifyInstance
  const streams = new Streams()
  const feed = new EventFeed(needs.store, needs.bells)
  app.addHook('preClose', (done) => {
    streams.closeAll()
    feed.close()
    // Who downloads slowly, or connected and never said anything, may not keep a master from stopping.
    setTimeout(() => app.server.closeAllConnections(), lastAnswersMs).unref()
    done()
  })
  // A refused upgrade is an answer on a socket that the HTTP server no longer counts as its own.
  app.addHook('onSend', async (request, reply) => {
    if (request.headers.upgrade === undefined) return
    reply.header('connection', 'close')
    reply.raw.once('finish', () => request.raw.socket.destroySoon())
  })
  app.setErrorHandler(answerErrors(needs.say))
  app.setNotFoundHandler((request, reply) =>
    sendRefusal(
      reply,
      new Refusal(404, 'not-found', `there is nothing at ${request.method} ${request.url.slice(0, 200)}`),
    ),
  )
  parseJson(app)
  await app.register(helmet, headers(needs))
  await app.register(cookie)
  serveOld(app)
  guard(app, needs)
  await app.register(rateLimit, {
    global: false,
    errorResponseBuilder: (_request, {after}) =>
      new Refusal(429, 'too-many', `too many tries; wait ${after}`),
  })
  await app.register(websocket, {
    options: {maxPayload: binaryFrameMax, perMessageDeflate: false},
    preClose(done) {
      const {clients} = this.websocketServer
      for (const client of clients) client.close(1001, 'the master is going away')
      const impatience = setTimeout(() => {
        for (const client of clients) client.terminate()
      }, lastAnswersMs)
      this.websocketServer.close(() => {
        clearTimeout(impatience)
        done()
      })
    },
  })
  if (needs.webDirectory !== null) await app.register(fastifyStatic, {root: needs.webDirectory, serve: false})
  await app.register(
    async (scope) => {
      const api = scope.withTypeProvider<ZodTypeProvider>()
      api.setValidatorCompiler(validatorCompiler)
      api.setSerializerCompiler(serializerCompiler)
      await api.register(swagger, {
        openapi: {
          openapi: '3.1.0',
          info: {
            title: 'Ostler',
            version: needs.version,
            description: 'Errors are RFC 9457 problem documents.',
          },
          components: {securitySchemes: {token: {type: 'http', scheme: 'bearer'}}},
          security: [{token: []}],
        },
        transform: jsonSchemaTransform,
      })
      apiRoutes(api, {...needs, streams, feed})
      await scope.register(async (hooks) => hookRoutes(hooks, needs), {prefix: '/hooks'})
    },
    {prefix: '/api/v1'},
  )
  await app.register(async (scope) => workerArtifactRoutes(scope, needs))
  await app.register(async (scope) => workerSocket(scope, needs))
  outsideRoutes(app, needs)
  webRoutes(app, needs)
  await app.ready()
  return app
}

/** JSON as fastify reads it (prototype tricks refused), and an empty body as none. */
function parseJson(app: FastifyInstance): void {
  const parse = app.getDefaultJsonParser('error', 'error')
  app.removeContentTypeParser(['application/json', 'text/plain'])
  app.addContentTypeParser('application/json', {parseAs: 'string'}, (request, body, done) => {
    if (body === '') done(null, undefined)
    else void parse(request, body as string, done)
  })
}

const headers = (needs: Needs) => ({
  contentSecurityPolicy: {
    useDefaults: false,
    directives: {
      defaultSrc: ["'self'"],
      styleSrc: ["'self'", "'unsafe-inline'"],
      imgSrc: ["'self'", 'data:'],
      baseUri: ["'none'"],
      formAction: ["'self'"],
      frameAncestors: ["'none'"],
      objectSrc: ["'none'"],
    },
  },
  // A host may serve other things beside us: only this name, and only when it is served over https.
  hsts: needs.settings().config.url?.startsWith('https:') ? {includeSubDomains: false} : false,
  crossOriginEmbedderPolicy: false,
})
