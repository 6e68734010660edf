// What promotion rules are judged by: how their branches lie to each other in the mirror, the builds of their gates, and what
// people have said. Everything of the database is read for all rules of a run at once.
import type {Config, Green, PromotionRule} from '../../config/config.ts'
import type {Control, Facts, GateBuild, Place, Revert, Tips} from '../core/promotion/facts.ts'
import {revertsOf} from '../core/promotion/graph.ts'
import type {Lineage, SaidRevert} from '../core/promotion/graph.ts'
import {leadsBack, scratchBranch} from '../core/promotion/order.ts'
import {askOf, sheetOf} from '../core/promotion/sheet.ts'
import {answeredPromotions, standingControls} from '../world/store/controls.ts'
import type {ControlRow} from '../world/store/controls.ts'
import {readAwaited, readEvidence} from '../world/store/evidence.ts'
import type {Awaited, StoredEvidence} from '../world/store/evidence.ts'
import {readGates} from '../world/store/gates.ts'
import type {StoredGate} from '../world/store/gates.ts'
import {lastLanded, openConflicts} from '../world/store/promotions.ts'
import type {Lag} from '../world/store/promotions.ts'
import {databaseNow} from '../world/store/schedulers.ts'
import type {Sql} from '../world/store/store.ts'
import {recall} from './memory.ts'
import type {PushGround} from './pushes.ts'

export const noLag: Lag = {commits: null, seconds: null}

/** A source under promotion: its branches as they are now, moved along by what this run pushes. */
export interface LookGround extends PushGround {
  readonly clock: {now(): number}
  readonly config: Config
}

/** The graph around one rule. */
export interface Scene extends Tips {
  readonly lineage: Lineage | null
  readonly reverts: readonly Revert[]
  /** Reverts on `from` of commits that are not its own. */
  readonly outside: readonly SaidRevert[]
  readonly lag: Lag
}

/** The graph around a rule, as the mirror shows it. */
export async function look(ground: LookGround, rule: PromotionRule): Promise<Scene> {
  const {world, source} = ground
  const fromTip = tip(ground, rule.from)
  const toTip = tip(ground, rule.to)
  const nothing = {fromTip, toTip, lineage: null, reverts: [], outside: []}
  if (fromTip === null || toTip === null) return {...nothing, relation: null, lag: noLag}
  if (fromTip === toTip) return {...nothing, relation: 'same', lag: {commits: 0, seconds: 0}}
  const question = `${source.name} ${fromTip} ${toTip}`
  const lineage = await recall(
    world.git,
    `lineage ${question}`,
    () => world.git.lineage(source, fromTip, toTip),
    ({since, beyond}) => since.size + beyond.size,
  )
  const {relation, oldestAt, since} = lineage
  if (relation === 'behind') return {...nothing, relation, lag: {commits: 0, seconds: 0}}
  const {within, outside} = await recall(world.git, `reverts ${question}`, async () =>
    revertsOf(lineage, await world.git.reverts(source, fromTip, toTip)),
  )
  const seconds = oldestAt === null ? null : Math.max(0, Math.round((ground.clock.now() - oldestAt) / 1000))
  return {
    fromTip,
    toTip,
    relation,
    lineage,
    reverts: within,
    outside,
    lag: {commits: since.size, seconds},
  }
}

/** What the database says to rules. */
export interface Told {
  readonly now: number
  readonly controls: readonly ControlRow[]
  readonly landed: ReadonlyMap<string, {readonly id: string; readonly landed: string}>
  /** `RULE\nPROMOTION`, of holds that were set because of a promotion. */
  readonly answered: ReadonlySet<string>
  readonly conflicts: ReadonlyMap<string, NonNullable<Facts['conflict']>>
  readonly gates: ReadonlyMap<string, StoredGate>
  readonly awaited: Awaited
}

/** Reads what people and earlier runs have said to the rules. */
export async function readTold(sql: Sql, source: string, rules: readonly PromotionRule[]): Promise<Told> {
  const names = rules.map(({name}) => name)
  const landed = await lastLanded(sql, source)
  return {
    now: await databaseNow(sql),
    controls: await standingControls(sql, names),
    landed,
    answered: await answeredPromotions(
      sql,
      [...landed.values()].map(({id}) => id),
    ),
    conflicts: await openConflicts(sql, names),
    gates: rules.some(({kind}) => kind === 'gate') ? await readGates(sql, names) : new Map(),
    awaited: rules.some((rule) => rule.green?.fillIn) ? await readAwaited(sql, source) : () => false,
  }
}

/** What a rule asks of the builds; null for one that asks nothing. */
export function askFor(ground: LookGround, rule: PromotionRule, scene: Scene, told: Told) {
  const {source} = ground
  if (rule.green === null) return null
  const gate = rule.kind === 'gate' ? told.gates.get(rule.name) : undefined
  const revisions =
    rule.kind === 'gate'
      ? gate
        ? [gate.commit, ...(gate.isSameTree ? [gate.candidate] : [])]
        : []
      : (scene.lineage?.line ?? [])
  return askOf(
    {...rule, green: rule.green},
    [source.name, source.url],
    revisions,
    rule.kind === 'gate' ? scratchBranch(rule.name) : null,
  )
}

/** The builds of the rules' gates, as they are now. */
export async function evidenceOf(
  ground: LookGround,
  sql: Sql,
  rules: readonly (readonly [PromotionRule, Scene])[],
  told: Told,
): Promise<StoredEvidence> {
  const asks = rules.flatMap(([rule, scene]) => askFor(ground, rule, scene, told) ?? [])
  const minding = new Set(
    rules.flatMap(([{green}]) => (green?.staleEvidence === 'refuse' ? green.builders : [])),
  )
  return await readEvidence(
    sql,
    asks,
    ground.config.builders.filter(({name}) => minding.has(name)),
  )
}

/** The part of the facts that the database tells. It is read again in the transaction that acts. */
export function toldFacts(
  ground: LookGround,
  rule: PromotionRule,
  scene: Scene,
  told: Told,
  evidence: StoredEvidence,
) {
  const ask = askFor(ground, rule, scene, told)
  const sheet = ask ? sheetOf(ask, evidence.stored, evidence.newest) : {newest: [], builds: [], open: []}
  const stored = rule.kind === 'gate' ? (told.gates.get(rule.name) ?? null) : null
  const gate = stored && stored.base === scene.toTip ? stored : null
  return {
    now: told.now,
    controls: told.controls
      .filter(({rule: name}) => name === rule.name)
      .map((control) => controlOf(control, scene.lineage)),
    conflict: told.conflicts.get(rule.name) ?? null,
    gate: stored && plainGate(stored),
    tested: gate?.tested ?? [],
    isAwaited: told.awaited(rule.from, scene.fromTip),
    ...(stored?.isSameTree ? alsoFor(sheet, stored.candidate, stored.commit) : sheet),
  }
}

const plainGate = ({candidate, base, commit, tree, isSameTree}: StoredGate) => ({
  candidate,
  base,
  commit,
  tree,
  isSameTree,
})

/** Builds of a commit are evidence for a merge that holds the same files. */
function alsoFor<T extends {builds: readonly GateBuild[]; open: Facts['open']}>(
  sheet: T,
  candidate: string,
  commit: string,
): T {
  const own = new Set(sheet.builds.filter(({revision}) => revision === commit).map(({builder}) => builder))
  const moved = <B extends {readonly builder: string; readonly revision: string}>(builds: readonly B[]) =>
    builds
      .filter(({revision, builder}) => revision === commit || !own.has(builder))
      .map((build) => (build.revision === candidate ? {...build, revision: commit} : build))
  return {...sheet, builds: moved(sheet.builds), open: moved(sheet.open)}
}

const controlOf = (
  {id, kind, revision, by, role, reason, exact, promotion, until}: ControlRow,
  lineage: Lineage | null,
): Control => ({
  id,
  kind,
  revision,
  by,
  role,
  reason,
  since: revision === null ? null : (lineage?.since.get(revision) ?? null),
  isExact: exact,
  promotion,
  until,
})

/** Everything a rule is judged by. */
export async function factsOf(
  ground: LookGround,
  rule: PromotionRule,
  scene: Scene,
  told: Told,
  evidence: StoredEvidence,
): Promise<Facts> {
  const {fromTip, toTip, relation, lineage, reverts} = scene
  const said = toldFacts(ground, rule, scene, told, evidence)
  return {
    fromTip,
    toTip,
    relation,
    candidates: lineage?.candidates ?? [],
    isOnlyMerges: lineage?.isOnlyMerges ?? false,
    reverts,
    ...said,
    places: await placesOf(ground, rule.green, scene, said.newest),
    taken: await takenBack(ground, rule, scene),
    lost: await lostOf(ground, rule, toTip, told),
  }
}

/** Where the newest builds' revisions lie; only `latestFinished` asks. */
async function placesOf(
  ground: LookGround,
  green: Green | null,
  {fromTip, toTip, lineage}: Scene,
  newest: readonly GateBuild[],
): Promise<Record<string, Place>> {
  const places: Record<string, Place> = {}
  if (green?.policy !== 'latestFinished' || !lineage || !fromTip || !toTip) return places
  const line = new Set(lineage.candidates.map(({revision}) => revision))
  for (const revision of new Set(newest.map((build) => build.revision))) {
    if (!isRevision(revision)) continue
    if (line.has(revision)) places[revision] = 'candidate'
    else if (lineage.since.has(revision)) places[revision] = 'merged'
    else if (revision === toTip || lineage.beyond.has(revision)) places[revision] = 'contained'
    else if (await isKnown(ground, revision))
      places[revision] = (await isWithin(ground, revision, toTip)) ? 'contained' : 'elsewhere'
  }
  return places
}

/** Of a rule that leads back: reverts of what the target itself brought. */
async function takenBack(
  ground: LookGround,
  rule: PromotionRule,
  {toTip, outside}: Scene,
): Promise<Facts['taken']> {
  if (rule.kind !== 'merge' || !toTip || outside.length === 0) return []
  if (!leadsBack(rule, ground.config.promotions.rules)) return []
  const taken: {reverted: string; by: string}[] = []
  for (const {reverted, revision} of outside)
    if (
      isRevision(reverted) &&
      (await isKnown(ground, reverted)) &&
      (await isWithin(ground, reverted, toTip))
    )
      taken.push({reverted, by: revision})
  return taken
}

/** What was promoted to the target last, when the target does not hold it and nobody was told of that. */
async function lostOf(
  ground: LookGround,
  rule: PromotionRule,
  toTip: string | null,
  told: Told,
): Promise<Facts['lost']> {
  const last = told.landed.get(rule.to)
  if (!last || !toTip || last.landed === toTip || told.answered.has(`${rule.name}\n${last.id}`)) return null
  const holdsIt = (await isKnown(ground, last.landed)) && (await isWithin(ground, last.landed, toTip))
  return holdsIt ? null : {promotion: last.id, landed: last.landed}
}

const absent = new Error('the mirror does not have it')

/** Whether the mirror has the commit; only a yes is remembered. */
async function isKnown({world, source}: LookGround, revision: string): Promise<boolean> {
  try {
    return await recall(world.git, `known ${source.name} ${source.url} ${revision}`, async () => {
      if ((await world.git.has(source, [revision])).has(revision)) return true
      throw absent
    })
  } catch (error) {
    if (error === absent) return false
    throw error
  }
}

const isWithin = ({world, source}: LookGround, older: string, newer: string): Promise<boolean> =>
  older === newer
    ? Promise.resolve(true)
    : recall(world.git, `within ${source.name} ${older} ${newer}`, () =>
        world.git.isAncestor(source, older, newer),
      )

/** Where a branch is, as far as this run knows. */
export const tip = (ground: PushGround, branch: string): string | null =>
  Object.hasOwn(ground.refs, branch) ? (ground.refs[branch] as string) : null

const isRevision = (text: string) => /^([0-9a-f]{40}|[0-9a-f]{64})$/.test(text)
