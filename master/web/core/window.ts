// Keeping the waterfall's window up to date: what a small fresh answer says replaces what the page knew.

interface Identified {
  readonly id: string
}

interface WindowLike {
  readonly from: string
  readonly builds: readonly (Identified & {readonly finishedAt: string | null; readonly createdAt: string})[]
  readonly changes: readonly (Identified & {readonly recordedAt: string})[]
  readonly promotions: readonly (Identified & {readonly at: string})[]
  readonly more: boolean
}

/**
 * Lays a fresh, shorter window over an older one. Builds, changes and promotions are joined by id and those before
 * `from` are let go; everything that describes this moment (builders, pending, rules) is the fresh window's.
 * A build that the fresh window should show but does not (its row is gone) leaves as well.
 */
export function joinWindows<W extends WindowLike>(known: W, fresh: W, from: string): W {
  const freshFrom = Date.parse(fresh.from)
  const oldest = Date.parse(from)
  const isPast = (time: string | null) => time !== null && Date.parse(time) < freshFrom
  const isKept = (time: string | null) => time === null || Date.parse(time) >= oldest
  return {
    ...fresh,
    from,
    more: known.more || fresh.more,
    builds: joinById(
      known.builds.filter((build) => isPast(build.finishedAt) && isKept(build.finishedAt)),
      fresh.builds,
    ),
    changes: joinById(
      known.changes.filter((change) => isKept(change.recordedAt)),
      fresh.changes,
    ),
    promotions: joinById(
      known.promotions.filter((promotion) => isKept(promotion.at)),
      fresh.promotions,
    ),
  }
}

function joinById<T extends Identified>(known: readonly T[], fresh: readonly T[]): T[] {
  const replaced = new Set(fresh.map(({id}) => id))
  return [...fresh, ...known.filter(({id}) => !replaced.has(id))]
}
