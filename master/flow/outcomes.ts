// What one run of the promotions made of each rule, for whoever asked for it.
import type {PromotionRule} from '../../config/config.ts'
import type {Decision} from '../core/promotion/facts.ts'
import type {Lag, NewPromotion, PromotionState} from '../world/store/promotions.ts'
import {noLag} from './scenes.ts'

/** What one run made of one rule. */
export interface RuleReport {
  readonly rule: string
  readonly kind: PromotionRule['kind']
  readonly source: string
  readonly from: string
  readonly to: string
  readonly fromTip: string | null
  readonly toTip: string | null
  readonly candidate: string | null
  /** The commit that the target was moved to, or would be. */
  readonly landed: string | null
  /** What would be promoted if nothing held it. */
  readonly would: string | null
  readonly verdict: Decision['verdict']
  readonly reasons: readonly string[]
  readonly evidence: unknown
  readonly lag: Lag
  /** How the stored decision ended; null when none was stored. */
  readonly state: PromotionState | null
  readonly error: string | null
  /** The stored decision. */
  readonly id: string | null
  /** When time alone may change it, by the database's clock. */
  readonly lookAt: number | null
}

/** The report on a rule that was judged. */
export function report(
  p: NewPromotion,
  state: PromotionState | null,
  error: string | null,
  id: string | null,
): RuleReport {
  const {rule, fromTip, toTip, landed, decision, evidence, lag} = p
  const {name, kind, source, from, to} = rule
  const {candidate, would, verdict, reasons, lookAt} = decision
  return {
    rule: name,
    kind,
    source,
    from,
    to,
    fromTip,
    toTip,
    candidate,
    landed,
    would,
    verdict,
    reasons,
    evidence,
    lag,
    state,
    error,
    id,
    lookAt,
  }
}

/** A report on a rule that could not be judged: no decision is stored. */
export function unstored(
  rule: PromotionRule,
  verdict: 'wait' | 'refuse',
  because: string,
  error: string | null = null,
): RuleReport {
  const {name, kind, source, from, to} = rule
  return {
    rule: name,
    kind,
    source,
    from,
    to,
    fromTip: null,
    toTip: null,
    candidate: null,
    landed: null,
    would: null,
    verdict,
    reasons: [because],
    evidence: null,
    lag: noLag,
    state: null,
    error,
    id: null,
    lookAt: null,
  }
}
