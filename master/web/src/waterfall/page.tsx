// The live waterfall: the board, its tool bar, and the panel of what is selected. The address holds the view.
import {useCallback, useMemo, useRef, useState} from 'react'
import {useLocation, useSearch} from 'wouter'
import {move, type Move} from '../../core/moves.ts'
import {formatView, nextSpan, parseView, spanMs, type View} from '../../core/view.ts'
import {useNow} from '../asking.ts'
import {useShortcuts} from '../frame/keys.ts'
import {Answered, useTitle} from '../frame/page.tsx'
import {arrange, type Arrangement, type Room} from './arrange.ts'
import {BoardView} from './board.tsx'
import {useBoard, type Board} from './data.ts'
import {BuildPanel, RequestPanel} from './panel.tsx'
import {Toolbar} from './toolbar.tsx'

export function useView(): [View, (change: Partial<View>) => void] {
  const search = useSearch()
  const [, go] = useLocation()
  const view = useMemo(() => parseView(new URLSearchParams(search)), [search])
  const change = useCallback(
    (part: Partial<View>) => {
      // The address itself, as several changes may come before the next drawing.
      const current = parseView(new URLSearchParams(location.search))
      const query = new URLSearchParams(formatView({...current, ...part})).toString()
      go(query === '' ? '/' : `/?${query}`, {replace: true})
    },
    [go],
  )
  return [view, change]
}

export function WaterfallPage() {
  const [view, change] = useView()
  useTitle('Waterfall')
  const question = useBoard(spanMs(view.span), view.until)
  return (
    <div className="waterfall">
      <h1 className="unseen">Waterfall</h1>
      <Answered question={question}>
        {(board) => <Screen board={board} view={view} change={change} isOld={question.isPlaceholderData} />}
      </Answered>
    </div>
  )
}

interface ScreenProps {
  readonly board: Board
  readonly view: View
  readonly change: (part: Partial<View>) => void
  readonly isOld: boolean
}

function Screen({board, view, change, isOld}: ScreenProps) {
  const [room, setRoom] = useState<Room>({high: 600, wide: 0})
  const onRoom = useCallback(
    (now: Room) => setRoom((was) => (was.high === now.high && was.wide === now.wide ? was : now)),
    [],
  )
  const arrangement = useArrangement(board, view, room)
  const [cursor, setCursor] = useState<string | null>(view.build)
  const [marked, setMarked] = useState<string | null>(null)
  const filterField = useRef<HTMLInputElement>(null)

  const open = (id: string) => {
    setCursor(id)
    change({build: id, request: null})
  }
  useBoardKeys({arrangement, view, change, cursor, setCursor, open, filterField})

  const build = view.build === null ? null : (board.builds.find(({id}) => id === view.build) ?? null)
  const request = view.request === null ? null : (board.pending.find(({id}) => id === view.request) ?? null)
  const close = () => change({build: null, request: null})
  return (
    <>
      <Toolbar
        board={board}
        view={view}
        change={change}
        arrangement={arrangement}
        filterField={filterField}
      />
      <div className={isOld ? 'stage old' : 'stage'}>
        <BoardView
          board={board}
          arrangement={arrangement}
          view={view}
          change={change}
          cursor={cursor}
          setCursor={setCursor}
          open={open}
          marked={marked}
          setMarked={setMarked}
          onRoom={onRoom}
        />
        {view.build !== null && (
          <BuildPanel key={view.build} id={view.build} row={build} board={board} onClose={close} />
        )}
        {request && <RequestPanel request={request} onClose={close} />}
      </div>
    </>
  )
}

/** Lays the board out again as time goes on: every second from near, rarely from far. */
function useArrangement(board: Board, view: View, room: Room): Arrangement {
  const span = spanMs(view.span)
  const isBig = board.builds.length > 800
  const now = useNow(
    view.until !== null ? 60_000 : Math.max(isBig ? 5000 : 1000, Math.min(30_000, span / 3600)),
  )
  const at = Math.max(now + board.aheadMs, Date.parse(board.now))
  return useMemo(() => arrange(board, view, at, room), [board, view, at, room])
}

interface BoardKeys {
  readonly arrangement: Arrangement
  readonly view: View
  readonly change: (part: Partial<View>) => void
  readonly cursor: string | null
  readonly setCursor: (id: string) => void
  readonly open: (id: string) => void
  readonly filterField: React.RefObject<HTMLInputElement | null>
}

function useBoardKeys({arrangement, view, change, cursor, setCursor, open, filterField}: BoardKeys) {
  const [, go] = useLocation()
  const walk = (way: Move) => () => {
    const next = move(arrangement.cells, cursor, way)
    if (next === null) return
    setCursor(next)
    if (view.build !== null) change({build: next, request: null})
  }
  useShortcuts({
    j: walk('older'),
    k: walk('newer'),
    h: walk('left'),
    l: walk('right'),
    n: walk('nextBad'),
    p: walk('previousBad'),
    ArrowDown: walk('older'),
    ArrowUp: walk('newer'),
    ArrowLeft: walk('left'),
    ArrowRight: walk('right'),
    Enter: () => {
      if (cursor === null) return
      if (view.build === cursor) go(`/builds/${cursor}`)
      else open(cursor)
    },
    Escape: () => change({build: null, request: null}),
    '+': () => change({span: nextSpan(view.span, -1)}),
    '=': () => change({span: nextSpan(view.span, -1)}),
    '-': () => change({span: nextSpan(view.span, 1)}),
    '/': () => filterField.current?.focus(),
    r: () => press('again', cursor, view, open),
    x: () => press('cancel', cursor, view, open),
  })
}

/** The panel has the buttons; the key opens it if need be and presses the button there. */
function press(name: 'again' | 'cancel', cursor: string | null, view: View, open: (id: string) => void) {
  if (cursor === null && view.build === null) return
  if (view.build === null && cursor !== null) open(cursor)
  const click = (left: number) => {
    const button = document.querySelector<HTMLButtonElement>(`.panel [data-act="${name}"] button`)
    if (button) button.click()
    else if (left > 0) setTimeout(() => click(left - 1), 50)
  }
  click(20)
}
