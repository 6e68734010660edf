// Which branches a source watches.
import picomatch from 'picomatch'

/** Whether a branch is one of the configured names or globs. A `*` stays within one part of the name, `**` does not. */
export function branchMatcher(patterns: readonly string[]): (branch: string) => boolean {
  const exact = new Set(patterns)
  const globs = patterns
    .filter((pattern) => /[*?[{(!]/.test(pattern))
    .map((pattern) => picomatch(pattern, {dot: true}))
  return (branch) => exact.has(branch) || globs.some((matches) => matches(branch))
}

/** When to ask a server again: after the interval, or ever later while it fails. `luck` between 0 and 1 spreads the askers. */
export function nextPollMs(intervalMs: number, failures: number, luck: number): number {
  const longest = Math.max(intervalMs, 10 * 60_000)
  const wait = failures === 0 ? intervalMs : Math.min(longest, intervalMs * 2 ** Math.min(failures, 20))
  // A tenth either way; never longer than the longest.
  return Math.round(Math.min(longest, wait * (0.9 + 0.2 * luck)))
}
