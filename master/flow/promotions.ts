// The last stage: tested commits move branches. The schedule, the command and the bell after a build all come through
// `runPromotions`. For each source: fetch, settle pushes whose end nobody saw, then rule by rule look, judge, write
// the plan, push under an exact lease, and believe only what the server shows afterwards.
import {isDeepStrictEqual} from 'node:util'
import type {Config, GitSource, Merge, PromotionRule} from '../../config/config.ts'
import type {Decision, Facts} from '../core/promotion/facts.ts'
import {plain, shortName} from '../core/promotion/facts.ts'
import {judge} from '../core/promotion/judge.ts'
import {orderRules} from '../core/promotion/order.ts'
import {basisOf} from '../core/promotion/replay.ts'
import * as rows from '../world/store/promotions.ts'
import type {NewPromotion, PromotionRow} from '../world/store/promotions.ts'
import type {StoredEvidence} from '../world/store/evidence.ts'
import type {Sql} from '../world/store/store.ts'
import {carryOut} from './gates.ts'
import {conflicting, land, mergeFor, sameTips} from './landing.ts'
import type {Ground, RunOptions} from './landing.ts'
import {settlePushing} from './pushes.ts'
import type {PushWorld} from './pushes.ts'
import {report, unstored} from './outcomes.ts'
import type {RuleReport} from './outcomes.ts'
import {evidenceOf, factsOf, look, readTold, tip, toldFacts} from './scenes.ts'
import type {Scene, Told} from './scenes.ts'
import type {Guard} from './changes.ts'

export type {RunOptions} from './landing.ts'
export type {RuleReport} from './outcomes.ts'

/** What this stage needs of the world. */
export interface PromotionsWorld extends PushWorld {
  readonly clock: {now(): number}
  /** Runs work while holding a lease that only one master can hold; null when another holds it. Without it, there is one master. */
  readonly whileHolding?: <T>(lease: string, work: (guard: Guard) => Promise<T>) => Promise<T | null>
}

const heldMs = 2_000

/** Runs the rules, each source's in order, and reports on every one. A rule or source that fails does not stop the others. */
export async function runPromotions(
  world: PromotionsWorld,
  config: Config,
  options: RunOptions,
): Promise<RuleReport[]> {
  const chosen = orderRules(config.promotions.rules).filter(
    (rule) => options.rule === undefined || rule.name === options.rule,
  )
  const reports: RuleReport[] = []
  for (const name of new Set(chosen.map((rule) => rule.source))) {
    const rules = chosen.filter((rule) => rule.source === name)
    reports.push(...(await runSource(world, config, name, rules, options)))
  }
  return chosen.flatMap((rule) => reports.find((report) => report.rule === rule.name) ?? [])
}

/** One run per source at a time in this master; the lease sees to the other masters. */
const turns = new WeakMap<object, Map<string, Promise<unknown>>>()
async function inTurn<T>(key: object, name: string, work: () => Promise<T>): Promise<T> {
  const queue = turns.get(key) ?? new Map<string, Promise<unknown>>()
  turns.set(key, queue)
  const turn = (queue.get(name) ?? Promise.resolve()).catch(() => undefined).then(work)
  queue.set(name, turn)
  return await turn
}

const alone: NonNullable<PromotionsWorld['whileHolding']> = async (_lease, work) =>
  await work(async () => undefined)

/** Works on a source that was just fetched, as the only one of all masters; null when another is at it. */
export async function onSource<T>(
  world: PromotionsWorld,
  config: Config,
  source: GitSource,
  options: RunOptions,
  work: (ground: Ground) => Promise<T>,
): Promise<T | null> {
  const whileHolding = options.dryRun ? alone : (world.whileHolding ?? alone)
  return await inTurn(world.git, source.name, () =>
    whileHolding(`promotions/${source.name}`, async (guard) => {
      const {refs} = await world.git.fetch(source)
      const {clock} = world
      return await work({
        world,
        clock,
        config,
        source,
        options,
        guard,
        refs: {...refs},
        standing: [],
        stopped: null,
      })
    }),
  )
}

async function runSource(
  world: PromotionsWorld,
  config: Config,
  name: string,
  rules: readonly PromotionRule[],
  options: RunOptions,
): Promise<RuleReport[]> {
  const source = config.changeSources.find((candidate) => candidate.name === name)
  if (source?.kind !== 'git')
    return rules.map((rule) => unstored(rule, 'refuse', `there is no git source ${name}`))
  try {
    const reports = await onSource(world, config, source, options, (ground) => runRules(ground, rules))
    // The other's work may be older than this bell, and a master that died holds the lease for a while yet.
    if (!reports) setTimeout(() => world.bells.ringHere('promotions'), heldMs).unref()
    return reports ?? rules.map((rule) => unstored(rule, 'wait', 'another master is promoting now'))
  } catch (error) {
    const because = words(error)
    world.say.warn({source: name, because}, 'promotions could not be judged')
    return rules.map((rule) => unstored(rule, 'wait', because, because))
  }
}

/** What one run knows of all its rules. */
interface Knowledge {
  readonly scenes: ReadonlyMap<string, Scene>
  readonly told: Told
  readonly evidence: StoredEvidence
}

async function runRules(ground: Ground, rules: readonly PromotionRule[]): Promise<RuleReport[]> {
  const {world, options} = ground
  const unsettled = options.dryRun ? new Set<string>() : await settlePushing(ground)
  const last = await rows.lastPromotions(
    world.store,
    rules.map((rule) => rule.name),
  )
  const scenes = new Map<string, Scene>()
  for (const rule of rules) scenes.set(rule.name, await look(ground, rule))
  const told = await readTold(world.store, ground.source.name, rules)
  const pairs = rules.map((rule) => [rule, scenes.get(rule.name) as Scene] as const)
  const evidence = await evidenceOf(ground, world.store, pairs, told)
  const reports: RuleReport[] = []
  for (const rule of rules) {
    if (unsettled.has(rule.to)) {
      reports.push(unstored(rule, 'wait', `the end of an earlier push to ${rule.to} is not known yet`))
      continue
    }
    try {
      reports.push(await runRule(ground, rule, {scenes, told, evidence}, last.get(rule.name) ?? null))
    } catch (error) {
      world.say.error({rule: rule.name, err: error}, 'promotion failed')
      reports.push(unstored(rule, 'wait', words(error), words(error)))
    }
  }
  await rows.touchPromotions(world.store, ground.standing)
  return reports
}

async function runRule(
  ground: Ground,
  rule: PromotionRule,
  known: Knowledge,
  last: PromotionRow | null,
): Promise<RuleReport> {
  const {world, options, source} = ground
  // An earlier rule of this run may have moved a branch.
  const first = known.scenes.get(rule.name) as Scene
  const fresh = first.fromTip === tip(ground, rule.from) && first.toTip === tip(ground, rule.to)
  const scene = fresh ? first : await look(ground, rule)
  const told = fresh ? known.told : await readTold(world.store, source.name, [rule])
  const evidence = fresh ? known.evidence : await evidenceOf(ground, world.store, [[rule, scene]], told)
  const facts = await factsOf(ground, rule, scene, told, evidence)
  const decision = judge(rule, facts)
  const plan = planOf(ground, rule, scene, facts, decision)
  // The builds and what people say are asked again in the transaction that writes the plan: what came meanwhile stops it.
  const stands = async (tx: Sql) => {
    const again = await readTold(tx, source.name, [rule])
    const builds = await evidenceOf(ground, tx, [[rule, scene]], again)
    const now = judge(rule, {...facts, ...toldFacts(ground, rule, scene, again, builds)})
    return now.verdict === 'promote' && now.candidate === decision.candidate && now.would === decision.would
  }
  if (decision.verdict === 'promote') return await promote(ground, rule, plan, facts, last, stands)
  if (!options.dryRun) {
    for (const order of decision.orders) {
      const ordered = await carryOut(ground, plan, facts, order)
      if (ordered === null) continue
      if ('report' in ordered) return ordered.report
      const [verdict, reason] =
        'refused' in ordered
          ? (['refuse', ordered.refused] as const)
          : (['current', ordered.unchanged] as const)
      return await keep(ground, {...plan, decision: {...decision, verdict, reasons: [reason]}}, last)
    }
  }
  if (decision.verdict === 'current' && facts.conflict && !options.dryRun)
    await world.store.transaction((tx) => rows.resolveConflicts(tx, rule.name))
  return await keep(ground, plan, last)
}

const planOf = (
  {options}: Ground,
  rule: PromotionRule,
  {fromTip, toTip, relation, lag}: Scene,
  facts: Facts,
  decision: Decision,
): NewPromotion => ({
  rule,
  fromTip,
  toTip,
  relation,
  lag,
  decision,
  landed: null,
  evidence: decision.evidence ?? {},
  basis: () => basisOf(rule, facts, decision),
  state: decision.verdict === 'promote' ? 'pushing' : 'decided',
  actor: options.actor,
})

/** Makes what a decision lands, and lands it. */
async function promote(
  ground: Ground,
  rule: PromotionRule,
  p: NewPromotion,
  facts: Facts,
  last: PromotionRow | null,
  stands: (tx: Sql) => Promise<boolean>,
): Promise<RuleReport> {
  const {decision} = p
  const {gate} = facts
  if (rule.kind === 'merge') return await carry(ground, rule, p, facts, last, stands)
  const landed = rule.kind === 'gate' ? (gate?.commit ?? null) : decision.candidate
  const parents = gate ? {parents: [gate.base, gate.candidate]} : {}
  return await land(ground, {...p, landed, evidence: {...p.evidence, ...parents}}, last, stands)
}

async function carry(
  ground: Ground,
  rule: Merge,
  p: NewPromotion,
  {isOnlyMerges}: Facts,
  last: PromotionRow | null,
  stands: (tx: Sql) => Promise<boolean>,
): Promise<RuleReport> {
  const {world, source} = ground
  const [candidate, toTip] = [p.decision.candidate as string, p.toTip as string]
  const merged = await mergeFor(ground, rule, toTip, candidate)
  if (merged.merge === 'conflict') return await conflicting(ground, p, toTip, candidate, merged.files)
  const stay = (verdict: 'current' | 'refuse', reason: string) =>
    keep(ground, {...p, decision: {...plain(verdict, reason), would: null}, state: 'decided'}, last)
  // Two rules that carry to each other would else go on for ever.
  if (isOnlyMerges && merged.tree === (await world.git.treeOf(source, toTip)))
    return await stay('current', `merging ${shortName(candidate)} would change nothing in ${rule.to}`)
  if (rule.green && rule.tree === 'same' && merged.tree !== (await world.git.treeOf(source, candidate)))
    return await stay(
      'refuse',
      `the merge of ${shortName(candidate)} into ${rule.to} is not what was tested: ${rule.to} has commits of its own. A rule of the kind gate tests the merge`,
    )
  const evidence = {
    ...p.evidence,
    tree: merged.tree,
    parents: [toTip, candidate],
    madeWith: await world.git.version(source),
  }
  return await land(ground, {...p, landed: merged.revision, evidence}, last, stands)
}

/** Stores a decision that moves nothing; one that says what the last row says only notes that it still holds. */
async function keep(ground: Ground, p: NewPromotion, last: PromotionRow | null): Promise<RuleReport> {
  const {world, options, guard} = ground
  if (options.dryRun) return report(p, null, null, null)
  // While two branches conflict, the row of the conflict itself is what stands.
  const [reason = ''] = p.decision.reasons
  const conflicting =
    last?.state === 'conflict' && reason.startsWith('still conflicting') && sameTips(p, last)
  if (last && (conflicting || (last.state === 'decided' && sameDecision(p, last)))) {
    ground.standing.push({id: last.id, lag: p.lag})
    return report(p, last.state, last.error, last.id)
  }
  const id = await world.store.transaction(async (tx) => {
    await guard(tx)
    return await rows.addPromotion(tx, p)
  })
  for (const bell of ['events', 'reports'] as const) world.bells.ring(bell)
  return report(p, 'decided', null, id)
}

const words = (error: unknown) => (error instanceof Error ? error.message : String(error))

const sameDecision = (p: NewPromotion, row: PromotionRow) =>
  sameTips(p, row) &&
  row.verdict === p.decision.verdict &&
  row.candidate === p.decision.candidate &&
  isDeepStrictEqual(row.reasons, p.decision.reasons)
