// The log viewer: a log of any length, opened at its end, with links to lines, search and live following.
import {useCallback, useEffect, useLayoutEffect, useRef, useState, type KeyboardEvent} from 'react'
import type {Log} from '../../../http/shapes.ts'
import {formatAnchor, type Anchor} from '../../core/anchors.ts'
import {sayBytes, sayCount} from '../../core/say.ts'
import {
  contentPixels,
  isMapped,
  rowsInView,
  scrollFor,
  topLine,
  topLineMax,
  type Reel,
} from '../../core/scroll.ts'
import {logAddress} from '../api.ts'
import {useShortcuts} from '../frame/keys.ts'
import {LineText} from './lines.tsx'
import {Search} from './search.tsx'
import {useLogSource, type LogSource} from './source.ts'

const rowPixels = 18
/** Below what any browser allows (Firefox about 17.8 million, Chromium 33 million). */
const capPixels = 12_000_000
const extraRows = 12

interface Props {
  readonly log: Log
  readonly step: number
  /** The name is part of line links only where the step has several logs. */
  readonly isOnly: boolean
  readonly anchor: Anchor | null
  readonly onAnchor: (anchor: string) => void
}

export function LogViewer({log, step, isOnly, anchor, onAnchor}: Props) {
  const source = useLogSource(log)
  const [found, setFound] = useState<number | null>(null)
  const scroll = useReel(source, anchor?.from ?? null, log.complete)
  const search = useRef<HTMLInputElement>(null)
  const {follow, setFollow, toLine, toEnd} = scroll
  useShortcuts({
    f: () => setFollow(!follow),
    G: toEnd,
    '/': () => search.current?.focus(),
  })
  useEffect(() => {
    if (anchor?.from != null) toLine(anchor.from - 1)
  }, [anchor?.from, toLine])

  const selectLine = (line: number, extend: boolean) => {
    const from = extend && anchor?.from != null ? anchor.from : line
    onAnchor(
      formatAnchor({
        step,
        log: isOnly ? null : log.name,
        from: Math.min(from, line),
        to: Math.max(from, line),
      }),
    )
  }
  return (
    <div className="log">
      <div className="log-bar">
        <b>{log.name}</b>
        <span className="log-size">
          {sayCount(source.lines, 'line')}
          {log.bytes > 0 && `, ${sayBytes(log.bytes)}`}
        </span>
        <span className="push" />
        <Search
          log={log.id}
          field={search}
          onHit={(line) => {
            setFound(line)
            if (line !== null) toLine(line)
          }}
        />
        {!source.complete && (
          <button type="button" aria-pressed={follow} onClick={() => setFollow(!follow)}>
            {follow ? 'following' : 'follow'}
          </button>
        )}
        <button type="button" onClick={() => toLine(0)}>
          start
        </button>
        <button type="button" onClick={toEnd}>
          end
        </button>
        <a
          className="button"
          href={logAddress(log.id)}
          download={`${log.name.replace(/[^\w.-]+/g, '-')}.txt`}
        >
          download
        </a>
      </div>
      {source.error && <p className="trouble">{source.error}</p>}
      <Rows
        source={source}
        scroll={scroll}
        anchor={anchor}
        found={found}
        onLine={selectLine}
        step={step}
        logName={isOnly ? null : log.name}
      />
    </div>
  )
}

interface Scroll {
  readonly ref: React.RefObject<HTMLDivElement | null>
  readonly reel: Reel
  readonly top: number
  readonly follow: boolean
  readonly setFollow: (follow: boolean) => void
  readonly toLine: (line: number) => void
  readonly toEnd: () => void
  readonly onScroll: () => void
  readonly onKey: (event: KeyboardEvent) => void
}

/** Where in the log the view stands. The top line is the truth; the scroll bar is set after it. */
function useReel(source: LogSource, firstLine: number | null, isComplete: boolean): Scroll {
  const ref = useRef<HTMLDivElement>(null)
  const [viewPixels, setViewPixels] = useState(480)
  const [follow, setFollow] = useState(firstLine === null && !isComplete)
  const reel: Reel = {lines: source.lines, rowPixels, viewPixels, capPixels}
  const [top, setTop] = useState(() =>
    firstLine === null ? Number.MAX_SAFE_INTEGER : Math.max(0, firstLine - 4),
  )
  const latest = useRef({reel, top, follow})
  const bounded = Math.min(follow ? Number.MAX_SAFE_INTEGER : top, topLineMax(reel))
  latest.current = {reel, top: bounded, follow}
  const expected = useRef(-1)

  useLayoutEffect(() => {
    const element = ref.current
    if (!element) return
    const watcher = new ResizeObserver(() => setViewPixels(element.clientHeight))
    watcher.observe(element)
    return () => watcher.disconnect()
  }, [])
  useLayoutEffect(() => {
    const element = ref.current
    if (!element) return
    const wanted = Math.round(scrollFor(reel, bounded))
    if (Math.abs(element.scrollTop - wanted) < 1) return
    element.scrollTop = wanted
    expected.current = element.scrollTop
  })
  useEffect(() => {
    const element = ref.current
    if (!element) return
    const roll = (event: WheelEvent) => {
      const now = latest.current
      if (event.deltaY < 0 && now.follow) setFollow(false)
      if (!isMapped(now.reel) || event.ctrlKey || event.shiftKey || event.deltaY === 0) return
      event.preventDefault()
      const pixels = event.deltaMode === 1 ? event.deltaY * rowPixels : event.deltaY
      setTop(Math.min(topLineMax(now.reel), Math.max(0, now.top + pixels / rowPixels)))
    }
    element.addEventListener('wheel', roll, {passive: false})
    return () => element.removeEventListener('wheel', roll)
  }, [])

  const toLine = useCallback((line: number) => {
    setFollow(false)
    setTop(Math.max(0, line - Math.floor(latest.current.reel.viewPixels / rowPixels / 3)))
  }, [])
  const toEnd = useCallback(() => setTop(Number.MAX_SAFE_INTEGER), [])
  const onScroll = () => {
    const element = ref.current
    if (!element || element.scrollTop === expected.current) {
      expected.current = -1
      return
    }
    const now = latest.current
    const line = topLine(now.reel, element.scrollTop)
    // Dragged away from the end: the reader wants to stay.
    if (now.follow && line < topLineMax(now.reel) - 2) setFollow(false)
    setTop(line)
  }
  const onKey = (event: KeyboardEvent) => {
    const page = Math.max(1, Math.floor(viewPixels / rowPixels) - 2)
    const by = {ArrowDown: 1, ArrowUp: -1, PageDown: page, PageUp: -page, Home: -Infinity, End: Infinity}[
      event.key
    ]
    if (by === undefined) return
    event.preventDefault()
    setFollow(by === Infinity && !source.complete)
    setTop(Math.min(topLineMax(reel), Math.max(0, bounded + by)))
  }
  return {ref, reel, top: bounded, follow, setFollow, toLine, toEnd, onScroll, onKey}
}

function Rows({
  source,
  scroll,
  anchor,
  found,
  step,
  logName,
  onLine,
}: {
  source: LogSource
  scroll: Scroll
  anchor: Anchor | null
  found: number | null
  step: number
  logName: string | null
  onLine: (line: number, extend: boolean) => void
}) {
  const {reel, top} = scroll
  const {from, to} = rowsInView(reel, top, extraRows)
  useEffect(() => source.want(from, to))
  const rows = Array.from({length: to - from}, (_, index) => from + index)
  const shift = scrollFor(reel, top) - (top - from) * rowPixels
  const isMarked = (line: number) =>
    anchor?.from != null && line >= anchor.from && line <= (anchor.to ?? anchor.from)
  const digits = String(reel.lines).length
  return (
    <div
      className="log-view"
      ref={scroll.ref}
      onScroll={scroll.onScroll}
      onKeyDown={scroll.onKey}
      tabIndex={0}
      role="region"
      aria-label="Log"
    >
      <div className="log-sheet" style={{height: contentPixels(reel)}}>
        <div className="log-rows" style={{transform: `translateY(${String(shift)}px)`}}>
          {rows.map((row) => {
            const shown = source.line(row)
            const line = row + 1
            return (
              <div
                key={row}
                className={`log-line${isMarked(line) ? ' marked' : ''}${found === row ? ' found' : ''}`}
              >
                <a
                  href={formatAnchor({step, log: logName, from: line, to: line})}
                  tabIndex={-1}
                  aria-label={`line ${String(line)}`}
                  data-line={line}
                  style={{width: `${String(Math.max(4, digits) + 2)}ch`}}
                  onClick={(event) => {
                    event.preventDefault()
                    onLine(line, event.shiftKey)
                  }}
                />
                <code>{shown && <LineText line={shown.text} before={shown.before} />}</code>
              </div>
            )
          })}
        </div>
      </div>
      {source.lines === 0 && (
        <p className="log-empty">{source.complete ? 'It printed nothing.' : 'Nothing printed yet.'}</p>
      )}
    </div>
  )
}
