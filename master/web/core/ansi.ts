// One log line to coloured spans. Only colours and weights are obeyed; every other control sequence (cursor
// movement, window titles, links) is taken out, so that a log can never dress up as the page around it.
import Anser from 'anser'

export interface Span {
  readonly text: string
  /** A class for the sixteen named colours, or an `rgb(...)` value. */
  readonly colour: string | null
  readonly ground: string | null
  readonly classes: readonly string[]
}

const escape = '\u001b'
const strings = new RegExp(`${escape}[\\]PX^_][^\\u0007${escape}]*(?:\\u0007|${escape}\\\\|$)`, 'g')
const control = new RegExp(`(?:${escape}\\[|\\u009b)([0-?]*)([ -/]*[@-~])`, 'g')
const colours = new RegExp(`${escape}\\[([0-9;]*)m`, 'g')
const loneEscape = new RegExp(`${escape}(?!\\[[0-9;]*m)[@-_a-z()#]?[0-9A-B]?`, 'g')
const unprintable = /[\u0000-\u0008\u000b-\u001a\u001c-\u001f\u007f-\u009f\u202a-\u202e\u2066-\u2069]/g

/** Takes out all that is not text or colour, and keeps what a carriage return left standing. */
export function cleanLine(line: string): string {
  const coloured = line
    .replace(strings, '')
    .replace(control, (_, given: string, end: string) =>
      end === 'm' && /^[0-9;:]*$/.test(given) ? `${escape}[${given.replaceAll(':', ';')}m` : '',
    )
    .replace(loneEscape, '')
  return afterReturn(coloured.replace(/\r+$/, '')).replace(unprintable, '')
}

/** A progress bar writes over itself: what comes after the last carriage return is what one would see. */
function afterReturn(line: string): string {
  const at = line.lastIndexOf('\r')
  if (at === -1) return line
  const before = line.slice(0, at).match(colours) ?? []
  return before.join('') + line.slice(at + 1)
}

const carryMax = 200

/** The colour codes that still hold after a line, given those that held before it. */
export function coloursAfter(before: string, line: string): string {
  let held = before
  for (const [code, given] of line.matchAll(colours)) {
    held = given === '' || /^(0*;)*0*$/.test(given ?? '') ? '' : (held + code).slice(-carryMax)
  }
  // A cut in the middle of a code would print its rest.
  const first = held.indexOf(escape)
  return first <= 0 ? held : held.slice(first)
}

/** Reads one clean line into spans, going on with the colours that held before it. */
export function toSpans(line: string, before = ''): Span[] {
  if (before === '' && !line.includes(escape)) return line === '' ? [] : [plain(line)]
  return Anser.ansiToJson(before + line, {json: true, use_classes: true, remove_empty: true})
    .filter(({content}) => content !== '')
    .map((entry) => ({
      text: entry.content,
      ...paint(entry),
      classes: entry.decorations.filter((name) => name !== 'blink').map((name) => `sgr-${name}`),
    }))
}

/** A line as bare text, for reading aloud and for search marks. */
export const toText = (line: string) => cleanLine(line).replace(colours, '')

const plain = (text: string): Span => ({text, colour: null, ground: null, classes: []})

function paint(entry: {fg: string; bg: string; fg_truecolor: string; bg_truecolor: string}) {
  return {
    colour: readColour(entry.fg, entry.fg_truecolor),
    ground: readColour(entry.bg, entry.bg_truecolor),
  }
}

function readColour(name: string | null, exact: string | null): string | null {
  if (!name) return null
  if (name === 'ansi-truecolor') return exact ? `rgb(${exact})` : null
  const palette = /^ansi-palette-(\d+)$/.exec(name)
  return palette ? fromPalette(Number(palette[1])) : name
}

/** The 6x6x6 cube and the grey ramp of 256-colour terminals; the first sixteen are named. */
function fromPalette(index: number): string {
  const named = ['black', 'red', 'green', 'yellow', 'blue', 'magenta', 'cyan', 'white']
  if (index < 16) return `ansi-${index < 8 ? '' : 'bright-'}${String(named[index % 8])}`
  if (index >= 232) {
    const grey = String(8 + (index - 232) * 10)
    return `rgb(${grey}, ${grey}, ${grey})`
  }
  const level = (part: number) => String(part === 0 ? 0 : 55 + part * 40)
  const cube = index - 16
  return `rgb(${level(Math.floor(cube / 36))}, ${level(Math.floor(cube / 6) % 6)}, ${level(cube % 6)})`
}
