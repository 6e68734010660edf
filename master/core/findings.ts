// What the reconciler found, and when it counts: ordinary work changes rows under its eyes, so one sight is none.

/** A row that a check proves wrong. `mark` tells cases of one row apart. */
export interface Finding {
  readonly check: string
  readonly row: string
  readonly mark: string
}

/** The findings that were there at the look before, too: the same row, in the same case. */
export function confirmed(before: readonly Finding[], now: readonly Finding[]): Finding[] {
  const known = new Set(before.map(key))
  return now.filter((finding) => known.has(key(finding)))
}

/** How many findings each check has; every check is there, also with 0. */
export function countByCheck(checks: readonly string[], findings: readonly Finding[]): Map<string, number> {
  const counts = new Map(checks.map((check) => [check, 0]))
  for (const {check} of findings) counts.set(check, (counts.get(check) ?? 0) + 1)
  return counts
}

const key = ({check, row, mark}: Finding) => JSON.stringify([check, row, mark])
