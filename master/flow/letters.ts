// From events of the log to letters in the outbox: what each reporter wants to tell, to whom, and each matter once.
import type {Config, Reporter, ReportEvent} from '../../config/config.ts'
import type {Letter} from '../../config/kinds/letter.ts'
import {occasionsOf, wanted} from '../../config/kinds/reporter.ts'
import {recipientsOf} from '../../config/kinds/reporters/mail.ts'
import {authorsOf, buildLetter, promotionLetter} from '../core/notices.ts'
import type {BuildNews, Postmark, PromotionNews} from '../core/notices.ts'
import type {Result} from '../../worker/protocol/results.ts'
import type {StoredEvent} from '../world/store/events.ts'
import {buildNews, promotionNews} from '../world/store/news.ts'
import {toldMatters, type NewReport} from '../world/store/outbox.ts'
import type {Sql} from '../world/store/store.ts'

/** A letter with what makes it one: a reporter is told of a matter once. */
interface Draft {
  readonly event: string
  readonly letter: Letter
  readonly matter: string | null
}

/** What the reporters of a configuration have to tell of these events. */
export async function lettersOf(
  tx: Sql,
  {reporters, url, promotions}: Config,
  events: readonly StoredEvent[],
): Promise<NewReport[]> {
  if (reporters.length === 0) return []
  const builds = await buildNews(
    tx,
    events.flatMap(({data}) => (typeof data.build === 'string' ? [data.build] : [])),
  )
  const moves = await promotionNews(
    tx,
    events.filter(({type}) => type.startsWith('promotion.') || type === 'branch.promoted'),
  )
  const kinds = new Map(promotions.rules.map(({name, kind}) => [name, kind]))
  const all: NewReport[] = []
  for (const reporter of reporters) {
    const drafts = events.flatMap((event) => {
      const build = builds.get(String(event.data.build))
      if (build) return ofBuild(reporter, event, build, url)
      const move = moves.get(event.cursor.id)
      return move
        ? ofPromotion(reporter, event, {...move, kind: move.kind ?? kinds.get(move.rule) ?? null}, url)
        : []
    })
    for (const {event, letter, matter} of await unheard(tx, reporter, drafts))
      all.push({
        reporter: reporter.name,
        eventId: event,
        payload: {...letter, ...(matter !== null && {matter})},
      })
  }
  return all
}

/** Without what the reporter was told of before, in the outbox or a line above. */
async function unheard(tx: Sql, reporter: Reporter, drafts: readonly Draft[]): Promise<Draft[]> {
  const matters = drafts.flatMap(({matter}) => matter ?? [])
  const told = new Set(await toldMatters(tx, reporter.name, matters))
  return drafts.filter(({matter}) => {
    if (matter === null) return true
    const isNew = !told.has(matter)
    told.add(matter)
    return isNew
  })
}

const postmark = (
  reporter: Reporter,
  event: StoredEvent,
  occasion: ReportEvent,
  url: string | null,
): Postmark => ({
  delivery: `${reporter.name}-${event.cursor.id}`,
  event: occasion,
  at: event.at.toISOString(),
  url,
})

function ofBuild(reporter: Reporter, event: StoredEvent, build: BuildNews, url: string | null): Draft[] {
  const occasions = occasionsOf({
    type: event.type,
    result: (event.data.result ?? null) as Result | null,
    before: build.before as Result | null,
    ruleKind: null,
  })
  const occasion = wanted(reporter, occasions, {builder: build.builder})
  if (!occasion) return []
  // Started is told as it was then, however late: the result is another letter's.
  const told = occasion === 'started' ? {...build, result: null, failed: null} : build
  return addressed(
    reporter,
    event,
    buildLetter(postmark(reporter, event, occasion, url), told),
    authorsOf(build),
    null,
  )
}

function ofPromotion(
  reporter: Reporter,
  event: StoredEvent,
  move: PromotionNews,
  url: string | null,
): Draft[] {
  const occasions = occasionsOf({type: event.type, result: null, before: null, ruleKind: move.kind})
  const occasion = wanted(reporter, occasions, {rule: move.rule})
  if (!occasion) return []
  const letter = promotionLetter(postmark(reporter, event, occasion, url), move)
  return addressed(
    reporter,
    event,
    letter,
    occasion === 'conflict' ? move.authors : [],
    matterOf(event, move),
  )
}

/** What may happen again and is told once: a conflict of two tips, and that one decision's was resolved. */
function matterOf({type, data}: StoredEvent, {rule, revision, fromTip, toTip}: PromotionNews): string | null {
  const carried = revision ?? fromTip
  if (type === 'promotion.conflict' && carried !== null && toTip !== null)
    return `conflict ${rule} ${carried} ${toTip}`
  if ((type === 'promotion.resolved' || type === 'promotion.diverged') && typeof data.promotion === 'string')
    return `${type} ${rule} ${data.promotion}`
  return null
}

/** A mail nobody would get is none. */
function addressed(
  reporter: Reporter,
  event: StoredEvent,
  letter: Letter,
  authors: readonly string[],
  matter: string | null,
): Draft[] {
  if (reporter.kind !== 'mail') return [{event: event.cursor.id, letter, matter}]
  const to = recipientsOf(reporter, authors)
  return to.length === 0 ? [] : [{event: event.cursor.id, letter: {...letter, mail: {to, left: to}}, matter}]
}
