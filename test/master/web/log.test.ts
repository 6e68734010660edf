// The log viewer's decisions: what a terminal's codes become, links to lines, long scrolls, and following.
import test from 'ava'
import fc from 'fast-check'
import {formatAnchor, parseAnchor} from '../../../master/web/core/anchors.ts'
import {cleanLine, coloursAfter, toSpans, toText} from '../../../master/web/core/ansi.ts'
import {
  followFrom,
  lineAt,
  missingPieces,
  nothingHeld,
  pieceLines,
  withNews,
  withoutOpenLine,
  withPiece,
} from '../../../master/web/core/pieces.ts'
import {
  contentPixels,
  isMapped,
  rowsInView,
  scrollFor,
  topLine,
  topLineMax,
  type Reel,
} from '../../../master/web/core/scroll.ts'

const esc = '\u001b'

test('colours become spans', (t) => {
  const spans = toSpans(
    cleanLine(`${esc}[1;31mred${esc}[0m plain ${esc}[38;5;208mpalette${esc}[48;2;1;2;3mexact`),
  )
  t.deepEqual(
    spans.map(({text, colour, ground, classes}) => [text, colour, ground, ...classes]),
    [
      ['red', 'ansi-red', null, 'sgr-bold'],
      [' plain ', null, null],
      ['palette', 'rgb(255, 135, 0)', null],
      ['exact', 'rgb(255, 135, 0)', 'rgb(1, 2, 3)'],
    ],
  )
})

const cleaned: readonly [string, string, string][] = [
  [
    'a link’s text stays, its address goes',
    `${esc}]8;;https://evil.example${esc}\\text${esc}]8;;${esc}\\!`,
    'text!',
  ],
  ['a window title is not text', `${esc}]0;title\u0007hello`, 'hello'],
  ['an operating system command without an end takes the line', `a${esc}]0;never ends`, 'a'],
  ['cursor movements go', `${esc}[2K${esc}[1Gdone${esc}[?25h`, 'done'],
  ['what was overwritten goes', '10%\r50%\r100%', '100%'],
  ['a line end of the other kind goes', 'text\r', 'text'],
  ['marks that turn the direction of text go', 'a\u202eb', 'ab'],
  ['tabs stay', 'a\tb', 'a\tb'],
  ['markup is text', '<b>&amp;', '<b>&amp;'],
]
for (const [truth, given, shown] of cleaned) test(truth, (t) => t.is(toText(given), shown))

test('whatever a line holds, nothing but text comes out', (t) => {
  fc.assert(
    fc.property(
      fc.string({
        unit: fc.constantFrom(
          esc,
          '[',
          ']',
          '0',
          ';',
          '3',
          'm',
          'K',
          '\r',
          '\u0007',
          'a',
          '\\',
          '\u009b',
          ':',
        ),
      }),
      (line) => {
        const shown = toSpans(cleanLine(line))
          .map(({text}) => text)
          .join('')
        return !/[\u0000-\u0008\u000b-\u001f\u007f-\u009f]/.test(shown)
      },
    ),
  )
  t.pass()
})

test('colours go on in the next line until they are reset', (t) => {
  const after = coloursAfter('', `${esc}[31mred`)
  t.is(toSpans('still red', after)[0]?.colour, 'ansi-red')
  t.is(coloursAfter(after, `${esc}[0m`), '')
  t.is(coloursAfter(after, `${esc}[m`), '')
})

test('the carried colours stay short', (t) => {
  t.true(coloursAfter('', `${esc}[31m`.repeat(1000)).length <= 200)
  t.true(coloursAfter('', `${esc}[31m`.repeat(1000)).startsWith(esc))
})

test('a place in a log survives its address', (t) => {
  fc.assert(
    fc.property(
      fc.nat(),
      fc.option(fc.string({minLength: 1})),
      fc.option(fc.tuple(fc.integer({min: 1, max: 9e6}), fc.nat(500))),
      (step, log, lines) => {
        const anchor = {step, log, from: lines ? lines[0] : null, to: lines ? lines[0] + lines[1] : null}
        const read = parseAnchor(formatAnchor(anchor))
        return JSON.stringify(read) === JSON.stringify(anchor)
      },
    ),
  )
  t.is(formatAnchor({step: 1, log: null, from: 120, to: 120}), '#S2L120')
  t.is(parseAnchor('#main'), null)
  t.deepEqual(parseAnchor('#S2L130-120'), {step: 1, log: null, from: 120, to: 130})
  t.is(parseAnchor('#S0L1'), null)
})

const reel = (lines: number): Reel => ({lines, rowPixels: 18, viewPixels: 500, capPixels: 12_000_000})

test('a log of ten million lines fits the highest element and shows its last line at the end', (t) => {
  const huge = reel(10_000_000)
  t.true(isMapped(huge))
  t.is(contentPixels(huge), 12_000_000)
  const top = topLine(huge, 12_000_000 - 500)
  t.is(rowsInView(huge, top, 0).to, 10_000_000)
  t.is(topLine(huge, 0), 0)
})

test('scrolling to a line and reading the place back gives the line', (t) => {
  fc.assert(
    fc.property(
      fc.integer({min: 1, max: 50_000_000}),
      fc.double({min: 0, max: 1, noNaN: true}),
      (lines, part) => {
        const long = reel(lines)
        const line = part * topLineMax(long)
        return Math.abs(topLine(long, scrollFor(long, line)) - line) < 1e-3
      },
    ),
  )
  t.pass()
})

test('a short log is not mapped: one pixel is one pixel', (t) => {
  t.false(isMapped(reel(1000)))
  t.true(Math.abs(scrollFor(reel(1000), 10) - 180) < 1e-9)
})

test('only pieces that are missing are asked for', (t) => {
  const held = withPiece(
    nothingHeld(1200, true),
    1,
    Array.from({length: pieceLines}, () => 'x'),
  )
  t.deepEqual(missingPieces(held, 400, 1200), [0, 2])
  t.deepEqual(missingPieces(held, 500, 999), [])
})

test('a line told in parts is one line', (t) => {
  let held = nothingHeld(0, false)
  held = withNews(held, {from: 0, text: 'one\ntw', complete: false})
  t.is(held.lines, 2)
  t.is(followFrom(held), 1)
  held = withNews(held, {from: 1, text: 'o\nthree\n', complete: true})
  t.deepEqual(
    [0, 1, 2].map((at) => lineAt(held, at)),
    ['one', 'two', 'three'],
  )
  t.true(held.complete)
})

test('after an interruption the unfinished line is told again, and stands there once', (t) => {
  let held = withNews(nothingHeld(0, false), {from: 0, text: 'one\ntw', complete: false})
  const from = followFrom(held)
  held = withNews(withoutOpenLine(held), {from, text: 'two\n', complete: false})
  t.is(lineAt(held, 1), 'two')
  t.is(held.lines, 2)
})

test('however a log is cut into news, its lines are the same', (t) => {
  fc.assert(
    fc.property(fc.array(fc.string({unit: fc.constantFrom('a', 'b', '\n')}), {maxLength: 12}), (parts) => {
      let held = nothingHeld(0, false)
      for (const text of parts) {
        const from = followFrom(held)
        held = withNews(held, {from, text, complete: false})
      }
      const whole = parts.join('').split('\n')
      if (whole.at(-1) === '') whole.pop()
      return held.lines === whole.length && whole.every((line, at) => lineAt(held, at) === line)
    }),
  )
  t.pass()
})

test('news beyond pieces never fetched are counted, and fetched when looked at', (t) => {
  const held = withNews(nothingHeld(10_001, false), {from: 10_001, text: 'new\n', complete: false})
  t.is(held.lines, 10_002)
  t.deepEqual(missingPieces(held, 10_001, 10_002), [20])
})
