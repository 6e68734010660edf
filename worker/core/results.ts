// What a command's outcome is called, how bad results are beside each other, and which failures a retry may meet.
import type {Retry} from '../protocol/plan.ts'
import type {Outcome, Result} from '../protocol/results.ts'

/** From best to worst, as Buildbot compares: a skipped step never hides a success. */
const badness: readonly Result[] = [
  'skipped',
  'success',
  'warnings',
  'failure',
  'exception',
  'retry',
  'cancelled',
]

/** The worst of some results; of none, success. */
export function worst(results: readonly Result[]): Result {
  const first = results[0]
  if (first === undefined) return 'success'
  return results.reduce((a, b) => (badness.indexOf(b) > badness.indexOf(a) ? b : a), first)
}

export type FailureKind = Retry['on'][number]

/** The exit code by which a program says that a later try may succeed (EX_TEMPFAIL of sysexits.h). */
export const temporaryExitCode = 75

/** What kind of failure an outcome is, in the words of a retry policy; null for none. */
export function failureKind(outcome: Outcome): FailureKind | null {
  switch (outcome.outcome) {
    case 'exited':
      if (outcome.code === 0) return null
      return outcome.code === temporaryExitCode ? 'temporary' : 'failure'
    case 'silent':
    case 'overtime':
      return 'timeout'
    case 'temporary':
      return 'temporary'
    case 'broken':
      return 'exception'
    case 'cancelled':
      return null
  }
}

/** The result that an outcome alone stands for. */
export function judge(outcome: Outcome, warnings: number): Result {
  switch (outcome.outcome) {
    case 'exited':
      if (outcome.code !== 0) return 'failure'
      return warnings > 0 ? 'warnings' : 'success'
    case 'silent':
    case 'overtime':
    case 'temporary':
      return 'failure'
    case 'broken':
      return 'exception'
    case 'cancelled':
      return 'cancelled'
  }
}

const signalNames: Readonly<Record<number, string>> = {
  1: 'SIGHUP', 2: 'SIGINT', 3: 'SIGQUIT', 4: 'SIGILL', 6: 'SIGABRT', 7: 'SIGBUS', 8: 'SIGFPE', 9: 'SIGKILL',
  11: 'SIGSEGV', 13: 'SIGPIPE', 14: 'SIGALRM', 15: 'SIGTERM', 24: 'SIGXCPU', 25: 'SIGXFSZ',
} // prettier-ignore

/** One line for people about how a try ended. */
export function describe(outcome: Outcome, warnings: number): string {
  const counted = warnings === 0 ? '' : warnings === 1 ? ', 1 warning' : `, ${warnings} warnings`
  switch (outcome.outcome) {
    case 'exited': {
      if (outcome.code === 0) return `done${counted}`
      const signal = signalNames[outcome.code - 128]
      const why = outcome.outOfMemory ? 'out of memory: ' : ''
      return `${why}exit code ${outcome.code}${signal ? ` (${signal})` : ''}${counted}`
    }
    case 'silent':
      return `no output for ${outcome.seconds} s`
    case 'overtime':
      return `ran longer than ${outcome.seconds} s`
    case 'temporary':
    case 'broken':
      return firstLine(outcome.text)
    case 'cancelled':
      return 'cancelled'
  }
}

function firstLine(text: string): string {
  const line = text.split('\n', 1)[0] ?? ''
  return line.length > 300 ? `${line.slice(0, 299)}…` : line
}
