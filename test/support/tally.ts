// Counting a run of ava from its TAP lines. A test that fails, a file that crashes, tests that never ended and a run
// that broke off all count as failed: the counts are only good when everything was.

export interface Tally {
  readonly passed: number
  readonly failed: number
  readonly skipped: number
  /** What ava itself counted as failed at its end, tests that never ran included; null until it said so. */
  readonly failedAtEnd: number | null
  /** Ava's own exit code was 0; null while it runs. */
  readonly succeeded: boolean | null
}

/** Nothing heard yet. */
export const emptyTally: Tally = {passed: 0, failed: 0, skipped: 0, failedAtEnd: null, succeeded: null}

/** The tally after one more line of TAP, and what of it a person wants to see (null: nothing). */
export function hear(tally: Tally, line: string): {tally: Tally; show: string | null} {
  const result = /^(not ok|ok) \d+ - (.*?)( # (SKIP|TODO)( .*)?)?$/.exec(line)
  if (result) return hearResult(tally, result[1] === 'ok', result[2] ?? '', result[4] ?? null)
  const total = /^# fail (\d+)$/.exec(line)
  if (total) return {tally: {...tally, failedAtEnd: Number(total[1])}, show: null}
  const boring = /^(TAP version \d+|\d+\.\.\d+|# (tests|pass|skip|todo) \d+|)$/.test(line)
  return {tally, show: boring ? null : line}
}

function hearResult(tally: Tally, ok: boolean, title: string, directive: string | null) {
  if (directive !== null) return {tally: {...tally, skipped: tally.skipped + 1}, show: null}
  if (ok) return {tally: {...tally, passed: tally.passed + 1}, show: `  ok ${title}`}
  return {tally: {...tally, failed: tally.failed + 1}, show: `not ok ${title}`}
}

/** Tests that failed, for any reason. A run that broke off without a word has at least one. */
export function failures(tally: Tally): number {
  const counted = Math.max(tally.failed, tally.failedAtEnd ?? 0)
  const broken = tally.succeeded === false || (tally.succeeded === true && tally.passed + tally.skipped === 0)
  return broken ? Math.max(1, counted) : counted
}

/** `N passed, N failed`, and how many were skipped when some were. */
export function countsLine(tally: Tally): string {
  const skipped = tally.skipped > 0 ? `, ${String(tally.skipped)} skipped` : ''
  return `${String(tally.passed)} passed, ${String(failures(tally))} failed${skipped}`
}

/** 0 only when ava succeeded and nothing failed. */
export function exitCode(tally: Tally): number {
  return tally.succeeded === true && failures(tally) === 0 ? 0 : 1
}

/** One line that tells what was skipped and why, from the guard's records (JSON lines); null when nothing was. */
export function skipsLine(records: string, skipped: number): string | null {
  if (skipped === 0) return null
  const whys = records
    .split('\n')
    .filter((line) => line !== '')
    .map((line) => (JSON.parse(line) as {why: string}).why)
  const reasons = [...new Set(whys)].sort()
  return `skipped ${String(skipped)}: ${reasons.length > 0 ? reasons.join('; ') : 'marked so in the tests'}`
}
