// The end of a push: what the server shows decides, not what it answered. Also for pushes whose end nobody saw,
// because a master died or a connection broke in between.
import {setTimeout as sleep} from 'node:timers/promises'
import type {GitSource} from '../../config/config.ts'
import type {Bells} from '../world/bells.ts'
import type {Git, PushOutcome} from '../world/git.ts'
import type {Say} from '../world/say.ts'
import {wakeSource} from '../world/store/changes.ts'
import {promotedMeanwhile, pushingPromotions, settleDone, settleLost} from '../world/store/promotions.ts'
import type {PromotionRow} from '../world/store/promotions.ts'
import type {Store} from '../world/store/store.ts'
import type {Guard} from './changes.ts'

/** What settling a push needs of the world. */
export interface PushWorld {
  readonly store: Store
  readonly bells: Bells
  readonly git: Git
  readonly say: Say
}

interface Pushed {
  readonly id: string
  readonly rule: string
  readonly kind: PromotionRow['kind']
  readonly from: string
  readonly to: string
  readonly toTip: string
  readonly landed: string
  /** The tested or carried revision. */
  readonly revision: string
}

export interface PushGround {
  readonly world: PushWorld
  readonly source: GitSource
  readonly guard: Guard
  readonly refs: Record<string, string>
}

/** `pushing`: the end is still not known; the next run settles it. */
export type PushEnd =
  | {readonly state: 'done'; readonly error: null}
  | {readonly state: 'raced' | 'failed' | 'pushing'; readonly error: string}

/** A server behind a replica may show the old tip for a moment. */
const readAgainMs = [0, 200, 1000, 3000]

/** Settles a push that was just answered. */
export async function confirm(
  ground: PushGround,
  pushed: Pushed,
  outcome: PushOutcome,
  tree: string,
): Promise<PushEnd> {
  if (outcome.outcome === 'raced') return await lost(ground, pushed, 'raced', outcome.because)
  if (outcome.outcome === 'refused' || outcome.outcome === 'auth')
    return await lost(ground, pushed, 'failed', outcome.because)
  const answered = outcome.outcome === 'done'
  const shown = await shownTip(ground, pushed, answered)
  if (shown.tip === pushed.landed) {
    const same = (await ground.world.git.treeOf(ground.source, shown.tip)) === tree
    return same
      ? await done(ground, pushed, outcome.outcome === 'done' && outcome.wasThere === true)
      : await lost(ground, pushed, 'failed', `${pushed.to} does not hold the tree that was judged`)
  }
  if (shown.tip === undefined) return {state: 'pushing', error: shown.because}
  if (shown.tip === pushed.toTip) {
    const because = answered ? `the server said yes, yet ${pushed.to} is where it was` : outcome.because
    return answered ? {state: 'pushing', error: because} : await lost(ground, pushed, 'raced', because)
  }
  return await settleMoved(ground, pushed, shown.tip)
}

/** Settles what earlier runs left, by the branches just fetched; answers the targets that must wait. */
export async function settlePushing(ground: PushGround): Promise<Set<string>> {
  const waiting = new Set<string>()
  for (const row of await pushingPromotions(ground.world.store, ground.source.name)) {
    const end = await settleRow(ground, row)
    if (end.state === 'pushing') waiting.add(row.to)
    else ground.world.say.info({rule: row.rule, to: row.to, state: end.state}, 'an earlier push is settled')
    for (const bell of ['events', 'reports'] as const) ground.world.bells.ring(bell)
  }
  return waiting
}

async function settleRow(ground: PushGround, row: PromotionRow): Promise<PushEnd> {
  const pushed = {...row, toTip: row.toTip ?? '', landed: row.landed ?? '', revision: row.candidate ?? ''}
  const shown = ground.refs[row.to]
  if (shown === undefined) return await lost(ground, pushed, 'raced', `${row.to} is gone`)
  if (shown === pushed.landed) return await done(ground, pushed)
  if (shown === pushed.toTip) return await lost(ground, pushed, 'raced', 'the push never arrived')
  return await settleMoved(ground, pushed, shown)
}

/** The branch is neither where it was nor where we put it: somebody went on from our commit, or went another way. */
async function settleMoved(ground: PushGround, pushed: Pushed, shown: string | null): Promise<PushEnd> {
  const {git} = ground.world
  if (shown === null) return await lost(ground, pushed, 'raced', `${pushed.to} is gone`)
  if (pushed.kind === 'rollback')
    return await lost(
      ground,
      pushed,
      'raced',
      `${pushed.to} was moved to ${shown.slice(0, 12)} by somebody else`,
    )
  let known = await git.has(ground.source, [shown, pushed.landed])
  if (!known.has(shown)) {
    await git.fetch(ground.source)
    known = await git.has(ground.source, [shown, pushed.landed])
  }
  const goesOn = known.size === 2 && (await git.isAncestor(ground.source, pushed.landed, shown))
  return goesOn
    ? await done(ground, pushed)
    : await lost(ground, pushed, 'raced', `${pushed.to} was moved to ${shown.slice(0, 12)} by somebody else`)
}

async function shownTip(
  {world, source}: PushGround,
  pushed: Pushed,
  answered: boolean,
): Promise<{readonly tip: string | null} | {readonly tip: undefined; readonly because: string}> {
  let shown: string | null = null
  try {
    for (const waitMs of answered ? readAgainMs : readAgainMs.slice(0, 1)) {
      await sleep(waitMs)
      shown = await world.git.readRemote(source, pushed.to)
      if (shown !== pushed.toTip) break
    }
    return {tip: shown}
  } catch (error) {
    return {tip: undefined, because: error instanceof Error ? error.message : String(error)}
  }
}

async function done({world, source, guard}: PushGround, pushed: Pushed, wasThere = false): Promise<PushEnd> {
  const settled = await world.store.transaction(async (tx) => {
    await guard(tx)
    const state = await settleDone(tx, pushed, wasThere)
    // The poller need not wait for its time to see what was moved.
    if (state === 'done') await wakeSource(tx, source.name)
    return state
  })
  return settled === 'raced' ? {state: 'raced', error: promotedMeanwhile} : {state: 'done', error: null}
}

async function lost(
  {world, guard}: PushGround,
  pushed: Pushed,
  state: 'raced' | 'failed',
  error: string,
): Promise<PushEnd> {
  await world.store.transaction(async (tx) => {
    await guard(tx)
    await settleLost(tx, pushed, state, error)
  })
  return {state, error}
}
