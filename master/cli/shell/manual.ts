// Man pages, printed from what the help says: one for a command and one for each of its verbs, as git has them.
import {argumentsOf, everyUsage, synopsis, type Usage, type UsageOption} from './usage.ts'

export interface Edition {
  /** `ostler 0.1.0`, as the foot of a page shows it. */
  readonly version: string
  /** The day that the pages bear, such as `2026-11-22`: of the version, not of the printing. */
  readonly date: string
}

export interface Page {
  /** `ostler-force.1` */
  readonly file: string
  readonly text: string
}

/** Every page of a command. */
export function manualOf(usage: Usage, edition: Edition): readonly Page[] {
  const pages = everyUsage(usage).filter((each) => each.path.length < 3)
  return pages.map((each) => ({file: `${nameOf(each)}.1`, text: pageOf(each, usage, edition)}))
}

const nameOf = ({path}: Usage): string => path.join('-')

function pageOf(usage: Usage, top: Usage, {version, date}: Edition): string {
  const name = nameOf(usage)
  const isTop = usage === top
  const related = isTop ? usage.verbs : [top]
  const {exit, rest} = notesOf(usage)
  return [
    `.TH ${name.toUpperCase()} 1 ${date} "${version}"`,
    section('NAME', roff(`${name} - ${phrase(usage.summary)}`)),
    section('SYNOPSIS', [usage, ...(isTop ? [] : usage.verbs)].map(synopsisLine).join('\n.br\n')),
    section('DESCRIPTION', [roff(sentence(usage.summary)), ...rest].join('\n.PP\n')),
    usage.verbs.length > 0 && section('COMMANDS', usage.verbs.map((verb) => entryOf(verb, isTop)).join('\n')),
    section('OPTIONS', usage.options.map(optionEntry).join('\n')),
    environmentOf(usage),
    exit && section('EXIT STATUS', exit),
    related.length > 0 &&
      section('SEE ALSO', related.map((each) => `.BR ${bare(nameOf(each))} (1)`).join(',\n')),
    '',
  ]
    .filter((part) => part !== false && part !== null)
    .join('\n')
}

const section = (title: string, text: string): string => `.SH ${title}\n${text}`

/** The words that are typed stand in bold, what stands for something else in italics. */
function synopsisLine(usage: Usage): string {
  const words = synopsis(usage).split(' ').slice(usage.path.length)
  return [`\\fB${bare(usage.path.join(' '))}\\fR`, ...words.map(marked)].join(' ')
}

const marked = (word: string): string =>
  word.startsWith('-')
    ? `\\fB${bare(word)}\\fR`
    : bare(word).replace(/[\w=.]+(\\-\w+)*/g, (name) => `\\fI${name}\\fR`)

function entryOf(verb: Usage, hasPage: boolean): string {
  const words = [verb.path.at(-1) ?? '', ...argumentsOf(verb)].map(bare)
  const more = hasPage ? `\nSee \\fB${bare(nameOf(verb))}\\fR(1).` : ''
  const options = hasPage ? [] : verb.options.filter(({names}) => !names.includes('--help'))
  const inner = options.length > 0 ? `\n.RS\n${options.map(optionEntry).join('\n')}\n.RE` : ''
  return `.TP\n\\fB${words.join(' ')}\\fR\n${roff(sentence(verb.summary))}${more}${inner}`
}

function optionEntry({flags, summary, choices, preset, environment}: UsageOption): string {
  const facts = [
    choices.length > 0 ? `one of ${choices.join(', ')}` : '',
    preset === null ? '' : `default: ${preset}`,
    environment === null ? '' : `or the environment's ${environment}`,
  ].filter((fact) => fact !== '')
  const shown = flags
    .split(/(?=<)/)
    .map((part) => (part.startsWith('<') ? `\\fI${bare(part.slice(1, -1))}\\fR` : `\\fB${bare(part)}\\fR`))
    .join('')
  const text = sentence(`${summary}${facts.length > 0 ? ` (${facts.join('; ')})` : ''}`)
  return `.TP\n${shown}\n${roff(text)}`
}

function environmentOf({options}: Usage): string | false {
  const known = options.filter(({environment}) => environment !== null)
  if (known.length === 0) return false
  const entries = known.map(
    ({environment, names}) =>
      `.TP\n\\fB${environment ?? ''}\\fR\nStands for \\fB${bare(names.at(-1) ?? '')}\\fR.`,
  )
  return section('ENVIRONMENT', entries.join('\n'))
}

/** What stands below the options of a help, with what it says of exit codes in a place of its own. */
function notesOf({after}: Usage): {readonly exit: string | null; readonly rest: readonly string[]} {
  const [, before = after, codes] = /^([^]*?)(?:^|\s)(Exit codes?:? [^]*)$/.exec(after) ?? []
  const rest = before
    .split(/\n{2,}/)
    .filter((text) => text.trim() !== '')
    .map(paragraph)
  return {exit: codes === undefined ? null : paragraph(codes), rest}
}

/** Lines that are set in are shown as they stand, others filled. */
function paragraph(text: string): string {
  const lines = text.trim().split('\n')
  return lines.some((line) => line.startsWith('  '))
    ? `.nf\n${lines.map((line) => harmless(bare(line))).join('\n')}\n.fi`
    : roff(lines.map((line) => line.trim()).join(' '))
}

const sentence = (text: string): string =>
  `${text.charAt(0).toUpperCase()}${text.slice(1).replace(/\.$/, '')}.`

/** As a name's line has it: without a capital, unless it is a name's own, and without a full stop. */
const phrase = (text: string): string =>
  text.replace(/\.$/, '').replace(/^[A-Z](?=[a-z]+ )/, (first) => first.toLowerCase())

const sourceWidth = 78

/** Text that roff shows as it is, each sentence on lines of its own, none too long, as its readers want them. */
const roff = (text: string): string =>
  text
    .replace(/(?<=[a-z)"]\.) (?=[A-Z])/g, '\n')
    .split('\n')
    .flatMap((sentence) => wrapped(bare(sentence)))
    .map(harmless)
    .join('\n')

function wrapped(sentence: string): string[] {
  const lines: string[] = []
  for (const word of sentence.split(' ')) {
    const last = lines.at(-1)
    if (last !== undefined && last.length + 1 + word.length <= sourceWidth)
      lines[lines.length - 1] = `${last} ${word}`
    else lines.push(word)
  }
  return lines
}

/** A line that roff takes for text. */
const harmless = (line: string): string => line.replace(/^(?=[.'])/, '\\&')

/** A word with nothing that roff would obey; an option's dashes stay dashes that can be typed. */
const bare = (text: string): string => text.replaceAll('\\', '\\e').replaceAll('-', '\\-')
