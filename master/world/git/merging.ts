// Making a merge commit in the mirror, without a work tree. Touches no server.
import {GitFault, tidyWords, wanted} from './command.ts'
import type {Runner} from './moving.ts'
import {revisionOf} from './refs.ts'

export type Merged =
  | {readonly merge: 'clean'; readonly revision: string; readonly tree: string}
  | {readonly merge: 'conflict'; readonly files: readonly string[]}
  | {readonly merge: 'unrelated'}

/** What a merge commit says, who makes it, and when (milliseconds). */
export interface MergeWords {
  readonly message: string
  readonly committer: {readonly name: string; readonly email: string}
  readonly at: number
}

/** Merges `other` into `base` as a new commit with parents in that order. */
export async function mergeCommit(
  {local}: Runner,
  base: string,
  other: string,
  commit: MergeWords,
): Promise<Merged> {
  const answer = await local([
    'merge-tree',
    '--write-tree',
    '-z',
    '--name-only',
    '--no-messages',
    base,
    other,
  ])
  if (/unrelated histories/.test(answer.err)) return {merge: 'unrelated'}
  const [tree, ...files] = answer.out.split('\0').filter((field) => field !== '')
  if (answer.code === 1 && tree) return {merge: 'conflict', files: [...new Set(files)]}
  if (answer.code !== 0 || !tree) throw new GitFault('failed', `merging: ${tidyWords(answer.err)}`)
  const {name, email} = commit.committer
  const date = `${String(Math.floor(commit.at / 1000))} +0000`
  const env = {
    GIT_AUTHOR_NAME: name,
    GIT_AUTHOR_EMAIL: email,
    GIT_AUTHOR_DATE: date,
    GIT_COMMITTER_NAME: name,
    GIT_COMMITTER_EMAIL: email,
    GIT_COMMITTER_DATE: date,
  }
  const made = await local(
    ['commit-tree', revisionOf(tree), '-p', base, '-p', other, '-F', '-'],
    `${commit.message}\n`,
    env,
  )
  return {merge: 'clean', tree, revision: revisionOf(wanted(made, 'making the merge commit'))}
}
