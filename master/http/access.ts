// Who may do what: every route names its policy, and one hook decides on the route that really matched. A route
// without a policy keeps the server from starting.
import type {FastifyInstance, FastifyRequest} from 'fastify'
import type {Actor} from '../world/store/audit.ts'
import type {Transaction} from '../world/store/store.ts'
import {findSession, findToken, type Role, type Token} from '../world/store/tokens.ts'
import type {Needs} from './needs.ts'
import {Callers} from './away.ts'
import {mustBeCertified} from './certified.ts'
import {Refusal} from './refusals.ts'

export const roles = ['viewer', 'developer', 'operator', 'admin'] as const satisfies readonly Role[]

/**
 * open: everybody. read: whoever may look (everybody where the configuration opens reading, else any role).
 * hook: the route itself checks a signature. worker: a worker's token. The rest: that role or a higher one.
 */
export type Policy = 'open' | 'read' | 'hook' | 'worker' | 'developer' | 'operator' | 'admin'

export type Caller =
  | {readonly kind: 'nobody'; readonly refused: string | null}
  | {
      readonly kind: 'user'
      readonly name: string
      readonly role: Role
      readonly token: string
      readonly by: 'token' | 'session'
    }
  | {readonly kind: 'worker'; readonly name: string; readonly token: string}

export interface RouteRow {
  readonly method: string
  readonly url: string
  readonly policy: Policy
}

declare module 'fastify' {
  interface FastifyContextConfig {
    policy?: Policy
    /** Set on event streams and sockets: a page of another origin may not open them. */
    stream?: boolean
  }
  interface FastifyRequest {
    caller: Caller
    /** The caller may have what was asked for. */
    isAdmitted: boolean
  }
  interface FastifyInstance {
    /** Every route with its policy, in the order of registration. */
    policies: RouteRow[]
  }
}

export const atLeast = (role: Role, needed: Role) => roles.indexOf(role) >= roles.indexOf(needed)

/** Puts the hooks in place; must run before any route is added. */
export function guard(app: FastifyInstance, needs: Needs): void {
  const rows: RouteRow[] = []
  const callers = new Callers()
  app.decorate('policies', rows)
  app.decorateRequest('caller')
  app.decorateRequest('isAdmitted', false)
  app.addHook('onRoute', (route) => {
    const policy = route.config?.policy
    if (!policy) throw new Error(`route ${String(route.method)} ${route.url} has no policy`)
    for (const method of [route.method].flat()) rows.push({method, url: route.url, policy})
  })
  app.addHook('onRequest', async (request) => {
    const {policy, stream} = request.routeOptions.config
    // No route matched: the not-found answer tells nothing.
    if (request.is404) {
      request.caller = {kind: 'nobody', refused: null}
      return
    }
    if (!policy) throw new Refusal(403, 'forbidden', 'this route has no policy')
    request.caller =
      policy === 'hook' ? {kind: 'nobody', refused: null} : await known(request, needs, callers)
    admit(request.caller, policy, needs.settings().config.access.read === 'open')
    if (needs.tls?.ca !== undefined && request.caller.kind === 'worker')
      mustBeCertified(request, request.caller.name)
    refuseForeignPages(request, needs, stream === true || policy === 'worker')
    request.isAdmitted = true
  })
}

function admit(caller: Caller, policy: Policy, readOpen: boolean): void {
  if (policy === 'open' || policy === 'hook') return
  if (caller.kind === 'nobody' && caller.refused) throw new Refusal(401, 'unauthenticated', caller.refused)
  if (policy === 'read' && readOpen) return
  if (caller.kind === 'nobody')
    throw new Refusal(401, 'unauthenticated', 'this needs a token: send it as `Authorization: Bearer TOKEN`')
  if (policy === 'worker') {
    if (caller.kind === 'worker') return
    throw new Refusal(403, 'forbidden', `this is for workers; ${caller.name} is a person's token`)
  }
  if (caller.kind === 'worker')
    throw new Refusal(403, 'forbidden', "a worker's token opens only what workers need")
  const needed: Role = policy === 'read' ? 'viewer' : policy
  if (!atLeast(caller.role, needed))
    throw new Refusal(403, 'forbidden', `this needs the role ${needed}; ${caller.name} is ${caller.role}`)
}

/** The caller; a reader's may be remembered while the database cannot be asked. */
async function known(request: FastifyRequest, needs: Needs, callers: Callers): Promise<Caller> {
  const shown = request.headers.authorization ?? request.cookies[cookieName(request, needs)]
  if (shown === undefined) return await identify(request, needs)
  const {policy} = request.routeOptions.config
  const isReading = request.method === 'GET' && (policy === 'read' || policy === 'open')
  return await callers.identify(shown, isReading, () => identify(request, needs))
}

/** The caller of a request, by its bearer token or else by its session cookie. */
async function identify(request: FastifyRequest, needs: Needs): Promise<Caller> {
  const header = request.headers.authorization
  if (header !== undefined) {
    const token = /^Bearer +([\x21-\x7e]+)$/i.exec(header)?.[1]
    if (!token) return {kind: 'nobody', refused: 'the Authorization header is not `Bearer TOKEN`'}
    const found = await findAnyToken(needs.store, token)
    if (!found) return {kind: 'nobody', refused: 'this token is unknown or revoked'}
    if (found.kind === 'worker') return {kind: 'worker', name: found.name, token: found.id}
    return {kind: 'user', name: found.name, role: found.role ?? 'viewer', token: found.id, by: 'token'}
  }
  const session = request.cookies[cookieName(request, needs)]
  if (!session) return {kind: 'nobody', refused: null}
  const found = await findSession(needs.store, session)
  if (!found || found.kind !== 'user') return {kind: 'nobody', refused: null}
  return {kind: 'user', name: found.name, role: found.role ?? 'viewer', token: found.id, by: 'session'}
}

/** The live token with this text, of a person or of a worker. */
export const findAnyToken = async (tx: Transaction, text: string): Promise<Token | null> =>
  (await findToken(tx, 'user', text)) ?? (await findToken(tx, 'worker', text))

/** Cookies travel with a request whatever page sent it, so what a cookie (or an upgrade) may do depends on that page. */
function refuseForeignPages(request: FastifyRequest, needs: Needs, stream: boolean): void {
  const changes = !['GET', 'HEAD', 'OPTIONS'].includes(request.method)
  const bySession = request.caller.kind === 'user' && request.caller.by === 'session'
  const isLogin = request.routeOptions.url === '/api/v1/session'
  if (!stream && !(changes && (bySession || isLogin))) return
  const {origin} = request.headers
  const site = request.headers['sec-fetch-site']
  const foreign =
    origin !== undefined
      ? !isOurs(origin, request, needs)
      : site !== undefined && site !== 'same-origin' && site !== 'none'
  const silent = changes && bySession && origin === undefined && site === undefined
  if (foreign || silent)
    throw new Refusal(403, 'foreign-origin', 'this came from a page of another origin, and nothing was done')
  if (request.routeOptions.config.policy === 'worker' && origin !== undefined)
    throw new Refusal(403, 'foreign-origin', 'workers connect here, pages do not')
}

function isOurs(origin: string, request: FastifyRequest, needs: Needs): boolean {
  const {url} = needs.settings().config
  if (url !== null && new URL(url).origin === origin) return true
  return origin === `${request.protocol}://${request.host}`
}

export const isHttps = (request: FastifyRequest, needs: Needs) =>
  request.protocol === 'https' || (needs.settings().config.url?.startsWith('https:') ?? false)

/** The `__Host-` prefix makes browsers refuse the cookie from anywhere but this host over https. */
export const cookieName = (request: FastifyRequest, needs: Needs) =>
  isHttps(request, needs) ? '__Host-ostler' : 'ostler'

/** Who a mutation is recorded for. */
export const actorOf = (request: FastifyRequest): Actor => ({
  who: nameOf(request.caller),
  address: request.ip,
})

function nameOf(caller: Caller): string {
  if (caller.kind === 'nobody') return 'nobody'
  return caller.kind === 'worker' ? `worker ${caller.name}` : caller.name
}

/** Whether a request that was admitted when a stream began would be admitted still. */
export async function mayStay(request: FastifyRequest, needs: Needs): Promise<boolean> {
  const {policy} = request.routeOptions.config
  if (!policy) return false
  try {
    admit(await identify(request, needs), policy, needs.settings().config.access.read === 'open')
    return true
  } catch (error) {
    if (error instanceof Refusal) return false
    throw error
  }
}
