// What a promotion rule is judged by: how its branches lie to each other in the mirror, and the builds of its gates.
import type {FastForward, PromotionRule} from '../../config/config.ts'
import type {FastForwardFacts, Tips} from '../core/promotion.ts'
import {gateBuilds} from '../world/store/promotions.ts'
import type {GateAsk, GateBuilds, Lag} from '../world/store/promotions.ts'
import type {Sql} from '../world/store/store.ts'
import type {PushGround} from './pushes.ts'

const candidatesMax = 2000
export const noLag: Lag = {commits: null, seconds: null}

/** A source under promotion: its branches as they are now, moved along by what this run pushes. */
export interface LookGround extends PushGround {
  readonly clock: {now(): number}
}

/** The graph around one rule. */
export interface Scene extends Tips {
  readonly candidates: readonly {revision: string; committedAt: number; descends: boolean}[]
  readonly lag: Lag
}

/** The graph around a rule, as the mirror shows it. */
export async function look(ground: LookGround, rule: PromotionRule): Promise<Scene> {
  const {world, source} = ground
  const fromTip = tip(ground, rule.from)
  const toTip = tip(ground, rule.to)
  if (fromTip === null || toTip === null) return {fromTip, toTip, relation: null, candidates: [], lag: noLag}
  const relation = await world.git.relation(source, fromTip, toTip)
  if (relation === 'same' || relation === 'behind')
    return {fromTip, toTip, relation, candidates: [], lag: {commits: 0, seconds: 0}}
  const {commits: candidates, more} = await world.git.firstParents(source, fromTip, toTip, candidatesMax)
  const oldest = candidates.at(-1)?.committedAt
  const lag = {
    commits: await world.git.countBetween(source, toTip, fromTip),
    seconds:
      oldest === undefined || more ? null : Math.max(0, Math.round((ground.clock.now() - oldest) / 1000)),
  }
  return {fromTip, toTip, relation, candidates, lag}
}

/** What the rule asks of the builds. */
export const ask = (ground: LookGround, rule: FastForward, scene: Scene): GateAsk => ({
  rule: rule.name,
  builders: [...new Set(rule.green.builders)],
  branch: rule.from,
  repositories: [ground.source.name, ground.source.url],
  origins: rule.green.origins,
  revisions: scene.candidates.map(({revision}) => revision),
})

/** The builds of one rule's gates, as they are now. */
export async function evidenceOf(
  ground: LookGround,
  rule: FastForward,
  scene: Scene,
  sql: Sql,
): Promise<GateBuilds | null> {
  return (await gateBuilds(sql, [ask(ground, rule, scene)])).get(rule.name) ?? null
}

/** Everything a fastForward rule is judged by. */
export async function factsOf(
  ground: LookGround,
  scene: Scene,
  builds: GateBuilds | null,
): Promise<FastForwardFacts> {
  const {newest, ...rest} = builds ?? {newest: [], builds: [], running: []}
  const {fromTip, toTip, relation, candidates} = scene
  const places: Record<string, FastForwardFacts['places'][string]> = {}
  const line = new Set(candidates.map(({revision}) => revision))
  const others = [...new Set(newest.map(({revision}) => revision))].filter(
    (revision) => isRevision(revision) && !line.has(revision),
  )
  const present = await ground.world.git.has(ground.source, others)
  for (const revision of line) places[revision] = 'candidate'
  for (const revision of present) {
    const {git} = ground.world
    if (toTip && (await git.isAncestor(ground.source, revision, toTip))) places[revision] = 'contained'
    else
      places[revision] =
        fromTip && (await git.isAncestor(ground.source, revision, fromTip)) ? 'merged' : 'elsewhere'
  }
  return {fromTip, toTip, relation, candidates, newest, ...rest, places}
}

/** Where a branch is, as far as this run knows. */
export const tip = (ground: LookGround, branch: string): string | null =>
  Object.hasOwn(ground.refs, branch) ? (ground.refs[branch] as string) : null

const isRevision = (text: string) => /^([0-9a-f]{40}|[0-9a-f]{64})$/.test(text)
