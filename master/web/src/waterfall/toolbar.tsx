// What the reader may choose about the board, and what the board says about the branches.
import {useEffect, useState} from 'react'
import {sayCount} from '../../core/say.ts'
import {nextSpan, spans, spanMs, type SpanName, type View} from '../../core/view.ts'
import {sayMoment} from '../frame/times.tsx'
import type {Arrangement} from './arrange.ts'
import type {Board} from './data.ts'

interface Props {
  readonly board: Board
  readonly view: View
  readonly change: (part: Partial<View>) => void
  readonly arrangement: Arrangement
  readonly filterField: React.RefObject<HTMLInputElement | null>
}

export function Toolbar({board, view, change, arrangement, filterField}: Props) {
  return (
    <div className="toolbar" role="toolbar" aria-label="View">
      <FilterField view={view} change={change} field={filterField} />
      <span className="span-choice">
        <button
          type="button"
          aria-label="Look closer"
          onClick={() => change({span: nextSpan(view.span, -1)})}
        >
          +
        </button>
        <label>
          <span className="unseen">Time shown</span>
          <select value={view.span} onChange={(event) => change({span: event.target.value as SpanName})}>
            {spans.map((span) => (
              <option key={span.name} value={span.name}>
                {span.text}
              </option>
            ))}
          </select>
        </label>
        <button
          type="button"
          aria-label="Look further"
          onClick={() => change({span: nextSpan(view.span, 1)})}
        >
          −
        </button>
      </span>
      <label className="tick">
        <input
          type="checkbox"
          checked={view.squeeze}
          onChange={(event) => change({squeeze: event.target.checked})}
        />
        squeeze idle time
      </label>
      <label className="tick">
        <input
          type="checkbox"
          checked={view.redFirst}
          onChange={(event) => change({redFirst: event.target.checked})}
        />
        failing first
      </label>
      <span className="earlier">
        <button type="button" onClick={() => change({until: arrangement.from})}>
          ↓ earlier
        </button>
        {view.until !== null && (
          <>
            <button type="button" onClick={() => change({until: laterThan(view)})}>
              ↑ later
            </button>
            <button type="button" className="main" onClick={() => change({until: null})}>
              back to now
            </button>
            <span className="past">up to {sayMoment(view.until)}</span>
          </>
        )}
      </span>
      <span className="push" />
      <span className="counts">
        {sayCount(board.builds.length, 'build')}
        {board.more && ' (the newest; more are older)'}, {sayCount(board.pending.length, 'request')} waiting
      </span>
    </div>
  )
}

const laterThan = (view: View) => {
  const next = (view.until ?? 0) + spanMs(view.span)
  return next >= Date.now() ? null : next
}

/** Typing is not put into the address letter by letter. */
function FilterField({
  view,
  change,
  field,
}: {
  view: View
  change: Props['change']
  field: Props['filterField']
}) {
  const [text, setText] = useState(view.filter)
  useEffect(() => setText(view.filter), [view.filter])
  useEffect(() => {
    if (text === view.filter) return
    const timer = setTimeout(() => change({filter: text}), 200)
    return () => clearTimeout(timer)
  }, [text, view.filter, change])
  return (
    <label className="filter">
      <span className="unseen">Filter by builder, tag, branch:NAME or is:RESULT</span>
      <input
        ref={field}
        type="search"
        placeholder="Filter:  word  -word  branch:main  is:failure"
        value={text}
        onChange={(event) => setText(event.target.value)}
        onKeyDown={(event) => {
          if (event.key === 'Escape') event.currentTarget.blur()
        }}
      />
    </label>
  )
}
