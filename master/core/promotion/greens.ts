// What the builds say of each commit: which builders have blessed it, and why the others have not.
import type {Green} from '../../../config/config.ts'
import type {Facts, GateBuild, OpenBuild} from './facts.ts'
import {shortName} from './facts.ts'

/** Whether one commit is green, and what is missing if not. */
export type Standing = Blessed | (Lack & {readonly standing: 'red'}) | (Lack & {readonly standing: 'open'})

export interface Blessed {
  readonly standing: 'green'
  readonly builds: readonly GateBuild[]
  /** When the last of them finished. */
  readonly since: number
}

interface Lack {
  readonly because: string
  /** Builders that have neither built it nor are about to. */
  readonly missing: readonly string[]
  readonly isUnderWay: boolean
}

/** The builders that must be green now: those in quarantine are left out until their day. */
export function requiredBuilders(green: Green, now: number): string[] {
  const resting = new Set(
    green.quarantine.filter(({until}) => now < Date.parse(until)).map(({builder}) => builder),
  )
  return [...new Set(green.builders)].filter((builder) => !resting.has(builder))
}

/** Why a build is not green; null when it is. */
export function fault(green: Green, build: GateBuild): string | null {
  if (build.result === 'failure') return 'failed'
  if (!green.accept.includes(build.result)) return `${build.result}, which do not count as green`
  if (green.staleEvidence === 'refuse' && build.isStale)
    return 'green, but made before its builder was changed; build it again'
  if (green.runsMax !== null && build.reds > 0 && build.runs > green.runsMax)
    return `green only in run ${String(build.runs)}, after ${String(build.reds)} red; at most ${String(green.runsMax)} count`
  return null
}

/** Tells how each commit stands with the gates. */
export function tally(green: Green, gates: readonly string[], facts: Facts): (revision: string) => Standing {
  const built = byRevision(facts.builds)
  const open = byRevision(facts.open)
  // Most commits of a long line have no build at all.
  const unbuilt: Standing = {
    standing: 'open',
    because: gates.map((gate) => `${gate} ${openWords(undefined)}`).join(', '),
    missing: gates,
    isUnderWay: false,
  }
  return (revision) => {
    const [builds, others] = [built.get(revision), open.get(revision)]
    return builds || others ? standing(green, gates, builds ?? [], others ?? []) : unbuilt
  }
}

function byRevision<B extends {readonly revision: string}>(
  builds: readonly B[],
): ReadonlyMap<string, readonly B[]> {
  const found = new Map<string, B[]>()
  for (const build of builds) {
    const group = found.get(build.revision)
    if (group) group.push(build)
    else found.set(build.revision, [build])
  }
  return found
}

function standing(
  green: Green,
  gates: readonly string[],
  builds: readonly GateBuild[],
  others: readonly OpenBuild[],
): Standing {
  const greens: GateBuild[] = []
  const words: string[] = []
  const missing: string[] = []
  let isRed = false
  let underWay = false
  for (const gate of gates) {
    const build = builds.findLast(({builder}) => builder === gate)
    const open = others.filter(({builder}) => builder === gate)
    // One that is under way says more than one that ended without a verdict.
    const other = open.find(isUnderWay) ?? open.at(-1)
    underWay ||= isUnderWay(other)
    const wrong = build ? fault(green, build) : null
    if (build && wrong === null) greens.push(build)
    else if (build) words.push(`${gate} #${String(build.number)}: ${wrong ?? ''}`)
    else words.push(`${gate} ${openWords(other)}`)
    isRed ||= build !== undefined && wrong !== null
    if (!build && !isUnderWay(other)) missing.push(gate)
  }
  const besides = new Set(greens.map(({beside}) => beside))
  if (words.length === 0 && besides.size > 1)
    words.push(`its builds were made with different revisions of other repositories: ${besideWords(greens)}`)
  if (words.length === 0)
    return {
      standing: 'green',
      builds: greens,
      since: Math.max(...greens.map(({finishedAt}) => finishedAt)),
    }
  return {standing: isRed ? 'red' : 'open', because: words.join(', '), missing, isUnderWay: underWay}
}

const isUnderWay = (build: OpenBuild | undefined) => build?.state === 'running' || build?.state === 'waiting'

function openWords(build: OpenBuild | undefined): string {
  if (!build) return 'has not built it'
  if (build.state === 'running') return 'is building it'
  if (build.state === 'waiting') return 'is about to build it'
  return `has not judged it: its last build ended as ${build.state}`
}

const besideWords = (builds: readonly GateBuild[]) =>
  builds.map(({builder, number, beside}) => `${builder} #${String(number)} ${beside || 'alone'}`).join(', ')

/** What each gate's newest finished build forbids; null when nothing. */
export function blockers(
  from: string,
  green: Green,
  gates: readonly string[],
  facts: Facts,
): {verdict: 'wait' | 'refuse'; reasons: string[]} | null {
  const refusals: string[] = []
  const waits: string[] = []
  for (const gate of gates) {
    const build = facts.newest.find((newest) => newest.builder === gate)
    if (!build) {
      waits.push(`${gate} has not finished a build of ${from}`)
      continue
    }
    const named = `${gate} #${String(build.number)}, its newest, of ${shortName(build.revision)}`
    const place = facts.places[build.revision] ?? 'unknown'
    const wrong = fault(green, build)
    if (place === 'unknown') refusals.push(`${named}: the repository does not know that revision`)
    else if (place === 'elsewhere')
      refusals.push(`${named}: that revision is not on ${from} any more, which was rewound or rewritten`)
    else if (wrong !== null) waits.push(`${named}: ${wrong}`)
  }
  if (refusals.length > 0) return {verdict: 'refuse', reasons: [...refusals, ...waits]}
  return waits.length > 0 ? {verdict: 'wait', reasons: waits} : null
}
