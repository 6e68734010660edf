// "Did you mean X?": the known word nearest to a misspelt one.

/** Insertions, deletions, replacements and swaps of neighbours that turn one word into the other. */
export function editDistance(from: string, to: string): number {
  let before: number[] = []
  let row = Array.from({length: to.length + 1}, (_, j) => j)
  for (let i = 1; i <= from.length; i++) {
    const next = [i]
    for (let j = 1; j <= to.length; j++) {
      const same = from[i - 1] === to[j - 1]
      let least = Math.min((row[j] ?? 0) + 1, (next[j - 1] ?? 0) + 1, (row[j - 1] ?? 0) + (same ? 0 : 1))
      const swapped = i > 1 && j > 1 && from[i - 1] === to[j - 2] && from[i - 2] === to[j - 1]
      if (swapped) least = Math.min(least, (before[j - 2] ?? 0) + 1)
      next.push(least)
    }
    ;[before, row] = [row, next]
  }
  return row[to.length] ?? 0
}

// Case and the words' joints do not count: tree_stable_timer is near treeStableTimer.
const plain = (word: string): string => word.toLowerCase().replace(/[_-]/g, '')

/** The known word that is near enough to be meant; null for none. */
export function nearest(word: string, known: readonly string[]): string | null {
  if (word.length > 60) return null
  let best: string | null = null
  let least = Math.max(1, Math.floor(word.length / 3)) + 1
  for (const candidate of known) {
    if (Math.abs(plain(candidate).length - plain(word).length) >= least) continue
    const distance = editDistance(plain(word), plain(candidate))
    if (distance < least) [best, least] = [candidate, distance]
  }
  return best
}

/** `; did you mean X?`, or nothing. */
export function didYouMean(word: string, known: readonly string[]): string {
  const near = nearest(word, known)
  return near === null ? '' : `; did you mean ${near}?`
}
