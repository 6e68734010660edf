// Taking a branch back to where it was before its last promotion, on a person's order: first it is said what that would do,
// then exactly that is done, and the rules that would undo it are held.
import type {Config, GitSource, PromotionRule} from '../../config/config.ts'
import {plain, shortName} from '../core/promotion/facts.ts'
import {RollbackRefused} from '../core/promotion/rollback.ts'
import type {RollbackOrder, RollbackPlan, RolledBack} from '../core/promotion/rollback.ts'
import {addControl} from '../world/store/controls.ts'
import * as rows from '../world/store/promotions.ts'
import type {PromotionRow} from '../world/store/promotions.ts'
import {noLag, tip} from './scenes.ts'
import {onSource} from './promotions.ts'
import type {PromotionsWorld} from './promotions.ts'
import {confirm} from './pushes.ts'
import type {Ground} from './landing.ts'

/** Says what taking a rule's branch back would do. Changes nothing. */
export async function planRollback(
  world: PromotionsWorld,
  config: Config,
  rule: PromotionRule,
): Promise<RollbackPlan> {
  const options = {actor: 'plan', dryRun: true}
  const found = await onSource(world, config, sourceOf(config, rule), options, (ground) =>
    planOn(ground, rule),
  )
  return (found as {plan: RollbackPlan}).plan
}

/** Does what the plan said, if the branch is still where the plan saw it. */
export async function rollBack(
  world: PromotionsWorld,
  config: Config,
  rule: PromotionRule,
  order: RollbackOrder,
): Promise<RolledBack> {
  const options = {actor: order.actor.who}
  const done = await onSource(world, config, sourceOf(config, rule), options, (ground) =>
    takeBack(ground, rule, order),
  )
  if (!done) throw new RollbackRefused('another master is promoting now: try again')
  return done
}

function sourceOf(config: Config, rule: PromotionRule): GitSource {
  const source = config.changeSources.find(({name}) => name === rule.source)
  if (source?.kind !== 'git') throw new RollbackRefused(`there is no git source ${rule.source}`)
  return source
}

async function planOn(
  ground: Ground,
  rule: PromotionRule,
): Promise<{plan: RollbackPlan; taken: PromotionRow}> {
  const {world, source, config} = ground
  const from = tip(ground, rule.to)
  if (from === null) throw new RollbackRefused(`${rule.source} has no branch ${rule.to}`)
  const taken = await rows.promotionTo(world.store, source.name, rule.to, from)
  if (!taken?.toTip)
    throw new RollbackRefused(
      `${rule.to} is at ${shortName(from)}, which no promotion brought it to: there is nothing to take back`,
    )
  const {candidates, since} = await world.git.lineage(source, from, taken.toTip)
  const {rules} = config.promotions
  const holds = rules.filter((each) => each.source === rule.source && each.to === rule.to)
  const onward = rules.filter((each) => each.source === rule.source && each.from === rule.to)
  const plan = {
    rule: rule.name,
    branch: rule.to,
    from,
    to: taken.toTip,
    promotion: taken.id,
    commits: since.size,
    leaving: candidates.slice(0, 50).map(({revision}) => revision),
    holds: holds.map(({name}) => name),
    warnings: [
      `when the hold is released, ${shortName(taken.candidate ?? from)} is promoted again unless it is denied, or reverted on ${rule.from}`,
      ...onward.map(
        ({name, to}) => `what ${name} has brought to ${to} stays there: take that back by itself`,
      ),
    ],
  }
  return {plan, taken}
}

async function takeBack(ground: Ground, rule: PromotionRule, order: RollbackOrder): Promise<RolledBack> {
  const {world, source, guard, refs} = ground
  const {plan, taken} = await planOn(ground, rule)
  if (plan.from !== order.from || plan.to !== order.to)
    throw new RollbackRefused(
      `${rule.to} is at ${shortName(plan.from)} and would go to ${shortName(plan.to)}; the order was for ${shortName(order.from)} to ${shortName(order.to)}. Look at the plan again`,
    )
  const tree = await world.git.treeOf(source, plan.to)
  const {actor, role, reason} = order
  const id = await world.store.transaction(async (tx) => {
    await guard(tx)
    await rows.holdTarget(tx, rule.source, rule.to)
    const busy = (await rows.pushingPromotions(tx, rule.source)).some(({to}) => to === rule.to)
    if (busy) throw new RollbackRefused(`the end of an earlier push to ${rule.to} is not known yet`)
    // Before the push: whatever becomes of it, no rule undoes it.
    for (const name of plan.holds)
      await addControl(tx, actor, {
        kind: 'hold',
        rule: name,
        promotion: taken.id,
        role,
        reason: `${rule.to} was rolled back: ${reason}`,
      })
    if (order.deny && taken.candidate)
      await addControl(tx, actor, {
        kind: 'denial',
        rule: rule.name,
        revision: taken.candidate,
        role,
        reason,
      })
    return await rows.addPromotion(tx, {
      rule,
      kind: 'rollback',
      fromTip: tip(ground, rule.from),
      toTip: plan.from,
      relation: null,
      decision: {
        ...plain('promote', `rolled back by ${actor.who}: ${reason}`),
        candidate: plan.to,
      },
      landed: plan.to,
      evidence: {tree, takenBack: taken.id},
      basis: null,
      state: 'pushing',
      actor: actor.who,
      lag: noLag,
    })
  })
  const outcome = await world.git.takeBack(source, rule.to, {expect: plan.from, to: plan.to})
  const pushed = {
    id,
    rule: rule.name,
    kind: 'rollback' as const,
    from: rule.from,
    to: rule.to,
    toTip: plan.from,
    landed: plan.to,
    revision: plan.to,
  }
  const end = await confirm(ground, pushed, outcome, tree)
  if (end.state === 'done') refs[rule.to] = plan.to
  for (const bell of ['events', 'reports', 'changes', 'promotions'] as const) world.bells.ring(bell)
  return {promotion: id, state: end.state, error: end.error}
}
