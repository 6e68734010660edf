// Tokens of people and workers, for administrators. A new token is shown once and stored only as a hash.
import {z} from 'zod'
import {audit} from '../../world/store/audit.ts'
import {listTokens} from '../../world/store/views/tokens.ts'
import {createToken, revokeToken} from '../../world/store/tokens.ts'
import {actorOf, roles} from '../access.ts'
import {badInput, notFound} from '../refusals.ts'
import {list, tokenShape} from '../shapes.ts'
import type {Api, RouteNeeds} from './index.ts'
import {idParams, page, pageQuery} from './questions.ts'

const newTokenShape = z
  .object({
    kind: z.enum(['user', 'worker']),
    name: z
      .string()
      .regex(/^[A-Za-z0-9_][A-Za-z0-9._@-]{0,99}$/, 'letters, digits, `.`, `_`, `@`, `-`; at most 100'),
    role: z.enum(roles).optional(),
  })
  .strict()

export function tokenRoutes(api: Api, needs: RouteNeeds): void {
  api.get(
    '/tokens',
    {
      config: {policy: 'admin'},
      schema: {
        summary: 'Tokens, newest first; never the secret itself',
        querystring: pageQuery,
        response: {200: list(tokenShape)},
      },
    },
    async ({query}) => page(await listTokens(needs.store, query)),
  )
  api.post(
    '/tokens',
    {
      config: {policy: 'admin'},
      schema: {
        summary: 'Make a token; this answer is the only place where it is shown',
        body: newTokenShape,
        response: {201: z.object({id: z.string(), token: z.string()})},
      },
    },
    async (request, reply) => {
      const {kind, name, role} = request.body
      if ((kind === 'user') !== (role !== undefined))
        throw badInput("a person's token has a role, a worker's has none", [
          {path: 'role', message: kind === 'user' ? `one of ${roles.join(', ')}` : 'not for workers'},
        ])
      const actor = actorOf(request)
      const made = await needs.store.transaction(async (tx) => {
        const {text, token} = await createToken(
          tx,
          role === undefined
            ? {kind: 'worker', name, createdBy: actor.who}
            : {kind: 'user', name, role, createdBy: actor.who},
        )
        const made = {id: token.id, token: text}
        await audit(tx, actor, 'token.create', made.id, {kind, name, role})
        return made
      })
      return await reply.code(201).header('cache-control', 'no-store').send(made)
    },
  )
  api.delete(
    '/tokens/:id',
    {
      config: {policy: 'admin'},
      schema: {summary: 'Revoke a token and end its sessions', params: idParams, response: {204: z.null()}},
    },
    async (request, reply) => {
      const {id} = request.params
      const revoked = await needs.store.transaction(async (tx) => {
        const revoked = await revokeToken(tx, id)
        if (revoked) await audit(tx, actorOf(request), 'token.revoke', id)
        return revoked
      })
      if (!revoked) throw notFound('token', id)
      return await reply.code(204).send(null)
    },
  )
}
