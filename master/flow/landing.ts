// Landing: the commit that a decision comes to is made, the plan is written, the server is asked, and only what it shows
// afterwards is believed.
import type {Config, Gate, GitSource, Merge, PromotionRule} from '../../config/config.ts'
import {shortName} from '../core/promotion/facts.ts'
import {fillMessage} from '../core/promotion/order.ts'
import {conflictWords} from '../core/promotion/words.ts'
import type {Marks, Merged} from '../world/git.ts'
import {record} from '../world/store/events.ts'
import * as rows from '../world/store/promotions.ts'
import type {NewPromotion, PromotionRow, StandingDecision} from '../world/store/promotions.ts'
import type {Sql} from '../world/store/store.ts'
import {report} from './outcomes.ts'
import type {RuleReport} from './outcomes.ts'
import {confirm} from './pushes.ts'
import type {LookGround} from './scenes.ts'

export interface RunOptions {
  /** Who wants it: `schedule` or `build` for the master itself, or a person. */
  readonly actor: string
  /** Only say what would be done: no row is written, no server is asked to change. */
  readonly dryRun?: boolean
  /** Only this rule. */
  readonly rule?: string
}

/** A source under promotion, in one run. */
export interface Ground extends LookGround {
  readonly config: Config
  readonly source: GitSource
  readonly options: RunOptions
  /** The decisions that still hold, which is written down for all of them at the end of the run. */
  readonly standing: StandingDecision[]
  /** Why nothing more is pushed to this source in this run. */
  stopped: string | null
}

/** How long a push that the server refused is not tried again by itself. */
const refusedRestMs = 60 * 60_000
const automatic = new Set(['schedule', 'build'])

const valuesOf = (rule: PromotionRule, revision: string) => ({
  revision,
  from: rule.from,
  to: rule.to,
  rule: rule.name,
})

/** Merges a candidate into the target in the mirror, as the rule wants it to look. */
export async function mergeFor(
  {world, source, config, clock}: Ground,
  rule: Merge | Gate,
  toTip: string,
  candidate: string,
): Promise<Exclude<Merged, {merge: 'unrelated'}>> {
  const merged = await world.git.merge(source, toTip, candidate, {
    message: fillMessage(rule.message, valuesOf(rule, candidate)),
    committer: rule.committer ?? config.promotions.committer,
    at: clock.now(),
  })
  if (merged.merge === 'unrelated') throw new Error(`${rule.from} and ${rule.to} have no commit in common`)
  return merged
}

/** Tells of a conflict, once for each pair of commits, with who may know what to do. */
export async function conflicting(
  ground: Ground,
  p: NewPromotion,
  toTip: string,
  candidate: string,
  files: readonly string[],
): Promise<RuleReport> {
  const {world, source, options} = ground
  const {rule} = p
  const because = `merging ${rule.from} ${shortName(candidate)} into ${rule.to} ${shortName(toTip)} conflicts: ${conflictWords(files)}`
  const told: NewPromotion = {
    ...p,
    decision: {...p.decision, verdict: 'wait', candidate, reasons: [because]},
    evidence: {...p.evidence, files},
    state: 'conflict',
  }
  if (options.dryRun) return report(told, null, null, null)
  const authors = await world.git.authors(source, candidate, toTip, files)
  const id = await world.store.transaction(async (tx) => {
    await ground.guard(tx)
    const added = await rows.addPromotion(tx, told)
    await record(tx, [
      {type: 'promotion.conflict', data: {rule: rule.name, promotion: added, files, authors}},
    ])
    return added
  })
  for (const bell of ['events', 'reports'] as const) world.bells.ring(bell)
  return report(told, 'conflict', null, id)
}

/** Writes the plan, pushes it, and settles it by what the server shows. */
export async function land(
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
    ground.standing.push({id: again.id, lag: p.lag})
    return report(p, 'failed', again.error, again.id)
  }
  if (ground.stopped !== null) return put(p, ground.stopped)
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
    return put(p, 'the evidence changed while it was judged')
  }
  const marks = marksOf(ground, rule, p.decision.candidate as string)
  const outcome = await world.git.push(source, rule.to, {expect, to}, marks)
  if (outcome.outcome === 'auth')
    ground.stopped = `${source.name} refuses to know the master: ${outcome.because}`
  const end = await confirm(
    ground,
    {
      id,
      rule: rule.name,
      kind: rule.kind,
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
  for (const bell of ['events', 'reports'] as const) world.bells.ring(bell)
  if (end.state === 'done') world.bells.ring('changes')
  if (end.state === 'failed')
    world.say.error({rule: rule.name, because: end.error}, 'the server refused a promotion')
  return report(plan, end.state, end.error, id)
}

/** A plan that is put off: nothing was written. */
const put = (p: NewPromotion, reason: string): RuleReport =>
  report(
    {...p, landed: null, decision: {...p.decision, verdict: 'wait', reasons: [reason]}},
    null,
    null,
    null,
  )

/** What is set together with the branch. */
function marksOf({config}: Ground, rule: PromotionRule, candidate: string): Marks {
  const values = valuesOf(rule, candidate)
  const by = (rule.kind === 'fastForward' ? null : rule.committer) ?? config.promotions.committer
  return {
    tag: rule.tag === null ? null : fillMessage(rule.tag, values),
    note: rule.note === null ? null : {text: fillMessage(rule.note, values), by},
  }
}

export const sameTips = (p: NewPromotion, row: PromotionRow) =>
  row.fromTip === p.fromTip && row.toTip === p.toTip
