// Beside the river: every minute the ledger is proved on the database (promise I6 and the ledger's other truths). Every
// master looks for itself, since looking changes nothing: each shows the same. What a lost wake-up explains is rung for;
// nothing is rewritten. A finding counts when two looks in a row saw it.
import {confirmed, type Finding} from '../core/findings.ts'
import {findingText} from '../world/findings.ts'
import {checks, readFindings, type Given} from '../world/store/checks.ts'
import type {World} from '../world/world.ts'
import {workerGraceMs} from './builds.ts'
import {reportedEvents} from './reports.ts'
import type {Stage} from './river.ts'
import {scheduledEvents} from './schedules.ts'

const minuteMs = 60_000

/** What the reconciler found when it looked last; `at` is null before its second look. */
export interface Findings {
  readonly at: number | null
  readonly findings: readonly Finding[]
}

export interface Reconciler {
  readonly stage: Stage
  readonly found: () => Findings
}

export function reconciler(world: World): Reconciler {
  let seen: readonly Finding[] = []
  let found: Findings = {at: null, findings: []}
  let looks = 0
  return {
    found: () => found,
    stage: {
      name: 'reconciler',
      hears: [],
      slowTickMs: minuteMs,
      async run() {
        const now = await readFindings(world.store, 'life', given(world))
        const findings = confirmed(seen, now)
        tell(world, found.findings, findings)
        ringFor(world, now)
        seen = now
        if (++looks > 1) found = {at: Date.now(), findings}
        return null
      },
    },
  }
}

/** Rings for whoever may have slept through its bell. */
function ringFor(world: World, seen: readonly Finding[]): void {
  const wrong = new Set(seen.map(({check}) => check))
  const bells = new Set(checks.flatMap(({name, bell}) => (bell && wrong.has(name) ? [bell] : [])))
  // Readers of the event log sleep on bells of their own.
  if (bells.has('events')) for (const bell of ['schedules', 'reports'] as const) bells.add(bell)
  for (const bell of bells) world.bells.ring(bell)
}

function tell(world: World, before: readonly Finding[], now: readonly Finding[]): void {
  for (const finding of news(before, now)) world.say.error(finding, findingText(finding))
  for (const {check, row} of news(now, before))
    world.say.info({check, row}, 'a finding of the ledger is gone')
}

const news = (before: readonly Finding[], now: readonly Finding[]) =>
  now.filter((finding) => confirmed(before, [finding]).length === 0)

function given(world: World): Given {
  const {workers, schedulers, changeSources} = world.settings().config
  return {
    graceMs: workerGraceMs,
    graces: Object.fromEntries(
      workers.flatMap(({name, missingTimeoutMs}) =>
        missingTimeoutMs === null ? [] : [[name, missingTimeoutMs]],
      ),
    ),
    timed: schedulers.filter(({kind}) => kind !== 'force').map(({name}) => name),
    holding: schedulers.filter(({kind}) => kind === 'singleBranch').map(({name}) => name),
    sources: changeSources.filter(({kind}) => kind === 'git').map(({name}) => name),
    readers: [
      {reader: 'schedules', types: scheduledEvents},
      {reader: 'reports', types: reportedEvents},
    ],
  }
}
