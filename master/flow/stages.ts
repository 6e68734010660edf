// The six stages, in the order of the river.
import {lastDue} from '../../config/terms/calendars.ts'
import type {Git} from '../world/git.ts'
import {whileHolding} from '../world/store/holding.ts'
import {databaseNow} from '../world/store/schedulers.ts'
import type {World} from '../world/world.ts'
import {builds} from './builds.ts'
import {openChanges} from './changes.ts'
import type {ChangesWorld} from './changes.ts'
import {claims} from './claims.ts'
import {runPromotions} from './promotions.ts'
import type {PromotionsWorld, RuleReport, RunOptions} from './promotions.ts'
import {reports} from './reports.ts'
import type {Stage} from './river.ts'
import {schedules} from './schedules.ts'
import type {Sessions} from './sessions.ts'

export interface River {
  readonly stages: readonly Stage[]
  /** Judges promotion rules now, on a person's wish: the same code as the stage's. */
  readonly promote: (options: RunOptions) => Promise<readonly RuleReport[] | null>
  /** Waits for what a stage has begun in the background. */
  readonly settled: () => Promise<void>
}

export function openRiver(world: World, git: Git, sessions: Sessions): River {
  const single: ChangesWorld & PromotionsWorld = {
    store: world.store,
    bells: world.bells,
    git,
    clock: {now: () => Date.now()},
    say: (text) => {
      world.say.info(text)
    },
    whileHolding: (lease, work) => whileHolding(world.store, world.master, lease, work),
  }
  const poller = openChanges(single)
  const promote = (options: RunOptions) => runPromotions(single, world.settings().config, options)
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
    ],
    promote,
    settled: () => poller.settled(),
  }
}

/** Stage "promotions": judges when a build ended and when its calendar is due. */
function promotions(world: World, promote: River['promote']): Stage {
  let dueBefore: number | null = null
  let rung = false
  world.bells.on('promotions', () => {
    rung = true
  })
  return {
    name: 'promotions',
    hears: ['promotions', 'ticks', 'config'],
    slowTickMs: 60_000,
    async run() {
      const {config} = world.settings()
      if (config.promotions.rules.length === 0) return null
      const due = config.promotions.schedule
        ? lastDue(config.promotions.schedule, config.timezone, await databaseNow(world.store))
        : null
      const isDue = due !== null && due !== dueBefore
      if (!isDue && !rung) return null
      dueBefore = due
      const actor = rung ? 'build' : 'schedule'
      rung = false
      await promote({actor})
      return null
    },
  }
}
