// What a server's answer to a push means. Only `done` says that the branch moved; `unknown` must be looked up.
import type {GitAnswer} from './command.ts'
import {faultKind, tidyWords} from './command.ts'

/** done: the server took it, or had it already (`wasThere`). raced: somebody else moved the branch. refused: a rule of the server. unknown: no answer. */
export type PushOutcome =
  | {readonly outcome: 'done'; readonly wasThere?: true}
  | {readonly outcome: 'raced' | 'refused' | 'auth' | 'unknown'; readonly because: string}

const racedWords =
  /stale info|cannot lock ref|fetch first|non-fast-forward|failed to update ref|failed to lock|is at [0-9a-f]{7,} but expected|reference already exists|incorrect old value/i
const refusedWords =
  /hook declined|protected branch|pre-receive|denied|prohibited|read-only|quota|does not support --atomic|remote rejected|hook .*(refused|rejected)|push rule/i

const upToDate = /^=\t\S*:refs\/heads\//m

/** Reads the answer of `git push --porcelain`. */
export function classifyPush(answer: GitAnswer): PushOutcome {
  // Whatever was expected of it: a branch that is there already is no complaint to git.
  if (answer.code === 0 && upToDate.test(answer.out)) return {outcome: 'done', wasThere: true}
  if (answer.code === 0) return {outcome: 'done'}
  const because =
    tidyWords([...rejections(answer.out), answer.err].join('\n')) || `git push ended with ${answer.code}`
  if (answer.code === null) return {outcome: 'unknown', because}
  // A hook may print anything, also words that look like a race: the reason in the rejection comes first. An atomic
  // push that fails at the server's locks says why only in its messages.
  const rejection = rejections(answer.out).join('\n')
  // A server's own word on going back is its rule; git's word before it asked is a race.
  if (/hook declined|protected branch|prohibited|remote rejected\] \(non-fast-forward/i.test(rejection))
    return {outcome: 'refused', because}
  const words = /^$|atomic/i.test(rejection) ? `${rejection}\n${answer.err}` : rejection
  if (racedWords.test(words)) return {outcome: 'raced', because}
  if (faultKind(answer) === 'auth') return {outcome: 'auth', because}
  if (refusedWords.test(`${rejection}\n${answer.err}`)) return {outcome: 'refused', because}
  return {outcome: 'unknown', because}
}

/** The lines of the porcelain output that tell of a rejected ref. */
const rejections = (out: string) => out.split('\n').filter((line) => line.startsWith('!'))
