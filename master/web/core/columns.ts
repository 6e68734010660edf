// Which builders the waterfall shows, in which order, and under which heading.
import type {Result} from '../../../worker/protocol/results.ts'

export interface ColumnSource {
  readonly name: string
  readonly tags: readonly string[]
  readonly lastResult: Result | null
}

export interface Group<B> {
  readonly tag: string
  readonly builders: readonly B[]
}

export interface Filter {
  readonly words: readonly string[]
  readonly without: readonly string[]
  readonly branch: string | null
  readonly result: string | null
}

/** Reads what stands in the filter field: words of a builder or tag, `-word`, `branch:NAME`, `is:RESULT`. */
export function parseFilter(text: string): Filter {
  const words: string[] = []
  const without: string[] = []
  let branch: string | null = null
  let result: string | null = null
  for (const term of text.toLowerCase().split(/\s+/)) {
    if (term === '' || term === '-') continue
    if (term.startsWith('branch:')) branch = term.slice(7) || null
    else if (term.startsWith('is:')) result = term.slice(3) || null
    else if (term.startsWith('-')) without.push(term.slice(1))
    else words.push(term)
  }
  return {words, without, branch, result}
}

const says = (builder: ColumnSource, word: string) =>
  builder.name.toLowerCase().includes(word) || builder.tags.some((tag) => tag.toLowerCase().includes(word))

/** True when a builder's column is to be shown. */
export const showsBuilder = (filter: Filter, builder: ColumnSource) =>
  filter.words.every((word) => says(builder, word)) && !filter.without.some((word) => says(builder, word))

/** True when a build's block is to be shown. */
export const showsBuild = (
  filter: Filter,
  build: {readonly branch: string | null; readonly result: Result | null; readonly state: string},
) =>
  (filter.branch === null || (build.branch ?? '').toLowerCase().includes(filter.branch)) &&
  (filter.result === null || (build.result ?? build.state).startsWith(filter.result))

export const isBad = (result: Result | null) => result === 'failure' || result === 'exception'

/** Groups builders by their first tag, untagged ones last; `redFirst` brings the failing ones to the left. */
export function groupBuilders<B extends ColumnSource>(builders: readonly B[], redFirst: boolean): Group<B>[] {
  const byTag = new Map<string, B[]>()
  for (const builder of builders) {
    const tag = builder.tags[0] ?? ''
    byTag.set(tag, [...(byTag.get(tag) ?? []), builder])
  }
  const redness = (builder: B) => (redFirst && isBad(builder.lastResult) ? 0 : 1)
  const groups = [...byTag].map(([tag, members]) => ({
    tag,
    builders: members.sort((a, b) => redness(a) - redness(b) || compareNames(a.name, b.name)),
  }))
  const groupRedness = (group: Group<B>) => Math.min(...group.builders.map(redness))
  return groups.sort(
    (a, b) =>
      groupRedness(a) - groupRedness(b) ||
      Number(a.tag === '') - Number(b.tag === '') ||
      compareNames(a.tag, b.tag),
  )
}

const compareNames = (a: string, b: string) => a.localeCompare(b, 'en', {numeric: true})

const badness = ['skipped', 'success', 'warnings', 'cancelled', 'retry', 'exception', 'failure'] as const

/** The last result that matters most among builders; `pending` when none has ever built. */
export function worstOf(builders: readonly ColumnSource[]): Result | 'pending' {
  const rank = (result: Result | null) => (result === null ? -1 : badness.indexOf(result))
  return (
    builders.reduce<Result | null>(
      (worst, {lastResult}) => (rank(lastResult) > rank(worst) ? lastResult : worst),
      null,
    ) ?? 'pending'
  )
}
