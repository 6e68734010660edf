// What people have said to a rule, and what the calendar says: holds, denials, allowances, approvals, freezes.
import type {Green, PromotionRule} from '../../../config/config.ts'
import {frozenUntil} from '../../../config/terms/freezes.ts'
import type {Candidate, Control, Facts, Role} from './facts.ts'
import {shortName} from './facts.ts'

const roles: readonly Role[] = ['viewer', 'developer', 'operator', 'admin']

/** Those of the controls that are in force. */
export const inForce = (controls: readonly Control[], now: number): readonly Control[] =>
  controls.filter(({until}) => until === null || now < until)

/** What keeps the whole rule from moving now, and when that ends by itself. */
export function holds(rule: PromotionRule, facts: Facts): {reasons: string[]; ends: number[]} {
  const {now} = facts
  const standing = inForce(facts.controls, now)
  const held = standing.filter(({kind}) => kind === 'hold')
  const override = standing.find(({kind}) => kind === 'override')
  const frozen = rule.freeze.flatMap((freeze) => {
    const over = frozenUntil(freeze, now)
    return over === null ? [] : [{over, freeze}]
  })
  const stopping = override ? [] : frozen
  return {
    reasons: [
      ...held.map(({by, reason}) => `held by ${by}: ${reason}`),
      ...stopping.map(
        ({freeze, over}) => `frozen until ${timeWords(over)} (${freeze.timezone} time): ${freeze.reason}`,
      ),
    ],
    ends: [
      ...[...held, ...(override && frozen.length > 0 ? [override] : [])].flatMap(({until}) => until ?? []),
      ...stopping.map(({over}) => over),
    ],
  }
}

/** Tells why a candidate may not be promoted although it is green; null when it may. */
export function vetoes(rule: PromotionRule, facts: Facts): (candidate: Candidate) => string | null {
  const standing = inForce(facts.controls, facts.now)
  const denials = standing.filter(({kind}) => kind === 'denial')
  const reverts = rule.reverts === 'ignore' ? [] : facts.reverts
  if (denials.length === 0 && reverts.length === 0) return () => null
  const allowed = new Set(standing.filter(({kind}) => kind === 'allowance').map(({revision}) => revision))
  // The newest stands at 0, and a candidate holds what an older or the same one has brought.
  const places = new Map(facts.candidates.map(({revision}, at) => [revision, at]))
  return (candidate) => {
    if (allowed.has(candidate.revision)) return null
    const at = places.get(candidate.revision) ?? 0
    const holdsIt = (since: string | null) => since !== null && at <= (places.get(since) ?? -1)
    for (const denial of denials) {
      const because = denied(denial, candidate, facts, holdsIt)
      if (because !== null) return because
    }
    const taken = reverts.find(({since, until}) => holdsIt(since) && !holdsIt(until))
    return taken
      ? `it holds ${shortName(taken.reverted)}, which ${shortName(taken.by)} reverts on ${rule.from}`
      : null
  }
}

function denied(
  {revision, since, isExact, by, reason}: Control,
  candidate: Candidate,
  {reverts}: Facts,
  holdsIt: (since: string | null) => boolean,
): string | null {
  if (revision === null) return null
  if (revision === candidate.revision) return `denied by ${by}: ${reason}`
  const isTakenBack = reverts.some(({reverted, until}) => reverted === revision && holdsIt(until))
  return !isExact && holdsIt(since) && !isTakenBack
    ? `it holds ${shortName(revision)}, which ${by} denied: ${reason}`
    : null
}

/** What is missing of the approvals that a revision needs; null when nothing is. An approval goes to no other revision. */
export function unapproved(rule: PromotionRule, facts: Facts, revision: string): string | null {
  if (rule.approvals === null) return null
  const {count, role} = rule.approvals
  const people = new Set(
    inForce(facts.controls, facts.now)
      .filter((each) => each.kind === 'approval' && each.revision === revision)
      .filter((each) => roles.indexOf(each.role) >= roles.indexOf(role))
      .map(({by}) => by),
  )
  if (people.size >= count) return null
  return `awaits approval of ${shortName(revision)}: ${String(people.size)} of ${String(count)} by ${role}s`
}

/** When time alone may change what was decided: the soonest end of a control or a quarantine, or of what else is named. */
export function soonest(
  {controls, now}: Facts,
  green: Green | null,
  ...more: readonly (readonly number[])[]
): number | null {
  const times = [
    ...more.flat(),
    ...controls.flatMap(({until}) => until ?? []),
    ...(green?.quarantine ?? []).map(({until}) => Date.parse(until)),
  ]
  const later = times.filter((at) => at > now)
  return later.length > 0 ? Math.min(...later) : null
}

/** What is known of a conflict that was met before with the same two commits; null when it is new. */
export function stillConflicting({conflict, toTip}: Facts, candidate: string): string | null {
  if (!conflict || conflict.candidate !== candidate || conflict.toTip !== toTip) return null
  return `still conflicting: ${conflictWords(conflict.files)}`
}

/** Files in conflict, in a few words. */
export function conflictWords(files: readonly string[]): string {
  const shown = files.slice(0, 10)
  return `${shown.join(', ')}${files.length > shown.length ? ` and ${String(files.length - shown.length)} more` : ''}`
}

export const timeWords = (at: number): string =>
  `${new Date(at).toISOString().slice(0, 16).replace('T', ' ')} UTC`
