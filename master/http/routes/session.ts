// The browser's session: who am I, log in with a token, log out.
import {z} from 'zod'
import {audit} from '../../world/store/audit.ts'
import {createSession, deleteSession, findToken} from '../../world/store/tokens.ts'
import {actorOf, cookieName, isHttps} from '../access.ts'
import {Refusal} from '../refusals.ts'
import {whoShape, type Who} from '../shapes.ts'
import type {Api, RouteNeeds} from './index.ts'

const sessionMs = 30 * 24 * 3_600_000

export function sessionRoutes(api: Api, needs: RouteNeeds): void {
  const about = () => {
    const {access, title} = needs.settings().config
    return {readOpen: access.read === 'open', title, version: needs.version}
  }
  api.get(
    '/session',
    {config: {policy: 'open'}, schema: {summary: 'Who is asking', response: {200: whoShape}}},
    async ({caller}): Promise<Who> => {
      const {readOpen, ...rest} = about()
      if (caller.kind === 'user') return {name: caller.name, role: caller.role, readOpen, ...rest}
      return {name: null, role: readOpen ? 'viewer' : null, readOpen, ...rest}
    },
  )
  api.post(
    '/session',
    {
      config: {policy: 'open', rateLimit: {max: 10, timeWindow: 60_000}},
      schema: {
        summary: 'Exchange a token for a session cookie',
        body: z.object({token: z.string().min(1).max(500)}),
        response: {200: whoShape},
      },
    },
    async (request, reply): Promise<Who> => {
      const found = await findToken(needs.store, 'user', request.body.token.trim())
      // The same words for an unknown, a revoked and a worker's token.
      if (!found) throw new Refusal(401, 'unauthenticated', 'this token opens nothing here')
      const session = await createSession(needs.store, found.id, sessionMs)
      await audit(needs.store, {who: found.name, address: request.ip}, 'session.open', found.name)
      reply.setCookie(cookieName(request, needs), session.value, {
        path: '/',
        httpOnly: true,
        sameSite: 'lax',
        secure: isHttps(request, needs),
        maxAge: sessionMs / 1000,
      })
      return {name: found.name, role: found.role, ...about()}
    },
  )
  api.delete(
    '/session',
    {config: {policy: 'open'}, schema: {summary: 'End the session', response: {204: z.null()}}},
    async (request, reply) => {
      const name = cookieName(request, needs)
      const session = request.cookies[name]
      if (session) await deleteSession(needs.store, session)
      if (request.caller.kind === 'user')
        await audit(needs.store, actorOf(request), 'session.close', request.caller.name)
      reply.clearCookie(name, {path: '/', httpOnly: true, sameSite: 'lax', secure: isHttps(request, needs)})
      return await reply.code(204).send(null)
    },
  )
}
