// Where everything on the waterfall lies, from the window, the view and the moment; the board only draws it.
import type {Waterfall} from '../../../http/shapes.ts'
import {groupBuilders, isBad, parseFilter, showsBuild, showsBuilder} from '../../core/columns.ts'
import {layLanes} from '../../core/lanes.ts'
import type {Cell} from '../../core/moves.ts'
import {bunch, type Bunch} from '../../core/rail.ts'
import {layTime, type Need, type Moment, type Scale} from '../../core/scale.ts'
import {detailOf, spanMs, type Detail, type View} from '../../core/view.ts'

export type BuildRow = Waterfall['builds'][number]
export type BuilderRow = Waterfall['builders'][number]
export type ChangeRow = Waterfall['changes'][number]
export type PromotionRow = Waterfall['promotions'][number]
export type PendingRow = Waterfall['pending'][number]

export interface BlockAt {
  readonly build: BuildRow
  readonly top: number
  readonly bottom: number
  readonly lane: number
  readonly lanes: number
}

export interface Column {
  readonly builder: BuilderRow
  readonly index: number
  readonly left: number
  readonly width: number
  readonly blocks: readonly BlockAt[]
  readonly pending: readonly PendingRow[]
}

export interface GroupAt {
  readonly tag: string
  readonly left: number
  readonly width: number
  readonly folded: boolean
  readonly builders: readonly BuilderRow[]
}

export interface BunchAt<T> extends Bunch<T & {at: number}> {
  readonly top: number
}

export interface Arrangement {
  readonly detail: Detail
  readonly columns: readonly Column[]
  readonly groups: readonly GroupAt[]
  readonly width: number
  readonly scale: Scale
  readonly pixelsPerMs: number
  readonly from: number
  readonly to: number
  readonly changes: readonly BunchAt<ChangeRow>[]
  readonly promotions: readonly BunchAt<PromotionRow>[]
  /** How many requests the tallest column shows above now. */
  readonly pendingRows: number
  readonly cells: readonly Cell[]
}

export const columnWidth: Record<Detail, number> = {steps: 160, builds: 120, strips: 34}
export const railLine = 36
export const blockHead = 22
export const stepLine = 17
export const pendingLine = 36
const foldedWidth = 36
const groupGap = 10
const widenedAtMost = 1.6
const stepLinesMax = 10
const bunchMs = 60_000
const bunchShown = 3
const pendingShown = 3
const gapPixels = 30
/** How many screens high the board may become to give steps their room. */
const screensMax = 8

const startOf = (build: BuildRow) => Date.parse(build.startedAt ?? build.createdAt)
const endOf = (build: BuildRow, now: number) =>
  build.finishedAt === null ? now : Date.parse(build.finishedAt)

/** The pixels there are for builds: below the heads, and beside the rails. */
export interface Room {
  readonly high: number
  readonly wide: number
}

/** Lays out the whole board for a view of this size. */
export function arrange(board: Waterfall, view: View, now: number, room: Room): Arrangement {
  const viewPixels = room.high
  const detail = detailOf(view.span)
  const to = view.until ?? now
  const from = to - spanMs(view.span)
  const pixelsPerMs = Math.max(300, viewPixels) / spanMs(view.span)
  const filter = parseFilter(view.filter)
  const {columns: bare, groups, width} = layColumns(board, view, detail, room.wide)
  const shownNames = new Set(bare.map(({builder}) => builder.name))
  const builds = board.builds.filter(
    (build) =>
      shownNames.has(build.builder) &&
      showsBuild(filter, build) &&
      endOf(build, to) >= from &&
      startOf(build) <= to,
  )
  const bunchWithin = Math.max(bunchMs, (railLine / pixelsPerMs) * 0.5)
  const dated = <T>(items: readonly T[], at: (item: T) => string) =>
    items
      .map((item) => ({...item, at: Date.parse(at(item))}))
      .filter((item) => item.at >= from && item.at <= to)
  const changes = bunch(
    dated(board.changes, (change) => change.recordedAt),
    bunchWithin,
    bunchShown,
  )
  const promotions = bunch(
    dated(board.promotions, (promotion) => promotion.at),
    bunchWithin,
    bunchShown,
  )

  const layFor = (least: Detail) =>
    layTime({
      from,
      to,
      pixelsPerMs,
      gapPixelsMax: view.squeeze ? gapPixels : null,
      needs: builds.map((build): Need => ({
        from: startOf(build),
        to: endOf(build, to),
        height: leastHeight(build, least),
      })),
      moments: [...moments(changes, 'changes'), ...moments(promotions, 'promotions')],
    })
  const roomy = layFor(detail)
  // With hundreds of builders, room for everybody's steps would pull time apart until nothing stands beside anything.
  const scale =
    detail === 'steps' && roomy.height > viewPixels * screensMax && bare.length > 12
      ? layFor('builds')
      : roomy

  const columns = withBlocks(bare, builds, scale, to)
  const place = <T>(one: Bunch<T & {at: number}>): BunchAt<T> => ({...one, top: scale.y(one.at)})
  return {
    detail,
    columns,
    groups,
    width,
    scale,
    pixelsPerMs,
    from,
    to,
    changes: changes.map(place),
    promotions: promotions.map(place),
    pendingRows:
      detail === 'strips'
        ? 1
        : Math.max(1, ...columns.map(({pending}) => Math.min(pendingShown, pending.length))),
    cells: columns.flatMap(({index, blocks}) =>
      blocks.map(({build}) => ({
        id: build.id,
        column: index,
        startedAt: startOf(build),
        bad: isBad(build.result),
      })),
    ),
  }
}

function leastHeight(build: BuildRow, detail: Detail): number {
  if (detail === 'strips') return 6
  if (detail === 'builds') return blockHead + 4
  const begun = build.steps.filter((step) => step.state !== 'pending').length
  return blockHead + 6 + stepLine * Math.min(stepLinesMax, begun)
}

const moments = (bunches: readonly Bunch<{at: number}>[], rail: string): Moment[] =>
  bunches.map(({at, shown, hidden}) => ({
    at,
    rail,
    height: railLine * shown.length + (hidden.length > 0 ? 22 : 0) + 4,
  }))

function layColumns(board: Waterfall, view: View, detail: Detail, wide: number) {
  const filter = parseFilter(view.filter)
  const groups: GroupAt[] = []
  const columns: Omit<Column, 'blocks'>[] = []
  const pending = groupBy(board.pending, ({builder}) => builder)
  let left = 0
  const shown = board.builders.filter((builder) => showsBuilder(filter, builder))
  const grouped = groupBuilders(shown, view.redFirst)
  const width = widthFor(detail, wide, view.folded, grouped)
  for (const {tag, builders} of grouped) {
    const folded = view.folded.includes(tag)
    const start = left
    if (folded) left += foldedWidth
    else
      for (const builder of builders) {
        columns.push({
          builder,
          index: columns.length,
          left,
          width,
          pending: pending.get(builder.name) ?? [],
        })
        left += width
      }
    groups.push({tag, left: start, width: left - start, folded, builders})
    left += groupGap
  }
  return {columns, groups, width: left}
}

/** Few columns use the room there is, up to what text can use; many keep their least width. */
function widthFor(
  detail: Detail,
  wide: number,
  folded: readonly string[],
  groups: readonly {tag: string; builders: readonly BuilderRow[]}[],
): number {
  const open = groups.filter(({tag}) => !folded.includes(tag))
  const count = open.reduce((sum, {builders}) => sum + builders.length, 0)
  const taken = groups.length * groupGap + (groups.length - open.length) * foldedWidth
  const share = count === 0 ? 0 : Math.floor((wide - taken) / count)
  return Math.max(columnWidth[detail], Math.min(columnWidth[detail] * widenedAtMost, share))
}

function withBlocks(
  columns: readonly Omit<Column, 'blocks'>[],
  builds: readonly BuildRow[],
  scale: Scale,
  now: number,
): Column[] {
  const byBuilder = groupBy(builds, ({builder}) => builder)
  return columns.map((column) => {
    const own = byBuilder.get(column.builder.name) ?? []
    const byId = new Map(own.map((build) => [build.id, build]))
    const lanes = layLanes(
      own.map((build) => {
        const top = scale.y(endOf(build, now))
        return {
          id: build.id,
          top,
          bottom: Math.max(top + 5, scale.y(Math.min(startOf(build), endOf(build, now) - 1))),
        }
      }),
    )
    return {...column, blocks: lanes.map(({id, ...place}) => ({build: byId.get(id) as BuildRow, ...place}))}
  })
}

function groupBy<T>(items: readonly T[], key: (item: T) => string): Map<string, T[]> {
  const groups = new Map<string, T[]>()
  for (const item of items) {
    const group = groups.get(key(item))
    if (group) group.push(item)
    else groups.set(key(item), [item])
  }
  return groups
}
