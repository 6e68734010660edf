// A decision is stored with what it was made on, and can be made again: the same facts give the same decision.
import type {PromotionRule} from '../../../config/config.ts'
import type {Decision, Facts} from './facts.ts'
import {judge} from './judge.ts'

type Told = Pick<Decision, 'verdict' | 'candidate' | 'reasons'>

/** What a decision was made on, and what it was: the rule as it was then, and the facts. */
export interface Basis {
  readonly rule: PromotionRule
  readonly facts: Facts
  readonly decision: Told
}

const keptWithoutChoice = 50

/** What is stored: the facts, without those that the decision does not depend on. */
export function basisOf(rule: PromotionRule, facts: Facts, decision: Decision): Basis {
  const at = facts.candidates.findIndex(({revision}) => revision === (decision.candidate ?? decision.would))
  const candidates = facts.candidates.slice(0, at === -1 ? keptWithoutChoice : at + 1)
  const kept = new Set([...candidates.map(({revision}) => revision), facts.gate?.commit])
  const smaller: Facts = {
    ...facts,
    candidates,
    builds: facts.builds.filter(({revision}) => kept.has(revision)),
    open: facts.open.filter(({revision}) => kept.has(revision)),
    places: Object.fromEntries(
      facts.newest.flatMap(({revision}) => {
        const place = facts.places[revision]
        return place === undefined ? [] : [[revision, place] as const]
      }),
    ),
  }
  const {verdict, candidate, reasons} = decision
  const told = {verdict, candidate, reasons}
  return {rule, facts: isSame(judge(rule, smaller), told) ? smaller : facts, decision: told}
}

/** Whether the decision comes out the same when it is made again. */
export const isReplayed = ({rule, facts, decision}: Basis): boolean => isSame(judge(rule, facts), decision)

const isSame = (one: Told, other: Told) =>
  one.verdict === other.verdict &&
  one.candidate === other.candidate &&
  JSON.stringify(one.reasons) === JSON.stringify(other.reasons)
