// Which of the stored builds count for a rule: of its branches, origins and properties, the newest word of each builder.
import type {Green, Property} from '../../../config/config.ts'
import type {Facts, GateBuild, OpenBuild} from './facts.ts'

/** Which builds a rule asks about. */
export interface GateAsk {
  readonly rule: string
  readonly builders: readonly string[]
  /** The branch whose newest builds decide, and all branches whose builds count. */
  readonly branch: string
  readonly branches: readonly string[]
  /** How builds may name the repository: by the source's name, or its address. */
  readonly repositories: readonly string[]
  readonly origins: readonly string[]
  readonly properties: Readonly<Record<string, Property>>
  readonly revisions: readonly string[]
}

/** The question that a rule's policy comes to. */
export const askOf = (
  rule: {readonly name: string; readonly from: string; readonly green: Green},
  repositories: readonly string[],
  revisions: readonly string[],
  scratch: string | null = null,
): GateAsk => ({
  rule: rule.name,
  builders: [...new Set(rule.green.builders)],
  branch: rule.from,
  branches: [...new Set([rule.from, ...rule.green.branches, ...(scratch === null ? [] : [scratch])])],
  repositories,
  origins: [...new Set([...rule.green.origins, 'promotion'])],
  properties: rule.green.properties,
  revisions,
})

/** A build, or a request that has none yet, as it is stored. */
export interface StoredBuild {
  readonly id: string
  readonly builder: string
  readonly number: number
  readonly revision: string
  readonly state: 'waiting' | 'pending' | 'running' | 'finished'
  readonly result: string | null
  readonly branch: string
  readonly repository: string
  readonly origin: string
  readonly properties: Readonly<Record<string, Property>>
  /** Of a build of several repositories: what was asked for. */
  readonly stamps:
    | readonly {
        readonly repository: string
        readonly branch: string | null
        readonly revision: string | null
      }[]
    | null
  readonly finishedAt: number | null
  readonly isStale: boolean
}

/** What the stored builds say to a rule. `newest` names, by rule and builder, the newest finished one. */
export function sheetOf(
  ask: GateAsk,
  stored: readonly StoredBuild[],
  newest: readonly (StoredBuild & {readonly rule: string})[],
): Pick<Facts, 'newest' | 'builds' | 'open'> {
  const wanted = setOf(ask.revisions)
  const counting = stored.filter((build) => counts(ask, build) && wanted.has(build.revision))
  const byKey = new Map<string, StoredBuild[]>()
  for (const build of counting) {
    const key = `${build.builder}\n${build.revision}`
    const group = byKey.get(key)
    if (group) group.push(build)
    else byKey.set(key, [build])
  }
  const builds: GateBuild[] = []
  const open: OpenBuild[] = []
  for (const group of byKey.values()) {
    const judged = group.filter(isJudged).sort(byTime)
    const last = judged.at(-1)
    if (last) builds.push(gateBuild(last, judged, ask.repositories))
    const others = group.filter((build) => !isJudged(build)).sort(byTime)
    for (const {builder, revision, state, result} of others.slice(-1))
      open.push({builder, revision, state: openState(state, result)})
    const active = others.find(({state}) => state !== 'finished')
    if (active && others.at(-1) !== active)
      open.push({
        builder: active.builder,
        revision: active.revision,
        state: openState(active.state, null),
      })
  }
  return {
    newest: newest
      .filter(({rule, builder}) => rule === ask.rule && ask.builders.includes(builder))
      .map((build) => gateBuild(build, [build], ask.repositories)),
    builds,
    open,
  }
}

const sets = new WeakMap<readonly string[], ReadonlySet<string>>()
/** Many rules ask about one line. */
function setOf(revisions: readonly string[]): ReadonlySet<string> {
  const set = sets.get(revisions) ?? new Set(revisions)
  sets.set(revisions, set)
  return set
}

const counts = (ask: GateAsk, build: StoredBuild) =>
  ask.builders.includes(build.builder) &&
  ask.branches.includes(build.branch) &&
  ask.repositories.includes(build.repository) &&
  ask.origins.includes(build.origin) &&
  Object.entries(ask.properties).every(
    ([name, value]) => JSON.stringify(build.properties[name]) === JSON.stringify(value),
  )

const isJudged = ({state, result}: StoredBuild) =>
  state === 'finished' && (result === 'success' || result === 'warnings' || result === 'failure')

const openState = (state: StoredBuild['state'], result: string | null): OpenBuild['state'] =>
  state === 'finished'
    ? ((result as OpenBuild['state'] | null) ?? 'exception')
    : state === 'running'
      ? 'running'
      : 'waiting'

const byTime = (one: StoredBuild, other: StoredBuild) =>
  (one.finishedAt ?? Infinity) - (other.finishedAt ?? Infinity) || Number(BigInt(one.id) - BigInt(other.id))

function gateBuild(
  {id, builder, number, revision, result, finishedAt, isStale, ...build}: StoredBuild,
  judged: readonly StoredBuild[],
  own: readonly string[],
): GateBuild {
  return {
    id,
    builder,
    number,
    revision,
    result: result as GateBuild['result'],
    finishedAt: finishedAt ?? 0,
    beside: besideOf(build.stamps, build.properties, own),
    runs: judged.length,
    reds: judged.filter((each) => each.result === 'failure').length,
    isStale,
  }
}

/** The other repositories of a build, each with what was checked out. */
function besideOf(
  stamps: StoredBuild['stamps'],
  properties: StoredBuild['properties'],
  own: readonly string[],
): string {
  return (stamps ?? [])
    .filter(({repository}) => !own.includes(repository))
    .map(({repository, branch, revision}) => {
      const got = properties[`gotRevision.${repository}`]
      return `${repository}@${typeof got === 'string' ? got : (revision ?? branch ?? '')}`
    })
    .sort()
    .join(' ')
}
