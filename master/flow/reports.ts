// Stage "reports": reads the event log, writes what each reporter wants to tell into the outbox, and sends it.
import {createHmac} from 'node:crypto'
import type {Reporter, ReportEvent} from '../../config/config.ts'
import {occasionsOf, wanted} from '../../config/kinds/reporter.ts'
import {letterBody} from '../../config/kinds/reporters/webhook.ts'
import type {Letter} from '../../config/kinds/reporters/webhook.ts'
import type {Property} from '../../worker/protocol/plan.ts'
import type {Result} from '../../worker/protocol/results.ts'
import {lockCursor, moveCursor, readEvents} from '../world/store/events.ts'
import type {StoredEvent} from '../world/store/events.ts'
import {addReports, markFailed, markSent, nextDueMs, reportedBuilds, takeDue} from '../world/store/outbox.ts'
import type {DueReport, NewReport, ReportedBuild} from '../world/store/outbox.ts'
import type {World} from '../world/world.ts'
import type {Stage} from './river.ts'

const batchMax = 200
const sendMax = 20
const sendTimeoutMs = 15_000
const heldMs = 10
const slowTickMs = 30_000
/** What this stage reads of the event log. */
export const reportedEvents = ['build.started', 'build.finished', 'branch.promoted', 'promotion.conflict']
/** How long after each failed try the next follows, in milliseconds; after the last, the report is given up. */
const againMs = [5_000, 30_000, 120_000, 600_000, 1_800_000, 3_600_000, 3_600_000, 3_600_000]

export function reports(world: World): Stage {
  let lookedAt = -Infinity
  return {
    name: 'reports',
    hears: ['reports', 'config'],
    slowTickMs,
    async run() {
      // With nobody to tell, the cursor follows now and then: a reporter that comes later begins about there.
      if (world.settings().config.reporters.length === 0 && performance.now() - lookedAt < slowTickMs - heldMs)
        return null
      lookedAt = performance.now()
      const held = await fillOutbox(world)
      await emptyOutbox(world)
      return held ? heldMs : await nextDueMs(world.store)
    },
  }
}

async function fillOutbox(world: World): Promise<boolean> {
  const {reporters} = world.settings().config
  for (;;) {
    const {more, held} = await world.store.transaction(async (tx) => {
      const cursor = await lockCursor(tx, 'reports')
      const {events, held} = await readEvents(tx, cursor, batchMax, reportedEvents)
      const last = events.at(-1)
      if (!last) return {more: false, held}
      const ids = events.flatMap(({data}) => (typeof data.build === 'string' ? [data.build] : []))
      const builds = reporters.length > 0 ? await reportedBuilds(tx, ids) : new Map<string, ReportedBuild>()
      await addReports(
        tx,
        reporters.flatMap((reporter) => events.flatMap((event) => letters(world, reporter, event, builds))),
      )
      await moveCursor(tx, 'reports', last.cursor)
      return {more: events.length === batchMax, held}
    })
    if (!more) return held
  }
}

function letters(
  world: World,
  reporter: Reporter,
  event: StoredEvent,
  builds: ReadonlyMap<string, ReportedBuild>,
): NewReport[] {
  const build = typeof event.data.build === 'string' ? builds.get(event.data.build) : undefined
  const occasions = occasionsOf(
    event.type,
    (event.data.result ?? null) as Result | null,
    (build?.before ?? null) as Result | null,
  )
  const occasion = wanted(reporter, occasions, build?.builder ?? null)
  if (!occasion) return []
  const letter: Letter = {
    delivery: `${reporter.name}-${event.cursor.id}`,
    event: occasion,
    at: event.at.toISOString(),
    title: build ? buildTitle(occasion, build) : promotionTitle(event),
    link: link(world, event),
    about: (build ?? event.data) as Property,
  }
  return [{reporter: reporter.name, eventId: event.cursor.id, payload: letter}]
}

const buildTitle = (occasion: ReportEvent, build: ReportedBuild) =>
  `${build.builder} #${String(build.number)} ${occasion === 'started' ? 'started' : (build.result ?? '')}` +
  (occasion === 'fixed' || occasion === 'problem' ? ` (${occasion})` : '')

const promotionTitle = ({type, data}: StoredEvent) =>
  type === 'branch.promoted'
    ? `${String(data.to)} is now at ${String(data.revision).slice(0, 12)}`
    : `promotion ${String(data.rule)} met a conflict`

function link(world: World, {data}: StoredEvent): string | null {
  const {url} = world.settings().config
  if (url === null) return null
  return typeof data.build === 'string' ? `${url}builds/${data.build}` : `${url}promotions`
}

async function emptyOutbox(world: World): Promise<void> {
  for (;;) {
    const due = await world.store.transaction((tx) => takeDue(tx, sendMax, sendTimeoutMs * 2))
    await Promise.all(due.map((report) => send(world, report)))
    if (due.length < sendMax) return
  }
}

async function send(world: World, report: DueReport): Promise<void> {
  const reporter = world.settings().config.reporters.find((candidate) => candidate.name === report.reporter)
  if (!reporter) {
    await markFailed(world.store, report.id, 'no reporter of this name is configured any more', null)
    return
  }
  try {
    await post(world, reporter, report.payload as unknown as Letter)
    await markSent(world.store, report.id)
  } catch (error) {
    const again = againMs[report.tries - 1] ?? null
    const text = (error as Error).message.slice(0, 500)
    world.say.warn(
      {reporter: reporter.name, tries: report.tries, givenUp: again === null},
      `report not taken: ${text}`,
    )
    await markFailed(world.store, report.id, text, again)
  }
}

/** Posts a letter. Its address may be a secret, so no error ever shows it. */
async function post(world: World, reporter: Reporter, letter: Letter): Promise<void> {
  const {secrets} = world.settings()
  const url = typeof reporter.url === 'string' ? reporter.url : await secrets.read(reporter.url.secret)
  const body = letterBody(letter)
  const headers: Record<string, string> = {
    'content-type': 'application/json',
    'ostler-delivery': letter.delivery,
  }
  if (reporter.secret) {
    const key = await secrets.read(reporter.secret.secret)
    headers['x-ostler-signature-256'] = `sha256=${createHmac('sha256', key).update(body).digest('hex')}`
  }
  const answer = await fetch(url, {
    method: 'POST',
    headers,
    body,
    redirect: 'error',
    signal: AbortSignal.timeout(sendTimeoutMs),
  }).catch((error: unknown) => {
    throw new Error(`no answer: ${reasonOf(error)}`)
  })
  await answer.body?.cancel()
  if (!answer.ok) throw new Error(`answered ${String(answer.status)}`)
}

function reasonOf(error: unknown): string {
  const cause = (error as {cause?: {code?: string}; name?: string} | null)?.cause
  return cause?.code ?? (error as Error).name
}
