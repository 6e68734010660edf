// The history between two branches, from what git lists of it: which commits may be promoted, where each of the others came
// in, and which were taken back.
import type {Candidate, Relation, Revert} from './facts.ts'

/** A commit that one of the two branches has and the other has not, or (base) one that both have, just below. */
export interface Listed {
  readonly revision: string
  readonly side: 'from' | 'to' | 'base'
  readonly committedAt: number
  readonly parents: readonly string[]
}

/** A commit that says it reverts another, which it may name in short. */
export interface SaidRevert {
  readonly revision: string
  readonly reverted: string
}

export interface Lineage {
  readonly relation: Relation
  /** The first-parent line of `from`, newest first. */
  readonly candidates: readonly Candidate[]
  /** The same commits' names alone. */
  readonly line: readonly string[]
  /** Of each commit that only `from` has: the oldest candidate that holds it. */
  readonly since: ReadonlyMap<string, string>
  /** Commits that only `to` has. */
  readonly beyond: ReadonlySet<string>
  /** All that only `from` has are merges: nobody has written anything new. */
  readonly isOnlyMerges: boolean
  /** When the oldest candidate was committed; null when there is none. */
  readonly oldestAt: number | null
}

/** Reads a listing in which every commit stands before its parents. */
export function lineageOf(from: string, to: string, listed: readonly Listed[]): Lineage {
  const ours = new Map(listed.filter(({side}) => side === 'from').map((commit) => [commit.revision, commit]))
  const beyond = new Set(listed.filter(({side}) => side === 'to').map(({revision}) => revision))
  const line: Listed[] = []
  for (let at = ours.get(from); at; at = ours.get(at.parents[0] ?? '')) line.push(at)
  const descending = new Set([to])
  for (const {revision, side, parents} of listed.toReversed())
    if (side === 'from' && parents.some((parent) => descending.has(parent))) descending.add(revision)
  return {
    relation: relationOf(
      from,
      to,
      ours.size,
      beyond.size,
      listed.some(({side}) => side === 'base'),
    ),
    candidates: line.map(({revision}) => ({revision, descends: descending.has(revision)})),
    line: line.map(({revision}) => revision),
    since: arrivals(line, ours),
    beyond,
    isOnlyMerges: [...ours.values()].every(({parents}) => parents.length > 1),
    oldestAt: line.at(-1)?.committedAt ?? null,
  }
}

function relationOf(from: string, to: string, ours: number, theirs: number, hasBase: boolean): Relation {
  if (from === to) return 'same'
  if (ours === 0) return 'behind'
  if (theirs === 0) return 'ahead'
  return hasBase ? 'diverged' : 'unrelated'
}

/** With which candidate each commit came. */
function arrivals(line: readonly Listed[], ours: ReadonlyMap<string, Listed>): Map<string, string> {
  const since = new Map<string, string>()
  for (const candidate of line.toReversed()) {
    const left = [candidate]
    for (let commit = left.pop(); commit; commit = left.pop()) {
      if (since.has(commit.revision)) continue
      since.set(commit.revision, candidate.revision)
      for (const parent of commit.parents) {
        const next = ours.get(parent)
        if (next) left.push(next)
      }
    }
  }
  return since
}

/** The reverts that stand: what a commit takes back, unless it is itself taken back. */
export function revertsOf(
  lineage: Lineage,
  said: readonly SaidRevert[],
): {readonly within: Revert[]; readonly outside: SaidRevert[]} {
  const whole = new Map<string, string>()
  const known = [...lineage.since.keys()]
  const named = said.map(({revision, reverted}) => {
    const found =
      whole.get(reverted) ??
      (lineage.since.has(reverted) ? reverted : known.find((each) => each.startsWith(reverted)))
    if (found !== undefined) whole.set(reverted, found)
    return {revision, reverted: found ?? reverted, isWithin: found !== undefined}
  })
  const standing = named.filter(({revision}) => !isTakenBack(revision, named))
  return {
    within: standing.flatMap(({revision, reverted, isWithin}) => {
      const [since, until] = [lineage.since.get(reverted), lineage.since.get(revision)]
      return isWithin && since !== undefined && until !== undefined
        ? [{reverted, by: revision, since, until}]
        : []
    }),
    outside: standing.filter(({isWithin}) => !isWithin).map(({revision, reverted}) => ({revision, reverted})),
  }
}

/** Whether a commit is reverted by one that stands itself. */
function isTakenBack(revision: string, named: readonly SaidRevert[], depth = 0): boolean {
  if (depth > named.length) return false
  return named.some((each) => each.reverted === revision && !isTakenBack(each.revision, named, depth + 1))
}
