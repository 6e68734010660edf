// The resources below /api/v1, one file each.
import type {FastifyBaseLogger, FastifyInstance, RawServerDefault} from 'fastify'
import type {ZodTypeProvider} from 'fastify-type-provider-zod'
import type {IncomingMessage, ServerResponse} from 'node:http'
import type {EventFeed} from '../feed.ts'
import type {Needs} from '../needs.ts'
import type {Streams} from '../streams.ts'
import {artifactRoutes} from './artifacts.ts'
import {backupRoutes} from './backup.ts'
import {builderRoutes} from './builders.ts'
import {buildRoutes} from './builds.ts'
import {changeRoutes} from './changes.ts'
import {configRoutes} from './config.ts'
import {eventRoutes} from './events.ts'
import {logRoutes} from './logs.ts'
import {masterRoutes} from './masters.ts'
import {promotionControlRoutes} from './promotion-controls.ts'
import {promotionRoutes} from './promotions.ts'
import {reportRoutes} from './reports.ts'
import {requestRoutes} from './requests.ts'
import {schedulerRoutes} from './schedulers.ts'
import {sessionRoutes} from './session.ts'
import {tokenRoutes} from './tokens.ts'
import {waterfallRoutes} from './waterfall.ts'
import {workerRoutes} from './workers.ts'

export type Api = FastifyInstance<
  RawServerDefault,
  IncomingMessage,
  ServerResponse,
  FastifyBaseLogger,
  ZodTypeProvider
>

/** What routes have besides what the server was given. */
export interface RouteNeeds extends Needs {
  readonly streams: Streams
  readonly feed: EventFeed
}

const resources = [
  sessionRoutes,
  builderRoutes,
  buildRoutes,
  logRoutes,
  requestRoutes,
  schedulerRoutes,
  changeRoutes,
  workerRoutes,
  masterRoutes,
  promotionRoutes,
  promotionControlRoutes,
  reportRoutes,
  artifactRoutes,
  waterfallRoutes,
  eventRoutes,
  tokenRoutes,
  configRoutes,
  backupRoutes,
]

export function apiRoutes(api: Api, needs: RouteNeeds): void {
  for (const routes of resources) routes(api, needs)
  api.get(
    '/openapi.json',
    {
      config: {policy: 'read'},
      schema: {hide: true},
      serializerCompiler: () => (value) => JSON.stringify(value),
    },
    async () => api.swagger(),
  )
}
