// The rails beside the waterfall: changes (and promotions) that came together share one place.

export interface Dated {
  readonly id: string
  readonly at: number
}

export interface Bunch<T> {
  /** The newest one's moment. */
  readonly at: number
  readonly shown: readonly T[]
  readonly hidden: readonly T[]
}

/** Bunches items, newest first, that came within `withinMs` of their bunch's newest; shows at most `shownMax` of each. */
export function bunch<T extends Dated>(items: readonly T[], withinMs: number, shownMax: number): Bunch<T>[] {
  const sorted = [...items].sort((a, b) => b.at - a.at || compareIds(b.id, a.id))
  const bunches: T[][] = []
  for (const item of sorted) {
    const last = bunches.at(-1)
    const newest = last?.[0]
    if (last && newest && newest.at - item.at <= withinMs) last.push(item)
    else bunches.push([item])
  }
  return bunches.map((members) => {
    // One hidden item would take as much room as the line that says so.
    const shown = members.length <= shownMax + 1 ? members : members.slice(0, shownMax)
    return {at: (members[0] as T).at, shown, hidden: members.slice(shown.length)}
  })
}

/** Ids are decimal numbers that may be longer than a double holds. */
const compareIds = (a: string, b: string) => a.length - b.length || (a < b ? -1 : a > b ? 1 : 0)

interface StepLike {
  readonly number: number
  readonly state: string
  readonly result: string | null
}

/** Chooses which steps a block of `lines` lines names, in their order: bad and running ones first, then the newest. */
export function stepsToShow<S extends StepLike>(
  steps: readonly S[],
  lines: number,
): {shown: S[]; hidden: number} {
  const begun = steps.filter((step) => step.state !== 'pending')
  if (begun.length <= lines) return {shown: [...begun], hidden: 0}
  const room = Math.max(0, lines - 1)
  const weight = (step: S) =>
    step.state === 'running'
      ? 3
      : step.result === 'failure' || step.result === 'exception'
        ? 2
        : step.result === 'warnings'
          ? 1
          : 0
  const chosen = new Set(
    [...begun].sort((a, b) => weight(b) - weight(a) || b.number - a.number).slice(0, room),
  )
  return {shown: begun.filter((step) => chosen.has(step)), hidden: begun.length - chosen.size}
}
