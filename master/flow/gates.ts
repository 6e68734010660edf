// What a decision asks for besides moving a branch: builds that are missing, a merge to put under test on its scratch branch,
// a hold because a branch was taken back.
import type {Gate, PromotionRule} from '../../config/config.ts'
import type {Facts, Order} from '../core/promotion/facts.ts'
import {shortName} from '../core/promotion/facts.ts'
import {scratchBranch} from '../core/promotion/order.ts'
import {submitBuildset} from '../world/store/buildsets.ts'
import {addControl} from '../world/store/controls.ts'
import {addGate} from '../world/store/gates.ts'
import type {NewPromotion} from '../world/store/promotions.ts'
import {conflicting, mergeFor} from './landing.ts'
import type {Ground} from './landing.ts'
import type {RuleReport} from './outcomes.ts'
import {tip} from './scenes.ts'

/** What carrying out an order came to: a report that takes the decision's place, or nothing to add. */
type Ordered =
  {readonly report: RuleReport} | {readonly refused: string} | {readonly unchanged: string} | null

/** Carries out one order of a decision. */
export async function carryOut(
  ground: Ground,
  p: NewPromotion,
  facts: Facts,
  order: Order,
): Promise<Ordered> {
  switch (order.order) {
    case 'build':
      return await requestBuilds(ground, p.rule, order)
    case 'gate':
      return await putUnderTest(ground, p, p.rule as Gate, facts, order.candidate)
    case 'hold':
      return await holdBack(ground, p.rule, order)
  }
}

/** Asks for builds, each once for ever: what has been asked for is not asked for again. */
async function requestBuilds(
  {world, config, source, guard}: Ground,
  rule: PromotionRule,
  {revision, builders}: Extract<Order, {order: 'build'}>,
): Promise<null> {
  const wanted = config.builders.filter(({name}) => builders.includes(name))
  if (wanted.length === 0) return null
  await world.store.transaction(async (tx) => {
    await guard(tx)
    for (const {name, priority} of wanted)
      await submitBuildset(tx, {
        key: `promotion/${rule.name}/${revision}/${name}`,
        reason: `${rule.name} needs it to move ${rule.to} to ${shortName(revision)}`,
        origin: 'promotion',
        scheduler: null,
        submittedBy: null,
        sourceStamps: [
          {
            repository: source.name,
            branch: rule.kind === 'gate' ? scratchBranch(rule.name) : rule.from,
            revision,
          },
        ],
        properties: {...rule.green?.properties},
        changeIds: [],
        builders: [{name, priority}],
      })
  })
  for (const bell of ['claims', 'events'] as const) world.bells.ring(bell)
  return null
}

/** Makes the merge, shows it to builders on the scratch branch, and notes that it is under test. */
async function putUnderTest(
  ground: Ground,
  p: NewPromotion,
  rule: Gate,
  {isOnlyMerges}: Facts,
  candidate: string,
): Promise<Ordered> {
  const {world, source, guard, refs} = ground
  const base = p.toTip as string
  const merged = await mergeFor(ground, rule, base, candidate)
  if (merged.merge === 'conflict')
    return {report: await conflicting(ground, p, base, candidate, merged.files)}
  if (isOnlyMerges && merged.tree === (await world.git.treeOf(source, base)))
    return {unchanged: `merging ${shortName(candidate)} would change nothing in ${rule.to}`}
  const branch = scratchBranch(rule.name)
  const pushed = await world.git.pushScratch(source, branch, {
    expect: tip(ground, branch),
    to: merged.revision,
  })
  if (pushed.outcome === 'refused' || pushed.outcome === 'auth') return {refused: pushed.because}
  // Whatever became of it: the next run sees the branch as it is.
  if (pushed.outcome !== 'done') {
    world.bells.ring('promotions')
    return null
  }
  refs[branch] = merged.revision
  const isSameTree = merged.tree === (await world.git.treeOf(source, candidate))
  const madeWith = await world.git.version(source)
  await world.store.transaction(async (tx) => {
    await guard(tx)
    const gate = {candidate, base, commit: merged.revision, tree: merged.tree, isSameTree}
    await addGate(tx, rule.name, gate, madeWith)
  })
  // Which builds are missing is for the next look to say.
  world.bells.ring('promotions')
  return null
}

async function holdBack(
  {world, guard}: Ground,
  rule: PromotionRule,
  {promotion, reason}: Extract<Order, {order: 'hold'}>,
): Promise<null> {
  await world.store.transaction(async (tx) => {
    await guard(tx)
    await addControl(
      tx,
      {who: 'ostler', address: null},
      {kind: 'hold', rule: rule.name, promotion, reason, role: 'admin'},
    )
  })
  for (const bell of ['events', 'reports'] as const) world.bells.ring(bell)
  return null
}
