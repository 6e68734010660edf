// When a branch may move. Pure: from what the repository, the builds and people say to a verdict with its reasons and the
// evidence it stands on. The same facts always give the same verdict, so a stored decision can be replayed.
import type {FastForward, Green, Merge, PromotionRule} from '../../../config/config.ts'
import type {Candidate, Decision, Evidence, Excuse, Facts, Order, Tips} from './facts.ts'
import {plain, shortName} from './facts.ts'
import {judgeGate} from './gate.ts'
import {blockers, requiredBuilders, tally} from './greens.ts'
import type {Blessed, Standing} from './greens.ts'
import {holds, soonest, stillConflicting, timeWords, unapproved, vetoes} from './words.ts'

const excusesMax = 20

/** Judges a rule by the facts, and by nothing else. */
export function judge(rule: PromotionRule, facts: Facts): Decision {
  const early = judgeTips(rule, facts)
  if (early) return early
  if (facts.lost) return judgeLost(rule, facts, facts.lost)
  if (rule.kind === 'gate') return judgeGate(rule, facts)
  return rule.green === null ? judgeCarry(rule as Merge, facts) : judgeLine(rule, rule.green, facts)
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
  if (relation === 'diverged' && rule.kind === 'fastForward')
    return plain(
      'refuse',
      `${rule.to} and ${rule.from} have diverged: ${rule.to} has commits that ${rule.from} lacks`,
    )
  return null
}

/** The target was taken back behind our back, or is another repository's: a person must say that this is as it should be. */
function judgeLost(rule: PromotionRule, facts: Facts, lost: NonNullable<Facts['lost']>): Decision {
  const reason = `${rule.to} does not hold ${shortName(lost.landed)}, which was promoted to it: somebody took it back, rewrote it, or the address leads elsewhere`
  return {
    ...plain('wait', reason, ...holds(rule, facts).reasons),
    orders: [{order: 'hold', promotion: lost.promotion, reason}],
  }
}

/** Judges a rule that moves a tested commit: the newest one to which nothing can be objected. */
function judgeLine(rule: FastForward | Merge, green: Green, facts: Facts): Decision {
  const gates = requiredBuilders(green, facts.now)
  if (gates.length === 0) return plain('refuse', 'no builders are required: nothing would be proven')
  if (green.accept.length === 0) return plain('refuse', 'no result counts as green')
  const blocks = green.policy === 'latestFinished' ? blockers(rule.from, green, gates, facts) : null
  const line = walk(rule, green, facts, tally(green, gates, facts))
  const {chosen, standing} = line
  const evidence: Evidence = {
    policy: green.policy,
    accept: green.accept,
    origins: green.origins,
    builds: standing && !blocks ? standing.builds : [],
    newest: facts.newest,
    excuses: line.excuses,
    flaky: standing ? flaky(standing) : [],
  }
  const stops = holds(rule, facts)
  const quiet = {
    evidence,
    orders: orders(green, facts, line, chosen),
    lookAt: soonest(facts, green, line.ends, stops.ends),
  }
  const nothing = {...plain('wait'), ...quiet}
  if (blocks) return {...nothing, verdict: blocks.verdict, reasons: [...blocks.reasons, ...stops.reasons]}
  if (!chosen || !standing) {
    const first = evidence.excuses[0]
    const reasons = [
      `no commit of ${rule.from} that ${rule.to} lacks is green on ${gates.join(', ')}`,
      ...(first ? [`${shortName(first.revision)}: ${first.because}`] : []),
      ...stops.reasons,
    ]
    return {...nothing, would: line.patient, reasons}
  }
  if (stops.reasons.length > 0)
    return {...nothing, would: chosen, reasons: [...stops.reasons, `would promote ${shortName(chosen)}`]}
  const taken = rule.kind === 'merge' ? takenBack(rule, facts, chosen) : null
  if (taken) return {...nothing, verdict: 'refuse', would: chosen, reasons: [taken]}
  const conflict = stillConflicting(facts, chosen)
  if (conflict) return {...nothing, reasons: [conflict]}
  const blessing = standing.builds.map((build) => `${build.builder} #${String(build.number)}`).join(', ')
  const newer = facts.candidates[0]?.revision
  const behind =
    newer === undefined || newer === chosen
      ? []
      : [`newer: ${shortName(newer)}: ${evidence.excuses[0]?.because ?? ''}`]
  return {
    ...nothing,
    verdict: 'promote',
    candidate: chosen,
    would: chosen,
    reasons: [`${shortName(chosen)} is green: ${blessing}`, ...behind],
  }
}

interface Line {
  readonly chosen: string | null
  readonly standing: Blessed | null
  /** The newest that only time or approval keeps. */
  readonly patient: string | null
  readonly excuses: readonly Excuse[]
  /** When commits have soaked. */
  readonly ends: readonly number[]
  readonly seen: readonly {
    readonly candidate: Candidate
    readonly standing: Standing
    readonly isOpen: boolean
  }[]
}

/** Goes down the line to the first commit to which nothing can be objected. */
function walk(
  rule: FastForward | Merge,
  green: Green,
  facts: Facts,
  stand: (revision: string) => Standing,
): Line {
  const excuses: Excuse[] = []
  const ends: number[] = []
  const seen: Line['seen'][number][] = []
  const veto = vetoes(rule, facts)
  let patient: string | null = null
  let isAwaited = false
  for (const candidate of facts.candidates) {
    const {revision} = candidate
    const standing = stand(revision)
    const lacks = rule.kind === 'fastForward' && !candidate.descends
    const against = lacks ? `it does not contain all of ${rule.to}` : veto(candidate)
    if (green.fillIn) seen.push({candidate, standing, isOpen: against === null})
    let because = against
    if (because === null && standing.standing !== 'green') because = standing.because
    if (because === null && standing.standing === 'green') {
      const ready = standing.since + green.soakMs
      if (facts.now < ready) ends.push(ready)
      because =
        facts.now < ready
          ? `green, and soaks until ${timeWords(ready)}`
          : (unapproved(rule, facts, revision) ?? (isAwaited ? 'a newer commit is being built' : null))
      patient ??= revision
      if (because === null) return {chosen: revision, standing, patient, excuses, ends, seen}
    }
    if (green.running === 'wait' && standing.standing === 'open' && standing.isUnderWay) isAwaited = true
    if (excuses.length < excusesMax) excuses.push({revision, because: because ?? ''})
  }
  return {chosen: null, standing: null, patient, excuses, ends, seen}
}

/** Builds to ask for: what the newest commit without a red one lacks, when nothing is on its way by itself. */
function orders(green: Green, facts: Facts, line: Line, chosen: string | null): Order[] {
  if (!green.fillIn || chosen !== null || line.patient !== null || facts.isAwaited) return []
  for (const {candidate, standing, isOpen} of line.seen) {
    if (standing.standing === 'green' || (standing.standing === 'open' && standing.isUnderWay)) return []
    // With `latestFinished`, a red one blocks whatever is older.
    if (standing.standing === 'red' && green.policy === 'latestFinished') return []
    if (!isOpen || standing.standing === 'red') continue
    return standing.missing.length === 0
      ? []
      : [{order: 'build', revision: candidate.revision, builders: standing.missing}]
  }
  return []
}

/** Judges a rule that carries whatever the branch has. Whether it merges cleanly, git will say. */
function judgeCarry(rule: Merge, facts: Facts): Decision {
  const excuses: Excuse[] = []
  let chosen: string | null = null
  const veto = vetoes(rule, facts)
  for (const candidate of facts.candidates) {
    const {revision} = candidate
    const because = veto(candidate) ?? unapproved(rule, facts, revision)
    if (because === null) chosen = revision
    if (because === null) break
    if (excuses.length < excusesMax) excuses.push({revision, because})
  }
  const evidence: Evidence = {...none, excuses}
  const stops = holds(rule, facts)
  const quiet = {...plain('wait'), evidence, lookAt: soonest(facts, null, [], stops.ends)}
  if (chosen === null) {
    const [first] = excuses
    const why = first ? `${shortName(first.revision)}: ${first.because}` : `${rule.from} has nothing to carry`
    return {...quiet, reasons: [why, ...stops.reasons]}
  }
  if (stops.reasons.length > 0)
    return {...quiet, would: chosen, reasons: [...stops.reasons, `would carry ${shortName(chosen)}`]}
  const taken = takenBack(rule, facts, chosen)
  if (taken) return {...quiet, verdict: 'refuse', would: chosen, reasons: [taken]}
  const conflict = stillConflicting(facts, chosen)
  if (conflict) return {...quiet, reasons: [conflict]}
  return {
    ...quiet,
    verdict: 'promote',
    candidate: chosen,
    would: chosen,
    reasons: [`${rule.to} lacks ${shortName(chosen)} of ${rule.from}`],
  }
}

const none: Evidence = {
  policy: 'none',
  accept: [],
  origins: [],
  builds: [],
  newest: [],
  excuses: [],
  flaky: [],
}

/** A revert that was made on a stable branch: carried back, it would delete for good what its source still wants. */
function takenBack(rule: Merge, facts: Facts, chosen: string): string | null {
  const [first] = facts.taken
  const isAllowed = facts.controls.some(({kind, revision}) => kind === 'allowance' && revision === chosen)
  if (!first || rule.reverts === 'ignore' || isAllowed) return null
  return `${shortName(first.by)} of ${rule.from} reverts ${shortName(first.reverted)}, which came from ${rule.to}: carried back, it would be lost there too, and promoting again would not bring it back. Revert the revert on ${rule.from}, or allow ${shortName(chosen)}`
}

const flaky = (standing: Blessed) => standing.builds.filter(({reds}) => reds > 0).map(({builder}) => builder)
