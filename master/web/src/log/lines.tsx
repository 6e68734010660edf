// Log lines on the page: text as text (React escapes it), colours as classes.
import {memo} from 'react'
import {cleanLine, coloursAfter, toSpans, type Span} from '../../core/ansi.ts'

/** A line this long is cut on the page; the download has all of it. */
const shownMax = 5000

/** One line's text. `before` are the colour codes still in force from the lines above. */
export const LineText = memo(function LineText({line, before}: {line: string; before: string}) {
  const isLong = line.length > shownMax
  const spans = toSpans(isLong ? cleanLine(line.slice(0, shownMax)) : line, before)
  return (
    <>
      {spans.map((span, index) => (
        <span key={index} className={classesOf(span)} style={styleOf(span)}>
          {span.text}
        </span>
      ))}
      {isLong && (
        <em className="cut">
          {' '}
          … {(line.length - shownMax).toLocaleString('en')} characters more in the download
        </em>
      )}
    </>
  )
})

const isClass = (colour: string | null): colour is string => colour !== null && colour.startsWith('ansi-')

function classesOf({colour, ground, classes}: Span): string | undefined {
  const all = [
    ...classes,
    ...(isClass(colour) ? [`${colour}-fg`] : []),
    ...(isClass(ground) ? [`${ground}-bg`] : []),
  ]
  return all.length === 0 ? undefined : all.join(' ')
}

function styleOf({colour, ground}: Span): React.CSSProperties | undefined {
  const exact = {
    ...(colour !== null && !isClass(colour) ? {color: colour} : {}),
    ...(ground !== null && !isClass(ground) ? {backgroundColor: ground} : {}),
  }
  return Object.keys(exact).length === 0 ? undefined : exact
}

/** The colour codes in force at the beginning of each of these lines. */
export function coloursBefore(lines: readonly string[], first = ''): string[] {
  let held = first
  return lines.map((line) => {
    const before = held
    held = coloursAfter(held, line)
    return before
  })
}

/** A few lines without scrolling machinery. */
export function StaticLines({lines, label}: {lines: readonly string[]; label: string}) {
  const clean = lines.map((line) => cleanLine(line))
  const before = coloursBefore(clean)
  return (
    <pre className="static-log" tabIndex={0} role="region" aria-label={label}>
      {clean.map((line, index) => (
        <span key={index}>
          <LineText line={line} before={before[index] ?? ''} />
          {'\n'}
        </span>
      ))}
    </pre>
  )
}
