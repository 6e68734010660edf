// Promotions: where each rule stands, everything it decided, and deciding now.
import {z} from 'zod'
import type {PromotionRule} from '../../../config/config.ts'
import {frozenUntil} from '../../../config/terms/freezes.ts'
import {pictureOf} from '../../core/promotion/picture.ts'
import {isReplayed, type Basis} from '../../core/promotion/replay.ts'
import {audit} from '../../world/store/audit.ts'
import {standingControls, type ControlRow} from '../../world/store/controls.ts'
import {databaseNow} from '../../world/store/schedulers.ts'
import {readCommits, readDrawn} from '../../world/store/views/promotion-picture.ts'
import {listDecisions, readBasis, readExcuses, readStandings} from '../../world/store/views/promotions.ts'
import {actorOf} from '../access.ts'
import {notFound} from '../refusals.ts'
import {
  decisionShape,
  decisionWithBasisShape,
  excusesShape,
  list,
  promotionPictureShape,
  promotionShape,
  type Promotion,
  type PromotionPicture,
} from '../shapes.ts'
import {shownControl} from './promotion-controls.ts'
import type {Api, RouteNeeds} from './index.ts'
import {idParams, page, pageQuery, revisionText} from './questions.ts'

/** A picture with more is no picture. */
const commitsDrawn = 30
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
      const controls = await standingControls(
        needs.store,
        rules.map((rule) => rule.name),
      )
      const now = await databaseNow(needs.store)
      const items = rules.map((rule, place): Promotion => {
        const said = controls.filter((control) => control.rule === rule.name)
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
          would: latest?.would ?? null,
          verdict: latest?.verdict ?? null,
          reasons: latest?.reasons ?? [],
          lag: latest?.lag ?? {commits: null, seconds: null},
          lastAction,
          checkedAt: latest?.checkedAt ?? null,
          controls: said.map(shownControl),
          approvals: rule.approvals,
          frozenUntil: frozen(rule, said, now),
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
  api.get(
    '/promotions/:rule/decisions/:id',
    {
      config: {policy: 'read'},
      schema: {
        summary: 'One decision with what it was made on, and whether it comes out the same again',
        params: ruleParams.extend(idParams.shape),
        response: {200: decisionWithBasisShape},
      },
    },
    async ({params}) => {
      const found = await readBasis(needs.store, ruleNamed(params.rule).name, params.id)
      if (!found) throw notFound('decision', params.id)
      const basis = found.basis as unknown as Basis | null
      return {...found.decision, basis: found.basis, isReplayed: basis && isReplayed(basis)}
    },
  )
  api.get(
    '/promotions/:rule/picture',
    {
      config: {policy: 'read'},
      schema: {
        summary: 'The commits between the branches of a rule, with a mark for each required builder',
        params: ruleParams,
        response: {200: promotionPictureShape},
      },
    },
    async ({params}) => await drawn(needs, ruleNamed(params.rule)),
  )
  api.get(
    '/promotions/:rule/excuses',
    {
      config: {policy: 'read'},
      schema: {
        summary: 'Why commits were not promoted, at the last looks that came to something new, newest first',
        params: ruleParams,
        querystring: z.object({
          looks: z.coerce.number().int().min(1).max(100).default(10),
          revision: revisionText.nullable().default(null),
        }),
        response: {200: list(excusesShape)},
      },
    },
    async ({params, query}) => ({
      items: await readExcuses(
        needs.store,
        ruleNamed(params.rule).name,
        query.looks,
        query.revision?.toLowerCase() ?? null,
      ),
      next: null,
    }),
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

async function drawn({store}: RouteNeeds, rule: PromotionRule): Promise<PromotionPicture> {
  const found = await readDrawn(store, rule.name)
  if (!found) return {rule: rule.name, decision: null, builders: [], commits: [], gate: null}
  const {builders, commits, gate} = pictureOf(found.basis, found, commitsDrawn)
  const known = await readCommits(
    store,
    rule.source,
    rule.from,
    commits.map(({revision}) => revision),
  )
  return {
    rule: rule.name,
    decision: found.id,
    builders: [...builders],
    commits: commits.map(({revision, marks, because, isChosen}) => {
      const {subject = null, author = null, at = null, link = null} = known.get(revision) ?? {}
      return {
        revision,
        subject,
        author,
        at: at?.toISOString() ?? null,
        link,
        marks: [...marks],
        because,
        chosen: isChosen,
      }
    }),
    gate: gate && {...gate, marks: [...gate.marks]},
  }
}

/** When the freeze that holds a rule is over. */
function frozen(rule: PromotionRule, said: readonly ControlRow[], now: number): string | null {
  if (said.some(({kind}) => kind === 'override')) return null
  const ends = rule.freeze.flatMap((freeze) => frozenUntil(freeze, now) ?? [])
  return ends.length > 0 ? new Date(Math.max(...ends)).toISOString() : null
}
