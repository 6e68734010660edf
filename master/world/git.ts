// The master's only door to git: one bare mirror per source below the state directory, and the few things that the
// poller and the promotions need of it. One operation per mirror at a time. Branches are always named in full
// (`refs/heads/...`) and revisions by their whole object name, so neither can be read as an option.
import {createHash} from 'node:crypto'
import {mkdir, rm} from 'node:fs/promises'
import {join} from 'node:path'
import type {GitSource} from '../../config/config.ts'
import {openAccess, remedy} from './git/access.ts'
import type {Purpose} from './git/access.ts'
import {GitFault, makeHome, runGit, wanted} from './git/command.ts'
import type {GitAnswer, GitPlace, RunOptions} from './git/command.ts'
import {commitsAtOnce, logFormat, parseFiles, parseLog} from './git/history.ts'
import type {Commit} from './git/history.ts'
import {lineageOf} from '../core/promotion/graph.ts'
import type {Lineage, SaidRevert} from '../core/promotion/graph.ts'
import {scratchPrefix} from '../core/promotion/order.ts'
import {listingOf, parseListing, parseReverts, revertsBetween} from './git/lineage.ts'
import {mergeCommit} from './git/merging.ts'
import type {Merged, MergeWords} from './git/merging.ts'
import {marksFor, pushMoves, remoteRefs} from './git/moving.ts'
import type {Marks, Runner} from './git/moving.ts'
import type {PushOutcome} from './git/push.ts'
import {dropLocks, lines, readRefs, revisionOf} from './git/refs.ts'
import type {Fetched} from './git/refs.ts'

export {GitFault} from './git/command.ts'
export type {Commit} from './git/history.ts'
export type {Merged} from './git/merging.ts'
export type {Marks} from './git/moving.ts'
export type {PushOutcome} from './git/push.ts'
export type {Fetched} from './git/refs.ts'

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
  #version: Promise<string> | null = null

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
    const found = await this.#turn(source, (mirror) =>
      remoteRefs(this.#runner(source, mirror), source, [ref]),
    )
    return found.get(ref) ?? null
  }

  /**
   * Moves one branch of the server from `expect` to `to`, with its marks, or nothing at all: by exact-value leases, after
   * checking that nothing is left behind, never by force.
   */
  async push(
    source: GitSource,
    branch: string,
    move: {readonly expect: string; readonly to: string},
    marks: Marks = {tag: null, note: null},
  ): Promise<PushOutcome> {
    const expect = revisionOf(move.expect)
    const to = revisionOf(move.to)
    return await this.#turn(source, async (mirror) => {
      // A lease alone would also let the branch go backwards.
      if (!(await this.#ancestor(mirror, expect, to)))
        return {outcome: 'refused', because: `${to} does not descend from ${expect}`}
      const runner = this.#runner(source, mirror)
      const others = await marksFor(runner, source, to, marks)
      if (!Array.isArray(others)) return others
      return await pushMoves(runner, source, [{ref: `refs/heads/${branch}`, expect, to}, ...others])
    })
  }

  /** Takes one branch of the server back from `expect` to a commit that it holds, or not at all: for a rollback that a person ordered. */
  async takeBack(
    source: GitSource,
    branch: string,
    move: {readonly expect: string; readonly to: string},
  ): Promise<PushOutcome> {
    const expect = revisionOf(move.expect)
    const to = revisionOf(move.to)
    return await this.#turn(source, async (mirror) => {
      if (!(await this.#ancestor(mirror, to, expect)))
        return {outcome: 'refused', because: `${branch} at ${expect} does not hold ${to}`}
      return await pushMoves(this.#runner(source, mirror), source, [
        {ref: `refs/heads/${branch}`, expect, to},
      ])
    })
  }

  /** Sets a gate's scratch branch, which belongs to the master alone, from where it was seen (null: it is not there). */
  async pushScratch(
    source: GitSource,
    branch: string,
    move: {readonly expect: string | null; readonly to: string},
  ): Promise<PushOutcome> {
    if (!branch.startsWith(scratchPrefix)) throw new GitFault('failed', `${branch} is no scratch branch`)
    const expect = move.expect === null ? null : revisionOf(move.expect)
    return await this.#turn(source, (mirror) =>
      pushMoves(this.#runner(source, mirror), source, [
        {ref: `refs/heads/${branch}`, expect, to: revisionOf(move.to)},
      ]),
    )
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

  /** What lies between two branches: every commit that they do not both have. */
  async lineage(source: GitSource, from: string, to: string): Promise<Lineage> {
    const argv = listingOf(revisionOf(from), revisionOf(to))
    const out = await this.#turn(source, async (mirror) =>
      wanted(await this.#local(mirror, argv), 'reading history'),
    )
    return lineageOf(from, to, parseListing(out))
  }

  /** The commits of `from`, and not of `to`, that say they revert another. */
  async reverts(source: GitSource, from: string, to: string): Promise<SaidRevert[]> {
    const argv = revertsBetween(revisionOf(from), revisionOf(to))
    return parseReverts(
      await this.#turn(source, async (mirror) =>
        wanted(await this.#local(mirror, argv), 'looking for reverts'),
      ),
    )
  }

  /** Who changed files on either of two branches since they parted. */
  async authors(source: GitSource, one: string, other: string, files: readonly string[]): Promise<string[]> {
    const range = `${revisionOf(one)}...${revisionOf(other)}`
    const argv = [
      '--literal-pathspecs',
      'log',
      '--format=%an <%ae>',
      '--max-count=1000',
      range,
      '--',
      ...files,
    ]
    const out = await this.#turn(source, async (mirror) =>
      wanted(await this.#local(mirror, argv), 'looking for authors'),
    )
    return [...new Set(lines(out))].slice(0, 20)
  }

  /** What merges are made with: the version of git and its strategy. */
  async version(source: GitSource): Promise<string> {
    this.#version ??= this.#turn(source, async (mirror) =>
      wanted(await this.#local(mirror, ['--version']), 'asking git for its version').trim(),
    )
    return `${await this.#version}, ort`
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
  async merge(source: GitSource, base: string, other: string, commit: MergeWords): Promise<Merged> {
    return await this.#turn(source, (mirror) =>
      mergeCommit(this.#runner(source, mirror), revisionOf(base), revisionOf(other), commit),
    )
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

  #runner(source: GitSource, mirror: string): Runner {
    return {
      local: (argv, input, env) => this.#local(mirror, argv, input, env),
      remote: (argv, purpose) => this.#remote(source, mirror, argv, purpose),
    }
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
