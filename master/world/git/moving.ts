// Pushing: every ref by an exact-value lease, all of them or none, never by force. A lease alone would also let a branch go
// backwards, so the direction is looked at first.
import type {GitSource} from '../../../config/config.ts'
import {lines, revisionOf} from './refs.ts'
import {classifyPush} from './push.ts'
import type {PushOutcome} from './push.ts'
import {wanted} from './command.ts'
import type {GitAnswer} from './command.ts'

/** How to run git in a source's mirror, and against its server. */
export interface Runner {
  readonly local: (
    argv: readonly string[],
    input?: string,
    env?: Readonly<Record<string, string>>,
  ) => Promise<GitAnswer>
  readonly remote: (argv: readonly string[], purpose: 'fetch' | 'push') => Promise<GitAnswer>
}

/** One ref's way; `expect` null: it must not exist. */
export interface Move {
  readonly ref: string
  readonly expect: string | null
  readonly to: string
}

/** What is set together with a branch. */
export interface Marks {
  readonly tag: string | null
  readonly note: {readonly text: string; readonly by: {readonly name: string; readonly email: string}} | null
}

export const notesRef = 'refs/notes/promotions'

/** Moves the refs where they are expected, or none of them. */
export async function pushMoves(
  {remote}: Runner,
  source: GitSource,
  moves: readonly Move[],
): Promise<PushOutcome> {
  const options = [
    '--porcelain',
    '--atomic',
    '--no-verify',
    '--no-follow-tags',
    '--recurse-submodules=no',
    ...moves.map(({ref, expect}) => `--force-with-lease=${ref}:${expect ?? ''}`),
  ]
  const refspecs = moves.map(({ref, to}) => `${to}:${ref}`)
  const argv = ['push', ...options, '--end-of-options', source.url, ...refspecs]
  const pushed = classifyPush(await remote(argv, 'push'))
  return pushed.outcome === 'done'
    ? pushed
    : {...pushed, because: `pushing to ${source.name} (${source.url}): ${pushed.because}`}
}

/** The moves that set a promotion's marks; a mark that is there already is left alone, one that says otherwise refuses. */
export async function marksFor(
  runner: Runner,
  source: GitSource,
  to: string,
  {tag, note}: Marks,
): Promise<Move[] | {readonly outcome: 'refused'; readonly because: string}> {
  const moves: Move[] = []
  if (tag !== null) {
    const ref = `refs/tags/${tag}`
    if (tag.startsWith('-') || (await runner.local(['check-ref-format', ref])).code !== 0)
      return {outcome: 'refused', because: `${JSON.stringify(tag)} cannot be the name of a tag`}
    const there = (await remoteRefs(runner, source, [ref])).get(ref)
    if (there !== undefined && there !== to)
      return {outcome: 'refused', because: `the tag ${tag} exists and names ${there.slice(0, 12)}`}
    if (there === undefined) moves.push({ref, expect: null, to})
  }
  const noted = note === null ? null : await noteFor(runner, source, to, note)
  return noted === null ? moves : [...moves, noted]
}

/** The move of the notes' ref that adds a note; null when the commit has one that says the same. */
async function noteFor(
  runner: Runner,
  source: GitSource,
  to: string,
  {text, by}: NonNullable<Marks['note']>,
): Promise<Move | null> {
  const before = (await remoteRefs(runner, source, [notesRef])).get(notesRef) ?? null
  if (before === null) await runner.local(['update-ref', '-d', notesRef])
  else
    wanted(
      await runner.remote(
        [
          'fetch',
          '--quiet',
          '--no-tags',
          '--no-write-fetch-head',
          '--end-of-options',
          source.url,
          `+${notesRef}:${notesRef}`,
        ],
        'fetch',
      ),
      `fetching the notes of ${source.name}`,
    )
  const there = await runner.local(['notes', `--ref=${notesRef}`, 'show', to])
  if (there.code === 0 && there.out.trim() === text.trim()) return null
  const env = {
    GIT_AUTHOR_NAME: by.name,
    GIT_AUTHOR_EMAIL: by.email,
    GIT_COMMITTER_NAME: by.name,
    GIT_COMMITTER_EMAIL: by.email,
  }
  wanted(
    await runner.local(['notes', `--ref=${notesRef}`, 'append', '-F', '-', to], `${text}\n`, env),
    'making a note',
  )
  const made = revisionOf(wanted(await runner.local(['rev-parse', notesRef]), 'reading the notes'))
  return {ref: notesRef, expect: before, to: made}
}

/** Where refs are on the server; those that are missing are left out. */
export async function remoteRefs(
  {remote}: Runner,
  source: GitSource,
  refs: readonly string[],
): Promise<Map<string, string>> {
  const out = wanted(
    await remote(['ls-remote', '--end-of-options', source.url, ...refs], 'fetch'),
    `asking ${source.name} (${source.url}) for ${refs.join(', ')}`,
  )
  const found = lines(out).map((line) => line.split('\t') as [string, string])
  return new Map(
    found.filter(([, ref]) => refs.includes(ref)).map(([revision, ref]) => [ref, revisionOf(revision)]),
  )
}
