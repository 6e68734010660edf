// One window of the waterfall.
import {z} from 'zod'
import {resultShape} from '../../../worker/protocol/results.ts'
import {buildShape, builderShape, requestShape, stepShape} from './builds.ts'
import {changeShape, heldShape} from './changes.ts'
import {id, time} from './parts.ts'
import {promotionShape} from './promotions.ts'

/** One window of the waterfall, all the page draws, in one answer. `cursor` is where to resume `/events` from. */
export const waterfallShape = z.object({
  cursor: z.string(),
  now: time,
  from: time,
  to: time,
  builders: z.array(
    z.object({
      name: z.string(),
      tags: z.array(z.string()),
      state: builderShape.shape.state,
      pending: z.int(),
      /** Seconds its newest green builds took in the middle; for an estimate of the running one's end. */
      usualSeconds: z.number().nullable(),
      lastResult: resultShape.nullable(),
    }),
  ),
  builds: z.array(
    buildShape
      .pick({
        id: true,
        builder: true,
        number: true,
        state: true,
        result: true,
        summary: true,
        worker: true,
        reason: true,
        gotRevision: true,
        startedAt: true,
        finishedAt: true,
      })
      .extend({
        branch: z.string().nullable(),
        revision: z.string().nullable(),
        createdAt: time,
        changes: z.array(id),
        steps: z.array(
          stepShape
            .pick({
              number: true,
              name: true,
              state: true,
              result: true,
              summary: true,
              startedAt: true,
              finishedAt: true,
            })
            .extend({log: id.nullable()}),
        ),
      }),
  ),
  changes: z.array(
    changeShape
      .pick({
        id: true,
        source: true,
        branch: true,
        revision: true,
        author: true,
        link: true,
        recordedAt: true,
      })
      .extend({subject: z.string()}),
  ),
  promotions: z.array(
    z.object({id, rule: z.string(), from: z.string(), to: z.string(), revision: z.string(), at: time}),
  ),
  /** What each rule says now, so that the page can tell why stable is not newer. */
  rules: z.array(promotionShape.pick({name: true, from: true, to: true, verdict: true, reasons: true})),
  pending: z.array(
    requestShape.pick({
      id: true,
      builder: true,
      submittedAt: true,
      reason: true,
      waiting: true,
      sourceStamps: true,
    }),
  ),
  /** Changes that are not built yet, and why. */
  held: z.array(heldShape),
  /** True when older builds of the window were left out (at most 2,000 are given). */
  more: z.boolean(),
})
export type Waterfall = z.infer<typeof waterfallShape>
