// When a branch may move. Pure: from what the repository and the builds say to a verdict with its reasons and the
// evidence it stands on. The same facts always give the same verdict, so a stored decision can be replayed.
import type {FastForward, Green, Merge, PromotionRule, Template} from '../../config/config.ts'

/** A finished build of a gate builder, of the branch and of an origin that counts, that came to a verdict on its commit. */
export interface GateBuild {
  readonly id: string
  readonly builder: string
  readonly number: number
  readonly revision: string
  readonly result: 'success' | 'warnings' | 'failure'
}

/** A commit on the first-parent line of the source branch that the target does not have. */
export interface Candidate {
  readonly revision: string
  /** It contains all of the target. */
  readonly descends: boolean
}

/** Where a built revision lies: on the line, in the target already, merged into the source, off it, or nowhere known. */
export type Place = 'candidate' | 'contained' | 'merged' | 'elsewhere' | 'unknown'

/** How the source branch lies to the target. */
export type Relation = 'same' | 'ahead' | 'behind' | 'diverged' | 'unrelated'

export interface Tips {
  readonly fromTip: string | null
  readonly toTip: string | null
  /** null when a tip is missing. */
  readonly relation: Relation | null
}

export interface FastForwardFacts extends Tips {
  /** Newest first. */
  readonly candidates: readonly Candidate[]
  /** Per builder: its newest finished build of the branch. */
  readonly newest: readonly GateBuild[]
  /** Per builder and revision: the newest finished build. */
  readonly builds: readonly GateBuild[]
  /** Builders that are building a revision now. */
  readonly running: readonly {readonly builder: string; readonly revision: string}[]
  readonly places: Readonly<Record<string, Place>>
}

export interface MergeFacts extends Tips {
  /** The last conflict of this rule, if any. */
  readonly conflict: {
    readonly fromTip: string
    readonly toTip: string
    readonly files: readonly string[]
  } | null
}

/** Why a candidate was not taken, or that it was. */
export interface Excuse {
  readonly revision: string
  readonly because: string
}

export interface Evidence {
  readonly policy: string
  readonly accept: readonly string[]
  readonly origins: readonly string[]
  /** The builds that bless the candidate, one of each gate builder. */
  readonly builds: readonly GateBuild[]
  readonly newest: readonly GateBuild[]
  readonly excuses: readonly Excuse[]
}

/** promote: move to the candidate. wait: it may come by itself. refuse: a person must act. current: nothing to move. */
export interface Decision {
  readonly verdict: 'promote' | 'wait' | 'refuse' | 'current'
  readonly candidate: string | null
  readonly reasons: readonly string[]
  readonly evidence: Evidence | null
}

const excusesMax = 20
export const shortName = (revision: string): string => revision.slice(0, 12)

/** Judges a rule that copies a tested commit onto a branch that it is a descendant of. */
export function judgeFastForward(rule: FastForward, facts: FastForwardFacts): Decision {
  const gates = [...new Set(rule.green.builders)]
  if (gates.length === 0) return plain('refuse', 'no builders are required: nothing would be proven')
  if (rule.green.accept.length === 0) return plain('refuse', 'no result counts as green')
  const early = judgeTips(rule, facts)
  if (early) return early
  if (facts.relation === 'diverged')
    return plain(
      'refuse',
      `${rule.to} and ${rule.from} have diverged: ${rule.to} has commits that ${rule.from} lacks`,
    )

  const blocks = rule.green.policy === 'latestFinished' ? blockers(rule, gates, facts) : null
  const sheet = tally(rule.green, gates, facts)
  const chosen = facts.candidates.find(
    (candidate) => candidate.descends && sheet.greens(candidate.revision) !== null,
  )
  const evidence: Evidence = {
    policy: rule.green.policy,
    accept: rule.green.accept,
    origins: rule.green.origins,
    builds: chosen && !blocks ? (sheet.greens(chosen.revision) ?? []) : [],
    newest: facts.newest,
    excuses: excuses(rule, facts.candidates, chosen ?? null, sheet),
  }
  if (blocks) return {verdict: blocks.verdict, candidate: null, reasons: blocks.reasons, evidence}
  if (!chosen) {
    const first = evidence.excuses[0]
    const reasons = [
      `no commit of ${rule.from} that ${rule.to} lacks is green on ${gates.join(', ')}`,
      ...(first ? [`${shortName(first.revision)}: ${first.because}`] : []),
    ]
    return {verdict: 'wait', candidate: null, reasons, evidence}
  }
  const blessing = evidence.builds.map((build) => `${build.builder} #${build.number}`).join(', ')
  const behind =
    facts.candidates[0]?.revision === chosen.revision
      ? []
      : [`newer: ${shortName(facts.candidates[0]?.revision ?? '')}: ${evidence.excuses[0]?.because ?? ''}`]
  return {
    verdict: 'promote',
    candidate: chosen.revision,
    reasons: [`${shortName(chosen.revision)} is green: ${blessing}`, ...behind],
    evidence,
  }
}

/** Judges a rule that carries one branch into another by a merge commit. Whether it merges cleanly, git will say. */
export function judgeMerge(rule: Merge, facts: MergeFacts): Decision {
  const early = judgeTips(rule, facts)
  if (early) return early
  const {conflict, fromTip, toTip} = facts
  if (conflict && conflict.fromTip === fromTip && conflict.toTip === toTip)
    return plain('wait', `still conflicting: ${conflictWords(conflict.files)}`)
  return {
    verdict: 'promote',
    candidate: fromTip,
    reasons: [`${rule.to} lacks ${shortName(fromTip ?? '')} of ${rule.from}`],
    evidence: null,
  }
}

/** Files in conflict, in a few words. */
export function conflictWords(files: readonly string[]): string {
  const shown = files.slice(0, 10)
  return `${shown.join(', ')}${files.length > shown.length ? ` and ${files.length - shown.length} more` : ''}`
}

/** The rules in the order to run them: copies before carries, and each after those that feed its source branch. */
export function orderRules(rules: readonly PromotionRule[]): PromotionRule[] {
  const ordered: PromotionRule[] = []
  for (const kind of ['fastForward', 'merge'] as const) {
    let left = rules.filter((rule) => rule.kind === kind)
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

/** A merge commit's message. Holes that nothing fills stay empty. */
export function fillMessage(template: Template, values: Readonly<Record<string, string>>): string {
  const text = template.map((part) => {
    if (typeof part === 'string') return part
    if (!('prop' in part)) return ''
    const value = Object.hasOwn(values, part.prop) ? values[part.prop] : part.otherwise
    return (value ?? '').slice(0, part.take)
  })
  return text.join('')
}

/** What the tips alone decide; null when there is more to look at. */
function judgeTips(rule: PromotionRule, {fromTip, toTip, relation}: Tips): Decision | null {
  if (rule.from === rule.to) return plain('refuse', `${rule.from} cannot be promoted to itself`)
  if (fromTip === null) return plain('refuse', `${rule.source} has no branch ${rule.from}`)
  if (toTip === null) return plain('refuse', `${rule.source} has no branch ${rule.to}`)
  if (relation === 'same') return plain('current', `${rule.to} is ${rule.from}`)
  if (relation === 'behind') return plain('current', `${rule.to} has all of ${rule.from}`)
  if (relation === 'unrelated') return plain('refuse', `${rule.from} and ${rule.to} have no commit in common`)
  if (relation === null) return plain('refuse', `how ${rule.from} lies to ${rule.to} is not known`)
  return null
}

/** What each gate's newest finished build forbids. */
function blockers(
  rule: FastForward,
  gates: readonly string[],
  facts: FastForwardFacts,
): {verdict: 'wait' | 'refuse'; reasons: string[]} | null {
  const refusals: string[] = []
  const waits: string[] = []
  for (const gate of gates) {
    const build = facts.newest.find((newest) => newest.builder === gate)
    if (!build) {
      waits.push(`${gate} has not finished a build of ${rule.from}`)
      continue
    }
    const named = `${gate} #${build.number}, its newest, of ${shortName(build.revision)}`
    const place = facts.places[build.revision] ?? 'unknown'
    if (place === 'unknown') refusals.push(`${named}: the repository does not know that revision`)
    else if (place === 'elsewhere')
      refusals.push(`${named}: that revision is not on ${rule.from} any more, which was rewound or rewritten`)
    else if (!isGreen(rule.green, build)) waits.push(`${named}: ${words[build.result]}`)
  }
  if (refusals.length > 0) return {verdict: 'refuse', reasons: [...refusals, ...waits]}
  return waits.length > 0 ? {verdict: 'wait', reasons: waits} : null
}

const words = {
  success: 'green',
  warnings: 'warnings, which do not count as green',
  failure: 'failed',
} as const

const isGreen = (green: Green, build: GateBuild) =>
  build.result !== 'failure' && green.accept.includes(build.result)

interface Sheet {
  /** The blessing builds of a revision, one per gate; null when a gate has not blessed it. */
  readonly greens: (revision: string) => GateBuild[] | null
  readonly excuse: (revision: string) => string
}

function tally(green: Green, gates: readonly string[], facts: FastForwardFacts): Sheet {
  const byKey = new Map(facts.builds.map((build) => [`${build.builder}\n${build.revision}`, build]))
  const running = new Set(facts.running.map(({builder, revision}) => `${builder}\n${revision}`))
  const at = (gate: string, revision: string) => byKey.get(`${gate}\n${revision}`)
  return {
    greens: (revision) => {
      const builds = gates
        .flatMap((gate) => at(gate, revision) ?? [])
        .filter((build) => isGreen(green, build))
      return builds.length === gates.length ? builds : null
    },
    excuse: (revision) =>
      gates
        .flatMap((gate) => {
          const build = at(gate, revision)
          if (build) return isGreen(green, build) ? [] : [`${gate} #${build.number}: ${words[build.result]}`]
          return [running.has(`${gate}\n${revision}`) ? `${gate} is building it` : `${gate} has not built it`]
        })
        .join(', '),
  }
}

/** Why each candidate that is newer than the chosen one was passed over. */
function excuses(
  rule: FastForward,
  candidates: readonly Candidate[],
  chosen: Candidate | null,
  sheet: Sheet,
): Excuse[] {
  const passed = chosen ? candidates.slice(0, candidates.indexOf(chosen)) : candidates
  return passed.slice(0, excusesMax).map(({revision, descends}) => ({
    revision,
    because: descends ? sheet.excuse(revision) : `it does not contain all of ${rule.to}`,
  }))
}

const plain = (verdict: Decision['verdict'], reason: string): Decision => ({
  verdict,
  candidate: null,
  reasons: [reason],
  evidence: null,
})
