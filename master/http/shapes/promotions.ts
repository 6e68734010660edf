// Promotion rules: where they stand, what they decided, what people say to them.
import {z} from 'zod'
import {id, time} from './parts.ts'

/** What somebody said to a promotion rule. */
export const controlShape = z.object({
  id,
  kind: z.enum(['hold', 'approval', 'denial', 'allowance', 'override']),
  rule: z.string(),
  revision: z.string().nullable(),
  /** A denial of that commit alone, not of those that hold it. */
  exact: z.boolean(),
  /** The promotion that a hold was set because of. */
  promotion: id.nullable(),
  reason: z.string(),
  by: z.string(),
  role: z.enum(['viewer', 'developer', 'operator', 'admin']),
  madeAt: time,
  until: time.nullable(),
  endedAt: time.nullable(),
  endedBy: z.string().nullable(),
  endedReason: z.string().nullable(),
})
export type PromotionControl = z.infer<typeof controlShape>

export const promotionShape = z.object({
  name: z.string(),
  kind: z.enum(['fastForward', 'merge', 'gate']),
  source: z.string(),
  from: z.string(),
  to: z.string(),
  fromTip: z.string().nullable(),
  toTip: z.string().nullable(),
  candidate: z.string().nullable(),
  /** What would be promoted if nothing held it. */
  would: z.string().nullable(),
  verdict: z.enum(['promote', 'wait', 'refuse', 'current']).nullable(),
  reasons: z.array(z.string()),
  lag: z.object({commits: z.int().nullable(), seconds: z.number().nullable()}),
  lastAction: z.object({id, at: time, revision: z.string(), landed: z.string().nullable()}).nullable(),
  checkedAt: time.nullable(),
  /** What people have said to it that is in force. */
  controls: z.array(controlShape),
  /** Who must approve first; null for nobody. */
  approvals: z.object({count: z.int(), role: z.enum(['developer', 'operator', 'admin'])}).nullable(),
  /** When its freeze is over; null when none holds, or it is lifted. */
  frozenUntil: time.nullable(),
})
export type Promotion = z.infer<typeof promotionShape>

export const decisionShape = z.object({
  id,
  rule: z.string(),
  kind: z.enum(['fastForward', 'merge', 'gate', 'rollback']),
  from: z.string(),
  to: z.string(),
  fromTip: z.string().nullable(),
  toTip: z.string().nullable(),
  candidate: z.string().nullable(),
  landed: z.string().nullable(),
  /** What would have been promoted if nothing had held it. */
  would: z.string().nullable(),
  verdict: z.enum(['promote', 'wait', 'refuse', 'current']),
  reasons: z.array(z.string()),
  evidence: z.json(),
  state: z.enum(['decided', 'pushing', 'done', 'raced', 'failed', 'conflict']),
  error: z.string().nullable(),
  actor: z.string(),
  decidedAt: time,
  settledAt: time.nullable(),
})
export type Decision = z.infer<typeof decisionShape>

/** A decision with what it was made on. */
export const decisionWithBasisShape = decisionShape.extend({
  /** `{rule, facts, decision}`; null for one that was made before these were kept, and for a rollback. */
  basis: z.json(),
  /** Whether the same facts give the same decision; null without a basis. */
  isReplayed: z.boolean().nullable(),
})

/** Why, at one look, the newer commits were not promoted. */
export const excusesShape = z.object({
  decision: id,
  decidedAt: time,
  /** When the same was found last. */
  checkedAt: time,
  verdict: z.enum(['promote', 'wait', 'refuse', 'current']),
  candidate: z.string().nullable(),
  reasons: z.array(z.string()),
  excuses: z.array(z.object({revision: z.string(), because: z.string()})),
})

const promotionMarkShape = z.object({
  builder: z.string(),
  state: z.enum([
    'success',
    'warnings',
    'failure',
    'running',
    'waiting',
    'retry',
    'exception',
    'cancelled',
    'skipped',
    'none',
  ]),
  build: id.nullable(),
  number: z.int().nullable(),
})

/** The commits between a rule's branches, as they were when it was judged last. */
export const promotionPictureShape = z.object({
  rule: z.string(),
  decision: id.nullable(),
  /** The builders that must be green. */
  builders: z.array(z.string()),
  /** Newest first: those passed over, and the one that was taken or would be. */
  commits: z.array(
    z.object({
      revision: z.string(),
      subject: z.string().nullable(),
      author: z.string().nullable(),
      at: time.nullable(),
      link: z.string().nullable(),
      marks: z.array(promotionMarkShape),
      because: z.string().nullable(),
      chosen: z.boolean(),
    }),
  ),
  /** The merge under test. */
  gate: z.object({commit: z.string(), candidate: z.string(), marks: z.array(promotionMarkShape)}).nullable(),
})
export type PromotionPicture = z.infer<typeof promotionPictureShape>

/** What a rollback would do. */
export const rollbackPlanShape = z.object({
  rule: z.string(),
  branch: z.string(),
  from: z.string(),
  to: z.string(),
  promotion: id,
  commits: z.int(),
  leaving: z.array(z.object({revision: z.string(), subject: z.string().nullable()})),
  holds: z.array(z.string()),
  warnings: z.array(z.string()),
})
export type RollbackPlan = z.infer<typeof rollbackPlanShape>

export const rolledBackShape = z.object({
  promotion: id,
  state: z.enum(['done', 'raced', 'failed', 'pushing']),
  error: z.string().nullable(),
})
export type RolledBack = z.infer<typeof rolledBackShape>
