// What reporters were to tell: what waits, what was given up and why, and sending it again.
import {z} from 'zod'
import {audit} from '../../world/store/audit.ts'
import {sendAgain} from '../../world/store/outbox.ts'
import {listReports} from '../../world/store/views/reports.ts'
import {actorOf} from '../access.ts'
import {Refusal} from '../refusals.ts'
import {list, reportShape} from '../shapes.ts'
import type {Api, RouteNeeds} from './index.ts'
import {idParams, page, pageQuery} from './questions.ts'

export function reportRoutes(api: Api, needs: RouteNeeds): void {
  api.get(
    '/reports',
    {
      // It names recipients.
      config: {policy: 'developer'},
      schema: {
        summary: 'What reporters told or are to tell, newest first',
        querystring: pageQuery.extend({
          state: reportShape.shape.state.optional(),
          reporter: z.string().max(300).optional(),
        }),
        response: {200: list(reportShape)},
      },
    },
    async ({query}) => page(await listReports(needs.store, query, query)),
  )
  api.post(
    '/reports/:id/again',
    {
      config: {policy: 'operator'},
      schema: {
        summary: 'Try to send a report now, also one that was given up',
        params: idParams,
        body: z.object({}).nullish(),
        response: {202: z.object({report: z.string()})},
      },
    },
    async (request, reply) => {
      const {id} = request.params
      const actor = actorOf(request)
      const found = await needs.store.transaction(async (tx) => {
        const found = await sendAgain(tx, id)
        if (found) await audit(tx, actor, 'report.again', id)
        return found
      })
      if (!found) throw new Refusal(409, 'not-waiting', `there is no report ${id} that was not sent`)
      needs.bells.ring('reports')
      return await reply.code(202).send({report: id})
    },
  )
}
