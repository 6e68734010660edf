// The first stage: new commits become changes. Every git source is asked when its time has come or when a hook woke
// it; what is new on each watched branch is recorded in order, once, together with the branches' new tips.
import type {Config, GitSource} from '../../config/config.ts'
import {scratchPrefix} from '../core/promotion/order.ts'
import {branchMatcher, nextPollMs} from '../core/branches.ts'
import type {Bells} from '../world/bells.ts'
import type {Commit, Git} from '../world/git.ts'
import {
  holdRepository,
  lookAtRepositories,
  recordChanges,
  recordedOf,
  saveFailure,
  savePoll,
} from '../world/store/changes.ts'
import type {KnownRepository, NewChange} from '../world/store/changes.ts'
import type {Say} from '../world/say.ts'
import type {Sql, Store} from '../world/store/store.ts'

/** What a stage that must be single does first in each of its transactions: it throws when the lease is lost. */
export type Guard = (tx: Sql) => Promise<void>

/** What this stage needs of the world. */
export interface ChangesWorld {
  readonly store: Store
  readonly bells: Bells
  readonly git: Git
  readonly say: Say
  /** Runs work while holding a lease that only one master can hold; null when another holds it. Without it, there is one master. */
  readonly whileHolding?: <T>(lease: string, work: (guard: Guard) => Promise<T>) => Promise<T | null>
  /** A number from 0 to 1, for the spread of polls. */
  readonly luck?: () => number
}

/** Of a branch that was not there before, how many commits are taken at most: they may be its whole history. */
export const newBranchCommitsMax = 1000
const pushCommitsMax = 100_000
const restMs = 60_000
/** When to ask again for a lease that another master holds, or held when it died. */
const heldMs = 1_000

/** The stage. `run` starts the polls that are due and answers when to come again; a slow server holds up nobody else. */
export interface ChangesStage {
  run(config: Config): Promise<number>
  /** Waits for the polls that are on their way. */
  settled(): Promise<void>
}

export function openChanges(world: ChangesWorld): ChangesStage {
  const underway = new Map<string, Promise<unknown>>()
  const heldUntil = new Map<string, number>()
  return {
    run: async (config) => {
      const sources = config.changeSources.filter((source) => source.kind === 'git')
      const known = await lookAtRepositories(world.store, sources)
      const now = performance.now()
      const waits = known
        .filter(({source}) => !underway.has(source))
        .map((repository) => ({
          repository,
          ms: Math.max(repository.dueInMs, (heldUntil.get(repository.source) ?? 0) - now),
        }))
      for (const {repository} of waits.filter(({ms}) => ms <= 0)) {
        const source = sources.find(({name}) => name === repository.source) as GitSource
        const poll = pollSource(world, source, repository)
          .catch((error: unknown) => {
            world.say.error({source: source.name, err: error}, 'poll failed')
            return undefined
          })
          .then((added) => {
            underway.delete(source.name)
            if (added === null) heldUntil.set(source.name, performance.now() + heldMs)
            // Failed altogether: the stage comes back by itself.
            if (added !== undefined) world.bells.ring('changes')
          })
        underway.set(source.name, poll)
      }
      return Math.min(restMs, ...waits.map(({ms}) => ms).filter((ms) => ms > 0))
    },
    settled: async () => {
      while (underway.size > 0) await Promise.all(underway.values())
    },
  }
}

/** Asks one source now and records what is new; answers how many changes, or null when another master asks it. A server that cannot be reached is stored, not thrown. */
export async function pollSource(
  world: ChangesWorld,
  source: GitSource,
  known: KnownRepository,
): Promise<number | null> {
  const whileHolding = world.whileHolding ?? alone
  return await whileHolding(`changes/${source.name}`, (guard) => poll(world, source, known, guard))
}

const alone: NonNullable<ChangesWorld['whileHolding']> = async (_lease, work) =>
  await work(async () => undefined)

async function poll(
  world: ChangesWorld,
  source: GitSource,
  known: KnownRepository,
  guard: Guard,
): Promise<number> {
  const luck = (world.luck ?? Math.random)()
  let added = 0
  try {
    const seen = await look(world, source, known)
    added = await world.store.transaction(async (tx) => {
      await guard(tx)
      const held = await holdRepository(tx, known)
      if (!held) return 0 // somebody else recorded it; the next poll starts from there
      const recorded = await recordChanges(tx, seen.changes)
      await savePoll(
        tx,
        held,
        {refs: seen.refs, watched: source.branches},
        nextPollMs(source.pollIntervalMs, 0, luck),
      )
      return recorded.length
    })
  } catch (error) {
    // Also what cannot be recorded is stored and tried later; with the database away, this throws as well.
    await fail(world, source, known, words(error), luck, guard)
    return 0
  }
  if (added > 0) {
    world.bells.ring('schedules')
    world.bells.ring('promotions')
  }
  if (added > 0 || known.failures > 0) world.bells.ring('events')
  return added
}

async function fail(
  world: ChangesWorld,
  source: GitSource,
  known: KnownRepository,
  error: string,
  luck: number,
  guard: Guard,
): Promise<void> {
  if (known.failures === 0) world.say.warn({source: source.name, error}, 'source failed')
  await world.store.transaction(async (tx) => {
    await guard(tx)
    const held = await holdRepository(tx, known)
    if (held) await saveFailure(tx, held, error, nextPollMs(source.pollIntervalMs, held.failures + 1, luck))
  })
  world.bells.ring('events')
}

/** What the server has now, and the changes that this makes. */
async function look(world: ChangesWorld, source: GitSource, known: KnownRepository) {
  const fetched = await world.git.fetch(source)
  const named = branchMatcher(source.branches)
  // What a gate puts up for its builders is nobody's change.
  const watched = (branch: string) => named(branch) && !branch.startsWith(scratchPrefix)
  for (const {branch, because} of fetched.refused) {
    if (watched(branch) && !known.polled)
      world.say.warn({source: source.name, branch, because}, 'a branch is left out')
  }
  const refs = Object.fromEntries(Object.entries(fetched.refs).filter(([branch]) => watched(branch)))
  const moved = Object.keys(refs)
    .filter((branch) => refs[branch] !== known.refs[branch])
    .sort()
  const present =
    moved.length === 0
      ? new Set<string>()
      : await world.git.has(source, [...new Set(Object.values(known.refs))])
  const changes: NewChange[] = []
  for (const branch of moved) {
    const revisions = await newRevisions(world, source, known, present, branch, refs[branch] as string)
    for await (const commits of world.git.log(source, revisions)) {
      changes.push(...commits.map((commit) => changeOf(source, branch, commit)))
    }
  }
  return {refs, changes}
}

/** The commits of one moved branch that are to be recorded, oldest first. */
async function newRevisions(
  world: ChangesWorld,
  source: GitSource,
  known: KnownRepository,
  present: ReadonlySet<string>,
  branch: string,
  tip: string,
): Promise<string[]> {
  // The first sight of a repository, or of a branch that the configuration did not name before, is not a push of its history.
  const firstSight =
    !known.polled || (known.refs[branch] === undefined && !branchMatcher(known.watched)(branch))
  if (firstSight) return await unrecorded(world, source, branch, [tip])
  const old = known.refs[branch]
  const pushed = old !== undefined && present.has(old)
  const excluded = pushed ? [old] : [...present]
  const {revisions, more} = await world.git.newCommits(
    source,
    tip,
    excluded,
    pushed ? pushCommitsMax : newBranchCommitsMax,
  )
  if (more)
    world.say.warn(
      {source: source.name, branch, kept: revisions.length},
      'only the newest commits are recorded',
    )
  // A new branch at a known commit is something to build, too.
  return await unrecorded(
    world,
    source,
    branch,
    revisions.length === 0 && old === undefined ? [tip] : revisions,
  )
}

async function unrecorded(
  world: ChangesWorld,
  source: GitSource,
  branch: string,
  revisions: readonly string[],
): Promise<string[]> {
  if (revisions.length === 0) return []
  const recorded = await recordedOf(world.store, source.name, branch, revisions)
  return revisions.filter((revision) => !recorded.has(revision))
}

const changeOf = (source: GitSource, branch: string, commit: Commit): NewChange => ({
  source: source.name,
  repository: source.url,
  branch,
  ...commit,
  link: null,
})

const words = (error: unknown) => (error instanceof Error ? error.message : String(error))
