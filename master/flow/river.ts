// The river: changes -> schedules -> claims -> builds -> reports -> promotions.
//
// | stage      | looks at                              | decides with                  | does                               | rings      |
// | ---------- | ------------------------------------- | ----------------------------- | ---------------------------------- | ---------- |
// | changes    | branches of the repositories           | which commits are new         | records changes                    | schedules  |
// | schedules  | new changes, calendars, held changes   | the schedulers' kinds         | records buildsets and requests     | claims     |
// | claims     | the queue, the workers                 | core/assign, core/plan        | opens attempts, offers them        | -          |
// | builds     | journals, silent workers, cancel wishes | core/apply                    | records steps, logs, results       | claims ... |
// | reports    | the event log                          | the reporters' kinds          | fills and empties the outbox       | -          |
// | promotions | branches, finished builds              | core/promotion                | moves branches, records decisions  | changes    |
//
// A listener only records and rings. A stage looks at the truth in the database, decides with a pure function, does
// it under a guard that fails when the truth has moved, and rings the next bell. A lost bell costs one slow tick.
import type {BellName, Bells} from '../world/bells.ts'
import type {Say} from '../world/say.ts'

export interface Stage {
  readonly name: string
  /** The bells that wake it. */
  readonly hears: readonly BellName[]
  /** How long it sleeps at most, in milliseconds, when no bell rings. */
  readonly slowTickMs: number
  /** Looks, decides, does. Returns within how many milliseconds it wants to look again, or null for the slow tick. */
  run(): Promise<number | null>
}

export interface Flow {
  /** What ails the stages that fail just now, a sentence each. */
  troubles(): readonly string[]
  /** Lets every stage finish what it does, and starts nothing more. */
  stop(): Promise<void>
}

const patienceMs = {first: 500, most: 5_000}

/** Runs each stage in its own loop, woken by its bells. A stage that fails says so and is tried again, ever later. */
export function flow(stages: readonly Stage[], bells: Bells, say: Say): Flow {
  const loops = stages.map((stage) => startStage(stage, bells, say))
  return {
    troubles: () => loops.flatMap((loop) => loop.troubles()),
    async stop() {
      await Promise.all(loops.map((loop) => loop.stop()))
    },
  }
}

function startStage(stage: Stage, bells: Bells, say: Say): Flow {
  let trouble: string | null = null
  let stopped = false
  let rung = true
  let wake = () => {}
  let failures = 0
  const ring = () => {
    rung = true
    // A bell must not make a failing stage spin: it is heard when the pause is over.
    if (failures === 0) wake()
  }
  const silence = stage.hears.map((bell) => bells.on(bell, ring))
  const sleep = (ms: number) =>
    new Promise<void>((resolve) => {
      const timer = setTimeout(resolve, ms)
      wake = () => {
        clearTimeout(timer)
        resolve()
      }
    })
  const mayRest = () => !stopped && (failures > 0 || !rung)
  const look = async (): Promise<number> => {
    try {
      const again = await stage.run()
      if (failures > 0) say.info({stage: stage.name}, 'stage works again')
      failures = 0
      trouble = null
      return Math.max(0, Math.min(again ?? stage.slowTickMs, stage.slowTickMs))
    } catch (error) {
      const pause = Math.min(patienceMs.first * 2 ** failures, patienceMs.most)
      const before = trouble
      trouble = `stage ${stage.name}: ${(error as Error).message}`
      // The same words again and again would bury what else happens.
      if (trouble !== before || failures % 60 === 0)
        say.error({stage: stage.name, err: error, againMs: pause}, 'stage failed')
      failures++
      return pause
    }
  }
  const loop = async () => {
    while (!stopped) {
      rung = false
      const pause = await look()
      if (mayRest()) await sleep(pause)
    }
  }
  const done = loop()
  return {
    troubles: () => (trouble === null ? [] : [trouble]),
    async stop() {
      stopped = true
      for (const quiet of silence) quiet()
      wake()
      await done
    },
  }
}
