// What a person sees of a promotion rule: the commits between its branches, newest first, each with a mark per required
// builder and why it was passed over. Pure: it draws what a decision was made on.
import type {Evidence, Facts} from './facts.ts'
import {requiredBuilders} from './greens.ts'
import type {Basis} from './replay.ts'

/** How a builder stands with a commit; `none` when it has not built it. */
export interface Mark {
  readonly builder: string
  readonly state: Facts['builds'][number]['result'] | Facts['open'][number]['state'] | 'none'
  readonly build: string | null
  readonly number: number | null
}

export interface DrawnCommit {
  readonly revision: string
  readonly marks: readonly Mark[]
  /** Why it was passed over; null for the one that was taken, and for those older than it. */
  readonly because: string | null
  /** It is promoted, or would be if nothing held it. */
  readonly isChosen: boolean
}

export interface Picture {
  /** The builders that must be green. */
  readonly builders: readonly string[]
  readonly commits: readonly DrawnCommit[]
  /** The merge under test, if any. */
  readonly gate: {readonly commit: string; readonly candidate: string; readonly marks: readonly Mark[]} | null
}

/** Draws at most `most` commits, and always the chosen one. */
export function pictureOf(
  {rule, facts, decision}: Basis,
  {would, excuses}: {readonly would: string | null; readonly excuses: Evidence['excuses']},
  most: number,
): Picture {
  const chosen = decision.candidate ?? would
  const builders = rule.green === null ? [] : requiredBuilders(rule.green, facts.now)
  const marks = marker(facts, builders)
  const because = new Map(excuses.map((excuse) => [excuse.revision, excuse.because]))
  const shown = facts.candidates.filter(({revision}, at) => at < most || revision === chosen)
  return {
    builders,
    commits: shown.map(({revision}) => ({
      revision,
      marks: marks(revision),
      because: because.get(revision) ?? null,
      isChosen: revision === chosen,
    })),
    gate: facts.gate && {
      commit: facts.gate.commit,
      candidate: facts.gate.candidate,
      marks: marks(facts.gate.commit),
    },
  }
}

function marker(facts: Facts, builders: readonly string[]): (revision: string) => Mark[] {
  const key = (build: {readonly builder: string; readonly revision: string}) =>
    `${build.builder}\n${build.revision}`
  const judged = new Map(facts.builds.map((build) => [key(build), build]))
  const open = new Map(facts.open.map((build) => [key(build), build]))
  return (revision) =>
    builders.map((builder) => {
      const verdict = judged.get(key({builder, revision}))
      const state = verdict?.result ?? open.get(key({builder, revision}))?.state ?? 'none'
      return {builder, state, build: verdict?.id ?? null, number: verdict?.number ?? null}
    })
}
