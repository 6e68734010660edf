// What the waterfall's address says: every choice of the reader, so that a link shows what its sender saw.

const minute = 60_000
const day = 1440 * minute

/** The stretches of time one may look at, shortest first. */
export const spans = [
  {name: '30m', ms: 30 * minute, text: '30 min'},
  {name: '1h', ms: 60 * minute, text: '1 h'},
  {name: '2h', ms: 120 * minute, text: '2 h'},
  {name: '6h', ms: 360 * minute, text: '6 h'},
  {name: '12h', ms: 720 * minute, text: '12 h'},
  {name: '1d', ms: day, text: '1 day'},
  {name: '3d', ms: 3 * day, text: '3 days'},
  {name: '7d', ms: 7 * day, text: '7 days'},
  {name: '30d', ms: 30 * day, text: '30 days'},
] as const
export type SpanName = (typeof spans)[number]['name']

/** How much of a build fits: its steps, its own line, or only a strip of its colour. */
export type Detail = 'steps' | 'builds' | 'strips'

export interface View {
  readonly span: SpanName
  readonly filter: string
  readonly squeeze: boolean
  readonly redFirst: boolean
  /** Tags whose builders are folded away. */
  readonly folded: readonly string[]
  /** The newest moment shown, or null for now. */
  readonly until: number | null
  readonly build: string | null
  readonly request: string | null
}

export const plainView: View = {
  span: '6h',
  filter: '',
  squeeze: true,
  redFirst: false,
  folded: [],
  until: null,
  build: null,
  request: null,
}

/** What we need of the browser's `URLSearchParams`. */
export interface Query {
  get(name: string): string | null
  getAll(name: string): string[]
}

/** Reads an address's query; whatever it does not understand stays as usual. */
export function parseView(read: Query): View {
  const span = spans.find(({name}) => name === read.get('span'))?.name ?? plainView.span
  const until = Date.parse(read.get('until') ?? '')
  return {
    span,
    filter: read.get('q') ?? '',
    squeeze: read.get('idle') !== 'full',
    redFirst: read.get('order') === 'red',
    folded: read.getAll('fold'),
    until: Number.isNaN(until) ? null : until,
    build: read.get('build'),
    request: read.get('request'),
  }
}

/** Writes a view as the pairs of a query; the usual choices are left out. */
export function formatView(view: View): [string, string][] {
  const pairs: [string, string | null][] = [
    ['span', view.span === plainView.span ? null : view.span],
    ['q', view.filter === '' ? null : view.filter],
    ['idle', view.squeeze ? null : 'full'],
    ['order', view.redFirst ? 'red' : null],
    ...view.folded.map((tag): [string, string] => ['fold', tag]),
    ['until', view.until === null ? null : new Date(view.until).toISOString()],
    ['build', view.build],
    ['request', view.request],
  ]
  return pairs.filter((pair): pair is [string, string] => pair[1] !== null)
}

export const spanMs = (name: SpanName) => (spans.find((span) => span.name === name) ?? spans[0]).ms

/** The next shorter (-1) or longer (+1) span, or the same at either end. */
export function nextSpan(name: SpanName, by: -1 | 1): SpanName {
  const index = spans.findIndex((span) => span.name === name)
  return spans[index + by]?.name ?? name
}

export const detailOf = (name: SpanName): Detail =>
  spanMs(name) <= 360 * minute ? 'steps' : spanMs(name) <= day ? 'builds' : 'strips'
