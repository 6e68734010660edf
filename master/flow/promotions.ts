// The last stage: tested commits move branches. The schedule, the command and the bell after a build all come through
// `runPromotions`. For each source: fetch, settle pushes whose end nobody saw, then rule by rule look, judge, write
// the plan, push under an exact lease, and believe only what the server shows afterwards.
import {isDeepStrictEqual} from 'node:util'
import type {Config, FastForward, GitSource, Merge, PromotionRule} from '../../config/config.ts'
import {
  conflictWords,
  fillMessage,
  judgeFastForward,
  judgeMerge,
  orderRules,
  shortName,
} from '../core/promotion.ts'
import type {FastForwardFacts} from '../core/promotion.ts'
import {record} from '../world/store/events.ts'
import * as rows from '../world/store/promotions.ts'
import type {GateBuilds, NewPromotion, PromotionRow} from '../world/store/promotions.ts'
import type {Sql} from '../world/store/store.ts'
import {confirm, settlePushing} from './pushes.ts'
import type {PushWorld} from './pushes.ts'
import {report, unstored} from './outcomes.ts'
import type {RuleReport} from './outcomes.ts'
import {ask, evidenceOf, factsOf, look, tip} from './scenes.ts'
import type {LookGround, Scene} from './scenes.ts'
import type {Guard} from './changes.ts'

export type {RuleReport} from './outcomes.ts'

/** What this stage needs of the world. */
export interface PromotionsWorld extends PushWorld {
  readonly clock: {now(): number}
  /** Runs work while holding a lease that only one master can hold; null when another holds it. Without it, there is one master. */
  readonly whileHolding?: <T>(lease: string, work: (guard: Guard) => Promise<T>) => Promise<T | null>
}

export interface RunOptions {
  /** Who wants it: `schedule` or `build` for the master itself, or a person. */
  readonly actor: string
  /** Only say what would be done: no row is written, no server is asked to change. */
  readonly dryRun?: boolean
  /** Only this rule. */
  readonly rule?: string
}

const heldMs = 2_000
/** How long a push that the server refused is not tried again by itself. */
const refusedRestMs = 60 * 60_000
const automatic = new Set(['schedule', 'build'])

/** A source under promotion, in one run. */
interface Ground extends LookGround {
  readonly world: PromotionsWorld
  readonly config: Config
  readonly source: GitSource
  readonly options: RunOptions
}

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
    reports.push(...(await inTurn(world.git, name, () => runSource(world, config, name, rules, options))))
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
    const whileHolding = options.dryRun ? alone : (world.whileHolding ?? alone)
    const reports = await whileHolding(`promotions/${name}`, async (guard) => {
      const {refs} = await world.git.fetch(source)
      return await runRules(
        {world, clock: world.clock, config, source, options, guard, refs: {...refs}},
        rules,
      )
    })
    // The other's work may be older than this bell, and a master that died holds the lease for a while yet.
    if (!reports) setTimeout(() => world.bells.ringHere('promotions'), heldMs).unref()
    return reports ?? rules.map((rule) => unstored(rule, 'wait', 'another master is promoting now'))
  } catch (error) {
    const because = words(error)
    world.say.warn({source: name, because}, 'promotions could not be judged')
    return rules.map((rule) => unstored(rule, 'wait', because, because))
  }
}

const alone: NonNullable<PromotionsWorld['whileHolding']> = async (_lease, work) =>
  await work(async () => undefined)

async function runRules(ground: Ground, rules: readonly PromotionRule[]): Promise<RuleReport[]> {
  const {world, options} = ground
  const unsettled = options.dryRun ? new Set<string>() : await settlePushing(ground)
  const last = await rows.lastPromotions(
    world.store,
    rules.map((rule) => rule.name),
  )
  const scenes = new Map<string, Scene>()
  for (const rule of rules) scenes.set(rule.name, await look(ground, rule))
  const builds = await rows.gateBuilds(
    world.store,
    rules.filter(isFastForward).map((rule) => ask(ground, rule, scenes.get(rule.name) as Scene)),
  )
  const reports: RuleReport[] = []
  for (const rule of rules) {
    if (unsettled.has(rule.to)) {
      reports.push(unstored(rule, 'wait', `the end of an earlier push to ${rule.to} is not known yet`))
      continue
    }
    try {
      reports.push(
        await runRule(
          ground,
          rule,
          scenes.get(rule.name) as Scene,
          builds.get(rule.name) ?? null,
          last.get(rule.name) ?? null,
        ),
      )
    } catch (error) {
      world.say.error({rule: rule.name, err: error}, 'promotion failed')
      reports.push(unstored(rule, 'wait', words(error), words(error)))
    }
  }
  return reports
}

async function runRule(
  ground: Ground,
  rule: PromotionRule,
  first: Scene,
  found: GateBuilds | null,
  last: PromotionRow | null,
): Promise<RuleReport> {
  // An earlier rule of this run may have moved a branch.
  const fresh = first.fromTip === tip(ground, rule.from) && first.toTip === tip(ground, rule.to)
  const scene = fresh ? first : await look(ground, rule)
  if (rule.kind === 'merge') return await carry(ground, rule, scene, last)
  const builds = fresh ? found : await evidenceOf(ground, rule, scene, ground.world.store)
  return await fastForward(ground, rule, scene, await factsOf(ground, scene, builds), last)
}

async function fastForward(
  ground: Ground,
  rule: FastForward,
  scene: Scene,
  facts: FastForwardFacts,
  last: PromotionRow | null,
): Promise<RuleReport> {
  const decision = judgeFastForward(rule, facts)
  const plan: NewPromotion = {
    ...base(ground, rule, scene),
    decision,
    landed: decision.candidate,
    evidence: decision.evidence ?? {},
    state: 'pushing',
  }
  if (decision.verdict !== 'promote') return await keep(ground, {...plan, state: 'decided'}, last)
  // The builds are asked again in the transaction that writes the plan: a red that came meanwhile stops it.
  const stands = async (tx: Sql) => {
    const now = judgeFastForward(rule, {...facts, ...(await evidenceOf(ground, rule, scene, tx))})
    return now.verdict === 'promote' && now.candidate === decision.candidate
  }
  return await land(ground, plan, last, stands)
}

async function carry(
  ground: Ground,
  rule: Merge,
  scene: Scene,
  last: PromotionRow | null,
): Promise<RuleReport> {
  const {world, source, config, options} = ground
  const conflict =
    last?.state === 'conflict' && last.fromTip && last.toTip
      ? {fromTip: last.fromTip, toTip: last.toTip, files: last.evidence?.files ?? []}
      : null
  const decision = judgeMerge(rule, {...scene, conflict})
  const plan: NewPromotion = {
    ...base(ground, rule, scene),
    decision,
    landed: null,
    evidence: {},
    state: 'pushing',
  }
  if (decision.verdict !== 'promote') return await keep(ground, {...plan, state: 'decided'}, last)
  const [fromTip, toTip] = [scene.fromTip as string, scene.toTip as string]
  const message = fillMessage(rule.message, {
    revision: fromTip,
    from: rule.from,
    to: rule.to,
    rule: rule.name,
  })
  const merged = await world.git.merge(source, toTip, fromTip, {
    message,
    committer: config.promotions.committer,
    at: world.clock.now(),
  })
  if (merged.merge === 'unrelated') throw new Error(`${rule.from} and ${rule.to} have no commit in common`)
  if (merged.merge === 'clean')
    return await land(
      ground,
      {...plan, landed: merged.revision, evidence: {tree: merged.tree, parents: [toTip, fromTip]}},
      last,
      async () => true,
    )
  const because = `merging ${rule.from} ${shortName(fromTip)} into ${rule.to} ${shortName(toTip)} conflicts: ${conflictWords(merged.files)}`
  const told: NewPromotion = {
    ...plan,
    decision: {...decision, verdict: 'wait', reasons: [because]},
    evidence: {files: merged.files},
    state: 'conflict',
  }
  if (options.dryRun) return report(told, null, null, null)
  const id = await world.store.transaction(async (tx) => {
    await ground.guard(tx)
    const added = await rows.addPromotion(tx, told)
    await record(tx, [
      {type: 'promotion.conflict', data: {rule: rule.name, promotion: added, files: merged.files}},
    ])
    return added
  })
  world.bells.ring('events')
  world.bells.ring('reports')
  return report(told, 'conflict', null, id)
}

/** Stores a decision that moves nothing; one that says what the last row says only notes that it still holds. */
async function keep(ground: Ground, p: NewPromotion, last: PromotionRow | null): Promise<RuleReport> {
  const {world, options, guard} = ground
  if (options.dryRun) return report(p, null, null, null)
  // While two branches conflict, the row of the conflict itself is what stands.
  const conflicting =
    last?.state === 'conflict' &&
    p.decision.verdict === 'wait' &&
    p.rule.kind === 'merge' &&
    sameTips(p, last)
  if (last && (conflicting || (last.state === 'decided' && sameDecision(p, last)))) {
    await rows.touchPromotion(world.store, last.id, p.lag)
    return report(p, last.state, last.error, last.id)
  }
  const id = await world.store.transaction(async (tx) => {
    await guard(tx)
    return await rows.addPromotion(tx, p)
  })
  world.bells.ring('events')
  return report(p, 'decided', null, id)
}

/** Writes the plan, pushes it, and settles it by what the server shows. */
async function land(
  ground: Ground,
  p: NewPromotion,
  last: PromotionRow | null,
  stands: (tx: Sql) => Promise<boolean>,
): Promise<RuleReport> {
  const {world, source, options, guard, refs} = ground
  const {rule} = p
  if (options.dryRun) return report(p, null, null, null)
  const again =
    last?.state === 'failed' && sameTips(p, last) && last.candidate === p.decision.candidate ? last : null
  if (again && automatic.has(options.actor) && (again.settledMsAgo ?? 0) < refusedRestMs) {
    await rows.touchPromotion(world.store, again.id, p.lag)
    return report(p, 'failed', again.error, again.id)
  }
  const [expect, to] = [p.toTip as string, p.landed as string]
  const tree = await world.git.treeOf(source, to)
  const plan = {...p, evidence: {...p.evidence, tree}}
  const id = await world.store.transaction(async (tx) => {
    await guard(tx)
    await rows.holdTarget(tx, rule.source, rule.to)
    const busy = (await rows.pushingPromotions(tx, rule.source)).some((row) => row.to === rule.to)
    if (busy || !(await stands(tx))) return null
    if (!again) return await rows.addPromotion(tx, plan)
    await rows.pushAgain(tx, again.id, to, plan.evidence, options.actor)
    return again.id
  })
  if (id === null) {
    world.bells.ring('promotions') // look again; decide again
    return report(
      {
        ...p,
        landed: null,
        decision: {...p.decision, verdict: 'wait', reasons: ['the evidence changed while it was judged']},
      },
      null,
      null,
      null,
    )
  }
  const outcome = await world.git.push(source, rule.to, {expect, to})
  const end = await confirm(
    ground,
    {
      id,
      rule: rule.name,
      from: rule.from,
      to: rule.to,
      toTip: expect,
      landed: to,
      revision: p.decision.candidate as string,
    },
    outcome,
    tree,
  )
  if (end.state === 'done') refs[rule.to] = to
  world.bells.ring('events')
  if (end.state === 'done') world.bells.ring('changes')
  if (end.state === 'failed')
    world.say.error({rule: rule.name, because: end.error}, 'the server refused a promotion')
  return report(plan, end.state, end.error, id)
}

const isFastForward = (rule: PromotionRule): rule is FastForward => rule.kind === 'fastForward'
const words = (error: unknown) => (error instanceof Error ? error.message : String(error))

const base = (ground: Ground, rule: PromotionRule, {fromTip, toTip, lag}: Scene) => ({
  rule,
  fromTip,
  toTip,
  lag,
  actor: ground.options.actor,
})

const sameTips = (p: NewPromotion, row: PromotionRow) => row.fromTip === p.fromTip && row.toTip === p.toTip

const sameDecision = (p: NewPromotion, row: PromotionRow) =>
  sameTips(p, row) &&
  row.verdict === p.decision.verdict &&
  row.candidate === p.decision.candidate &&
  isDeepStrictEqual(row.reasons, p.decision.reasons)
