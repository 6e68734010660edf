// What is kept and what goes, decided by age alone but for what must never go: builds that are not finished, the newest of
// each builder, and those that a promotion rests on.
import type {Retention} from '../../config/config.ts'

export interface AgedBuild {
  readonly id: string
  readonly ageMs: number
  /** How many newer builds its builder has. */
  readonly newer: number
  /** The newest promotion of a rule rests on it. */
  readonly isEvidence: boolean
}

/** What goes: the build with all that belongs to it, or of a build that stays its logs, its artifacts, or neither. */
export interface Sentence {
  readonly id: string
  readonly goes: 'build' | 'parts'
  readonly logs: boolean
  readonly artifacts: boolean
}

/** What the retention rules say of a finished build; null when all of it stays. */
export function sentence(build: AgedBuild, retention: Retention): Sentence | null {
  const {id, ageMs, newer, isEvidence} = build
  const isOlder = (limitMs: number | null) => limitMs !== null && ageMs >= limitMs
  if (isOlder(retention.buildsMs) && newer >= retention.keepLatest && !isEvidence)
    return {id, goes: 'build', logs: true, artifacts: true}
  const [logs, artifacts] = [isOlder(retention.logsMs), isOlder(retention.artifactsMs)]
  return logs || artifacts ? {id, goes: 'parts', logs, artifacts} : null
}

/** The least age, in milliseconds, at which anything of a build goes; null when nothing ever does. */
export function leastAgeMs({buildsMs, logsMs, artifactsMs}: Retention): number | null {
  const limits = [buildsMs, logsMs, artifactsMs].filter((limit) => limit !== null)
  return limits.length === 0 ? null : Math.min(...limits)
}
