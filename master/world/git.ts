// The master's only door to git: one bare mirror per source below the state directory, and the few things that the
// poller and the promotions need of it. One operation per mirror at a time. Branches are always named in full
// (`refs/heads/...`) and revisions by their whole object name, so neither can be read as an option.
import {createHash} from 'node:crypto'
import {mkdir, rm} from 'node:fs/promises'
import {join} from 'node:path'
import type {GitSource} from '../../config/config.ts'
import {openAccess, remedy} from './git/access.ts'
import type {Purpose} from './git/access.ts'
import {GitFault, makeHome, runGit, tidyWords, wanted} from './git/command.ts'
import type {GitAnswer, GitPlace, RunOptions} from './git/command.ts'
import {commitsAtOnce, logFormat, parseFiles, parseLog} from './git/history.ts'
import type {Commit} from './git/history.ts'
import {classifyPush} from './git/push.ts'
import type {PushOutcome} from './git/push.ts'
import {dropLocks, lines, readRefs, revisionOf} from './git/refs.ts'
import type {Fetched} from './git/refs.ts'

export {GitFault} from './git/command.ts'
export type {Commit} from './git/history.ts'
export type {PushOutcome} from './git/push.ts'
export type {Fetched} from './git/refs.ts'

/** How one branch's tip lies to another's. */
export type Relation = 'same' | 'ahead' | 'behind' | 'diverged' | 'unrelated'

export type Merged =
  | {readonly merge: 'clean'; readonly revision: string; readonly tree: string}
  | {readonly merge: 'conflict'; readonly files: readonly string[]}
  | {readonly merge: 'unrelated'}

export interface GitOptions {
  readonly stateDir: string
  /** A secret's value by its name. */
  readonly secret: (name: string) => Promise<string>
  /** For a fetch or push, and for what touches no network. */
  readonly networkMs?: number
  readonly localMs?: number
}

export class Git {
  readonly #mirrors: string
  readonly #place: GitPlace
  readonly #networkMs: number
  readonly #localMs: number
  readonly #turns = new Map<string, Promise<unknown>>()
  readonly #ready = new Set<string>()

  constructor(options: GitOptions) {
    this.#mirrors = join(options.stateDir, 'mirrors')
    this.#place = {home: join(options.stateDir, 'git-home'), secret: options.secret}
    this.#networkMs = options.networkMs ?? 10 * 60_000
    this.#localMs = options.localMs ?? 2 * 60_000
  }

  /** Brings the mirror to what the server has: heads only, pruned. A damaged mirror is thrown away and made again. */
  async fetch(source: GitSource): Promise<Fetched> {
    return await this.#turn(source, async (mirror) => {
      try {
        await this.#fetchInto(source, mirror)
      } catch (error) {
        if (!(error instanceof GitFault) || error.kind !== 'damaged') throw error
        await this.#make(mirror)
        await this.#fetchInto(source, mirror)
      }
      return readRefs(
        wanted(
          await this.#local(mirror, ['for-each-ref', '--format=%(objectname) %(refname)', 'refs/heads/']),
          'reading branches',
        ),
      )
    })
  }

  /** Where one branch is on the server itself, or null when it is not there. */
  async readRemote(source: GitSource, branch: string): Promise<string | null> {
    const ref = `refs/heads/${branch}`
    const out = await this.#turn(source, async (mirror) =>
      wanted(
        await this.#remote(source, mirror, ['ls-remote', '--heads', '--end-of-options', source.url, ref]),
        `asking ${source.name} (${source.url}) for ${branch}`,
      ),
    )
    const line = out.split('\n').find((text) => text.endsWith(`\t${ref}`))
    return line ? revisionOf(line.slice(0, line.indexOf('\t'))) : null
  }

  /**
   * Moves one branch of the server from `expect` to `to`, or not at all: by an exact-value lease, after checking
   * that nothing is left behind, never by force.
   */
  async push(
    source: GitSource,
    branch: string,
    move: {readonly expect: string; readonly to: string},
  ): Promise<PushOutcome> {
    const expect = revisionOf(move.expect)
    const to = revisionOf(move.to)
    return await this.#turn(source, async (mirror) => {
      // A lease alone would also let the branch go backwards.
      if (!(await this.#ancestor(mirror, expect, to)))
        return {outcome: 'refused', because: `${to} does not descend from ${expect}`}
      const ref = `refs/heads/${branch}`
      const options = [
        '--porcelain',
        '--atomic',
        '--no-verify',
        '--no-follow-tags',
        '--recurse-submodules=no',
        `--force-with-lease=${ref}:${expect}`,
      ]
      const argv = ['push', ...options, '--end-of-options', source.url, `${to}:${ref}`]
      const pushed = classifyPush(await this.#remote(source, mirror, argv, 'push'))
      return pushed.outcome === 'done'
        ? pushed
        : {...pushed, because: `pushing to ${source.name} (${source.url}): ${pushed.because}`}
    })
  }

  /** The commits that `tip` has and none of `known` has, each after its parents; of more than `limit`, the newest. */
  async newCommits(
    source: GitSource,
    tip: string,
    known: readonly string[],
    limit: number,
  ): Promise<{revisions: string[]; more: boolean}> {
    const input = [revisionOf(tip), ...known.map((revision) => `^${revisionOf(revision)}`)].join('\n')
    const out = await this.#turn(source, async (mirror) =>
      wanted(
        await this.#local(
          mirror,
          [
            'rev-list',
            '--topo-order',
            '--reverse',
            '--ignore-missing',
            `--max-count=${limit + 1}`,
            '--stdin',
          ],
          `${input}\n`,
        ),
        'listing commits',
      ),
    )
    const revisions = lines(out)
    return {revisions: revisions.slice(-limit), more: revisions.length > limit}
  }

  /** Those commits in full, in the order given. */
  async *log(source: GitSource, revisions: readonly string[]): AsyncGenerator<Commit[]> {
    for (let at = 0; at < revisions.length; at += commitsAtOnce) {
      yield await this.#turn(source, (mirror) => this.#read(mirror, revisions.slice(at, at + commitsAtOnce)))
    }
  }

  /** Which of the revisions are commits in the mirror. */
  async has(source: GitSource, revisions: readonly string[]): Promise<Set<string>> {
    if (revisions.length === 0) return new Set()
    const input = `${revisions.map(revisionOf).join('\n')}\n`
    const out = await this.#turn(source, async (mirror) =>
      wanted(await this.#local(mirror, ['cat-file', '--batch-check'], input), 'looking for commits'),
    )
    return new Set(
      lines(out).flatMap((line) => (line.split(' ')[1] === 'commit' ? [line.split(' ')[0] as string] : [])),
    )
  }

  /** Whether `older` is reachable from `newer`; a commit is its own ancestor. */
  async isAncestor(source: GitSource, older: string, newer: string): Promise<boolean> {
    return await this.#turn(source, (mirror) => this.#ancestor(mirror, revisionOf(older), revisionOf(newer)))
  }

  /** How `one` lies to `other`: ahead when it has all of `other` and more. */
  async relation(source: GitSource, one: string, other: string): Promise<Relation> {
    if (one === other) return 'same'
    if (await this.isAncestor(source, other, one)) return 'ahead'
    if (await this.isAncestor(source, one, other)) return 'behind'
    const base = await this.#turn(source, (mirror) =>
      this.#local(mirror, ['merge-base', revisionOf(one), revisionOf(other)]),
    )
    return base.out.trim() === '' ? 'unrelated' : 'diverged'
  }

  /** The first-parent history of `from` that `to` does not have, newest first. `descends`: it has all of `to`. */
  async firstParents(
    source: GitSource,
    from: string,
    to: string,
    limit: number,
  ): Promise<{commits: {revision: string; committedAt: number; descends: boolean}[]; more: boolean}> {
    const range = [revisionOf(from), `^${revisionOf(to)}`]
    const [history, path] = await this.#turn(source, async (mirror) => [
      wanted(
        await this.#local(mirror, [
          'log',
          '--first-parent',
          '--format=%H %ct',
          `--max-count=${limit + 1}`,
          ...range,
          '--',
        ]),
        'reading history',
      ),
      wanted(await this.#local(mirror, ['rev-list', '--ancestry-path', ...range, '--']), 'reading history'),
    ])
    const descendants = new Set(lines(path))
    const all = lines(history).map((line) => {
      const [revision, seconds] = line.split(' ') as [string, string]
      return {revision, committedAt: Number(seconds) * 1000, descends: descendants.has(revision)}
    })
    return {commits: all.slice(0, limit), more: all.length > limit}
  }

  /** How many commits `from` has and `to` has not. */
  async countBetween(source: GitSource, to: string, from: string): Promise<number> {
    return Number(
      await this.#turn(source, async (mirror) =>
        wanted(
          await this.#local(mirror, ['rev-list', '--count', revisionOf(from), `^${revisionOf(to)}`, '--']),
          'counting commits',
        ),
      ),
    )
  }

  /** The tree of a commit: two commits with one tree hold the same files. */
  async treeOf(source: GitSource, revision: string): Promise<string> {
    return revisionOf(
      await this.#turn(source, async (mirror) =>
        wanted(await this.#local(mirror, ['rev-parse', `${revisionOf(revision)}^{tree}`]), 'reading a tree'),
      ),
    )
  }

  /** Merges `other` into `base` as a new commit in the mirror, with parents in that order. Touches no server. */
  async merge(
    source: GitSource,
    base: string,
    other: string,
    commit: {
      readonly message: string
      readonly committer: {readonly name: string; readonly email: string}
      readonly at: number
    },
  ): Promise<Merged> {
    const parents = [revisionOf(base), revisionOf(other)] as const
    return await this.#turn(source, async (mirror) => {
      const answer = await this.#local(mirror, [
        'merge-tree',
        '--write-tree',
        '-z',
        '--name-only',
        '--no-messages',
        ...parents,
      ])
      if (/unrelated histories/.test(answer.err)) return {merge: 'unrelated'}
      const [tree, ...files] = answer.out.split('\0').filter((field) => field !== '')
      if (answer.code === 1 && tree) return {merge: 'conflict', files: [...new Set(files)]}
      if (answer.code !== 0 || !tree) throw new GitFault('failed', `merging: ${tidyWords(answer.err)}`)
      const {name, email} = commit.committer
      const date = `${Math.floor(commit.at / 1000)} +0000`
      const env = {
        GIT_AUTHOR_NAME: name,
        GIT_AUTHOR_EMAIL: email,
        GIT_AUTHOR_DATE: date,
        GIT_COMMITTER_NAME: name,
        GIT_COMMITTER_EMAIL: email,
        GIT_COMMITTER_DATE: date,
      }
      const made = await this.#local(
        mirror,
        ['commit-tree', revisionOf(tree), '-p', parents[0], '-p', parents[1], '-F', '-'],
        `${commit.message}\n`,
        env,
      )
      return {merge: 'clean', tree, revision: revisionOf(wanted(made, 'making the merge commit'))}
    })
  }

  async #read(mirror: string, revisions: readonly string[]): Promise<Commit[]> {
    const input = `${revisions.map(revisionOf).join('\n')}\n`
    const log = await this.#local(
      mirror,
      [
        'log',
        '--no-walk=unsorted',
        '--stdin',
        '-z',
        '--no-show-signature',
        '--encoding=UTF-8',
        `--format=${logFormat}`,
      ],
      input,
    )
    const commits = parseLog(wanted(log, 'reading commits'))
    // Only the first parent: a merge shows what it brought to its branch.
    const pairs = commits
      .map((commit) => [commit.revision, ...commit.parents.slice(0, 1)].join(' '))
      .join('\n')
    const diff = await this.#local(
      mirror,
      ['diff-tree', '--stdin', '-r', '--root', '--raw', '-z', '--no-renames'],
      `${pairs}\n`,
    )
    const files = parseFiles(wanted(diff, 'reading file names'))
    return commits.map((commit) => ({...commit, ...files.get(commit.revision)}))
  }

  async #fetchInto(source: GitSource, mirror: string): Promise<void> {
    const options = [
      '--prune',
      '--no-tags',
      '--force',
      '--no-write-fetch-head',
      '--no-recurse-submodules',
      '--quiet',
    ]
    const answer = await this.#remote(source, mirror, [
      'fetch',
      ...options,
      '--end-of-options',
      source.url,
      '+refs/heads/*:refs/heads/*',
    ])
    wanted(answer, `fetching ${source.name} (${source.url})`)
  }

  async #ancestor(mirror: string, older: string, newer: string): Promise<boolean> {
    const answer = await this.#local(mirror, ['merge-base', '--is-ancestor', older, newer])
    if (answer.code !== 0 && answer.code !== 1) wanted(answer, 'comparing commits')
    return answer.code === 0
  }

  async #local(
    mirror: string,
    argv: readonly string[],
    input?: string,
    env?: RunOptions['env'],
  ): Promise<GitAnswer> {
    return await runGit(this.#place, argv, {
      cwd: mirror,
      limitMs: this.#localMs,
      ...(input === undefined ? {} : {input}),
      ...(env ? {env} : {}),
    })
  }

  async #remote(
    source: GitSource,
    mirror: string,
    argv: readonly string[],
    purpose: Purpose = 'fetch',
  ): Promise<GitAnswer> {
    const access = await openAccess(this.#place, source, purpose)
    try {
      const answer = await runGit(this.#place, argv, {cwd: mirror, limitMs: this.#networkMs, access})
      if (answer.code === 0) return answer
      const what = remedy(this.#place, source, purpose, answer.err)
      // First, since only the beginning of a long answer is kept.
      return what === '' ? answer : {...answer, err: `${what}\n${answer.err}`}
    } finally {
      await access.close()
    }
  }

  /** Waits for its turn at the mirror, which exists and is whole by then. */
  async #turn<T>(source: GitSource, work: (mirror: string) => Promise<T>): Promise<T> {
    const name = createHash('sha256').update(`${source.name}\0${source.url}`).digest('hex').slice(0, 32)
    const mirror = join(this.#mirrors, name)
    const turn = (this.#turns.get(mirror) ?? Promise.resolve())
      .catch(() => undefined)
      .then(async () => {
        if (!this.#ready.has(mirror)) await this.#open(mirror)
        return await work(mirror)
      })
    this.#turns.set(mirror, turn)
    return await turn
  }

  async #open(mirror: string): Promise<void> {
    await makeHome(this.#place.home)
    await mkdir(mirror, {recursive: true, mode: 0o700})
    const answer = await this.#local(mirror, ['rev-parse', '--git-dir'])
    if (answer.code === 0 && answer.out.trim() === '.') await dropLocks(mirror)
    else await this.#make(mirror)
    this.#ready.add(mirror)
  }

  async #make(mirror: string): Promise<void> {
    await rm(mirror, {recursive: true, force: true})
    await mkdir(mirror, {recursive: true, mode: 0o700})
    wanted(await this.#local(mirror, ['init', '--bare', '--quiet', '.']), 'making a mirror')
  }
}
