// The judge: compares what Ostler says with what the steps wrote down themselves and with what they must have printed.
import {readdirSync} from 'node:fs'
import {join} from 'node:path'
import type {Api, Page, Step} from '../../scripts/api.ts'
import {leftovers} from '../../scripts/leftovers.ts'
import {buildProcesses} from '../support/marked.ts'
import type {Fleet} from './fleet.ts'
import {expectedResult, printed, readSide, type Side, stepNames} from './witness.ts'
import {openRows} from './zombies.ts'

export interface Verdict {
  /** Builds that did not come to the result they had to come to, or never came to one. */
  readonly lost: readonly string[]
  /** What ran twice, or took effect twice. */
  readonly doubled: readonly string[]
  /** Logs that are not what was printed. */
  readonly wrongBytes: readonly string[]
  /** Rows nobody will ever finish. */
  readonly zombies: readonly string[]
  /** Processes, containers and attempts left behind. */
  readonly leaks: readonly string[]
  readonly logsCompared: number
  readonly bytesCompared: number
  readonly attemptsLost: number
}

interface BuildRow {
  readonly id: string
  readonly key: number
  readonly result: string | null
  readonly summary: string
  readonly attempt: string | null
  readonly attempts: readonly {readonly id: string; readonly state: string}[]
  readonly finished: number
  readonly perRequest: number
}

/** Judges while masters and workers are still up, all builds being over. */
export async function judge(fleet: Fleet, keys: readonly number[]): Promise<Verdict> {
  const rows = await fleet.rows<BuildRow>(
    `SELECT b.id, (s.properties->'key'->>0)::int AS key, b.result, b.summary, b.attempt,
            (SELECT jsonb_agg(jsonb_build_object('id', a.id::text, 'state', a.state) ORDER BY a.id) FROM attempts a WHERE a.build_id = b.id) AS attempts,
            (SELECT count(*)::int FROM events e WHERE e.type = 'build.finished' AND e.data->>'build' = b.id::text) AS finished,
            (SELECT count(*)::int FROM builds o WHERE o.request_id = b.request_id) AS "perRequest"
     FROM builds b JOIN buildsets s ON s.id = b.buildset_id ORDER BY b.id`,
  )
  const byKey = new Map<number, BuildRow[]>()
  for (const row of rows) byKey.set(row.key, [...(byKey.get(row.key) ?? []), row])
  const side = readSide(fleet.side)
  const logs = await compareLogs(fleet.anyApi(), rows)
  return {
    lost: keys.flatMap((key) => lostOf(key, byKey.get(key) ?? [])),
    doubled: keys.flatMap((key) => doubledOf(key, byKey.get(key) ?? [], side)),
    wrongBytes: logs.wrong,
    zombies: await openRows({query: (async (sql: string) => ({rows: await fleet.rows(sql)})) as never}),
    leaks: leaksOf(fleet),
    logsCompared: logs.count,
    bytesCompared: logs.bytes,
    attemptsLost: rows.reduce(
      (sum, {attempts}) => sum + attempts.filter(({state}) => state === 'lost').length,
      0,
    ),
  }
}

function lostOf(key: number, builds: readonly BuildRow[]): string[] {
  const [build] = builds
  if (!build) return [`build ${key} never was`]
  const wanted = expectedResult(key)
  return build.result === wanted
    ? []
    : [`build ${key} (${build.id}) is ${build.result ?? 'open'}, not ${wanted}: ${build.summary}`]
}

function doubledOf(key: number, builds: readonly BuildRow[], side: Side): string[] {
  const [build] = builds
  if (!build) return []
  const found: string[] = []
  if (builds.length > 1) found.push(`build ${key} was made ${builds.length} times`)
  if (build.finished !== 1) found.push(`build ${key} (${build.id}) was finished ${build.finished} times`)
  const ran = side.get(key) ?? new Map<string, Map<string, number>>()
  for (const [attempt, edges] of ran) {
    const known = build.attempts.find(({id}) => id === attempt)
    const isEffective = attempt === build.attempt
    if (!isEffective && !['lost', 'declined'].includes(known?.state ?? ''))
      found.push(`build ${key}: attempt ${attempt} ran though it was ${known?.state ?? 'unknown'}`)
    for (const [edge, count] of edges)
      if (count > 1) found.push(`build ${key}: attempt ${attempt} did "${edge}" ${count} times`)
  }
  const own = ran.get(build.attempt ?? '')
  for (const name of stepNames)
    for (const edge of ['begin', 'end'])
      if (own?.get(`${name} ${edge}`) === undefined)
        found.push(`build ${key}: "${name} ${edge}" never happened`)
  return found
}

async function compareLogs(api: Api, rows: readonly BuildRow[]) {
  const wrong: string[] = []
  let [count, bytes, next] = [0, 0, 0]
  const lane = async () => {
    for (let at = next++; at < rows.length; at = next++) {
      const {id, key} = rows[at]!
      const {items} = await api.get<Page<Step>>(`/builds/${id}/steps`)
      for (const name of stepNames) {
        const log = items.find((step) => step.name === name)?.logs[0]
        const text = log ? await api.text(`/logs/${log.id}/raw`) : ''
        const wanted = printed(key, name)
        count++
        bytes += Buffer.byteLength(wanted)
        if (text !== wanted || log?.complete !== true || log.bytes !== Buffer.byteLength(wanted))
          wrong.push(
            `build ${key} (${id}) ${name}: ${text.length} of ${wanted.length} characters, ${differ(text, wanted)}`,
          )
      }
    }
  }
  await Promise.all(Array.from({length: 6}, lane))
  return {wrong, count, bytes}
}

function differ(text: string, wanted: string): string {
  const at = [...wanted].findIndex((letter, n) => text[n] !== letter)
  return at < 0
    ? text.length > wanted.length
      ? 'too long'
      : 'the row differs'
    : `the first other one at ${at}`
}

/** What lives on though every build is over. */
function leaksOf({folder, workers}: Fleet): string[] {
  const held = workers.flatMap(({name}) =>
    readdirSync(join(folder, name, 'attempts')).map((attempt) => `${name} still holds attempt ${attempt}`),
  )
  return [...buildProcesses(folder).map((line) => `a build's process still runs: ${line}`), ...held]
}

/** What is left when everybody has stopped. */
export async function judgeEnd(fleet: Fleet): Promise<{leaks: string[]; zombies: string[]}> {
  const left = await leftovers(fleet.folder)
  const leases = await fleet.rows<{name: string; holder: string}>(
    'SELECT name, holder FROM leases WHERE until > clock_timestamp()',
  )
  const connected = await fleet.rows<{name: string}>('SELECT name FROM workers WHERE connected')
  return {
    leaks: left.map(({kind, id, text}) => `left behind: ${kind} ${id} ${text}`),
    zombies: [
      ...leases.map(({name, holder}) => `the lease ${name} is held by ${holder}`),
      ...connected.map(({name}) => `${name} is said to be connected`),
    ],
  }
}
