// The six stages, in the order of the river, and beside it the keeper of old things, the packer of logs and the prover of
// the ledger.
import {lastDue} from '../../config/terms/calendars.ts'
import type {Git} from '../world/git.ts'
import {whileHolding} from '../world/store/holding.ts'
import {newestOf} from '../world/store/events.ts'
import {databaseNow} from '../world/store/schedulers.ts'
import {readDecision} from '../world/store/views/promotions.ts'
import type {DecisionRow} from '../world/store/views/promotions.ts'
import type {World} from '../world/world.ts'
import type {Property} from '../../worker/protocol/plan.ts'
import {builds} from './builds.ts'
import {openChanges} from './changes.ts'
import type {ChangesWorld} from './changes.ts'
import {claims} from './claims.ts'
import {runPromotions} from './promotions.ts'
import type {PromotionsWorld, RuleReport, RunOptions} from './promotions.ts'
import type {PromotionRule} from '../../config/config.ts'
import {planRollback, rollBack} from './rollback.ts'
import type {RollbackOrder, RollbackPlan, RolledBack} from '../core/promotion/rollback.ts'
import {packs} from './packing.ts'
import {reconciler, type Findings} from './reconciler.ts'
import {reports} from './reports.ts'
import {retention} from './retention.ts'
import type {Stage} from './river.ts'
import {schedules} from './schedules.ts'
import type {Sessions} from './sessions.ts'

/** A person's wish to have a rule judged now. */
export interface Order {
  readonly rule: string
  readonly dryRun: boolean
  readonly actor: string
}

export interface River {
  readonly stages: readonly Stage[]
  /** Judges one promotion rule now, on a person's wish: the same code as the stage's. */
  readonly decide: (order: Order) => Promise<DecisionRow>
  /** Says what taking a rule's branch back would do, and does it on order. */
  readonly rollback: {
    readonly plan: (rule: PromotionRule) => Promise<RollbackPlan>
    readonly act: (rule: PromotionRule, order: RollbackOrder) => Promise<RolledBack>
  }
  /** What the reconciler found wrong with the ledger. */
  readonly found: () => Findings
  /** Waits for what a stage has begun in the background. */
  readonly settled: () => Promise<void>
}

export function openRiver(world: World, git: Git, sessions: Sessions): River {
  const single: ChangesWorld & PromotionsWorld = {
    store: world.store,
    bells: world.bells,
    git,
    clock: {now: () => Date.now()},
    say: world.say,
    whileHolding: (lease, work) => whileHolding(world.store, world.master, lease, work),
  }
  const poller = openChanges(single)
  const promote = (options: RunOptions) => runPromotions(single, world.settings().config, options)
  const prover = reconciler(world)
  const changes: Stage = {
    name: 'changes',
    hears: ['changes', 'config'],
    slowTickMs: 60_000,
    run: () => poller.run(world.settings().config),
  }
  return {
    stages: [
      changes,
      schedules(world),
      claims(world, sessions),
      builds(world, sessions),
      reports(world),
      promotions(world, promote),
      retention(world),
      packs(world),
      prover.stage,
    ],
    decide: async (order) => await decide(world, order, promote),
    rollback: {
      plan: async (rule) => await planRollback(single, world.settings().config, rule),
      act: async (rule, order) => await rollBack(single, world.settings().config, rule, order),
    },
    found: prover.found,
    settled: () => poller.settled(),
  }
}

/** What a promotion may follow from. */
const judgedEvents = [
  'build.finished',
  'change.added',
  'branch.promoted',
  'promotion.held',
  'promotion.released',
]

type Promote = (options: RunOptions) => Promise<readonly RuleReport[]>

async function decide(world: World, order: Order, promote: Promote): Promise<DecisionRow> {
  const [report] = await promote(order)
  if (!report) throw new Error(`there is no promotion rule ${order.rule}`)
  const stored = report.id === null ? null : await readDecision(world.store, report.id)
  return stored ?? unstoredDecision(report, order.actor)
}

/** What a dry run found, in the form of a decision that was never stored. */
const unstoredDecision = (report: RuleReport, actor: string): DecisionRow => ({
  id: '0',
  rule: report.rule,
  kind: report.kind,
  from: report.from,
  to: report.to,
  fromTip: report.fromTip,
  toTip: report.toTip,
  candidate: report.candidate,
  landed: report.landed,
  would: report.would,
  verdict: report.verdict,
  reasons: [...report.reasons],
  evidence: report.evidence as Property,
  state: report.state ?? 'decided',
  error: report.error,
  actor,
  decidedAt: new Date().toISOString(),
  settledAt: null,
})

/**
 * Stage "promotions": judges when a build ended and when its calendar is due. A bell may be lost with the master that
 * rang it, so the slow tick also looks whether anything happened that was not judged yet.
 */
function promotions(world: World, promote: Promote): Stage {
  let dueBefore: number | null = null
  let rung = false
  let judgedUpTo: string | null = null
  let failed = false
  let lookAt: number | null = null
  world.bells.on('promotions', () => {
    rung = true
  })
  return {
    name: 'promotions',
    hears: ['promotions', 'ticks', 'config'],
    slowTickMs: 60_000,
    async run() {
      const {config} = world.settings()
      if (config.promotions.rules.length === 0 || config.promotions.run === 'onDemand') return null
      const now = await databaseNow(world.store)
      const due = config.promotions.schedule
        ? lastDue(config.promotions.schedule, config.timezone, now)
        : null
      const isDue = (due !== null && due !== dueBefore) || (lookAt !== null && lookAt <= now)
      const newest = await newestOf(world.store, judgedEvents)
      const isNews = newest !== judgedUpTo || failed
      if (!isDue && !rung && !isNews) return lookAt === null ? null : lookAt - now
      const actor = rung || isNews ? 'build' : 'schedule'
      rung = false
      const reports = await promote({actor})
      dueBefore = due
      judgedUpTo = newest
      failed = reports.some(({error}) => error !== null)
      const times = reports.flatMap((report) => report.lookAt ?? [])
      lookAt = times.length > 0 ? Math.min(...times) : null
      return lookAt === null ? null : lookAt - now
    },
  }
}
