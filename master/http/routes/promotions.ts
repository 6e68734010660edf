// Promotions: where each rule stands, everything it decided, and deciding now.
import {z} from 'zod'
import type {PromotionRule} from '../../../config/config.ts'
import {audit} from '../../world/store/audit.ts'
import {listDecisions, readStandings} from '../../world/store/views/promotions.ts'
import {actorOf} from '../access.ts'
import {notFound} from '../refusals.ts'
import {decisionShape, list, promotionShape, type Promotion} from '../shapes.ts'
import type {Api, RouteNeeds} from './index.ts'
import {page, pageQuery} from './questions.ts'

const ruleParams = z.object({rule: z.string().max(300)})

export function promotionRoutes(api: Api, needs: RouteNeeds): void {
  const ruleNamed = (name: string): PromotionRule => {
    const rule = needs.settings().config.promotions.rules.find((one) => one.name === name)
    if (!rule) throw notFound('promotion rule', name)
    return rule
  }
  api.get(
    '/promotions',
    {
      config: {policy: 'read'},
      schema: {summary: 'Every rule and where it stands', response: {200: list(promotionShape)}},
    },
    async () => {
      const {rules} = needs.settings().config.promotions
      const standings = await readStandings(
        needs.store,
        rules.map((rule) => rule.name),
      )
      const items = rules.map((rule, place): Promotion => {
        const {latest = null, lastAction = null} = standings[place] ?? {}
        return {
          name: rule.name,
          kind: rule.kind,
          source: rule.source,
          from: rule.from,
          to: rule.to,
          fromTip: latest?.fromTip ?? null,
          toTip: latest?.toTip ?? null,
          candidate: latest?.candidate ?? null,
          verdict: latest?.verdict ?? null,
          reasons: latest?.reasons ?? [],
          lag: latest?.lag ?? {commits: null, seconds: null},
          lastAction,
          checkedAt: latest?.checkedAt ?? null,
        }
      })
      return {items, next: null}
    },
  )
  api.get(
    '/promotions/:rule/history',
    {
      config: {policy: 'read'},
      schema: {
        summary: 'Every decision of a rule with its evidence, newest first',
        params: ruleParams,
        querystring: pageQuery,
        response: {200: list(decisionShape)},
      },
    },
    async ({params, query}) => page(await listDecisions(needs.store, ruleNamed(params.rule).name, query)),
  )
  api.post(
    '/promotions/:rule/run',
    {
      config: {policy: 'operator'},
      schema: {
        summary: 'Judge a rule now and, unless `dryRun`, act; answers the decision',
        params: ruleParams,
        body: z.object({}).nullish(),
        querystring: z.object({
          dryRun: z
            .enum(['', '1', 'true', 'yes', '0', 'false', 'no'])
            .default('false')
            .transform((text) => !['0', 'false', 'no'].includes(text)),
        }),
        response: {200: decisionShape},
      },
    },
    async (request) => {
      const rule = ruleNamed(request.params.rule)
      const {dryRun} = request.query
      const actor = actorOf(request)
      if (!dryRun) await audit(needs.store, actor, 'promotion.run', rule.name)
      const decision = await needs.promoter.run({rule: rule.name, dryRun, actor: actor.who})
      needs.bells.ring('events')
      return decision
    },
  )
}
