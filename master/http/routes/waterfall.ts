// GET /waterfall: all that one window of the waterfall draws, in one answer.
import {z} from 'zod'
import {readWaterfall} from '../../world/store/views/waterfall.ts'
import {Refusal} from '../refusals.ts'
import {waterfallShape, type Waterfall} from '../shapes.ts'
import type {Api, RouteNeeds} from './index.ts'

const hourMs = 3_600_000
const windowMsMax = 31 * 24 * hourMs

export function waterfallRoutes(api: Api, needs: RouteNeeds): void {
  api.get(
    '/waterfall',
    {
      config: {policy: 'read'},
      schema: {
        summary:
          'One window of the waterfall, at most 31 days and 2,000 builds; the last 24 hours unless asked otherwise',
        querystring: z.object({
          from: z.iso.datetime({offset: true}).optional(),
          to: z.iso.datetime({offset: true}).optional(),
          hours: z.coerce
            .number()
            .positive()
            .max(31 * 24)
            .optional(),
          builder: z.union([z.string(), z.array(z.string())]).optional(),
          tag: z.string().optional(),
          steps: z.enum(['yes', 'no']).default('yes'),
        }),
        response: {200: waterfallShape},
      },
      // Up to 2,000 builds with all their steps: our own query made them, so they are not checked row by row again.
      serializerCompiler: () => (value) => JSON.stringify(value),
    },
    async ({query}): Promise<Waterfall> => {
      // A running build has no end yet, so the window reaches a little beyond now.
      const to = query.to ? new Date(query.to) : new Date(Date.now() + 60_000)
      const from = query.from ? new Date(query.from) : new Date(to.getTime() - (query.hours ?? 24) * hourMs)
      if (!(from < to) || to.getTime() - from.getTime() > windowMsMax + 60_000)
        throw new Refusal(
          400,
          'bad-input',
          'a window has its `from` before its `to` and is at most 31 days long',
          [{path: 'from', message: 'not a window'}],
        )
      const {config} = needs.settings()
      const {builders, promotions} = config
      const named = query.builder === undefined ? null : [query.builder].flat()
      return await readWaterfall(needs.store, {
        from,
        to,
        builders: builders.filter(
          (builder) =>
            (!named || named.includes(builder.name)) &&
            (query.tag === undefined || builder.tags.includes(query.tag)),
        ),
        rules: promotions.rules,
        held: config,
        steps: query.steps === 'yes',
      })
    },
  )
}
