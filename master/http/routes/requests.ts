// Build requests and buildsets: what waits and why, and what became of a submission.
import {z} from 'zod'
import {listBuildsets, listRequests, readBuildset, readRequest} from '../../world/store/views/requests.ts'
import {cancelRequest} from '../../world/store/wishes.ts'
import {actorOf} from '../access.ts'
import {notFound} from '../refusals.ts'
import {buildsetShape, list, requestShape} from '../shapes.ts'
import {refuseCancelled} from './builds.ts'
import type {Api, RouteNeeds} from './index.ts'
import {idParams, page, pageQuery, reasonBody} from './questions.ts'

export function requestRoutes(api: Api, needs: RouteNeeds): void {
  api.get(
    '/requests',
    {
      config: {policy: 'read'},
      schema: {
        summary: 'Build requests, newest first, with why each waits',
        querystring: pageQuery.extend({
          state: z.enum(['pending', 'claimed', 'finished']).optional(),
          builder: z.string().optional(),
        }),
        response: {200: list(requestShape)},
      },
    },
    async ({query}) => page(await listRequests(needs.store, query, query)),
  )
  api.get(
    '/requests/:id',
    {
      config: {policy: 'read'},
      schema: {summary: 'One build request', params: idParams, response: {200: requestShape}},
    },
    async ({params}) => {
      const request = await readRequest(needs.store, params.id)
      if (!request) throw notFound('request', params.id)
      return request
    },
  )
  api.post(
    '/requests/:id/cancel',
    {
      config: {policy: 'developer'},
      schema: {
        summary: 'End a waiting request, or ask for the end of its build',
        params: idParams,
        body: reasonBody,
        response: {202: z.object({request: z.string()})},
      },
    },
    async (request, reply) => {
      const {id} = request.params
      const answer = await needs.store.transaction((tx) =>
        cancelRequest(tx, id, actorOf(request), request.body?.reason ?? ''),
      )
      refuseCancelled(answer, 'request', id)
      needs.bells.ring('cancels')
      needs.bells.ring('events')
      return await reply.code(202).send({request: id})
    },
  )
  api.get(
    '/buildsets',
    {
      config: {policy: 'read'},
      schema: {
        summary: 'Buildsets, newest first',
        querystring: pageQuery,
        response: {200: list(buildsetShape)},
      },
    },
    async ({query}) => page(await listBuildsets(needs.store, query)),
  )
  api.get(
    '/buildsets/:id',
    {
      config: {policy: 'read'},
      schema: {summary: 'One buildset with its requests', params: idParams, response: {200: buildsetShape}},
    },
    async ({params}) => {
      const buildset = await readBuildset(needs.store, params.id)
      if (!buildset) throw notFound('buildset', params.id)
      return buildset
    },
  )
}
