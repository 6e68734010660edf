// The gate: which merge to put under test, and when exactly that merge may land. A target that has moved starts it over.
import type {Gate} from '../../../config/config.ts'
import type {Candidate, Decision, Evidence, Excuse, Facts, GateCommit, Order} from './facts.ts'
import {plain, shortName} from './facts.ts'
import {requiredBuilders, tally} from './greens.ts'
import {holds, soonest, stillConflicting, timeWords, unapproved, vetoes} from './words.ts'

/** Judges a rule whose merges are tested before they land. */
export function judgeGate(rule: Gate, facts: Facts): Decision {
  const gates = requiredBuilders(rule.green, facts.now)
  if (gates.length === 0) return plain('refuse', 'no builders are required: nothing would be proven')
  if (rule.green.accept.length === 0) return plain('refuse', 'no result counts as green')
  const veto = vetoes(rule, facts)
  const open = facts.candidates.filter((candidate) => veto(candidate) === null)
  const {gate} = facts
  const excuses = excusesOf(veto, facts, gate)
  const evidence = (builds: Evidence['builds'] = []): Evidence => ({
    policy: 'gate',
    accept: rule.green.accept,
    origins: rule.green.origins,
    builds,
    newest: [],
    excuses,
    flaky: builds.filter(({reds}) => reds > 0).map(({builder}) => builder),
  })
  const stops = holds(rule, facts)
  const wait = (reasons: readonly string[], more: Partial<Decision> = {}): Decision => ({
    ...plain('wait', ...reasons),
    evidence: evidence(),
    lookAt: soonest(facts, rule.green, stops.ends),
    ...more,
  })
  const [first] = open
  if (!first) return wait([`every commit of ${rule.from} is passed over`, ...firstExcuse(excuses)])
  if (!gate || gate.base !== facts.toTip || !open.some(({revision}) => revision === gate.candidate)) {
    const because = gate && gate.base !== facts.toTip ? `${rule.to} has moved: ` : ''
    return begin(rule, facts, first, because, wait)
  }
  const standing = tally(rule.green, gates, facts)(gate.commit)
  const named = `the merge of ${shortName(gate.candidate)}, ${shortName(gate.commit)}`
  if (standing.standing === 'red') {
    const next = nextAfterRed(rule, facts, open, gate)
    return next
      ? begin(rule, facts, next, `${named} is red (${standing.because}): `, wait)
      : wait([`${named}: ${standing.because}`])
  }
  if (standing.standing === 'open') {
    const orders: Order[] =
      standing.missing.length > 0 ? [{order: 'build', revision: gate.commit, builders: standing.missing}] : []
    return wait([`${named} is under test: ${standing.because}`, ...stops.reasons], {orders})
  }
  const ready = standing.since + rule.green.soakMs
  if (facts.now < ready)
    return wait([`${named} is green, and soaks until ${timeWords(ready)}`], {
      would: gate.commit,
      lookAt: soonest(facts, rule.green, stops.ends, [ready]),
    })
  const missing = unapproved(rule, facts, gate.commit)
  if (missing) return wait([missing, ...stops.reasons], {would: gate.commit})
  if (stops.reasons.length > 0) return wait([...stops.reasons, `would land ${named}`], {would: gate.commit})
  return {
    ...wait([]),
    verdict: 'promote',
    candidate: gate.candidate,
    would: gate.commit,
    evidence: evidence(standing.builds),
    reasons: [
      `${named}, is green: ${standing.builds.map(({builder, number}) => `${builder} #${String(number)}`).join(', ')}`,
    ],
  }
}

function begin(
  rule: Gate,
  facts: Facts,
  candidate: Candidate,
  because: string,
  wait: (reasons: readonly string[], more?: Partial<Decision>) => Decision,
): Decision {
  const conflict = stillConflicting(facts, candidate.revision)
  if (conflict) return wait([conflict])
  return wait([`${because}testing the merge of ${shortName(candidate.revision)} into ${rule.to}`], {
    orders: [{order: 'gate', candidate: candidate.revision}],
  })
}

/** What to test when the merge under test is red: a newer commit, or with `partial` also an older one; none twice. */
function nextAfterRed(
  rule: Gate,
  facts: Facts,
  open: readonly Candidate[],
  gate: GateCommit,
): Candidate | null {
  const tested = new Set([gate.candidate, ...facts.tested])
  const tried = rule.partial ? open : open.slice(0, 1)
  return tried.find(({revision}) => !tested.has(revision)) ?? null
}

const excusesOf = (
  veto: (candidate: Candidate) => string | null,
  facts: Facts,
  gate: GateCommit | null,
): Excuse[] => {
  const at = facts.candidates.findIndex(({revision}) => revision === gate?.candidate)
  return facts.candidates.slice(0, at === -1 ? 20 : Math.min(at, 20)).map((candidate) => ({
    revision: candidate.revision,
    because: veto(candidate) ?? 'it came after the merge that is under test',
  }))
}

const firstExcuse = ([first]: readonly Excuse[]) =>
  first ? [`${shortName(first.revision)}: ${first.because}`] : []
