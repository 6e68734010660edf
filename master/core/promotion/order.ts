// The rules among themselves: which comes first in a run, which leads back, and what their texts say.
import type {PromotionRule, Template} from '../../../config/config.ts'

/** Scratch branches of the gates: they are nobody's work, so no change is recorded of them. */
export const scratchPrefix = 'ostler/gate/'

/** The scratch branch of a gate. */
export const scratchBranch = (rule: string): string => `${scratchPrefix}${rule}`

/** The rules in the order to run them: what moves tested commits before carries, and each after those that feed its source branch. */
export function orderRules(rules: readonly PromotionRule[]): PromotionRule[] {
  const ordered: PromotionRule[] = []
  const isCarry = (rule: PromotionRule) => rule.kind === 'merge' && rule.green === null
  for (const carries of [false, true]) {
    let left = rules.filter((rule) => isCarry(rule) === carries)
    while (left.length > 0) {
      const ready = left.filter(
        (rule) =>
          !left.some((other) => other !== rule && other.source === rule.source && other.to === rule.from),
      )
      // A circle has no right order: the configuration's own then.
      const next = ready.length > 0 ? ready : left
      ordered.push(...next)
      left = left.filter((rule) => !next.includes(rule))
    }
  }
  return ordered
}

/** Whether a rule leads back: what it moves to is what, over other rules, its own branch is fed from. */
export function leadsBack(rule: PromotionRule, rules: readonly PromotionRule[]): boolean {
  const reached = new Set([rule.to])
  for (const branch of reached)
    for (const {source, from, to} of rules)
      if (source === rule.source && from === branch && to !== branch) reached.add(to)
  return reached.has(rule.from)
}

/** A text of a rule, filled. Holes that nothing fills stay empty. */
export function fillMessage(template: Template, values: Readonly<Record<string, string>>): string {
  const text = template.map((part) => {
    if (typeof part === 'string') return part
    if (!('prop' in part)) return ''
    const value = Object.hasOwn(values, part.prop) ? values[part.prop] : part.otherwise
    return (value ?? '').slice(0, part.take)
  })
  return text.join('')
}
