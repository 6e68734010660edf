// The order of results, and how steps' results make a build's.
import {results} from '../protocol/results.ts'
import type {Result} from '../protocol/results.ts'

const badness = new Map<Result, number>(results.map((result, order) => [result, order]))

/** The worst of several results; of none, success. A build of skipped steps only is skipped. */
export function worst(of: readonly Result[]): Result {
  if (of.length > 0 && of.every((result) => result === 'skipped')) return 'skipped'
  return of
    .filter((result) => result !== 'skipped')
    .reduce<Result>(
      (worse, result) => ((badness.get(result) ?? 0) > (badness.get(worse) ?? 0) ? result : worse),
      'success',
    )
}
