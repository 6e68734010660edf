// The board: one scroller with the time axis, the rails and the builders' columns. Only what is in view is drawn.
import {useEffect, useLayoutEffect, useMemo, useRef, useState} from 'react'
import {worstOf} from '../../core/columns.ts'
import {sayDuration} from '../../core/say.ts'
import {ticks} from '../../core/scale.ts'
import type {View} from '../../core/view.ts'
import {Mark} from '../frame/marks.tsx'
import {isMidnight, sayClock, sayDay, sayFully} from '../frame/times.tsx'
import {pendingLine, type Arrangement, type GroupAt} from './arrange.ts'
import {ColumnView} from './column.tsx'
import type {Board} from './data.ts'
import {useHeldPlace} from './held-place.ts'
import {ChangesRail, PromotionsRail} from './rails.tsx'
import {bandHeight, headHeight, type Sight} from './sight.ts'

interface Props {
  readonly board: Board
  readonly arrangement: Arrangement
  readonly view: View
  readonly change: (part: Partial<View>) => void
  readonly cursor: string | null
  readonly setCursor: (id: string) => void
  readonly open: (id: string) => void
  readonly marked: string | null
  readonly setMarked: (change: string | null) => void
  readonly onRoom: (pixels: {high: number; wide: number}) => void
}

export function BoardView(props: Props) {
  const {board, arrangement, view, change, cursor, marked} = props
  const scroller = useRef<HTMLDivElement>(null)
  const sight = useSight(scroller, props.onRoom)
  useHeldPlace(scroller, arrangement)
  useCursorInSight(scroller, arrangement, cursor)

  const head = bandHeight + headHeight[arrangement.detail]
  const trackTop = head + arrangement.pendingRows * pendingLine + 8
  const height = trackTop + arrangement.scale.height + 60
  const shown = arrangement.columns.filter(
    ({left, width}) => left + width >= sight.left && left <= sight.right,
  )
  const opened = view.build === null ? undefined : board.builds.find(({id}) => id === view.build)
  const lit = useMemo(() => new Set(marked !== null ? [marked] : (opened?.changes ?? [])), [marked, opened])
  const tabStop = useTabStop(arrangement, cursor)

  return (
    <div className={`board detail-${arrangement.detail}`} ref={scroller} tabIndex={-1}>
      <div className="sheet" style={{height}}>
        <Axis arrangement={arrangement} trackTop={trackTop} isPast={view.until !== null} />
        <ChangesRail
          board={board}
          arrangement={arrangement}
          trackTop={trackTop}
          sight={sight}
          lit={lit}
          setMarked={props.setMarked}
          marked={marked}
        />
        <PromotionsRail board={board} arrangement={arrangement} trackTop={trackTop} sight={sight} />
        <div className="columns" style={{minWidth: arrangement.width}}>
          <div className="head-ground" style={{height: head, marginBottom: -head}} />
          <Bands groups={arrangement.groups} view={view} change={change} sight={sight} />
          <Gaps arrangement={arrangement} trackTop={trackTop} sight={sight} />
          <div className="now-line" style={{top: trackTop - 1}} />
          {shown.length > 0 && (
            <div
              role="grid"
              aria-label="Builds, one row for each builder, newest first"
              aria-rowcount={arrangement.columns.length}
            >
              {shown.map((column) => (
                <ColumnView
                  key={column.builder.name}
                  column={column}
                  detail={arrangement.detail}
                  now={arrangement.to}
                  trackTop={trackTop}
                  pendingRows={arrangement.pendingRows}
                  sight={sight}
                  cursor={cursor}
                  tabStop={tabStop}
                  openId={view.build}
                  marked={marked}
                  open={props.open}
                  setCursor={props.setCursor}
                  openRequest={(request) => change({request, build: null})}
                />
              ))}
            </div>
          )}
          {arrangement.columns.length === 0 && <Nothing board={board} view={view} />}
        </div>
      </div>
    </div>
  )
}

const Nothing = ({board, view}: {board: Board; view: View}) => (
  <p className="nothing">
    {board.builders.length === 0
      ? 'No builders are configured yet.'
      : view.filter === ''
        ? 'All builders are folded away: press a name above to unfold it.'
        : `No builder matches “${view.filter}”.`}
  </p>
)

function Axis({
  arrangement,
  trackTop,
  isPast,
}: {
  arrangement: Arrangement
  trackTop: number
  isPast: boolean
}) {
  const {scale, from, to, pixelsPerMs} = arrangement
  const offsetMs = -new Date(to).getTimezoneOffset() * 60_000
  return (
    <div className="axis">
      <div className="corner">
        <b>{isPast ? 'until' : 'now'}</b>
        <time dateTime={new Date(to).toISOString()} title={sayFully(to)}>
          {sayClock(to)}
        </time>
      </div>
      {ticks(scale, {from, to, pixelsPerMs, apart: 56, offsetMs}).map(({at, y}) => (
        <time
          key={at}
          className="tick-at"
          style={{top: trackTop + y}}
          dateTime={new Date(at).toISOString()}
          title={sayFully(at)}
        >
          {isMidnight(at) ? sayDay(at) : sayClock(at)}
        </time>
      ))}
    </div>
  )
}

function Gaps({arrangement, trackTop, sight}: {arrangement: Arrangement; trackTop: number; sight: Sight}) {
  return arrangement.scale.gaps
    .filter(({top, bottom}) => bottom + trackTop >= sight.top && top + trackTop <= sight.bottom)
    .map((gap) => (
      <div key={gap.from} className="gap" style={{top: trackTop + gap.top, height: gap.bottom - gap.top}}>
        <span>{sayDuration(gap.to - gap.from)} idle</span>
      </div>
    ))
}

function Bands({
  groups,
  view,
  change,
  sight,
}: {
  groups: readonly GroupAt[]
  view: View
  change: Props['change']
  sight: Sight
}) {
  const toggle = (tag: string) =>
    change({
      folded: view.folded.includes(tag)
        ? view.folded.filter((other) => other !== tag)
        : [...view.folded, tag],
    })
  if (groups.length === 1 && groups[0]?.tag === '') return <div className="bands" />
  return (
    <div className="bands">
      {groups
        .filter(({left, width}) => left + width >= sight.left && left <= sight.right)
        .map(({tag, left, width, folded, builders}) => (
          <button
            key={tag}
            type="button"
            className={folded ? 'band folded' : 'band'}
            style={{left, width}}
            aria-expanded={!folded}
            aria-label={`${tag === '' ? 'builders without a tag' : tag}: ${String(builders.length)} builders`}
            title={tag === '' ? 'without a tag' : tag}
            onClick={() => toggle(tag)}
          >
            {folded ? (
              <Mark tone={worstOf(builders)} quiet size={12} />
            ) : (
              <span>{tag === '' ? 'others' : tag}</span>
            )}
          </button>
        ))}
    </div>
  )
}

/** What part of the sheet can be seen, in steps of some hundred pixels so that scrolling draws rarely. */
function useSight(scroller: React.RefObject<HTMLDivElement | null>, onRoom: Props['onRoom']): Sight {
  const [sight, setSight] = useState<Sight>({top: 0, bottom: 1600, left: 0, right: 2000})
  useLayoutEffect(() => {
    const element = scroller.current
    if (!element) return
    const grain = 240
    let frame = 0
    const look = () => {
      frame = 0
      const columns = element.querySelector<HTMLElement>('.columns')
      const x = element.scrollLeft - (columns?.offsetLeft ?? 0)
      const next = {
        top: (Math.floor(element.scrollTop / grain) - 2) * grain,
        bottom: (Math.ceil((element.scrollTop + element.clientHeight) / grain) + 2) * grain,
        left: (Math.floor(x / grain) - 1) * grain,
        right: (Math.ceil((x + element.clientWidth) / grain) + 1) * grain,
      }
      setSight((now) => (isSame(now, next) ? now : next))
    }
    const later = () => {
      frame ||= requestAnimationFrame(look)
    }
    const watcher = new ResizeObserver(() => {
      onRoom({
        high: Math.max(240, element.clientHeight - 180),
        wide: element.clientWidth - besideColumns(element),
      })
      later()
    })
    watcher.observe(element)
    element.addEventListener('scroll', later, {passive: true})
    look()
    return () => {
      watcher.disconnect()
      element.removeEventListener('scroll', later)
      cancelAnimationFrame(frame)
    }
  }, [scroller, onRoom])
  return sight
}

const isSame = (a: Sight, b: Sight) =>
  a.top === b.top && a.bottom === b.bottom && a.left === b.left && a.right === b.right

/** Brings the selected build into view when the selection moves, and the focus with it. */
function useCursorInSight(
  scroller: React.RefObject<HTMLDivElement | null>,
  arrangement: Arrangement,
  cursor: string | null,
) {
  const latest = useRef(arrangement)
  latest.current = arrangement
  const isFirst = useRef(true)
  useEffect(() => {
    const element = scroller.current
    // A page that opens with a selection does not take the focus; every later move does.
    const moved = !isFirst.current
    isFirst.current = false
    if (!element || cursor === null) return
    const column = latest.current.columns.find(({blocks}) => blocks.some(({build}) => build.id === cursor))
    const block = column?.blocks.find(({build}) => build.id === cursor)
    if (!column || !block) return
    const columns = element.querySelector<HTMLElement>('.columns')
    const head = bandHeight + headHeight[latest.current.detail]
    const top = head + latest.current.pendingRows * pendingLine + 8 + block.top
    const stuck = stuckWidth(element)
    const x = (columns?.offsetLeft ?? 0) + column.left
    if (top < element.scrollTop + head) element.scrollTop = top - head - 40
    else if (top + 60 > element.scrollTop + element.clientHeight)
      element.scrollTop = top - element.clientHeight / 2
    if (x < element.scrollLeft + stuck) element.scrollLeft = x - stuck - 20
    else if (x + column.width > element.scrollLeft + element.clientWidth)
      element.scrollLeft = x + column.width - element.clientWidth + 20
    if (!moved) return
    const focus = (left: number) => {
      const cell = element.querySelector<HTMLElement>(`[data-build="${CSS.escape(cursor)}"]`)
      if (cell) cell.focus({preventScroll: true})
      else if (left > 0) requestAnimationFrame(() => focus(left - 1))
    }
    focus(5)
  }, [scroller, cursor])
}

/** How much the axis and the rails take of the width. */
const besideColumns = (element: HTMLElement) =>
  [...element.querySelectorAll<HTMLElement>('.axis, .rail')].reduce((sum, part) => sum + part.offsetWidth, 0)

/** How much of the left is covered by what stays in place there. */
function stuckWidth(element: HTMLElement): number {
  let width = 0
  for (const part of element.querySelectorAll<HTMLElement>('.axis, .rail'))
    if (getComputedStyle(part).position === 'sticky') width += part.offsetWidth
  return width
}

/** The one build that Tab reaches: the selected one, or the newest of the first builder that has any. */
const useTabStop = (arrangement: Arrangement, cursor: string | null) =>
  useMemo(() => {
    if (cursor !== null && arrangement.cells.some(({id}) => id === cursor)) return cursor
    return arrangement.columns.find(({blocks}) => blocks.length > 0)?.blocks[0]?.build.id ?? null
  }, [arrangement, cursor])
