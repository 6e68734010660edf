// One builder's column: its head, what waits for it, and its builds' blocks.
import {memo} from 'react'
import {Link} from 'wouter'
import {stepAnchor} from '../../core/anchors.ts'
import {sayTone, toneOf, type Tone} from '../../core/marks.ts'
import {stepsToShow} from '../../core/rail.ts'
import {sayAgo, sayBriefly, sayDuration} from '../../core/say.ts'
import type {Detail} from '../../core/view.ts'
import {Mark} from '../frame/marks.tsx'
import {sayMomentsIn} from '../frame/times.tsx'
import {blockHead, pendingLine, stepLine, type BlockAt, type BuildRow, type Column} from './arrange.ts'
import {bandHeight, headHeight, type Sight} from './sight.ts'

interface Props {
  readonly column: Column
  readonly detail: Detail
  readonly now: number
  readonly trackTop: number
  readonly pendingRows: number
  readonly sight: Sight
  readonly cursor: string | null
  readonly tabStop: string | null
  readonly openId: string | null
  readonly marked: string | null
  readonly open: (id: string) => void
  readonly setCursor: (id: string) => void
  readonly openRequest: (id: string) => void
}

export function ColumnView(props: Props) {
  const {column, detail, now, trackTop, sight, pendingRows} = props
  const head = bandHeight + headHeight[detail]
  return (
    <div
      role="row"
      aria-rowindex={column.index + 1}
      className="column"
      style={{left: column.left, width: column.width}}
    >
      <ColumnHead column={column} detail={detail} now={now} />
      <Waiting
        column={column}
        detail={detail}
        now={now}
        rows={pendingRows}
        top={head}
        openRequest={props.openRequest}
      />
      {column.blocks
        .filter(({top, bottom}) => trackTop + bottom >= sight.top && trackTop + top <= sight.bottom)
        .map((block) => (
          <Block
            key={block.build.id}
            build={block.build}
            top={trackTop + block.top}
            bottom={trackTop + block.bottom}
            lane={block.lane}
            lanes={block.lanes}
            width={column.width}
            detail={detail}
            nowAt={block.build.finishedAt === null ? now : 0}
            isCursor={props.cursor === block.build.id}
            isTabStop={props.tabStop === block.build.id}
            isOpen={props.openId === block.build.id}
            isDim={props.marked !== null && !block.build.changes.includes(props.marked)}
            open={props.open}
            setCursor={props.setCursor}
          />
        ))}
    </div>
  )
}

function ColumnHead({column, detail, now}: {column: Column; detail: Detail; now: number}) {
  const {builder, blocks, pending} = column
  const running = blocks.find(({build}) => build.state === 'running')?.build
  const tone: Tone = builder.lastResult ?? 'pending'
  const state = sayState(column, running, now)
  return (
    <div
      role="rowheader"
      className={`column-head state-${builder.state}`}
      style={{top: bandHeight, height: headHeight[detail]}}
    >
      <Link href={`/builders/${encodeURIComponent(builder.name)}`} title={`${builder.name}: ${state}`}>
        <Mark tone={running ? 'running' : tone} quiet={builder.lastResult === null && !running} size={14} />
        <span>{builder.name}</span>
      </Link>
      <small>{state}</small>
      <small>
        {pending.length > 0 && <b>{pending.length} waiting</b>}
        {pending.length > 0 && builder.usualSeconds !== null && ' · '}
        {builder.usualSeconds !== null && `usually ${sayBriefly(builder.usualSeconds * 1000)}`}
      </small>
    </div>
  )
}

function sayState({builder}: Column, running: BuildRow | undefined, now: number): string {
  if (!running) return builder.state
  if (running.startedAt === null || builder.usualSeconds === null) return 'building'
  const left = Date.parse(running.startedAt) + builder.usualSeconds * 1000 - now
  return left >= 0 ? `building, ~${sayBriefly(left)} left` : `building, ${sayBriefly(-left)} overdue`
}

function Waiting({
  column,
  detail,
  now,
  rows,
  top,
  openRequest,
}: {
  column: Column
  detail: Detail
  now: number
  rows: number
  top: number
  openRequest: (id: string) => void
}) {
  const {pending} = column
  if (pending.length === 0) return null
  const fits = detail === 'strips' ? 1 : pending.length > rows ? rows : pending.length
  // The one that starts first lies nearest to now.
  return (
    <div role="none" className="waiting" style={{top, height: rows * pendingLine}}>
      {pending
        .slice(0, fits)
        .map((request, index) => {
          const more = index === fits - 1 ? pending.length - fits : 0
          const why = sayMomentsIn(request.waiting[0]?.text ?? 'about to start')
          return (
            <div role="gridcell" key={request.id}>
              <button
                type="button"
                className="request"
                tabIndex={-1}
                title={`${why} (waiting for ${sayDuration(now - Date.parse(request.submittedAt))})`}
                aria-label={`waiting for ${sayDuration(now - Date.parse(request.submittedAt))}: ${why}`}
                onClick={() => openRequest(request.id)}
              >
                <Mark tone="pending" quiet size={12} />
                {detail !== 'strips' && (
                  <span>
                    {sayBriefly(now - Date.parse(request.submittedAt))}: {why}
                    {more > 0 && ` (and ${String(more)} more)`}
                  </span>
                )}
              </button>
            </div>
          )
        })
        .reverse()}
    </div>
  )
}

interface BlockProps extends BlockAt {
  readonly width: number
  readonly detail: Detail
  /** The present for a build that goes on, so that others are not drawn again with every tick. */
  readonly nowAt: number
  readonly isCursor: boolean
  readonly isTabStop: boolean
  readonly isOpen: boolean
  readonly isDim: boolean
  readonly open: (id: string) => void
  readonly setCursor: (id: string) => void
}

const Block = memo(function Block(props: BlockProps) {
  const {build, top, bottom, lane, lanes, width, detail} = props
  const tone = toneOf(build)
  const room = width - 4
  const marks = [
    props.isCursor && 'cursor',
    props.isOpen && 'open',
    props.isDim && 'dim',
    room / lanes < 112 && 'slim',
  ]
    .filter(Boolean)
    .join(' ')
  return (
    <div
      role="gridcell"
      data-build={build.id}
      tabIndex={props.isTabStop ? 0 : -1}
      aria-selected={props.isOpen}
      aria-label={sayBuild(build, props.nowAt)}
      className={`block tone-${tone} ${marks}`}
      style={{
        transform: `translateY(${String(Math.round(top))}px)`,
        height: Math.max(5, Math.round(bottom) - Math.round(top) - 1),
        left: 2 + (room / lanes) * lane,
        width: room / lanes - (lane + 1 < lanes ? 1 : 0),
      }}
      onClick={() => props.open(build.id)}
      onFocus={() => props.setCursor(build.id)}
    >
      {detail !== 'strips' && (
        <div className="block-head" aria-hidden="true">
          <Mark tone={tone} quiet size={13} />
          <b>#{build.number}</b>
          <span>{sayBranch(build)}</span>
          <small>{sayTook(build, props.nowAt)}</small>
        </div>
      )}
      {detail === 'steps' && <StepLines build={build} pixels={bottom - top} now={props.nowAt} />}
    </div>
  )
})

function StepLines({build, pixels, now}: {build: BuildRow; pixels: number; now: number}) {
  const {shown, hidden} = stepsToShow(build.steps, Math.floor((pixels - blockHead - 3) / stepLine))
  return (
    <div className="block-steps">
      {hidden > 0 && pixels >= blockHead + stepLine + 2 && (
        <span className="more-steps">{hidden} more steps</span>
      )}
      {[...shown].reverse().map((step) => {
        const took =
          step.startedAt === null
            ? 0
            : (step.finishedAt === null ? now : Date.parse(step.finishedAt)) - Date.parse(step.startedAt)
        const tone = toneOf(step)
        return (
          <Link
            key={step.number}
            href={`/builds/${build.id}${stepAnchor(step.number)}`}
            tabIndex={-1}
            aria-hidden="true"
            className={`step-line tone-${tone}`}
            style={{flexGrow: Math.max(1, Math.round(took / 1000))}}
            onClick={(event) => event.stopPropagation()}
          >
            <Mark tone={tone} quiet size={11} />
            <span>{step.name}</span>
            <small>{step.state === 'pending' ? '' : sayBriefly(took)}</small>
          </Link>
        )
      })}
    </div>
  )
}

const sayBranch = (build: BuildRow) => build.branch ?? ''

function sayTook(build: BuildRow, now: number): string {
  if (build.startedAt === null) return ''
  return sayBriefly(
    (build.finishedAt === null ? now : Date.parse(build.finishedAt)) - Date.parse(build.startedAt),
  )
}

/** What a screen reader says of a block. */
function sayBuild(build: BuildRow, now: number): string {
  const tone = toneOf(build)
  const bad = build.steps.find((step) => step.result === 'failure' || step.result === 'exception')
  const running = build.steps.find((step) => step.state === 'running')
  const where = tone === 'running' && running ? ` at step ${running.name}` : bad ? ` in step ${bad.name}` : ''
  const revision = (build.gotRevision ?? build.revision ?? '').slice(0, 7)
  const when = build.finishedAt ?? build.startedAt ?? build.createdAt
  const ago = sayAgo((now || Date.now()) - Date.parse(when))
  const what = [build.branch && `branch ${build.branch}`, revision && `revision ${revision}`]
    .filter(Boolean)
    .join(', ')
  return `${build.builder} ${String(build.number)}${what === '' ? '' : `, ${what}`}, ${sayTone(tone)}${where}, ${ago}`
}
