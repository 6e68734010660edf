// What people say to promotion rules: hold and release, approve, deny and allow, lift a freeze, roll back.
import type {FastifyRequest} from 'fastify'
import {z} from 'zod'
import type {PromotionRule} from '../../../config/config.ts'
import {RollbackRefused} from '../../core/promotion/rollback.ts'
import {addControl, endControls, recentControls} from '../../world/store/controls.ts'
import type {ControlKind, ControlRow, NewControl} from '../../world/store/controls.ts'
import {readCommits} from '../../world/store/views/promotion-picture.ts'
import {revisionsLike} from '../../world/store/views/promotions.ts'
import {audit} from '../../world/store/audit.ts'
import type {Role} from '../../world/store/tokens.ts'
import {actorOf} from '../access.ts'
import {notFound, Refusal} from '../refusals.ts'
import {controlShape, list, rollbackPlanShape, rolledBackShape, type PromotionControl} from '../shapes.ts'
import type {Api, RouteNeeds} from './index.ts'
import {revisionText} from './questions.ts'

const ruleParams = z.object({rule: z.string().max(300)})
const reason = z.string().trim().min(1, 'say why').max(1000)
const forSeconds = z
  .int()
  .min(1)
  .max(366 * 24 * 3600)
const whole = z.string().regex(/^(?:[0-9a-f]{40}|[0-9a-f]{64})$/, 'expected the whole name of a commit')
const answer = {200: z.object({items: z.array(controlShape)})}

/** What a person may say to a rule, each a route of its own. */
const sayings = {
  hold: {
    kind: 'hold',
    policy: 'operator',
    summary: 'Keep a rule from moving its branch; it is judged on, and says what it would do',
    body: z.object({reason, forSeconds: forSeconds.nullable().default(null)}),
  },
  approve: {
    kind: 'approval',
    policy: 'developer',
    summary: 'Approve of one revision; no other one gains by it',
    body: z.object({revision: revisionText, reason: z.string().trim().max(1000).default('')}),
  },
  deny: {
    kind: 'denial',
    policy: 'operator',
    summary: 'Never promote a revision, nor (unless `exact`) what holds it, until a revert of it has come',
    body: z.object({
      revision: revisionText,
      reason,
      exact: z.boolean().default(false),
      forSeconds: forSeconds.nullable().default(null),
    }),
  },
  allow: {
    kind: 'allowance',
    policy: 'operator',
    summary: 'Promote a revision although it is denied, or holds what a later commit reverts',
    body: z.object({revision: revisionText, reason}),
  },
  unfreeze: {
    kind: 'override',
    policy: 'admin',
    summary: "Lift a rule's freeze for a while",
    body: z.object({reason, forSeconds}),
  },
} as const

interface Said {
  readonly reason: string
  readonly revision?: string
  readonly exact?: boolean
  readonly forSeconds?: number | null
}

export function promotionControlRoutes(api: Api, needs: RouteNeeds): void {
  const ruleNamed = (name: string): PromotionRule => {
    const rule = needs.settings().config.promotions.rules.find((one) => one.name === name)
    if (!rule) throw notFound('promotion rule', name)
    return rule
  }
  const ring = () => {
    for (const bell of ['promotions', 'events', 'reports'] as const) needs.bells.ring(bell)
  }
  api.get(
    '/promotions/:rule/controls',
    {
      config: {policy: 'read'},
      schema: {
        summary: 'What people have said to a rule, newest first, also what is over',
        params: ruleParams,
        response: {200: list(controlShape)},
      },
    },
    async ({params}) => ({
      items: (await recentControls(needs.store, ruleNamed(params.rule).name, 500)).map(shownControl),
      next: null,
    }),
  )
  for (const [name, {kind, policy, summary, body}] of Object.entries(sayings))
    api.post(
      `/promotions/:rule/${name}`,
      {config: {policy}, schema: {summary, params: ruleParams, body, response: answer}},
      async (request) => {
        const rule = ruleNamed(request.params.rule)
        const said = request.body as Said
        const revision =
          said.revision === undefined ? {} : {revision: await wholeRevision(needs, rule, said.revision)}
        const control: NewControl = {
          kind,
          rule: rule.name,
          reason: said.reason,
          role: roleOf(request),
          exact: said.exact ?? false,
          forMs: said.forSeconds ? said.forSeconds * 1000 : null,
          ...revision,
        }
        const made = await needs.store.transaction(async (tx) => {
          if (kind === 'allowance')
            await endControls(
              tx,
              actorOf(request),
              {rule: rule.name, kinds: ['denial'], revision: control.revision ?? null},
              said.reason,
            )
          return await addControl(tx, actorOf(request), control)
        })
        ring()
        return {items: [shownControl(made)]}
      },
    )
  api.post(
    '/promotions/:rule/release',
    {
      config: {policy: 'operator'},
      schema: {
        summary: 'End the holds of a rule, or one control of any kind by its id',
        params: ruleParams,
        body: z.object({
          reason,
          control: z
            .string()
            .regex(/^[1-9]\d{0,17}$/, 'an id is a number')
            .nullable()
            .default(null),
        }),
        response: answer,
      },
    },
    async (request) => {
      const rule = ruleNamed(request.params.rule)
      const {reason, control} = request.body
      const kinds: ControlKind[] =
        control === null ? ['hold'] : ['hold', 'approval', 'denial', 'allowance', 'override']
      const ended = await needs.store.transaction((tx) =>
        endControls(tx, actorOf(request), {rule: rule.name, kinds, id: control}, reason),
      )
      if (ended.length === 0)
        throw new Refusal(
          409,
          'not-held',
          control === null
            ? `${rule.name} is not held`
            : `nothing of ${rule.name} with the id ${control} is in force`,
        )
      ring()
      return {items: ended.map(shownControl)}
    },
  )
  rollbackRoutes(api, needs, ruleNamed)
}

function rollbackRoutes(api: Api, needs: RouteNeeds, ruleNamed: (name: string) => PromotionRule): void {
  api.get(
    '/promotions/:rule/rollback',
    {
      config: {policy: 'operator'},
      schema: {
        summary: "What taking a rule's branch back to before its last promotion would do",
        params: ruleParams,
        response: {200: rollbackPlanShape},
      },
    },
    async ({params}) => {
      const rule = ruleNamed(params.rule)
      const plan = await refusing(needs.promoter.planRollback(rule))
      const known = await readCommits(needs.store, rule.source, rule.from, plan.leaving)
      const leaving = plan.leaving.map((revision) => ({
        revision,
        subject: known.get(revision)?.subject ?? null,
      }))
      return {...plan, leaving, holds: [...plan.holds], warnings: [...plan.warnings]}
    },
  )
  api.post(
    '/promotions/:rule/rollback',
    {
      config: {policy: 'operator'},
      schema: {
        summary:
          'Do what the plan said, if the branch is where the plan saw it; the rules that would undo it are held',
        params: ruleParams,
        body: z.object({from: whole, to: whole, reason, deny: z.boolean().default(false)}),
        response: {200: rolledBackShape},
      },
    },
    async (request) => {
      const rule = ruleNamed(request.params.rule)
      const actor = actorOf(request)
      await audit(needs.store, actor, 'promotion.rollback', rule.name, request.body)
      return await refusing(needs.promoter.rollBack(rule, {...request.body, actor, role: roleOf(request)}))
    },
  )
}

async function refusing<T>(work: Promise<T>): Promise<T> {
  try {
    return await work
  } catch (error) {
    if (error instanceof RollbackRefused) throw new Refusal(409, 'no-rollback', error.message)
    throw error
  }
}

/** The whole name of a commit that may be named in short. */
async function wholeRevision({store}: RouteNeeds, rule: PromotionRule, text: string): Promise<string> {
  const given = text.toLowerCase()
  if (whole.safeParse(given).success) return given
  const [found, other] = await revisionsLike(store, rule, given)
  if (found === undefined)
    throw notFound('commit', `${given} that ${rule.name} or its source knows; give its whole name`)
  if (other !== undefined)
    throw new Refusal(409, 'ambiguous', `${given} may be several commits; give more of its name`)
  return found
}

const roleOf = ({caller}: FastifyRequest): Role => (caller.kind === 'user' ? caller.role : 'viewer')

const text = (at: number | null) => (at === null ? null : new Date(at).toISOString())

/** A control as the API shows it. */
export const shownControl = (row: ControlRow): PromotionControl => ({
  ...row,
  madeAt: new Date(row.madeAt).toISOString(),
  until: text(row.until),
  endedAt: text(row.endedAt),
})
