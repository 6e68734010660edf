// Where the keyboard goes on the waterfall: down and up in time, across builders, from failure to failure.

export interface Cell {
  readonly id: string
  readonly column: number
  readonly startedAt: number
  readonly bad: boolean
}

export type Move = 'older' | 'newer' | 'left' | 'right' | 'nextBad' | 'previousBad'

/** Names the cell to go to, or the one we are on when there is nothing that way. Cells may come in any order. */
export function move(cells: readonly Cell[], current: string | null, way: Move): string | null {
  const here = cells.find((cell) => cell.id === current)
  if (!here) return newest(way.endsWith('Bad') ? cells.filter((cell) => cell.bad) : cells)?.id ?? null
  return (target(cells, here, way) ?? here).id
}

function target(cells: readonly Cell[], here: Cell, way: Move): Cell | undefined {
  const others = cells.filter((cell) => cell.id !== here.id)
  switch (way) {
    case 'older':
      return newest(others.filter((cell) => cell.column === here.column && isOlder(cell, here)))
    case 'newer':
      return oldest(others.filter((cell) => cell.column === here.column && isOlder(here, cell)))
    case 'left':
      return nearest(others, here, Math.max(...columns(others).filter((column) => column < here.column)))
    case 'right':
      return nearest(others, here, Math.min(...columns(others).filter((column) => column > here.column)))
    case 'nextBad':
      return newest(others.filter((cell) => cell.bad && isOlder(cell, here)))
    case 'previousBad':
      return oldest(others.filter((cell) => cell.bad && isOlder(here, cell)))
  }
}

const columns = (cells: readonly Cell[]) => [...new Set(cells.map((cell) => cell.column))]

/** A strict order, so that builds that began in the same instant can all be reached. */
const isOlder = (a: Cell, b: Cell) =>
  a.startedAt !== b.startedAt
    ? a.startedAt < b.startedAt
    : a.column !== b.column
      ? a.column > b.column
      : a.id < b.id

const pick = (cells: readonly Cell[], better: (a: Cell, b: Cell) => boolean) =>
  cells.reduce<Cell | undefined>(
    (best, cell) => (best === undefined || better(cell, best) ? cell : best),
    undefined,
  )

const newest = (cells: readonly Cell[]) => pick(cells, (a, b) => isOlder(b, a))
const oldest = (cells: readonly Cell[]) => pick(cells, isOlder)

const nearest = (cells: readonly Cell[], here: Cell, column: number) =>
  pick(
    cells.filter((cell) => cell.column === column),
    (a, b) => Math.abs(a.startedAt - here.startedAt) < Math.abs(b.startedAt - here.startedAt),
  )
